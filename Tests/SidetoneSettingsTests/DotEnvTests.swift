// Every trap that the many readers of `.env` disagree about.

import Testing

@testable import SidetoneSettings

@Suite struct DotEnvTests {
  private func read(_ text: String) -> [String: String] {
    let (entries, mistakes) = readDotEnv(text, file: ".env") { $0 != "OTHER" }
    #expect(mistakes.isEmpty)
    return Dictionary(entries.map { ($0.name, $0.value) }) { _, last in last }
  }

  private func refusedLine(_ text: String) -> Int? {
    let (_, mistakes) = readDotEnv("A=1\n\(text)\nB=2", file: ".env") { $0 != "OTHER" }
    guard mistakes.count == 1, case .file(".env", let line) = mistakes[0].place else { return nil }
    return line
  }

  @Test(arguments: [
    "K=v", "K = v", "  K\t=  v  ", "export K=v", "K='v'", "K=\"v\"", "export K = \"v\"",
    "# comment\n\nK=v", "K=v\r\n", "\u{FEFF}K=v", "K=\"v\" # why", "K=old\nK=v",
  ])
  func `every clear spelling is taken`(text: String) {
    #expect(read(text) == ["K": "v"])
  }

  @Test func `quotes keep what they hold`() {
    #expect(read("K=' a # b $c '")["K"] == " a # b $c ")
    #expect(read("K=\"a\\\"b\\\\c\\$d\\ne\"")["K"] == "a\"b\\c$d\ne")
    #expect(read("K=")["K"] == "")
    #expect(read("K=\"\"")["K"] == "")
    #expect(read("K=a=b")["K"] == "a=b")
    #expect(read("K=You are kind")["K"] == "You are kind")
    #expect(read("export=1")["export"] == "1")
  }

  @Test func `carriage returns never become part of a value`() {
    #expect(read("A=1\r\nB='2'\r\nC=\"3\"\r\n") == ["A": "1", "B": "2", "C": "3"])
  }

  @Test(arguments: [
    "K=v # why", "K=v#why", "K=# why", "K='v", "K=\"v", "K=v'", "K=a\"b\"", "K", "=v", "K X=v",
    "K='v' w", "K='v'#", "K=\"a\\qb\"", "K=\"$HOME\"", "K=$HOME", "K=a\\b", "K=`id`", "K=\"v\\",
    "K: v", "OTHER=v # why", "OTHER='v",
  ])
  func `everything unclear is refused with its line`(text: String) {
    #expect(refusedLine(text) == 2)
  }

  @Test func `values of other programs are not judged`() {
    #expect(read("OTHER=pa$$word#1\nOTHER=\"\\d+ $HOME\"\nK=v")["K"] == "v")
  }

  @Test func `a refusal does not repeat the line`() {
    let (_, mistakes) = readDotEnv("K=hush-hush # x\nhush-hush", file: ".env") { _ in true }
    #expect(mistakes.count == 2)
    #expect(!mistakes.contains { $0.description.contains("hush") })
  }
}
