// What can be typed behind `sidetone`, and what is said about the rest.

import Testing

@testable import SidetoneMain

@Suite struct ArgumentsTests {
  @Test func `flags come in both spellings`() throws {
    let words = ["serve", "--config=a=b.toml", "--listen-address", "[::1]:0", "--limits-x=1"]
    let arguments = try Arguments(words)
    #expect(arguments.verb == .serve && arguments.file == "a=b.toml" && !arguments.wantsHelp)
    #expect(arguments.settings.map(\.name) == ["--listen-address", "--limits-x"])
    #expect(arguments.settings.map(\.value) == ["[::1]:0", "1"])
  }

  @Test(arguments: [
    (["--help"], Arguments.Verb.help), (["-h"], .help), (["help"], .help), (["version"], .version),
    (["--version"], .version), (["check"], .check), (["doctor"], .doctor),
    (["phrases"], .phrases), (["phrases", "--help"], .phrases),
    (["serve", "--help"], .serve),
    (["check", "-h"], .check), (["help", "--help"], .help),
  ])
  func `every verb is known`(words: [String], verb: Arguments.Verb) throws {
    let arguments = try Arguments(words)
    #expect(arguments.verb == verb && arguments.wantsHelp == (words.count == 2))
  }

  @Test(arguments: [
    ([], "what to do"), (["sreve"], "did you mean `serve`?"), (["vers"], "known are serve"),
    (["serve", "now"], "does not take `now`"), (["serve", "--config"], "needs a value"),
    (["version", "--config", "x"], "does not take `--config`"), (["--config", "x"], "not known"),
  ])
  func `the rest is refused in a sentence`(words: [String], part: String) {
    let error = #expect(throws: Arguments.Misuse.self) { try Arguments(words) }
    #expect(error?.text.contains(part) == true, "\(error?.text ?? "")")
  }
}
