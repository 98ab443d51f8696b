// TOML, read by toml++ and handed out as a flat list: every node names its parent, its key and the
// line on which it stands. No C++ type and no exception passes this header.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum ctoml_kind {
  CTOML_TABLE,
  CTOML_ARRAY,
  CTOML_STRING,
  CTOML_INTEGER,
  CTOML_FRACTION,
  CTOML_BOOLEAN,
  CTOML_OTHER,  // dates, times: no setting takes one
};

// Text is counted, not terminated, and lives as long as the document.
struct ctoml_text {
  const char *_Nonnull bytes;
  size_t count;
};

struct ctoml_node {
  enum ctoml_kind kind;
  // Index of the table or array that holds this node; -1 for the document itself, which is node 0.
  ptrdiff_t parent;
  // From 1; 0 where the file does not name it (the document, a table that a longer header implies).
  uint32_t line;
  struct ctoml_text key;  // empty in arrays
  struct ctoml_text string;
  int64_t integer;
  double fraction;
  int boolean;
};

typedef struct ctoml_document ctoml_document;

#ifdef __cplusplus
extern "C" {
#endif

// Never null; free it with ctoml_free. With a syntax error it has no nodes.
ctoml_document *_Nonnull ctoml_parse(const char *_Nonnull bytes, size_t count);
void ctoml_free(ctoml_document *_Nonnull document);

// Line of the syntax error, or 0 where there is none.
uint32_t ctoml_error_line(const ctoml_document *_Nonnull document);
struct ctoml_text ctoml_error_text(const ctoml_document *_Nonnull document);

// Parents come before their children.
size_t ctoml_count(const ctoml_document *_Nonnull document);
struct ctoml_node ctoml_at(const ctoml_document *_Nonnull document, size_t index);

#ifdef __cplusplus
}
#endif
