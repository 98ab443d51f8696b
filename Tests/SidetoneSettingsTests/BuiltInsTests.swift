// Functions that are built in: whom a transfer may reach, how a model calls them, and which
// carriers can be asked.

import Sidetone
import Testing

@testable import SidetoneSettings

@Suite struct BuiltInsTests {
  private static func transfer(_ lines: String) -> String {
    "[[functions]]\nname = \"transfer\"\ndescription = \"d\"\nbuilt_in = \"transfer\"\n\(lines)"
  }

  private static func route(_ more: String = "", _ function: String = "transfer") -> String {
    "\n[[routes]]\npath = \"/talk\"\nupstream = \"openai\"\nfunctions = [\"\(function)\"]\n\(more)"
  }

  private func warnings(
    _ file: String, _ environment: [String: String] = [:]
  ) throws -> [String] {
    try load(file, env: environment.merging(["OPENAI_API_KEY": "k"]) { $1 }).warnings.filter {
      $0.contains("functions: ")
    }
  }

  // MARK: Whom a transfer may reach

  @Test func `names are what the model chooses from`() throws {
    let file = Self.transfer(
      "warm = true\ntargets = { sales = \"+4930123\", desk = \"sip:desk@example.com\" }")
    let function = try load(file + Self.route()).routes[0].functions[0]
    #expect(function.targets.map(\.name) == ["desk", "sales"])
    #expect(function.targets.map(\.address) == ["sip:desk@example.com", "+4930123"])
    #expect(function.required == ["to"] && function.isWarm)
    #expect(function.schema.contains(#""enum":["desk","sales"]"#))
    #expect(function.schema.contains(#""summary""#) && isJSON(function.schema))
  }

  @Test func `without names it chooses from the addresses`() throws {
    let file = Self.transfer("targets = [\"+4930123\", \"sips:a@b.test:5061;x=y\"]")
    let function = try load(file + Self.route()).routes[0].functions[0]
    #expect(function.schema.contains(#""enum":["+4930123","sips:a@b.test:5061;x=y"]"#))
    #expect(!function.schema.contains("summary") && isJSON(function.schema))
  }

  @Test(arguments: [
    ("", 1, "needs targets"), ("targets = []", 5, "1 to 64"), ("targets = {}", 5, "1 to 64"),
    ("targets = [\"sales\"]", 5, "must be phone numbers"),
    ("targets = [\"sip:desk\"]", 5, "sip:desk@example.com"),
    ("targets = [\"sip:a@b<c>\"]", 5, "sip:desk@example.com"),
    ("targets = { \"a b\" = \"+4930123\" }", 5, "has a name"),
    ("targets = { a = 7 }", 5, "text in quotes"),
    ("targets = [\"+4930123\", \"+4930123\"]", 5, "twice"),
    ("targets = [\"+4930123\"]\nurl = \"https://a.test\"", 6, "url is for functions with a url"),
    ("targets = [\"+4930123\"]\nparameters = '{\"type\":\"object\"}'", 6, "parameters is for"),
  ])
  func `each mistake of a transfer is found on its line`(lines: String, line: Int, words: String) {
    let found = mistakes(Self.transfer(lines))
    #expect(found.contains { $0.hasPrefix("f.toml:\(line): ") && $0.contains(words) }, "\(found)")
  }

  @Test(arguments: [
    ("built_in = \"hang_up\"\ntargets = [\"+4930123\"]", "targets is for transfer"),
    ("built_in = \"collect_digits\"\ndeadline_milliseconds = 500", "is for functions with a url"),
    ("built_in = \"send_dtmf\"\nwarm = true", "warm is for transfer"),
    ("url = \"https://a.test\"\nwarm = true", "warm is for built_in = \"transfer\""),
    ("built_in = \"hang_up\"\ntalks_meanwhile = true", "is for functions with a url"),
    ("built_in = \"transfer\"\ntargets = [\"+4930123\"]\nplain = true", "plain is for functions"),
  ])
  func `a setting that the function has not is a mistake`(lines: String, words: String) {
    let found = mistakes("[[functions]]\nname = \"a\"\ndescription = \"d\"\n\(lines)")
    #expect(found.contains { $0.contains(words) }, "\(found)")
  }

  @Test(arguments: ["send_dtmf", "collect_digits"])
  func `the others have schemas of ours as well`(name: String) throws {
    let file =
      "[[functions]]\nname = \"a\"\ndescription = \"d\"\nbuilt_in = \"\(name)\""
      + Self.route("", "a")
    let function = try load(file).routes[0].functions[0]
    #expect(function.required.count == 1 && isJSON(function.schema))
    #expect(function.schema.contains("\"\(function.required[0])\""))
  }

  private func isJSON(_ text: String) -> Bool { Array(text.utf8).withBytes { JSON.isValid($0) } }

  // MARK: Carriers

  @Test func `where nobody can be asked the start says what is missing`() throws {
    let file = Self.transfer("targets = [\"+4930123\"]")
    let none = try warnings(file + Self.route())
    #expect(none.count == 1 && none[0].contains("without TWILIO_AUTH_TOKEN, TELNYX_API_KEY"))
    #expect(try warnings(file + Self.route(), ["TWILIO_AUTH_TOKEN": "t"]) == [])
    #expect(try warnings(file + Self.route(), ["TELNYX_API_KEY": "t"]) == [])
    let ucid = try warnings(file + Self.route("carriers = [\"ucid\"]\n"))
    #expect(ucid.count == 1 && ucid[0].contains("no carrier of /talk can do it"))
    let mixed = try warnings(
      file + Self.route("carriers = [\"twilio\", \"telnyx\", \"ucid\"]\n"),
      ["TWILIO_AUTH_TOKEN": "t"])
    #expect(mixed.count == 2 && mixed[0].contains("ucid cannot do it"), "\(mixed)")
    #expect(mixed.last?.contains("Telnyx cannot be asked without TELNYX_API_KEY") == true)
  }

  @Test func `keys cannot be pressed by a carrier that has no way to`() throws {
    let file =
      "[[functions]]\nname = \"a\"\ndescription = \"d\"\nbuilt_in = \"send_dtmf\""
      + Self.route("carriers = [\"twilio\"]\n", "a")
    let found = try warnings(file, ["TWILIO_AUTH_TOKEN": "t"])
    #expect(found.count == 1 && found[0].contains("Telnyx can"), "\(found)")
  }

  @Test func `a carrier may be asked elsewhere, not in the clear`() throws {
    let config = try load(
      "[carriers]\ntwilio_url = \"https://api.dublin.ie1.twilio.com/\"\ntelnyx_key = \"k\"",
      env: ["TELNYX_API_URL": "http://127.0.0.1:8"])
    #expect(config[carrier: "twilio"].controlURL == "https://api.dublin.ie1.twilio.com")
    #expect(config[carrier: "telnyx"].controlURL == "http://127.0.0.1:8")
    #expect(config[carrier: "telnyx"].controlKey == "k")
    for url in ["http://api.twilio.com", "ftp://a.test", "https://a.test/?x"] {
      #expect(mistakes(env: ["TWILIO_API_URL": url]).count == 1, "\(url)")
    }
    #expect(mistakes("[carriers]\nucid_url = \"https://a.test\"").count == 1)
  }
}
