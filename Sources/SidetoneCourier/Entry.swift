// One entry of a journal, taken apart as far as everybody needs it. What kinds there are and what
// they say stands in docs/journal.md; kinds and members that are not known here are kept.

import Sidetone

package struct Entry: Equatable, Sendable {
  package let kind: String
  /// The key of the call, unique over all runs of all relays.
  package let call: String
  /// Unix milliseconds.
  package let at: Int64
  package let object: JSONTree

  /// The call of entries that tell of the relay, not of a call.
  package static let noCall = "0000000000000000"

  /// Nil for bytes that are no entry.
  package init?(_ bytes: [UInt8]) {
    guard let object = JSONTree(bytes), let kind = object["kind"]?.string,
      let call = object["call"]?.string, Self.isKey(call), let at = object["at"]?.integer
    else { return nil }
    self.kind = kind
    self.call = call
    self.at = at
    self.object = object.flattened(below: Self.depthMax)
  }

  /// What is written down of it lies a little deeper in the files, and those have to be read again.
  static let depthMax = JSON.depthMax - 8

  /// 16 digits in lower-case hexadecimal.
  private static func isKey(_ text: String) -> Bool {
    text.utf8.count == 16
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  func text(_ name: String) -> String? { object[name]?.string }
  func integer(_ name: String) -> Int64? { object[name]?.integer }

  /// The end that a call has whose relay died: it lasted until the last that was heard of it.
  package static func killed(_ call: String, started: Int64, last: Int64) -> [UInt8] {
    JSONTree.made([
      "kind": "ended", "call": .text(call), "at": .integer(last), "cause": "killed",
      "sentence": "the relay was killed", "milliseconds": .integer(max(0, last - started)),
    ]).compact
  }
}

extension JSONTree: ExpressibleByStringLiteral {
  package init(stringLiteral value: String) { self = .text(value) }
}
