// The one C++ file: toml++ parses, and its tree is laid flat for Swift.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <string>
#include <string_view>
#include <vector>

#include "ctoml.h"

struct ctoml_document {
  toml::parse_result result;
  std::string error;
  std::vector<ctoml_node> nodes;
};

static ctoml_text text(std::string_view view) {
  return {view.empty() ? "" : view.data(), view.size()};
}

static void flatten(ctoml_document &document, const toml::node &node, ctoml_node flat) {
  flat.string = text({});
  if (flat.line == 0) flat.line = node.source().begin.line;
  const auto index = static_cast<ptrdiff_t>(document.nodes.size());
  if (const auto *table = node.as_table()) {
    flat.kind = CTOML_TABLE;
    document.nodes.push_back(flat);
    for (auto &&[key, child] : *table) {
      ctoml_node entry{};
      entry.parent = index;
      entry.line = key.source().begin.line;
      entry.key = text(key.str());
      flatten(document, child, entry);
    }
    return;
  }
  if (const auto *array = node.as_array()) {
    flat.kind = CTOML_ARRAY;
    document.nodes.push_back(flat);
    for (const auto &child : *array) {
      ctoml_node entry{};
      entry.parent = index;
      entry.key = text({});
      flatten(document, child, entry);
    }
    return;
  }
  flat.kind = CTOML_OTHER;
  if (const auto *string = node.as_string()) {
    flat.kind = CTOML_STRING;
    flat.string = text(string->get());
  } else if (const auto *integer = node.as_integer()) {
    flat.kind = CTOML_INTEGER;
    flat.integer = integer->get();
  } else if (const auto *fraction = node.as_floating_point()) {
    flat.kind = CTOML_FRACTION;
    flat.fraction = fraction->get();
  } else if (const auto *boolean = node.as_boolean()) {
    flat.kind = CTOML_BOOLEAN;
    flat.boolean = boolean->get() ? 1 : 0;
  }
  document.nodes.push_back(flat);
}

ctoml_document *ctoml_parse(const char *bytes, size_t count) {
  auto *document = new ctoml_document{toml::parse(std::string_view(bytes, count)), {}, {}};
  if (!document->result) {
    document->error = std::string(document->result.error().description());
    return document;
  }
  ctoml_node root{};
  root.parent = -1;
  root.key = text({});
  flatten(*document, document->result.table(), root);
  return document;
}

void ctoml_free(ctoml_document *document) { delete document; }

uint32_t ctoml_error_line(const ctoml_document *document) {
  if (document->result) return 0;
  const auto line = document->result.error().source().begin.line;
  return line == 0 ? 1 : line;
}

ctoml_text ctoml_error_text(const ctoml_document *document) { return text(document->error); }

size_t ctoml_count(const ctoml_document *document) { return document->nodes.size(); }

ctoml_node ctoml_at(const ctoml_document *document, size_t index) {
  return document->nodes[index];
}
