// Documents that are JSON and documents that are not, and the values in them. The tables follow the
// grammar of RFC 8259 section by section.
import Foundation
import Testing

@testable import Sidetone

struct JSONTests {
  @Test(arguments: [
    // Values alone (§2, §3), white space of all four kinds round them.
    "null", "true", "false", "0", "\"\"", "[]", "{}", " \t\r\n1\n\r\t ", "[ ]", "{ }", "\n[\n]\n",
    // Numbers (§6).
    "-0", "-1", "10", "1234567890123456789012345678901234567890", "0.5", "-0.0", "1.000", "0e0",
    "1e5", "1E5", "1e+5", "1e-5", "1.5e300", "1e9999", "-9.87654321E-0012", "[0,-0,1,-1]",
    // Strings (§7).
    #""a""#, #""\"\\\/\b\f\n\r\t""#, #""\u0000""#, #""\u00e9\u00E9""#, #""\ud83d\ude00""#,
    #""\uD834\uDD1E""#, #""\uffff""#, #""\udbff\udfff""#, "\"\u{7f}\"", "\"é€😀\"", "\"\u{2028}\"",
    #""\\u12""#, #""\\\\""#, "\"012345678901234567890123456789\"", #""0123456\"""#,
    #""01234567\\""#,
    #""01234567890123456\u0041""#,
    // Half a surrogate pair is no character, but the grammar allows it (§8.2).
    #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ud83d\n""#,
    #""\udc00\ud800""#,
    // Containers (§4, §5).
    "[1]", "[1,2]", "[1 , 2]", "[[]]", "[[],[]]", "[{}]", "[null,true,false]", #"{"a":1}"#,
    #"{"a":1,"b":2}"#, #"{ "a" : 1 , "b" : [ ] }"#, #"{"a":{"b":{"c":[1,{"d":2}]}}}"#, #"{"":0}"#,
    #"{"a":1,"a":2}"#, #"{"\u0061":1}"#, #"[[1,[2,[3]]],{"a":[{}]}]"#, #"{"a":[],"b":{}}"#,
  ])
  func `what the grammar allows is accepted`(document: String) {
    #expect(atForbiddenPage(document) { JSON.isValid($0) })
  }

  @Test(arguments: [
    // Nothing, or more than one value.
    "", " ", "1 2", "{}{}", "[],", "[]x", "null null", "\u{feff}{}", "[1]]", "{}}", "\"a\"b", "\0",
    "[]\0",
    // Literals.
    "nul", "nulll", "True", "FALSE", "tru", "truefalse", "undefined", "NaN", "Infinity",
    "-Infinity",
    "n", "t", "f", "nan",
    // Numbers.
    "+1", "01", "-01", "00", "-", "--1", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "1E-", "1e5.5",
    "0x10", "1_000", "1,5", "1a", "- 1", "1 000", "１", "1e٥", "0.", "-a", "1.-5", "2.e3",
    // Strings.
    "\"", "\"a", "a", "'a'", #""\""#, #""\a""#, #""\x41""#, #""\u""#, #""\u1""#, #""\u12""#,
    #""\u123""#, #""\u123g""#, #""\U0041""#, #""\ud83d\u""#, #""\ud83d\ude0""#, "\"\t\"", "\"\n\"",
    "\"\u{0}\"", "\"\u{1f}\"", "\"0123456\u{1}\"", "\"01234567890123456789\u{1}\"",
    #""\u00-1""#, #""\u+123""#, "\"\\", "\"\\u", "\"\\\u{0}\"",
    // Containers.
    "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1}", "{]", "[1;2]",
    "{1:2}", "{a:1}", #"{"a"}"#, #"{"a":}"#, #"{"a" 1}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1"#,
    #"{"a":1]"#, #"{"a"::1}"#, #"{"a":1 "b":2}"#, #"{"a":1,,"b":2}"#, #"{'a':1}"#, #"{null:1}"#,
    #"{"a":1,"b"}"#, #"[{"a":1,]}"#, #"["a":1]"#, "[[]", "[{]}", #"{"a":[}"#, "[\"a\" \"b\"]",
    // Nothing but RFC 8259: no comments, no other white space.
    "[1]//", "/**/1", "[1/**/]", "#1", "\u{a0}1", "\u{b}1", "\u{c}1", "\u{85}1",
  ])
  func `anything else is refused`(document: String) {
    #expect(!atForbiddenPage(document) { JSON.isValid($0) })
  }

