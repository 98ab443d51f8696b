// The gates: exact bounds held against the real daemon over real sockets, while calls run through
// it. Each prints one line with what it measured and the bound, and the whole exits 1 when one is
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
    let verdicts = all.filter { names.isEmpty || names.contains($0.name) }.map { gate in
      isKept(gate, in: build)
    }
    let kept = verdicts.count { $0 }
    tell("\(kept) of \(verdicts.count) bounds kept")
    exit(kept == verdicts.count && kept > 0 ? 0 : 1)
  }

  private static func isKept(_ gate: Gate, in build: String) -> Bool {
    do {
      let measured = try gate.measure(House(build: build, isTwoWay: gate.isTwoWay))
      let isKept = measured.value <= gate.bound
      tell(
        "\(isKept ? "ok  " : "FAIL") \(gate.name): \(measured.value.shown) \(gate.unit), "
          + "at most \(gate.bound.shown) (\(measured.words))")
      return isKept
    } catch {
      tell("FAIL \(gate.name): \(error)")
      return false
    }
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
      Gate(name: "allocations-two-way", unit: "allocations", bound: 0, isTwoWay: true) {
        try allocations(in: $0, isTLS: false)
      },
      Gate(name: "allocations-two-way-tls", unit: "allocations", bound: 0, isTwoWay: true) {
        try allocations(in: $0, isTLS: true)
      },
      Gate(
        name: "system-calls-two-way", unit: "system calls a frame", bound: 3.3, isTwoWay: true,
        measure: systemCalls),
      Gate(
        name: "memory-two-way", unit: "KiB a call", bound: 256, isTwoWay: true, measure: memory),
      Gate(
        name: "short-calls-two-way", unit: "descriptors left over", bound: 0, isTwoWay: true,
        measure: shortCalls),
    ]
  }
}

/// A bound, and how to measure what it binds.
struct Gate {
  var name: String
  var unit: String
  var bound: Double
  /// Whether the upstream talks back; then frames of both directions count.
  var isTwoWay = false
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

/// Allocations of the whole process between two moments while frames flow and no call begins or
/// ends.
private func allocations(in house: House, isTLS: Bool) throws -> Measured {
  let counter = try Counter(library: "\(house.build)/libAllocationCounter.so")
  defer { house.endAll() }
  let relay = try house.startRelay(isTLS: isTLS, settings: counter.settings)
  let load = try house.startLoad(["--calls", "50", "--warmup", "4", "--seconds", "6"], on: relay)
  sleep(4)
  let begin = (time: Date(), count: counter.allocations)
  sleep(4)
  let end = (time: Date(), count: counter.allocations)
  try load.report()
  if begin.count == 0 { throw Unmeasured("the counter was not loaded") }
  let frames = Int(end.time.timeIntervalSince(begin.time) * 50) * 50 * house.directions
  return Measured(
    value: Double(end.count - begin.count),
    words: "\(frames) frames, after \(begin.count) allocations to start and set up")
}

/// System calls of the whole process for each frame relayed, results included. Few calls, so that
/// every frame comes alone and none shares a wake-up with another.
private func systemCalls(in house: House) throws -> Measured {
  defer { house.endAll() }
  let relay = try house.startRelay(isTLS: false)
  let calls = 10
  let load = try house.startLoad(
    ["--calls", "\(calls)", "--warmup", "4", "--seconds", "6"], on: relay)
  sleep(3)
  let traced = try systemCalls(of: relay.process.processIdentifier, seconds: 5)
  try load.report()
  let frames = traced.seconds * 50 * Double(calls * house.directions)
  return Measured(
    value: Double(traced.count) / frames, words: "\(traced.count) for \(Int(frames)) frames")
}

/// What a call takes of resident memory: a relay made for many calls with all of them running, each
/// longer than its replay, against a relay made for one call and idle. So what is taken at start
/// for a call is counted too.
private func memory(in house: House) throws -> Measured {
  defer { house.endAll() }
  let calls = 200
  func resident(callsMax: Int, load arguments: [String]) throws -> Double {
    var limit = ["SIDETONE_LIMITS_CALLS_MAX": "\(callsMax)"]
    if house.isTwoWay { limit["SIDETONE_LIMITS_TWO_WAY_CALLS_MAX"] = "\(callsMax)" }
    let relay = try house.startRelay(isTLS: false, settings: limit)
    return try house.startLoad(arguments, on: relay).report().number("relay", "resident_kib")
  }
  let one = try resident(callsMax: 1, load: ["--calls", "1", "--seconds", "1"])
  let many = try resident(callsMax: calls, load: ["--calls", "\(calls)", "--seconds", "8"])
  return Measured(
    value: (many - one) / Double(calls - 1),
    words: "\(one.shown) KiB for one call, \(many.shown) for \(calls)")
}

/// Descriptors after thousands of short calls, ten at a time; none of their frames may be lost.
private func shortCalls(in house: House) throws -> Measured {
  defer { house.endAll() }
  let relay = try house.startRelay(isTLS: false)
  let calls = ["--calls", "20", "--frames", "10"]
  try house.startLoad(["--short-calls", "20"] + calls, on: relay).report()
  let report = try house.startLoad(["--short-calls", "2000"] + calls, on: relay).report()
  let before = try report.number("relay", "descriptors_before")
  let after = try report.number("relay", "descriptors_after")
  let sent = try report.number("frames", "sent").shown
  return Measured(
    value: abs(after - before), words: "\(before.shown) before 2000 calls, \(sent) frames whole")
}
