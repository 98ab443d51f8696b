// The gates: exact bounds held against the real daemon over real sockets, while calls run through it.
// Each prints one line with what it measured and the bound, and the whole exits 1 when one is
// crossed. Nothing here is a benchmark: no bound depends on how fast the machine is.
//
//     gates BUILD-DIRECTORY [NAME …]

import Foundation

@main
struct Gates {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let build = arguments.first else {
      tell("usage: gates BUILD-DIRECTORY [NAME …]: \(all.map(\.name).joined(separator: ", "))")
      exit(2)
    }
    let names = Set(arguments.dropFirst())
    var isGood = true
    for gate in all where names.isEmpty || names.contains(gate.name) {
      do {
        let measured = try gate.measure(House(build: build))
        let isKept = measured.value <= gate.bound
        isGood = isGood && isKept
        tell(
          "\(isKept ? "ok  " : "FAIL") \(gate.name): \(measured.value.shown) \(gate.unit), "
            + "at most \(gate.bound.shown) (\(measured.words))")
      } catch {
        isGood = false
        tell("FAIL \(gate.name): \(error)")
      }
    }
    exit(isGood ? 0 : 1)
  }

  /// A line at once, whatever the output is.
  private static func tell(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }

  private static var all: [Gate] {
    [
      Gate(name: "allocations", unit: "allocations", bound: 0) {
        try allocations(in: $0, isTLS: false)
      },
      Gate(name: "allocations-tls", unit: "allocations", bound: 0) {
        try allocations(in: $0, isTLS: true)
      },
      Gate(name: "system-calls", unit: "system calls a frame", bound: 3.3, measure: systemCalls),
      Gate(name: "memory", unit: "KiB a call", bound: 96, measure: memory),
      Gate(name: "short-calls", unit: "descriptors left over", bound: 0, measure: shortCalls),
    ]
  }
}

/// A bound, and how to measure what it binds.
struct Gate {
  var name: String
  var unit: String
  var bound: Double
  var measure: (House) throws -> Measured
}

/// A figure, and what it was taken from.
struct Measured {
  var value: Double
  var words: String
}

/// Why a gate could not be measured: that is a failure too.
struct Unmeasured: Error, CustomStringConvertible {
  var description: String
  init(_ words: String) { description = words }
}

extension Double {
  /// Without a fraction where there is none.
  var shown: String { self == rounded() ? "\(Int(self))" : String(format: "%.2f", self) }
}

// MARK: - The measures

private let frameBytes = 160

/// Allocations of the whole process between two moments while frames flow and no call begins or ends.
private func allocations(in house: House, isTLS: Bool) throws -> Measured {
  let counter = try Counter(library: "\(house.build)/libAllocationCounter.so")
  return try house.underLoad(calls: 50, seconds: 12, isTLS: isTLS, counter: counter) { relay in
    if counter.allocations == 0 { throw Unmeasured("the counter was not loaded") }
    let framesBefore = try relay.bytesRelayed() / frameBytes
    sleep(1)
    let before = counter.allocations
    sleep(4)
    let after = counter.allocations
    let frames = try relay.bytesRelayed() / frameBytes - framesBefore
    if frames < 5_000 { throw Unmeasured("only \(frames) frames were relayed") }
    return Measured(value: Double(after - before), words: "while \(frames) frames were relayed")
  }
}

/// System calls of the whole process for each frame relayed, results included.
private func systemCalls(in house: House) throws -> Measured {
  try house.underLoad(calls: 50, seconds: 12, isTLS: false, counter: nil) { relay in
    let before = try relay.bytesRelayed() / frameBytes
    let calls = try relay.systemCalls(seconds: 4)
    let frames = try relay.bytesRelayed() / frameBytes - before
    if frames < 5_000 { throw Unmeasured("only \(frames) frames were relayed") }
    return Measured(
      value: Double(calls) / Double(frames), words: "\(calls) calls for \(frames) frames")
  }
}

/// What the resident memory grows by when calls come in and run for a while.
private func memory(in house: House) throws -> Measured {
  let calls = 200
  // The first calls touch what all calls share; only the growth beyond them is per call.
  let few = try house.underLoad(calls: 10, seconds: 12, isTLS: false, counter: nil) { relay in
    sleep(6)
    return try relay.residentKiB()
  }
  let many = try house.underLoad(calls: calls + 10, seconds: 12, isTLS: false, counter: nil) {
    relay in
    sleep(6)
    return try relay.residentKiB()
  }
  return Measured(
    value: Double(many - few) / Double(calls), words: "\(few) KiB with 10 calls, \(many) with 210")
}

/// Descriptors, calls and lost frames after thousands of short calls one after another.
private func shortCalls(in house: House) throws -> Measured {
  let relay = try house.startRelay(isTLS: false, counter: nil)
  defer { house.endAll() }
  try house.load(["--short-calls", "20"], relay: relay).waitSuccess()
  let before = try relay.descriptors()
  let report = try house.load(["--short-calls", "2000"], relay: relay).waitSuccess()
  try relay.waitForConnections(0)
  let after = try relay.descriptors()
  return Measured(
    value: Double(max(0, after - before)), words: "\(before) before, \(after) after; \(report)")
}
