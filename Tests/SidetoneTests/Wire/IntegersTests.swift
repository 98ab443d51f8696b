// Samples as the inside of a JSON array: what is read, what is refused, what is written.

import Testing

@testable import Sidetone

struct IntegersTests {
  /// The samples that a list stands for, or nil where it is none. It ends at a forbidden page.
  private func parse(_ text: String, room: Int = Integers.countMax) -> [Int16]? {
    let page = ForbiddenPage(Array(text.utf8))
    let place = ForbiddenPage(count: 2 * room)
    return withExtendedLifetime((page, place)) {
      guard let count = Integers.parse(page.bytes, into: place.bytes) else { return nil }
      #expect(Integers.count(in: page.bytes) == count)
      return (0..<count).map { place.bytes.load(Int16.self, at: 2 * $0) }
    }
  }

  private func write(_ samples: [Int16]) -> String {
    let audio = kept(count: 2 * samples.count)
    for (index, sample) in samples.enumerated() { audio.store(sample, at: 2 * index) }
    let page = ForbiddenPage(count: Integers.textCount(of: audio))
    return withExtendedLifetime(page) {
      Integers.write(audio, into: page.bytes)
      return page.bytes.string
    }
  }

  @Test func `every sample there is reads back as it was written, wherever it stands`() {
    for sample in Int16.min...Int16.max {
      #expect(write([sample]) == String(sample))
      #expect(parse(String(sample)) == [sample])
      #expect(parse("\(sample),0,0,0,0") == [sample, 0, 0, 0, 0])
    }
  }

  @Test func `lists of any length read back as they were written`() {
    var random = SeededRandom(seed: 80)
    for count in 0..<200 {
      let samples = (0..<count).map { _ in
        Int16(truncatingIfNeeded: Int.random(in: -32768...32767, using: &random) >> (count % 16))
      }
      let text = samples.map(String.init).joined(separator: ",")
      #expect(write(samples) == text)
      #expect(parse(text) == samples)
      #expect(parse(" \(text.replacing(",", with: " ,\r\n\t")) ") == samples)
    }
  }

  @Test(arguments: [
    ("", []), (" \n", []), ("0,12,-7", [0, 12, -7]), (" 1 , 2,3 ", [1, 2, 3]), ("-0", [0]),
    ("32767,-32768", [32767, -32768]), ("1,2,3,4,5,6,7 ,8,9", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
  ])
  func `white space may stand around numbers`(text: String, samples: [Int16]) {
    #expect(parse(text) == samples)
  }

  @Test(arguments: [
    "1.5", "0.0", "NaN", "nan", "Infinity", "-Infinity", "1e3", "1E0", "32768", "-32769", "65536",
    "99999", "100000", "1234567", "12345678", "123456789012", "+1", "01", "-01", "00", "-", "--1",
    "1-", "", " ", "1 2", "null", "true", "\"1\"", "[1]", "{}", "0x10", "1\u{0}", "٣", ".5", "5.",
  ])
  func `what is no 16-bit integer is refused, at the beginning, in the middle and at the end`(
    item: String
  ) {
    for list in ["\(item),3,-4,5,6,7,8", "1,-2,3,\(item),3,-4,5,6", "1,2,3,4,5,-6,7,\(item)"] {
      #expect(parse(list) == nil, "\(list)")
    }
    #expect(item.allSatisfy { $0 == " " } || parse(item) == nil)
    #expect(parse("1,,2") == nil && parse(",1") == nil && parse("1,2,3,4,5,6,7,") == nil)
  }

  @Test func `more samples than there is room for are refused, and nothing is written behind it`() {
    let list = (0..<81).map { String($0 * 7) }.joined(separator: ",")
    #expect(parse(list, room: 80) == nil && parse(list, room: 0) == nil)
    #expect(parse(list, room: 81)?.count == 81)
    #expect(parse("1,2,3", room: 2) == nil)
  }

  @Test
  func
    `whatever damage a list takes, it is read as the same list by a plain reader, or not at all`()
  {
    var random = SeededRandom(seed: 7)
    let bytes = Array("0,12,-7,32767,-32768,100,-3,44,5".utf8)
    let alphabet = Array("0123456789,,-- .e".utf8)
    for _ in 0..<50_000 {
      var damaged = bytes
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        damaged[Int.random(in: 0..<bytes.count, using: &random)] = alphabet.randomElement(
          using: &random)!
      }
      let text = String(decoding: damaged, as: UTF8.self)
      #expect(parse(text) == plain(text), "\(text)")
    }
  }

  /// The same, as anybody would write it.
  private func plain(_ text: String) -> [Int16]? {
    var samples: [Int16] = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let item = item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
      let digits = item.first == "-" ? item.dropFirst() : item[...]
      guard !digits.isEmpty, digits.allSatisfy(\.isNumber),
        digits.count == 1 || digits.first != "0",
        let sample = Int16(String(item))
      else { return nil }
      samples.append(sample)
    }
    return samples
  }
}

struct UplinkRingIntegersTests {
  private func keep(_ list: String, channels: Int = 1) -> (UplinkRing.Kept, Int) {
    let pool = BlockPool(blocks: 8)
    defer { pool.deallocate() }
    var uplink = UplinkRing(
      format: Format(codec: .linear16, rate: 8000, channels: channels), milliseconds: 1000,
      bytesMin: 0, pacePercent: 0, at: .zero)
    let outcome = uplink.keep(integers: kept(list), in: pool)
    let received = uplink.received
    uplink.release(to: pool)
    #expect(pool.free == 8)
    return (outcome, received)
  }

  @Test func `a list goes into the ring as samples of two bytes, whatever their number`() {
    #expect(keep("0,12,-7") == (.done, 6))
    #expect(keep("5") == (.done, 2))
    let most = (0..<960).map { String($0 - 480) }.joined(separator: ",")
    #expect(keep(most) == (.done, 1920))
    #expect(keep("1,2,3,4", channels: 2) == (.done, 8))
  }

  @Test
  func `an empty list is nothing, a bad one leaves nothing behind, a long one is taken whole`() {
    #expect(keep("") == (.empty, 0) && keep(" ") == (.empty, 0))
    for list in ["1.5", "NaN", "1,40000", "1,2,", "[1]", "1 2", "1e3,4"] {
      #expect(keep(list) == (.malformed, 0), "\(list)")
    }
    let endless = Array(repeating: "1", count: 961).joined(separator: ",")
    // Longer than one portion.
    #expect(keep(endless) == (.done, 1922))
    #expect(keep("1,2,3", channels: 2) == (.malformed, 0))
  }
}
