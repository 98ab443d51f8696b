// Ids from the wire as names of files.

import Sidetone
import Testing

@testable import SidetoneCourier

@Suite struct SafeNameTests {
  @Test(arguments: [
    "TEST-001", "CA0123456789abcdef0123456789abcdef", "a.b_c", "0",
    "6f1c1c2e-0d3b-4f0e-9d6a-0123456789ab",
  ])
  func `a plain id stays what it is`(id: String) {
    #expect(SafeName.make(id) == id)
  }

  @Test(arguments: [
    "../../x", "a/b", "a\nb", "a\0b", ".", "..", "...", "", "é", "a b", "日本", "*", "~", "a\\b",
    String(repeating: "x", count: 200), String(repeating: "/", count: 5000),
    "x-0123456789abcdef0123456789abcdef",
  ])
  func `any other becomes plain, short, and tells what it was`(id: String) {
    let name = SafeName.make(id)
    #expect(name != id)
    #expect(isPlain(name))
    #expect(SafeName.make(name) != name, "an id that looks like a changed one is changed as well")
  }

  private func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= SafeName.bytesMax
      && name.utf8.allSatisfy { byte in
        byte &- 0x30 <= 9 || (byte | 0x20) &- 0x61 <= 25 || [0x2d, 0x2e, 0x5f].contains(byte)
      } && name.contains { $0 != "." }
  }

  @Test func `of a hundred thousand ids no two share a name`() {
    var random = SystemRandomNumberGenerator()
    // Few letters and short ids, so that what could meet does.
    let alphabet: [Unicode.Scalar] = ["a", "A", "/", "_", "-", ".", "\n", "\0", "é", "0"]
    var ids: [String: String] = [:]
    for _ in 0..<100_000 {
      var id = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...6, using: &random) {
        id.append(alphabet.randomElement(using: &random)!)
      }
      let text = String(id)
      let name = SafeName.make(text)
      if !isPlain(name) { Issue.record("\(text.debugDescription) became \(name)") }
      if let other = ids[name], !other.utf8.elementsEqual(text.utf8) {
        Issue.record("\(text.debugDescription) and \(other.debugDescription) are both \(name)")
      }
      ids[name] = text
      // The name itself may come as an id.
      let again = SafeName.make(name)
      if name != text, again == name { Issue.record("\(name) stands for two ids") }
    }
  }
}
