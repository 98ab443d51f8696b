// Where text is cut into what is spoken: at the ends of sentences, and not at what only looks like
// one; the same however the text came.

import Testing

@testable import Sidetone

struct SentenceCutterTests {
  private static let pieceBytes = 320

  /// All pieces of a text that comes in the given parts.
  private func pieces(_ parts: [[UInt8]], isFirst: Bool = true) -> [String] {
    cuts(parts, isFirst: isFirst).map { String(decoding: $0, as: UTF8.self) }
  }
  private func cuts(_ parts: [[UInt8]], isFirst: Bool = true) -> [[UInt8]] {
    var (pending, found) = ([UInt8](), [[UInt8]]())
    func take(isWhole: Bool) {
      while let cut = pending.withBytes({
        SentenceCutter.cut($0, isFirst: isFirst && found.isEmpty, isWhole: isWhole)
      }) {
        #expect(cut > 0 && cut <= pending.count && cut <= Self.pieceBytes)
        found.append(Array(pending[..<cut]))
        pending.removeFirst(cut)
      }
    }
    for part in parts {
      pending += part
      take(isWhole: false)
    }
    take(isWhole: true)
    #expect(pending.isEmpty && Array(found.joined()) == Array(parts.joined()))
    return found
  }
  private func pieces(_ text: String) -> [String] { pieces([Array(text.utf8)], isFirst: false) }

  @Test(arguments: [
    ["Hello. ", "How are you? ", "Fine!"],
    ["Yes.", "\nNo. ", "Never."],
    ["It costs $1,000.50 today. ", "Really."],
    ["Mr. Smith and Dr. No met J. Doe. ", "They left."],
    ["He lives in the U.S. Then he left. ", "Ok."],
    ["We open at 9 a.m. every day. ", "Come at 10:30."],
    ["1. Apples are red. ", "2. Pears are not."],
    ["Take No. 5 please. ", "No. ", "That is wrong."],
    ["Well... ", "I see. ", "Good."],
    ["She said \"Go!\" ", "Then we went."],
    ["She said \"Go!\" and left. ", "Ok."],
    ["See example.com or mail a.b@c.de now. ", "Thanks."],
    ["Das kostet z.B. drei Euro. ", "Prima."],
    ["So do I. ", "Me too."],
    ["今日は晴れです。", "明日は雨です。", "はい！"],
    ["नमस्ते। ", "ठीक है।"],
    ["¿Cómo está? ", "Muy bien…"],
    ["**Note.** ", "We are *closed.* ", "Call `x`. ", "_Bye._"],
    ["(It is closed.) ", "Sorry."],
    ["  ... -- "],
  ])
  func `sentences`(expected: [String]) {
    let whole = expected.joined()
    #expect(pieces(whole) == expected)
  }

