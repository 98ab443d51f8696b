// JSON as values: what is read is what is written.

import Testing

@testable import SidetoneCourier

@Suite struct JSONTreeTests {
  private func tree(_ text: String) -> JSONTree? { JSONTree(Array(text.utf8)) }
  private func text(_ tree: JSONTree) -> String { String(decoding: tree.compact, as: UTF8.self) }

  @Test(arguments: [
    "null", "true", "[]", "{}", "\"\"", "-0.5e-7", "12345678901234567890123",
    "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}", "\"\u{1F600} é\"", "[\"a\\\"b\\\\c\"]",
  ])
  func `it is written as it was read`(document: String) throws {
    #expect(text(try #require(tree(document))) == document)
  }

  @Test(arguments: ["", "{", "[1,]", "nul", "{\"a\":1}}", "\"\u{1}\"", "01", "[1] 2"])
  func `what is no JSON is none`(document: String) {
    #expect(tree(document) == nil)
  }

  @Test func `escapes become what they stand for`() {
    #expect(tree("\"\\u00e9\\n\\ud83d\\ude00\"") == .text("é\n😀"))
  }

  @Test func `no control character is written raw`() {
    var all = String.UnicodeScalarView()
    for value in UInt32(0)..<0x100 { all.append(Unicode.Scalar(value)!) }
    let written = JSONTree.text(String(all)).compact
    #expect(JSONTree(written) == .text(String(all)))
    for scalar in String(decoding: written, as: UTF8.self).unicodeScalars {
      #expect(scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value))
    }
  }

  @Test func `for people each member has its line`() {
    let tree = JSONTree.made(["a": .list([.integer(1)]), "b": .object([]), "c": .list([])])
    #expect(
      String(decoding: tree.indented, as: UTF8.self)
        == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {},\n  \"c\": []\n}\n")
  }

  @Test func `of two members of one name the first counts`() {
    #expect(tree("{\"a\":1,\"a\":2}")?["a"] == .integer(1))
  }

  @Test func `whole numbers are found in other spellings`() {
    #expect(tree("1.6e2")?.integer == 160)
    #expect(tree("2.5")?.integer == 3)
    #expect(tree("1e300")?.integer == nil)
    #expect(tree("\"1\"")?.integer == nil)
  }
}
