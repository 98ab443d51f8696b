// `SidetoneBench gate`: the loose bounds, short enough for every run of the tests. Two loads,
// because two kinds of mistakes hide in different places: many calls show what a frame costs, and
// few calls show a frame that waits for the next turn of the loop, since with few calls that turn
// is long in coming.

import Foundation

enum Gate {
  private static let manyCalls = 200
  private static let fewCalls = 2
  /// Multiples of the floor, and microseconds.
  private static let processorMax = 2.0
  private static let p99Max = 5_000.0
  private static let medianAboveFloorMax = 500.0

  static func run(_ arguments: [String]) throws(BenchFailure) {
    var arguments = BenchArguments(arguments)
    let proves = arguments.flag("--prove")
    try arguments.finish()
    let misses = try judge(.relay(), rounds: 3)
    if !misses.isEmpty { throw .missed("the relay misses its budget: " + list(misses)) }
    print("the relay keeps its budget")
    if proves { try prove() }
  }

  private static func list(_ misses: [String]) -> String { misses.joined(separator: "; ") }

  /// The bounds that are missed, in words.
  private static func judge(_ relay: Opponent, rounds: Int) throws(BenchFailure) -> [String] {
    let opponents = [try Opponent.floor(), relay]
    defer { for opponent in opponents { opponent.stop() } }
    var misses: [String] = []
    for calls in [manyCalls, fewCalls] {
      let bests = try Best.of(opponents, calls: calls, seconds: 2, rounds: rounds)
      let (floor, relay) = (bests[0], bests[1])
      let ratio = relay.processorPerFrame / floor.processorPerFrame
      print(
        "\(calls) calls: CPU per frame \(Columns.number(ratio)) x the floor's,",
        "p50 \(Columns.number(relay.median)) us (floor \(Columns.number(floor.median))),",
        "p99 \(Columns.number(relay.p99)) us (floor \(Columns.number(floor.p99)))")
      if calls == manyCalls && ratio > processorMax {
        misses.append("\(Columns.number(ratio)) x the floor's CPU per frame at \(calls) calls")
      }
      if relay.p99 > p99Max {
        misses.append("p99 of \(Columns.number(relay.p99)) us at \(calls) calls")
      }
      if relay.median > floor.median + medianAboveFloorMax {
        misses.append("p50 of \(Columns.number(relay.median)) us at \(calls) calls")
      }
      if relay.uncleanRounds > 0 {
        misses.append("\(relay.lost) frames lost, or calls ended badly, at \(calls) calls")
      }
    }
    return misses
  }

  /// A gate that cannot fail proves nothing: the same bounds must catch a relay that stalls for 1
  /// ms in each turn, and one that holds each frame for an extra turn, and must pass the same build
  /// without a fault.
  private static func prove() throws(BenchFailure) {
    let place = ".build/planted"
    print("building a relay with planted faults")
    let built = Programs.output([
      "swift", "build", "-c", "release", "--scratch-path", place, "--product", "sidetone",
      "-Xswiftc", "-DPLANTED_FAULTS",
    ])
    guard built.status == 0 else {
      throw .impossible("the relay with planted faults does not build:\n\(built.text)")
    }
    for fault in ["none", "stall", "turn"] {
      print("planted fault: \(fault)")
      let relay = try Opponent.relay(
        program: place + "/release/sidetone", environment: ["PLANTED_FAULT": fault])
      let misses = try judge(relay, rounds: fault == "none" ? 3 : 1)
      if fault == "none" {
        if !misses.isEmpty { throw .missed("without a fault: " + list(misses)) }
      } else if misses.isEmpty {
        throw .missed("the gate does not see the planted fault: \(fault)")
      } else {
        print("caught: " + list(misses))
      }
    }
  }
}
