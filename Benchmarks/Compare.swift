// `SidetoneBench compare`: everyone under the same load in turn, as multiples of the floor.

import Foundation
import Harness

struct Compare {
  private var calls: Int
  private var seconds: Int
  private var rounds: Int
  private var countsSystemCalls: Bool
  private var searchesCapacity: Bool
  private var kind: Calls
  private var names: [String]

  init(_ arguments: [String]) throws(BenchFailure) {
    var arguments = BenchArguments(arguments)
    calls = try arguments.number("--calls", default: 200)
    seconds = try arguments.number("--seconds", default: 4)
    rounds = try arguments.number("--rounds", default: 3)
    countsSystemCalls = arguments.flag("--syscalls")
    searchesCapacity = arguments.flag("--capacity")
    let isTwoWay = arguments.flag("--two-way")
    let isRaw = arguments.flag("--raw")
    if isTwoWay && isRaw { throw .impossible("--raw calls are one-way") }
    kind = try .of(
      isTwoWay ? .twilioOpenAI : isRaw ? .rawDeepgram : .twilioDeepgram,
      isTLS: arguments.flag("--tls"))
    names = (try arguments.value("--only") ?? "floor,node,relay").split(separator: ",").map(
      String.init)
    try arguments.finish()
  }

  func run() throws(BenchFailure) {
    var opponents: [Opponent] = []
    if names.contains("floor") { opponents.append(try .floor(kind)) }
    // The peer has neither the one nor the other.
    if names.contains("node"), kind.name == Calls.Kind.twilioDeepgram.rawValue,
      let node = try Opponent.node(kind)
    {
      opponents.append(node)
    }
    if names.contains("relay") {
      let callsMax = searchesCapacity ? Capacity.callsMax : calls
      opponents.append(try .relay(kind, twoWayCallsMax: callsMax))
    }
    if opponents.isEmpty { throw .impossible("--only names none that could be measured") }
    defer { for opponent in opponents { opponent.stop() } }
    print(
      "\(Programs.processors.count) processors,",
      Programs.isRealTime ? "in real time" : "not in real time: other work will disturb this")
    if searchesCapacity {
      Capacity.search(opponents)
    } else {
      try table(opponents)
    }
  }

  private func table(_ opponents: [Opponent]) throws(BenchFailure) {
    let bests = try Best.of(opponents, calls: calls, seconds: seconds, rounds: rounds)
    print(
      "\(calls) calls, best of \(rounds) rounds of \(seconds) s; x: multiple of \(bests[0].name)")
    var head = ["CPU/frame x", "p50 x", "p99 x", "CPU us", "p50 us", "p99 us", "lost", "KiB/call"]
    if countsSystemCalls { head.append("syscalls") }
    printRow("", head)
    for (best, opponent) in zip(bests, opponents) {
      var row = [
        best.processorPerFrame / bests[0].processorPerFrame, best.median / bests[0].median,
        best.p99 / bests[0].p99, best.processorPerFrame, best.median, best.p99,
        Double(best.lost), best.residentPerCall,
      ].map(Columns.number)
      if countsSystemCalls {
        row.append(SystemCalls.perFrame(opponent).map(Columns.number) ?? "-")
      }
      printRow(best.name, row)
    }
    for best in bests where best.uncleanRounds > 0 || best.doubtfulRounds > 0 {
      print(
        "\(best.name): \(best.uncleanRounds) rounds not clean,",
        "\(best.doubtfulRounds) in which the load itself was late")
    }
  }

  private func printRow(_ name: String, _ columns: [String]) {
    print(Columns.left(name, 8) + columns.map { Columns.right($0, 12) }.joined())
  }
}

/// How many calls an opponent carries on its one core with p99 of the added delay under 5 ms and
/// not a frame lost.
enum Capacity {
  private static let p99Max = 5_000.0
  private static let seconds = 3
  /// More two-way calls than one core is expected to carry.
  static let callsMax = 2_000

  private enum Verdict { case carried, failed, loadTooSlow }

  static func search(_ opponents: [Opponent]) {
    print("calls with p99 under 5 ms and nothing lost")
    var floor: Double?
    for opponent in opponents {
      let (calls, isLoadsLimit) = search(opponent)
      if floor == nil { floor = Double(calls) }
      let share = Columns.number(Double(calls) / max(floor ?? 1, 1))
      print(
        Columns.left(opponent.name, 8) + Columns.right(String(calls), 8)
          + Columns.right(share, 8) + " x" + (isLoadsLimit ? "  (the load's own limit)" : ""))
    }
  }

  /// Doubles until it fails, then halves the distance until it is within 5 percent.
  private static func search(_ opponent: Opponent) -> (calls: Int, isLoadsLimit: Bool) {
    var good = 0
    var bad: Int?
    var isLoadsLimit = false
    var next = 100
    while bad == nil || bad! - good > max(10, good / 20) {
      // The second chance is for what else the machine may have been doing.
      var verdict = attempt(opponent, calls: next)
      if verdict != .carried { verdict = attempt(opponent, calls: next) }
      if verdict == .carried {
        good = next
      } else {
        bad = next
        isLoadsLimit = verdict == .loadTooSlow
      }
      next = bad.map { (good + $0) / 2 } ?? next * 2
      if next > 10_000 { break }
    }
    return (good, isLoadsLimit)
  }

  private static func attempt(_ opponent: Opponent, calls: Int) -> Verdict {
    guard let figures = Figures.measure(opponent, calls: calls, seconds: seconds) else {
      return .failed
    }
    if figures.isClean && figures.p99 < p99Max && figures.isTrustworthy { return .carried }
    return !figures.isTrustworthy && figures.busy < 95 ? .loadTooSlow : .failed
  }
}

/// System calls per relayed frame, transcripts included: strace counts two loads of different
/// length, and the difference leaves out what setting up and ending the calls costs.
enum SystemCalls {
  static func perFrame(_ opponent: Opponent) -> Double? {
    guard let short = count(opponent, seconds: 2), let long = count(opponent, seconds: 6),
      long.frames > short.frames
    else { return nil }
    return Double(long.calls - short.calls) / Double(long.frames - short.frames)
  }

  private static func count(_ opponent: Opponent, seconds: Int) -> (calls: Int, frames: Int)? {
    let summary = Programs.folder + "/strace.summary"
    let command = [
      "strace", "-q", "-q", "-f", "-c", "-p", String(opponent.identifier), "-o", summary,
    ]
    guard Program.isFound("strace"),
      let tracer = try? Programs.start(command, on: Programs.processors.first)
    else { return nil }
    usleep(500_000)
    // Few calls: a traced process is slow, and a slow one would take several frames at once.
    let figures = Figures.measure(opponent, calls: 10, seconds: seconds)
    kill(tracer.identifier, SIGINT)
    tracer.finish()
    guard let figures, let text = try? String(contentsOfFile: summary, encoding: .utf8) else {
      return nil
    }
    // The last line: percent, seconds, microseconds per call, calls, (errors,) "total".
    let total = text.split(separator: "\n").last?.split(separator: " ") ?? []
    guard total.last == "total", total.count >= 5, let calls = Int(total[3]) else { return nil }
    return (calls, figures.frames)
  }
}
