// Functions that voice models may call: what the file may say of them, and what of it is a mistake.

import Sidetone
import Testing

@testable import SidetoneSettings

@Suite struct FunctionsTests {
  private static let route = """
    [[routes]]
    path = "/talk"
    upstream = "openai"
    functions = ["status"]
    """
  private static let status = """
    [[functions]]
    name = "status"
    description = "Says how an order stands."
    url = "https://shop.test/status"
    """

  @Test func `a function is declared once, and its route has it whole`() throws {
    let file = """
      \(Self.status)
      parameters = '{"type":"object","properties":{"order":{"type":"string"}},"required":["order"]}'
      secrets = ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
      deadline_milliseconds = 500
      talks_meanwhile = true
      [[functions]]
      name = "goodbye"
      description = "Ends the call."
      built_in = "hang_up"
      \(Self.route.replacing("\"status\"", with: "\"status\", \"goodbye\""))
      """
    let config = try load(file)
    let functions = config.routes[0].functions
    #expect(functions.map(\.name) == ["status", "goodbye"])
    #expect(functions[0].required == ["order"] && functions[0].deadlineMilliseconds == 500)
    #expect(functions[0].talksMeanwhile && functions[0].secrets.count == 1)
    #expect(functions[1].builtIn == .hangUp && functions[1].url.isEmpty)
    #expect(config.usesFunctions && config.needsFetches && config.warnings.isEmpty)
  }

  @Test(arguments: [
    ("name = \"9a\"", 2, "must be 1 to 64"), ("name = \"a b\"", 2, "must be 1 to 64"),
    ("description = \"d\"\nurl = \"https://a.test\"", 1, "needs a name"),
    ("name = \"a\"\nurl = \"https://a.test\"", 1, "needs a description"),
    ("name = \"a\"\ndescription = \"d\"", 1, "needs a url"),
    ("name = \"a\"\ndescription = \"d\"\nurl = \"ftp://a.test\"", 4, "must be a URL"),
    ("name = \"a\"\ndescription = \"d\"\nurl = \"http://a.test\"", 4, "plain = true"),
    ("name = \"a\"\ndescription = \"d\"\nbuilt_in = \"fly\"", 4, "must be one of hang_up"),
    (
      "name = \"a\"\ndescription = \"d\"\nbuilt_in = \"hang_up\"\nurl = \"https://a.test\"", 5,
      "url is for"
    ),
    ("name = \"a\"\nparameters = \"/nowhere.json\"", 3, "cannot be read"),
    ("name = \"a\"\nparameters = '{\"type\":\"string\"}'", 3, "JSON schema of an object"),
    ("name = \"a\"\nparameters = '{\"type\":\"object\"'", 3, "JSON schema of an object"),
    ("name = \"a\"\nparameters = '{\"type\":\"object\",\"$ref\":\"#\"}'", 3, "$ref"),
    (
      "name = \"a\"\nparameters = '{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"text\"}}}'",
      3,
      "properties.id.type: \"text\" is no type"
    ),
    (
      "name = \"a\"\nparameters = '{\"type\":\"object\",\"required\":\"id\"}'", 3,
      "required must be a list of names"
    ),
    ("name = \"a\"\nsecrets = [\"short\"]", 3, "whsec_"), ("colour = 1", 2, "is not known"),
    ("name = \"a\"\ndeadline_milliseconds = 1", 3, "whole number"),
  ])
  func `each mistake of a function is found on its line`(lines: String, line: Int, words: String) {
    let found = mistakes("[[functions]]\n\(lines)")
    #expect(found.contains { $0.hasPrefix("f.toml:\(line): ") && $0.contains(words) }, "\(found)")
  }

  @Test(arguments: [
    ("functions = [\"statsu\"]", "did you mean `status`?"),
    ("functions = [\"status\", \"status\"]", "twice"),
  ])
  func `a route names functions that there are, each once`(line: String, words: String) {
    let route = Self.route.replacing("functions = [\"status\"]", with: line)
    let found = mistakes("\(Self.status)\n\(route)")
    #expect(found.contains { $0.contains(words) }, "\(found)")
  }

