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
      let call = object["call"]?.string, !call.isEmpty, call.utf8.count <= 64,
      let at = object["at"]?.integer
    else { return nil }
    self.kind = kind
    self.call = call
    self.at = at
    self.object = object
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

/// RFC 3339, UTC, with milliseconds.
package func timestamp(_ milliseconds: Int64) -> String {
  let (nanoseconds, isTooLarge) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
  var text = [UInt8](repeating: 0, count: 24)
  text.withMutableBytes { bytes in
    var writer = Writer(bytes)
    writer.write(timestamp: WallTime(nanoseconds: isTooLarge ? .max : nanoseconds))
  }
  return String(decoding: text, as: UTF8.self)
}
