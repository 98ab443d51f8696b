// All that a relay did in one run: what it asked for, every byte it wrote and when, every line it
// logged. As one digest, by which a change that should change nothing is held to the last byte; or
// step by step, to find the first difference.

import Sidetone

final class Trace {
  private let keepsSteps: Bool
  private var digest = FNV()
  private var count = 0
  private(set) var steps = ""

  init(keepsSteps: Bool) { self.keepsSteps = keepsSteps }

  var summary: String { "\(count) \(digest)" }

  func asked(_ output: Output, at now: Instant) {
    switch output {
    case .dial(let link, let upstream): add("dial \(link.rawValue) \(upstream)", at: now)
    case .write(let link): add("write \(link.rawValue)", at: now)
    case .resumeReading(let link): add("resume \(link.rawValue)", at: now)
    case .close(let link): add("close \(link.rawValue)", at: now)
    case .reset(let link): add("reset \(link.rawValue)", at: now)
    case .drained: add("drained", at: now)
    }
  }

  func logged(_ text: String, _ stream: Line.Stream, at now: Instant) {
    add(stream == .log ? "log \(text)" : "transcript \(text)", at: now)
  }

  func sent(_ bytes: [UInt8], on link: SlotID, at now: Instant) {
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