  @Test(
    arguments: [
      [0x80], [0xff], [0xc3], [0xc3, 0x28], [0xc0, 0xaf], [0xe0, 0x80, 0xaf], [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80], [0xf0, 0x9f, 0x98], [0xe2, 0x82],
    ] as [[UInt8]])
  func `text that is no UTF-8 is refused`(text: [UInt8]) {
    #expect(!JSON.isValid(kept([0x22] + text + [0x22])))
    #expect(!JSON.isValid(kept([0x22] + text)))
  }

  @Test func `nesting is limited, whatever the brackets`() {
    for (open, close) in [("[", "]"), (#"{"a":"#, "}"), (#"[{"a":"#, "}]")] {
      let pairs = JSON.depthMax / close.count
      func nested(_ depth: Int) -> String {
        String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
      }
      #expect(JSON.isValid(kept(nested(pairs))))
      #expect(!JSON.isValid(kept(nested(pairs + 1))))
    }
    #expect(!JSON.isValid(kept(String(repeating: "[", count: 100_000))))
    let path = kept(
      #"{"a":"# + String(repeating: "[", count: 32) + String(repeating: "]", count: 32) + "}")
    #expect(JSON.find("a", in: path) == nil)
  }

  @Test func `every truncation of a document is refused`() {
    for document in Fixture.all {
      let bytes = Array(document.utf8)
      #expect(atForbiddenPage(document) { JSON.isValid($0) })
      for length in 0..<bytes.count {
        let page = ForbiddenPage(Array(bytes[..<length]))
        #expect(!JSON.isValid(page.bytes), "\(length) bytes of \(document)")
        _ = JSON.find("start", "mediaFormat", "encoding", in: page.bytes)
        _ = JSON.find("channel", "alternatives", in: page.bytes)
      }
    }
  }

  @Test func `what Foundation writes is accepted, and damage is judged as Foundation judges it`()
    throws
  {
    var random = SeededRandom(seed: 8259)
    for _ in 0..<300 {
      let made = Self.document(depth: 0, &random)
      let written = try JSONSerialization.data(withJSONObject: made, options: .fragmentsAllowed)
      #expect(JSON.isValid(kept(Array(written))))
      for _ in 0..<20 {
        var damaged = Array(written)
        // From the grammar's own characters, so that many results are JSON again; without
        // exponents, since Foundation also refuses what no Double can hold.
        let byte = Array(#"{}[],:"\/u0123456789abcdfnrtl.-+ "#.utf8).randomElement(
          using: &random)!
        let place = Int.random(in: 0..<damaged.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: damaged[place] = byte
        case 1: damaged.insert(byte, at: place)
        default: damaged.remove(at: place)
        }
        let text = String(decoding: damaged, as: UTF8.self)
        // Foundation lets an array end with a comma.
        if text.filter({ $0 != " " }).contains(",]") { continue }
        #expect(JSON.isValid(kept(damaged)) == Self.isValidToFoundation(damaged), "\(text)")
      }
    }
  }

  private static func isValidToFoundation(_ document: [UInt8]) -> Bool {
    let object = try? JSONSerialization.jsonObject(
      with: Data(document), options: .fragmentsAllowed)
    return object != nil
  }

  private static func document(depth: Int, _ random: inout SeededRandom) -> Any {
    switch Int.random(in: 0..<(depth < 5 ? 7 : 5), using: &random) {
    case 0: return Int.random(in: -1_000_000...1_000_000, using: &random)
    case 1: return Double(Int.random(in: -9999...9999, using: &random)) / 64
    case 2: return Bool.random(using: &random)
    case 3: return NSNull()
    case 4: return text(&random)
    case 5:
      return (0..<Int.random(in: 0...4, using: &random)).map { _ in
        document(depth: depth + 1, &random)
      }
    default:
      var object: [String: Any] = [:]
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        object[text(&random)] = document(depth: depth + 1, &random)
      }
      return object
    }
  }

  private static func text(_ random: inout SeededRandom) -> String {
    let letters = Array("abcxyz\"\\/\n\t\u{1}é€😀 0") as [Character]
    return String(
      (0..<Int.random(in: 0...20, using: &random)).map { _ in letters.randomElement(using: &random)!
      })
  }
}
