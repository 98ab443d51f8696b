// Base64 against the vectors of RFC 4648 §10, against Foundation, and against its own borders.
import Foundation
import Testing

@testable import Sidetone

struct Base64Tests {
  private func decode(_ text: [UInt8]) -> [UInt8]? {
    text.withBytes { source in
      guard let count = Base64.decodedCount(of: source) else { return nil }
      let arena = Buffer(count: count)
      guard let written = Base64.decode(source, into: arena.bytes) else { return nil }
      #expect(written == count)
      return arena.bytes.array
    }
  }
  private func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)) }

  private func encode(_ data: [UInt8]) -> String {
    let arena = Buffer(count: Base64.encodedCount(of: data.count))
    let count = data.withBytes { Base64.encode($0, into: arena.bytes) }
    #expect(count == arena.bytes.count)
    return arena.bytes.string
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func `the vectors of RFC 4648 hold in both directions`(plain: String, text: String) {
    #expect(encode(Array(plain.utf8)) == text)
    #expect(decode(text) == Array(plain.utf8))
  }

  @Test(arguments: ["Zg", "Zm8", "Zm9vYg", "Zm9vYmE"])
  func `missing padding is forgiven`(text: String) {
    #expect(decode(text) != nil)
  }

  @Test(arguments: [
    "Z", "Zm9vY", "=", "==", "===", "====", "Z===", "Zg=", "Zm8==", "Zm9v=", "Zm9v====", "Zg==Zg==",
    "Z=g=", "=Zg=", "Zm9v\n", "Zm 9", "Zm9v YmFy", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zh", "Zm9vYmF",
    "Zm9\u{0}", "Zmé", ".", "ZgZ=Zg==",
  ])
  func `anything else is refused`(text: String) {
    #expect(decode(text) == nil)
  }

  @Test func `each byte at each place of a long text is judged rightly`() {
    let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let text = [UInt8]("AbCd0189+/zZyYxX".utf8)
    let long = text + text + text + text  // two steps of a vector
    for place in 0..<long.count {
      for byte in UInt8.min...UInt8.max {
        var changed = long
        changed[place] = byte
        if place == long.count - 1, byte == 0x3d { continue }  // padding may be there
        #expect((decode(changed) != nil) == alphabet.contains(byte), "byte \(byte) at \(place)")
      }
    }
  }

  @Test func `every length agrees with Foundation`() {
    var random = SystemRandomNumberGenerator()
    for count in 0...300 {
      let data = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      let text = Data(data).base64EncodedString()
      #expect(encode(data) == text)
      #expect(decode(text) == data)
      #expect(decode(Array(text.utf8.prefix { $0 != 0x3d })) == data)
    }
  }

  @Test func `decoding over its own source is right at every length`() {
    for count in 0...300 {
      let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      let text = Array(Data(data).base64EncodedString().utf8)
      let arena = Buffer(count: text.count)
      text.withBytes { arena.bytes.copy($0) }
      let written = Base64.decode(arena.bytes, into: arena.bytes)
      #expect(written == count)
      #expect(arena.bytes.prefix(count).array == data)
    }
  }

  @Test func `nothing behind the result is touched`() {
    for count in 0...200 {
      let data = [UInt8](repeating: 0x5a, count: count)
      let text = Array(Data(data).base64EncodedString().utf8)
      let arena = Buffer(count: text.count + 64)
      arena.bytes.fill(0xee)
      _ = text.withBytes { Base64.decode($0, into: arena.bytes.prefix(count)) }
      #expect(arena.bytes.dropping(count).array.allSatisfy { $0 == 0xee })
      arena.bytes.fill(0xee)
      _ = data.withBytes { Base64.encode($0, into: arena.bytes.prefix(text.count)) }
      #expect(arena.bytes.dropping(text.count).array.allSatisfy { $0 == 0xee })
    }
  }
}
