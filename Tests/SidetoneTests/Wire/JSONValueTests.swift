// Finding values in documents, and what they say: text, numbers, elements, members.
import Foundation
import Testing

@testable import Sidetone

struct JSONValueTests {
  private func text(_ value: JSON.Value?, in document: Bytes) -> String? {
    guard let value else { return nil }
    let out = written { JSON.unescape(value, in: document, to: &$0) }
    return out.string
  }

  // MARK: Paths

  @Test func `a path leads to its value`() {
    let start = kept(Fixture.start)
    #expect(text(JSON.find("event", in: start), in: start) == "start")
    #expect(
      text(JSON.find("start", "mediaFormat", "encoding", in: start), in: start) == "audio/x-mulaw")
    let parent = JSON.find("start", "mediaFormat", in: start)
    #expect(parent?.kind == .object)
    #expect(text(JSON.find("sampleRate", in: start, under: parent), in: start) == "8000")
    let deep = kept(#"{"a":{"b":{"c":{"d":"e"}}}}"#)
    #expect(text(JSON.find("a", "b", "c", "d", in: deep), in: deep) == "e")
  }

  @Test func `a path that leads nowhere has no value`() {
    let start = kept(Fixture.start)
    #expect(JSON.find("start", "nothing", in: start) == nil)
    #expect(JSON.find("event", "start", in: start) == nil)
    #expect(JSON.find("start", "tracks", "inbound", in: start) == nil)
    #expect(JSON.find("encoding", in: start) == nil)
    for document in ["", "[]", "1", "{", #""event""#, #"{"x":[}"#] {
      #expect(JSON.find("event", in: kept(document)) == nil)
    }
  }