  @Test func `the first piece is short, and one that grows long ends with a clause`() {
    let text =
      "Of course, I can help you with that, your order left us on Monday and is on its way."
    #expect(
      pieces([Array(text.utf8)]) == [
        "Of course, I can help you with that, ",
        "your order left us on Monday and is on its way.",
      ])
    let long = String(repeating: "word ", count: 20) + "and so, " + "it goes."
    #expect(pieces(long) == [String(repeating: "word ", count: 20) + "and so, ", "it goes."])
  }

  @Test func `without any mark it is cut between words, and without these between characters`() {
    let words = String(repeating: "word ", count: 100)
    let cut = pieces(words)
    #expect(cut.joined() == words && cut.count > 2 && cut.allSatisfy { $0.hasSuffix(" ") })
    let letters = String(repeating: "語", count: 500)
    let parts = pieces(letters)
    #expect(parts.joined() == letters && parts.count > 4)
    #expect(!parts.contains { $0.contains("\u{fffd}") })
  }

  @Test func `what follows is waited for where it decides`() {
    func cut(_ text: String) -> Int? {
      SentenceCutter.cut(kept(text), isFirst: false, isWhole: false)
    }
    #expect(cut("") == nil && cut("Hello") == nil && cut("Hello.") == nil)
    #expect(cut("Hello. ") == nil && cut("Hello. W") == 7 && cut("Hello. w") == nil)
    #expect(cut("Hello.\n") == 6)
    #expect(cut("3.") == nil && cut("3.5") == nil)
    #expect(cut("はい。") == nil && cut("はい。い") == 9)
  }

  @Test func `more than its bound always has a cut`() {
    for filler in [".", " ", "x", ",", "。", "\"", "é", ". ", "\u{3000}"] {
      var text = "Hello"
      while text.utf8.count <= SentenceCutter.bytesMax { text += filler }
      let cut = SentenceCutter.cut(kept(text), isFirst: false, isWhole: false)
      #expect((cut ?? 0) > 0, "\(filler)")
    }
  }

  @Test(arguments: [
    ".", " ", "x", ",", "。", "\"", "é", ". ", "\u{3000}", "?!", "…", ")", "e\u{301}\u{302}", "、 ",
    "👩\u{200d}👧", "。」", "a,", "\n", "* ", "U.", "9.",
  ])
  func `a text of one kind is cut within the bound, and the same however it came`(unit: String) {
    for start in ["", "Hello", "Hello."] {
      for count in [319, 320, 321, 700] {
        var text = start
        while text.utf8.count < count { text += unit }
        let bytes = Array(text.utf8)
        let whole = pieces([bytes])
        #expect(whole.joined() == text)
        for size in [1, 7, 321] {
          let parts = stride(from: 0, to: bytes.count, by: size).map {
            Array(bytes[$0..<min($0 + size, bytes.count)])
          }
          #expect(pieces(parts) == whole, "\(start)\(unit) in parts of \(size)")
        }
      }
    }
  }

  @Test func `any bytes, cut anywhere`() {
    var random = SeededRandom(seed: 5)
    let units: [[UInt8]] = [
      [0x2e], [0x20], [0x2c], [0x21], [0x22], [0x41], [0x61], [0x31], [0x0a], [0x80], [0xc3],
      [0xe3, 0x80], [0xe3, 0x80, 0x82], [0xf0, 0x9f], [0xff], [0xc2, 0xa0], [0xe2, 0x80, 0xa6],
      [0xcc, 0x81], [0x2a], [0x2e, 0x20, 0x41],
    ]
    for _ in 0..<800 {
      // A few kinds each, so that long runs come about.
      let kinds = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        units.randomElement(using: &random)!
      }
      let bytes = Array(
        (0..<Int.random(in: 1...500, using: &random)).map { _ in
          kinds.randomElement(using: &random)!
        }.joined())
      let whole = cuts([bytes])
      var (parts, at): ([[UInt8]], Int) = ([], 0)
      while at < bytes.count {
        let count = min(Int.random(in: 1...40, using: &random), bytes.count - at)
        parts.append(Array(bytes[at..<at + count]))
        at += count
      }
      #expect(cuts(parts) == whole, "\(bytes)")
    }
  }

  @Test func `cuts are the same wherever the text was cut before`() {
    var random = SeededRandom(seed: 7)
    let words = [
      "Hello", "I", "see", "Mr", "3.5", "10:30", "é", "語", "。", ".", "...", "!", "?", ",", " ",
      "  ", "\n", "\"", ")", "No", "a.m", ";", "…", "😀", "1", "-", "–", "Then", "x",
    ]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 1...60, using: &random)).map { _ in
        words.randomElement(using: &random)! + (Bool.random(using: &random) ? " " : "")
      }.joined()
      let bytes = Array(text.utf8)
      let whole = pieces([bytes])
      #expect(whole.joined() == text)
      var parts: [[UInt8]] = []
      var at = 0
      while at < bytes.count {
        let count = min(Int.random(in: 1...9, using: &random), bytes.count - at)
        parts.append(Array(bytes[at..<at + count]))
        at += count
      }
      #expect(pieces(parts) == whole, "\(text)")
    }
  }
}
