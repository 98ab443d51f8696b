// All that a relay did in one run: what it asked for, every byte it wrote and when, every line it
// logged. As one digest, by which a change that should change nothing is held to the last byte; or
// step by step, to find the first difference.

import Sidetone

package final class Trace {
  private let keepsSteps: Bool
  private var digest = FNV()
  private var count = 0
  package private(set) var steps = ""

  package init(keepsSteps: Bool) { self.keepsSteps = keepsSteps }

  package var summary: String { "\(count) \(digest)" }

  package func asked(_ output: Output, at now: Instant) {
    switch output {
    case .dial(let link, let upstream): add("dial \(link.rawValue) \(upstream)", at: now)
    case .write(let link): add("write \(link.rawValue)", at: now)
    case .resumeReading(let link): add("resume \(link.rawValue)", at: now)
    case .close(let link): add("close \(link.rawValue)", at: now)
    case .reset(let link): add("reset \(link.rawValue)", at: now)
    case .drained: add("drained", at: now)
    }
  }

  package func logged(_ text: String, _ stream: Line.Stream, at now: Instant) {
    add(stream == .log ? "log \(text)" : "transcript \(text)", at: now)
  }

  package func sent(_ bytes: [UInt8], on link: SlotID, at now: Instant) {
    add("sent \(link.rawValue) \(bytes.count)", at: now)
    digest.add(bytes)
    if keepsSteps { steps += "    \(String(decoding: bytes, as: UTF8.self).debugDescription)\n" }
  }

  private func add(_ step: String, at now: Instant) {
    let line = "\(now.nanoseconds) \(step)\n"
    digest.add(Array(line.utf8))
    count += 1
    if keepsSteps { steps += line }
  }
}

/// FNV-1a with 64 bits.
package struct FNV: CustomStringConvertible {
  private var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  package mutating func add(_ bytes: [UInt8]) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  package var description: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