  @Test func `names are compared as text, and the first of a name counts`() {
    let document = kept(#"{"\u0065vent\u0073":0,"\u0065ven\u0074":1,"event":2}"#)
    #expect(text(JSON.find("event", in: document), in: document) == "1")
    #expect(JSON.find("even", in: document) == nil)
    #expect(JSON.find("events", in: document) != nil)
    #expect(JSON.find("eventss", in: document) == nil)
  }

  @Test(arguments: [
    ("{\"v\":{}}", JSON.Kind.object), ("{\"v\":[]}", .array), ("{\"v\":\"\"}", .string),
    ("{\"v\":-1.5e3}", .number), ("{\"v\":true}", .true), ("{\"v\":false}", .false),
    ("{\"v\":null}", .null),
  ])
  func `a value knows its kind`(document: String, kind: JSON.Kind) {
    #expect(JSON.find("v", in: kept(document))?.kind == kind)
  }

  // MARK: Containers

  @Test func `elements come by index`() throws {
    let document = kept(Fixture.results)
    let list = try #require(JSON.find("channel", "alternatives", in: document))
    let first = try #require(JSON.element(0, of: list, in: document))
    #expect(JSON.element(1, of: list, in: document) == nil)
    let words = try #require(JSON.find("words", in: document, under: first))
    let second = try #require(JSON.element(1, of: words, in: document))
    #expect(text(JSON.find("word", in: document, under: second), in: document) == "big")
    #expect(JSON.element(0, of: second, in: document) == nil)
    #expect(JSON.element(-1, of: words, in: document) == nil)
  }

  @Test func `members come in order`() throws {
    let document = kept(#"{"start":{"customParameters":{"token":"s3cr3t","a\nb":"c","n":[1,2]}}}"#)
    let object = try #require(JSON.find("start", "customParameters", in: document))
    var members = JSON.Members(of: object, in: document)
    var seen: [String] = []
    while let member = members.next() {
      seen.append("\(text(member.name, in: document)!)=\(text(member.value, in: document)!)")
    }
    #expect(seen == ["token=s3cr3t", "a\nb=c", "n=[1,2]"])
    var none = JSON.Members(of: try #require(JSON.find("start", in: document)), in: document)
    #expect(none.next() != nil)
    #expect(none.next() == nil)
    #expect(none.next() == nil)
  }

  @Test(arguments: ["{}", "{ }", "[]", "1", "\"a\""])
  func `what has no members yields none`(value: String) throws {
    let document = kept("{\"v\":\(value)}")
    let found = try #require(JSON.find("v", in: document))
    var members = JSON.Members(of: found, in: document)
    #expect(members.next() == nil)
    var elements = JSON.Elements(of: found, in: document)
    #expect(elements.next() == nil)
  }

  // MARK: Numbers

  @Test(
    arguments: [
      ("160", 160), ("\"160\"", 160), ("0", 0), ("-0", 0), ("-7", -7), ("160.0", 160),
      ("1.6e2", 160),
      ("1600e-1", 160), ("9223372036854775807", .max), ("-9223372036854775808", .min),
      ("1735689600020", 1_735_689_600_020), ("0e99999999999999999999", 0), ("0.0e-5", 0),
      ("1.5", nil), ("\"1.5\"", nil), ("9223372036854775808", nil), ("-9223372036854775809", nil),
      ("1e19", nil), ("1e999999999999999999999", nil), ("1e-1", nil), ("1e-999999999999999", nil),
      ("100000000000000000000000", nil), ("\"\"", nil), ("\" 1\"", nil), ("\"1 \"", nil),
      ("\"0x1\"", nil), ("\"01\"", nil), ("true", nil), ("null", nil), ("[1]", nil),
      ("\"1\\u0030\"", nil),
    ] as [(String, Int?)])
  func `whole numbers`(written: String, expected: Int?) throws {
    let document = kept("{\"v\":\(written)}")
    let value = try #require(JSON.find("v", in: document))
    #expect(JSON.integer(value, in: document) == expected)
  }

  @Test(
    arguments: [
      ("1.039875", 1_039_875), ("0", 0), ("0.0", 0), ("12", 12_000_000), ("0.98975", 989_750),
      ("0.99999998", 1_000_000), ("1e-6", 1), ("4.9e-7", 0), ("5e-7", 1), ("-5e-7", -1),
      ("0.1234564999", 123_456), ("0.1234565", 123_457), ("-1.5", -1_500_000),
      ("\"2.5\"", 2_500_000),
      ("3.1415926535897932384626433832795", 3_141_593), ("14400.000001", 14_400_000_001),
      ("1e12", 1_000_000_000_000_000_000), ("1e13", nil), ("1e-400", 0), ("1e400", nil),
      ("0.00000000000000000000000000000000000000001", 0), ("false", nil), ("\"a\"", nil),
    ] as [(String, Int?)])
  func `decimal fractions in millionths`(written: String, expected: Int?) throws {
    let document = kept("{\"v\":\(written)}")
    let value = try #require(JSON.find("v", in: document))
    #expect(JSON.decimal(value, scale: 6, in: document) == expected)
  }

  @Test func `fractions agree with Foundation's decimals`() throws {
    var random = SeededRandom(seed: 6)
    for _ in 0..<2_000 {
      let digits = Int.random(in: 0...10_000_000_000, using: &random)
      let places = Int.random(in: 0...9, using: &random)
      let number = Decimal(sign: .plus, exponent: -places, significand: Decimal(digits))
      var scaled = number * 1_000_000
      var rounded = Decimal()
      NSDecimalRound(&rounded, &scaled, 0, .plain)
      let document = kept("[\(number)]")
      let list = JSON.Value(.array, 0..<document.count)
      let value = try #require(JSON.element(0, of: list, in: document))
      #expect(JSON.decimal(value, scale: 6, in: document) == (rounded as NSDecimalNumber).intValue)
    }
  }

  // MARK: Text

  @Test(arguments: [
    #"\"\\\/\b\f\n\r\t"#, #"\u0041\u00e9\u20ac\ud83d\ude00"#, #"plain"#, #"é\u0000😀"#,
    #"\udbff\udfff"#,
    #"a\/b\/c"#, #"\u07ff\u0800\uffff\ud800\udc00"#,
  ])
  func `escapes are read as Foundation reads them`(text: String) throws {
    let document = kept("{\"v\":\"\(text)\"}")
    let expected =
      try JSONSerialization.jsonObject(with: Data(document.array)) as? [String: String]
    let value = try #require(JSON.find("v", in: document))
    #expect(self.text(value, in: document) == expected?["v"])
    // Over itself, too.
    var writer = Writer(document[value.range])
    JSON.unescape(value, in: document, to: &writer)
    #expect(writer.written.string == expected?["v"])
  }

  @Test func `of any mix of escapes the text is read, with U+FFFD for each half of a pair`() throws
  {
    var random = SeededRandom(seed: 8259)
    let units =
      [0xd83d, 0xd800, 0xdbff, 0xde00, 0xdc00, 0xdfff, 0x41, 0xe9, 0xd7ff, 0xe000] as [UInt16]
    for _ in 0..<2_000 {
      var text = ""
      var meant: [UInt16] = []
      for _ in 0..<Int.random(in: 0...12, using: &random) {
        if Bool.random(using: &random) {
          let unit = units.randomElement(using: &random)!
          text += "\\u\(String(unit, radix: 16, uppercase: Bool.random(using: &random)).padded)"
          meant.append(unit)
        } else {
          let (plain, units) = [("a", "a"), ("é", "é"), ("😀", "😀"), ("\\n", "\n"), ("\\\\", "\\")]
            .randomElement(using: &random)!
          text += plain
          meant += Array(units.utf16)
        }
      }
      let document = kept("{\"v\":\"\(text)\"}")
      #expect(JSON.isValid(document), "\(text)")
      let value = try #require(JSON.find("v", in: document), "\(text)")
      let expected = String(decoding: meant, as: UTF16.self)
      #expect(self.text(value, in: document) == expected, "\(text)")
      // As it goes on inside of other JSON: what is no character is not in it any more.
      let passed = written { $0.write(jsonText: document[value.range]) }
      let back = try Hearing.json("{\"v\":\"\(passed.string)\"}")
      #expect(back["v"] as? String == expected, "\(text)")
      // Something that is no escape still costs the document.
      let bad = [#"\x"#, #"\u12"#, #"\u12g4"#, #"\ud83d\u"#].randomElement(using: &random)!
      #expect(!JSON.isValid(kept("{\"v\":\"\(text)\(bad)\"}")), "\(text)\(bad)")
    }
  }

  @Test func `all characters survive being written and read`() {
    let place = kept(count: 64)
    let back = kept(count: 64)
    for number in 0..<0x11_0000 as Range<UInt32> {
      // Every short one, and a sample of the rest.
      guard number < 0x1000 || number % 97 == 0, let scalar = UnicodeScalar(number) else {
        continue
      }
      let plain = Array("<\(Character(scalar))>".utf8)
      var out = Writer(place)
      out.write("\"")
      plain.withBytes { out.write(json: $0) }
      out.write("\"")
      var read = Writer(back)
      let body = JSON.Value(.string, 1..<out.count - 1, hasEscapes: true)
      JSON.unescape(body, in: out.written, to: &read)
      let isRight = JSON.isValid(out.written) && read.written.array == plain
      if !isRight { Issue.record("U+\(String(number, radix: 16))") }
    }
  }

  @Test func `bytes that are no UTF-8 are replaced, and what is written is JSON`() {
    var random = SeededRandom(seed: 3629)
    #expect(
      written { $0.write(json: kept([0x61, 0xff, 0x62, 0xc3])) }.string == "a\u{fffd}b\u{fffd}")
    #expect(
      written { $0.write(json: kept([0xed, 0xa0, 0x80])) }.string == "\u{fffd}\u{fffd}\u{fffd}")
    #expect(written { $0.write(json: "\"\\\n\u{1}\u{1f}/é") }.string == #"\"\\\n\u0001\u001f/é"#)
    let place = kept(count: 512)
    for _ in 0..<2_000 {
      var out = Writer(place)
      out.write("\"")
      random.bytes(Int.random(in: 0...40, using: &random)).withBytes { out.write(json: $0) }
      out.write("\"")
      #expect(JSON.isValid(out.written))
    }
  }
}

extension String {
  /// Four digits.
  fileprivate var padded: String { String(repeating: "0", count: 4 - count) + self }
}
