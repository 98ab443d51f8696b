// Queries and forms: taking apart, decoding, encoding.
import Testing

@testable import Sidetone

struct QueryTests {
  private func pairs(_ text: String) -> [String] {
    atForbiddenPage(text) { bytes in
      var query = Query(bytes)
      var pairs: [String] = []
      while let pair = query.next() { pairs.append(pair.name.string + "|" + pair.value.string) }
      return pairs
    }
  }

  private func decode(_ text: String) -> String {
    let decoded = written { Query.decode(kept(text), into: &$0) }
    #expect(Query.decodeInPlace(kept(text)).array == decoded.array)
    return decoded.string
  }

  @Test(arguments: [
    ("", []), ("a=b", ["a|b"]), ("a=b&c=d", ["a|b", "c|d"]), ("a", ["a|"]), ("a=", ["a|"]),
    ("=b", ["|b"]), ("&&a=b&", ["a|b"]), ("a=b=c", ["a|b=c"]), ("a=1&a=2", ["a|1", "a|2"]),
  ])
  func `parts come in their order`(text: String, expected: [String]) {
    #expect(pairs(text) == expected)
  }

  @Test(arguments: [
    ("a+b%20c", "a b c"), ("%2b%2B", "++"), ("%e2%82%ac", "€"), ("100%", "100%"), ("%4", "%4"),
    ("%zz%41", "%zzA"), ("%%41", "%A"), ("", ""),
  ])
  func `values are decoded, and a lone per cent sign stands for itself`(text: String, plain: String)
  {
    #expect(decode(text) == plain)
  }

  @Test func `every byte comes back from encoding and decoding`() {
    let all = (0...255).map { UInt8($0) }
    let encoded = written { Query.encode(kept(all), into: &$0) }
    for byte in encoded.array { #expect(byte > 0x20 && byte < 0x7f && byte != 0x26) }
    #expect(Query.decodeInPlace(encoded).array == all)
  }

  @Test func `a value is found by its decoded name`() {
    let query = kept("apikey=1&api%5Fkey=2&api_key=3")
    #expect(Query.value(of: "api_key", in: query)?.string == "2")
    #expect(Query.value(of: "api", in: query) == nil)
    #expect(Query.value(of: "api_key_", in: query) == nil)
  }

  @Test(arguments: [
    ("a+b%20c", "a b c"), ("say+%22hi%22%0A", #"say \"hi\"\n"#), ("%e2%82%ac%F0%9F%98%80", "€😀"),
    ("%e2%82", "\u{fffd}\u{fffd}"), ("%e2%82A%80", "\u{fffd}\u{fffd}A\u{fffd}"),
    ("%c3%c3%a9%ff", "\u{fffd}é\u{fffd}"), ("%00", #"\u0000"#), ("", ""),
  ])
  func `a value becomes the inside of a JSON string, and what is no text is replaced`(
    value: String, expected: String
  ) {
    #expect(written { $0.write(jsonOfEncoded: kept(value)) }.string == expected)
  }

  @Test func `whatever a value holds, it is text in JSON`() {
    var dice = SeededRandom(seed: 7)
    for _ in 0..<2000 {
      let bytes = dice.bytes(Int.random(in: 0..<40, using: &dice))
      let encoded = written { Query.encode(kept(bytes), into: &$0) }
      let text = written {
        $0.write("\"")
        $0.write(jsonOfEncoded: encoded)
        $0.write("\"")
      }
      #expect(JSON.isValid(text))
      let plain = written { $0.write(json: kept(bytes)) }
      #expect(text[1..<text.count - 1].equals(plain))
    }
  }
}