  @Test func `only voice models call functions, and each name is one function`() {
    let listener = Self.route.replacing("openai", with: "deepgram")
    #expect(mistakes("\(Self.status)\n\(listener)").contains { $0.contains("deepgram is none") })
    #expect(mistakes("\(Self.status)\n\(Self.status)").contains { $0.contains("taken already") })
  }

  @Test func `of a schema that is too large, and of too many, the size is told`() {
    func schema(_ kilobytes: Int) -> String {
      let text = String(repeating: "x", count: kilobytes * 1024)
      return "parameters = '{\"type\":\"object\",\"title\":\"\(text)\"}'"
    }
    #expect(mistakes("\(Self.status)\n\(schema(65))").contains { $0.contains("64 KiB") })
    let other = Self.status.replacing("\"status\"", with: "\"other\"")
    let route = Self.route.replacing("[\"status\"]", with: "[\"status\", \"other\"]")
    let found = mistakes("\(Self.status)\n\(schema(50))\n\(other)\n\(schema(50))\n\(route)")
    #expect(found.contains { $0.contains("bytes together") }, "\(found.map { $0.prefix(200) })")
  }

  @Test func `a function that no route names is a warning`() throws {
    #expect(try load(Self.status).warnings.contains { $0.contains("status is not called") })
  }

  @Test func `another definition of a function is another route; the first needs a restart`() throws
  {
    func sources(_ file: String) -> Settings.Sources {
      var sources = Settings.Sources()
      sources.file = (name: "f.toml", text: file)
      return sources
    }
    let both = "\(Self.status)\n\(Self.route)"
    let former = try Settings.read(sources(both))
    let changed = both.replacing("how an order", with: "where an order")
    let (next, changes) = try Settings.read(sources(changed), after: former)
    #expect(changes.map(\.name) == ["functions status.description"])
    #expect(changes.allSatisfy { !$0.needsRestart })
    #expect(!next.config.routes[0].isSame(as: former.config.routes[0]))
    let bare = Self.route.replacing("functions = [\"status\"]", with: "")
    let (first, begun) = try Settings.read(sources(both), after: Settings.read(sources(bare)))
    #expect(begun.contains { $0.name == "routes /talk.functions" && $0.needsRestart })
    #expect(!first.config.usesFunctions)
  }

  @Test func `a server that the model asks itself is https, and for models that can`() throws {
    let crm = """
      [[functions]]
      name = "crm"
      description = "Customers."
      mcp = "https://crm.test/mcp"
      key = "ya29.a"
      tools = ["find", "list"]
      """
    let route = Self.route.replacing("status", with: "crm")
    let function = try #require(try load(crm + "\n" + route).routes[0].functions.first)
    #expect(function.server == "https://crm.test/mcp" && function.key == "ya29.a")
    #expect(function.tools == ["find", "list"] && function.url.isEmpty)
    func isRefused(_ text: String, _ reason: String) -> Bool {
      mistakes(text).contains { $0.contains(reason) }
    }
    #expect(isRefused(crm.replacing("https", with: "http") + "\n" + route, "must begin with https"))
    #expect(isRefused(crm + "\nurl = \"https://a.test\"\n" + route, "url is not for mcp"))
    #expect(isRefused(crm.replacing("ya29.a", with: "a b") + "\n" + route, "visible letters"))
    #expect(
      isRefused(
        crm.replacing("openai", with: "openai") + "\n"
          + route.replacing("openai", with: "gemini"), "gemini asks no such server"))
    #expect(isRefused(crm + "\n" + route + "\nfallback = \"gemini\"\n", "asks no such server"))
    #expect(isRefused(Self.status + "\ntools = [\"a\"]\n" + Self.route, "functions with mcp"))
  }
}
