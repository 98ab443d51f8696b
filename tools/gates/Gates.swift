// The gates: exact bounds held against the real daemon over real sockets, while calls run through
// it. Each prints one line with what it measured and the bound, and the whole exits 1 when one is
// crossed. Nothing here is a benchmark: no bound depends on how fast the machine is.
//
//     gates BUILD-DIRECTORY [NAME …]
//     gates instructions BUILD-DIRECTORY [--keep] [NAME …]

import Foundation
import Harness

@main
struct Gates {
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let countsInstructions = arguments.first == "instructions"
    if countsInstructions { arguments.removeFirst() }
    guard !arguments.isEmpty else {
      tell("usage: gates BUILD-DIRECTORY [NAME …]: \(all.map(\.name).joined(separator: ", "))")
      tell(
        "       gates instructions BUILD-DIRECTORY [--keep] [NAME …]: "
          + Kept.frames.map(\.name).joined(separator: ", "))
      exit(2)
    }
    let build = arguments.removeFirst()
    if countsInstructions { exit(Instructions.run(in: build, arguments)) }
    let names = Set(arguments)
    let verdicts = all.filter { names.isEmpty || names.contains($0.name) }.map { gate in
      isKept(gate, in: build)
    }
    let kept = verdicts.count { $0 }
    tell("\(kept) of \(verdicts.count) bounds kept")
    exit(kept == verdicts.count && kept > 0 ? 0 : 1)
  }

  private static func isKept(_ gate: Gate, in build: String) -> Bool {
    do {
      let calls = try Calls(gate.calls, isTLS: gate.isTLS)
      let records = gate.keepsRecords ? try Records() : nil
      let measured = try gate.measure(House(build: build, calls: calls, records: records))
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

  private static var all: [Gate] {
    [
      Gate("allocations", 0, "allocations", allocations),
      Gate("allocations-tls", 0, "allocations", isTLS: true, allocations),
      Gate("system-calls", 3.3, "system calls a frame", systemCalls),
      Gate("memory", 96, "KiB a call", memory),
      Gate("memory-tls", 144, "KiB a call", isTLS: true, memory),
      Gate("short-calls", 0, "descriptors left over", shortCalls),
      Gate("allocations-two-way", 0, "allocations", of: .twilioOpenAI, allocations),
      Gate(
        "allocations-two-way-tls", 0, "allocations", of: .twilioOpenAI, isTLS: true, allocations),
      Gate("system-calls-two-way", 3.3, "system calls a frame", of: .twilioOpenAI, systemCalls),
      Gate("memory-two-way", 256, "KiB a call", of: .twilioOpenAI, memory),
      Gate("short-calls-two-way", 0, "descriptors left over", of: .twilioOpenAI, shortCalls),
      Gate("allocations-records", 0, "allocations", keepsRecords: true, allocations),
      Gate(
        "allocations-records-two-way", 0, "allocations", of: .twilioOpenAI, keepsRecords: true,
        allocations),
      Gate(
        "system-calls-records", 3.5, "system calls a frame", keepsRecords: true, systemCalls),
      Gate("short-calls-records", 0, "descriptors left over", keepsRecords: true, shortCalls),
    ]
  }
}

/// A line at once, whatever the output is.
func tell(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

/// A bound, and how to measure what it binds.
struct Gate {
  typealias Measure = (House) throws(HarnessError) -> Measured

  var name: String
  var bound: Double
  var unit: String
  var calls: Calls.Kind
  var isTLS: Bool
  var keepsRecords: Bool
  var measure: Measure

  init(
    _ name: String, _ bound: Double, _ unit: String, of calls: Calls.Kind = .twilioDeepgram,
    isTLS: Bool = false, keepsRecords: Bool = false, _ measure: @escaping Measure
  ) {
    self.name = name
    self.bound = bound
    self.unit = unit
    self.calls = calls
    self.isTLS = isTLS
    self.keepsRecords = keepsRecords
    self.measure = measure
  }
}

/// A figure, and what it was taken from.
struct Measured {
  var value: Double
  var words: String
}

extension Double {
  /// Without a fraction where there is none.
  var shown: String { self == rounded() ? "\(Int(self))" : String(format: "%.2f", self) }
}

// MARK: - The measures

/// Allocations of the whole process between two moments while frames flow and no call begins or
/// ends. What the courier allocates is another process's.
private func allocations(in house: House) throws(HarnessError) -> Measured {
  let counter = try Counter(library: "\(house.build)/libAllocationCounter.so")
  defer { house.endAll() }
  let relay = try house.startRelay(counter.settings)
  let load = try house.startLoad(["--calls", "50", "--warmup", "4", "--seconds", "6"], on: relay)
  sleep(4)
  let begin = (time: Date(), count: counter.allocations)
  sleep(4)
  let end = (time: Date(), count: counter.allocations)
  try load.report()
  if begin.count == 0 { throw HarnessError("the counter was not loaded") }
  try house.records?.check()
  let frames = Int(end.time.timeIntervalSince(begin.time) * 50) * 50 * house.calls.directions
  return Measured(
    value: Double(end.count - begin.count),
    words: "\(frames) frames, after \(begin.count) allocations to start and set up")
}

/// System calls of the whole process for each frame relayed, results included. Few calls, so that
/// every frame comes alone and none shares a wake-up with another.
private func systemCalls(in house: House) throws(HarnessError) -> Measured {
  defer { house.endAll() }
  let relay = try house.startRelay()
  let calls = 10
  let load = try house.startLoad(
    ["--calls", "\(calls)", "--warmup", "4", "--seconds", "6"], on: relay)
  sleep(3)
  let traced = try systemCalls(of: relay.identifier, seconds: 5)
  try load.report()
  let frames = traced.seconds * 50 * Double(calls * house.calls.directions)
  return Measured(
    value: Double(traced.count) / frames, words: "\(traced.count) for \(Int(frames)) frames")
}

/// What a call takes of resident memory: a relay made for many calls with all of them running, each
/// longer than its replay, against a relay made for one call and idle. So what is taken at start
/// for a call is counted too.
private func memory(in house: House) throws(HarnessError) -> Measured {
  defer { house.endAll() }
  let calls = 200
  func resident(callsMax: Int, load arguments: [String]) throws(HarnessError) -> Double {
    let relay = try house.startRelay([
      "SIDETONE_LIMITS_CALLS_MAX": "\(callsMax)",
      "SIDETONE_LIMITS_TWO_WAY_CALLS_MAX": "\(callsMax)",
    ])
    defer { relay.end() }
    return try house.startLoad(arguments, on: relay).report().relay.residentKib
  }
  let one = try resident(callsMax: 1, load: ["--calls", "1", "--seconds", "1"])
  let many = try resident(callsMax: calls, load: ["--calls", "\(calls)", "--seconds", "8"])
  return Measured(
    value: (many - one) / Double(calls - 1),
    words: "\(one.shown) KiB for one call, \(many.shown) for \(calls)")
}

/// Descriptors after thousands of short calls, ten at a time; none of their frames may be lost.
private func shortCalls(in house: House) throws(HarnessError) -> Measured {
  defer { house.endAll() }
  let relay = try house.startRelay()
  let calls = ["--calls", "20", "--frames", "10"]
  try house.startLoad(["--short-calls", "20"] + calls, on: relay).report()
  let report = try house.startLoad(["--short-calls", "2000"] + calls, on: relay).report()
  let (before, after) = (report.relay.descriptorsBefore, report.relay.descriptorsAfter)
  return Measured(
    value: Double(abs(after - before)),
    words: "\(before) before 2000 calls, \(report.frames.sent) frames whole")
}
