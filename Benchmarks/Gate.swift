// `SidetoneBench gate`: the loose bounds, short enough for every run of the tests. Two loads of
// each kind of call, because two kinds of mistakes hide in different places: many calls show what a
// frame costs, and few calls show a frame that waits for the next turn of the loop, since with few
// calls that turn is long in coming. And one call whose upstream speaks in bursts, for the clock on
// which they are played out.

import Harness

enum Gate {
  private static let manyCalls = 200
  private static let fewCalls = 2
  /// Multiples of the floor, and microseconds.
  private static let processorMax = 2.0
  private static let p99Max = 5_000.0
  private static let medianAboveFloorMax = 500.0
  /// Playing out may be late, or early, by one frame; and so much is noise.
  private static let playoutMax = 20_000.0 + 2_000

  private enum Part: CaseIterable { case oneWay, twoWay, playout }

  static func run(_ arguments: [String]) throws(BenchFailure) {
    var arguments = BenchArguments(arguments)
    let proves = arguments.flag("--prove")
    try arguments.finish()
    let misses = try judge(Part.allCases, rounds: 3)
    if !misses.isEmpty { throw .missed("the relay misses its budget: " + list(misses)) }
    print("the relay keeps its budget")
    if proves { try prove() }
  }

  private static func list(_ misses: [String]) -> String { misses.joined(separator: "; ") }

  /// The bounds that are missed, in words; `program` is nil for the relay that was built.
  private static func judge(
    _ parts: [Part], rounds: Int, program: String? = nil, settings: [String: String] = [:]
  ) throws(BenchFailure) -> [String] {
    var misses: [String] = []
    for part in parts {
      let calls = try Calls.of(part == .oneWay ? .twilioDeepgram : .twilioOpenAI)
      let relay = try Opponent.relay(calls, program: program, settings: settings)
      defer { relay.stop() }
      if part == .playout {
        misses += try judgePlayout(relay)
      } else {
        misses += try judgeFrames(relay, rounds: rounds)
      }
    }
    return misses
  }

  private static func judgeFrames(
    _ relay: Opponent, rounds: Int
  ) throws(BenchFailure) -> [String] {
    let opponents = [try Opponent.floor(relay.calls), relay]
    defer { opponents[0].stop() }
    var misses: [String] = []
    for calls in [manyCalls, fewCalls] {
      let bests = try Best.of(opponents, calls: calls, seconds: 2, rounds: rounds)
      let (floor, relay) = (bests[0], bests[1])
      let ratio = relay.processorPerFrame / floor.processorPerFrame
      let what = "\(calls) \(opponents[0].calls.isTwoWay ? "two-way" : "one-way") calls"
      print(
        "\(what): CPU per frame \(Columns.number(ratio)) x the floor's,",
        "p50 \(Columns.number(relay.median)) us (floor \(Columns.number(floor.median))),",
        "p99 \(Columns.number(relay.p99)) us (floor \(Columns.number(floor.p99)))")
      if calls == manyCalls && ratio > processorMax {
        misses.append("\(Columns.number(ratio)) x the floor's CPU per frame at \(what)")
      }
      if relay.p99 > p99Max { misses.append("p99 of \(Columns.number(relay.p99)) us at \(what)") }
      if relay.median > floor.median + medianAboveFloorMax {
        misses.append("p50 of \(Columns.number(relay.median)) us at \(what)")
      }
      if relay.uncleanRounds > 0 {
        misses.append("\(relay.lost) frames lost, or calls ended badly, at \(what)")
      }
    }
    return misses
  }

  /// A single call, so that a late tick is not made good by another call's.
  private static func judgePlayout(_ relay: Opponent) throws(BenchFailure) -> [String] {
    guard let playout = Punctuality.measure(relay, calls: 1, seconds: 9) else {
      throw .impossible("\(relay.name) could not be loaded with bursts")
    }
    let late = Columns.number(playout.p99Late / 1_000)
    let early = Columns.number(playout.p99Early / 1_000)
    print(
      "playing out: p50 \(Columns.number(playout.medianLate / 1_000)) ms late,",
      "p99 \(late) ms late or \(early) ms early, \(playout.gaps) gaps")
    var misses: [String] = []
    if playout.p99Late > playoutMax { misses.append("playing out is \(late) ms late") }
    if playout.p99Early > playoutMax { misses.append("playing out is \(early) ms early") }
    if playout.gaps > 0 { misses.append("\(playout.gaps) gaps in what is played out") }
    if !playout.isClean { misses.append("frames lost, or calls ended badly, in playing out") }
    return misses
  }

  /// A gate that cannot fail proves nothing: the same bounds must catch a relay that stalls for 1
  /// ms in each turn, one that holds each frame for an extra turn, and one whose clock is 25 ms
  /// late, and must pass the same build without a fault.
  private static func prove() throws(BenchFailure) {
    let place = ".build/planted"
    print("building a relay with planted faults")
    let built = Program.run([
      "swift", "build", "-c", "release", "--scratch-path", place, "--product", "sidetone",
      "-Xswiftc", "-DPLANTED_FAULTS",
    ])
    guard built.status == 0 else {
      throw .impossible("the relay with planted faults does not build:\n\(built.text)")
    }
    let faults: [(name: String, seenBy: [Part])] = [
      ("none", Part.allCases), ("stall", [.oneWay]), ("turn", [.oneWay]), ("late", [.playout]),
    ]
    for fault in faults {
      print("planted fault: \(fault.name)")
      let misses = try judge(
        fault.seenBy, rounds: fault.name == "none" ? 3 : 1,
        program: place + "/release/sidetone", settings: ["PLANTED_FAULT": fault.name])
      if fault.name == "none" {
        if !misses.isEmpty { throw .missed("without a fault: " + list(misses)) }
      } else if misses.isEmpty {
        throw .missed("the gate does not see the planted fault: \(fault.name)")
      } else {
        print("caught: " + list(misses))
      }
    }
  }
}
