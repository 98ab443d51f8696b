// One load on one opponent, and the best of several.

import Foundation

/// What a load of `sidetone-lab` said about an opponent; times in microseconds.
struct Figures {
  var processorPerFrame: Double
  var median: Double
  var p99: Double
  var lost: Int
  var isClean: Bool
  var residentPerCall: Double
  var frames: Int
  /// How late the load itself was, and how busy it and the opponent were, in percent.
  var lateness: Double
  var generatorBusy: Double
  var busy: Double

  /// Whether the load kept its own schedule well enough to judge others.
  var isTrustworthy: Bool { lateness < 2_000 }

  /// Runs one load. Nil where it could not be carried out.
  static func measure(_ opponent: Opponent, calls: Int, seconds: Int) -> Figures? {
    let command = Programs.pinned(
      [
        Programs.folder + "/sidetone-lab", "load",
        "--relay", "ws://127.0.0.1:\(opponent.port)\(opponent.kind.path)",
        "--twin-port", String(opponent.twinPort), "--calls", String(calls),
        "--seconds", String(seconds), "--pid", String(opponent.identifier), "--json",
      ] + opponent.kind.options, on: Programs.processors.last)
    let output = Programs.output(command)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let report = try? decoder.decode(Report.self, from: Data(output.text.utf8)) else {
      print("\(opponent.name): \(output.text)")
      return nil
    }
    return Figures(report)
  }

  /// The part of the load's report that is used here.
  private struct Report: Decodable {
    struct Frames: Decodable { var arrived: Int, lost: Int }
    struct Times: Decodable { var p50: Double, p99: Double }
    struct Busy: Decodable { var busyPercent: Double }
    struct Relay: Decodable {
      var usPerFrame: Double, busyPercent: Double, residentKibPerCall: Double
    }
    var frames: Frames
    var delayUs: Times
    var generatorLatenessUs: Times
    /// Of two-way calls: the other direction.
    var downFrames: Frames?
    var downDelayUs: Times?
    var downGeneratorLatenessUs: Times?
    var generator: Busy
    var relay: Relay
    var clean: Bool
  }

  private init(_ report: Report) {
    processorPerFrame = report.relay.usPerFrame
    // Of two directions the worse one counts.
    median = max(report.delayUs.p50, report.downDelayUs?.p50 ?? 0)
    p99 = max(report.delayUs.p99, report.downDelayUs?.p99 ?? 0)
    lost = report.frames.lost + (report.downFrames?.lost ?? 0)
    isClean = report.clean
    residentPerCall = report.relay.residentKibPerCall
    frames = report.frames.arrived + (report.downFrames?.arrived ?? 0)
    lateness = max(report.generatorLatenessUs.p99, report.downGeneratorLatenessUs?.p99 ?? 0)
    generatorBusy = report.generator.busyPercent
    busy = report.relay.busyPercent
  }
}

/// The best that an opponent showed in rounds that alternate with the others': each figure's least,
/// since noise only adds, and all the losses.
struct Best {
  let name: String
  private(set) var processorPerFrame = Double.infinity
  private(set) var median = Double.infinity
  private(set) var p99 = Double.infinity
  private(set) var residentPerCall = 0.0
  private(set) var lost = 0
  private(set) var uncleanRounds = 0
  /// Rounds in which the load was late itself; they count only where there are no others.
  private(set) var doubtfulRounds = 0
  private(set) var rounds = 0

  init(_ name: String) { self.name = name }

  mutating func take(_ figures: Figures) {
    if !figures.isTrustworthy {
      doubtfulRounds += 1
    }
    rounds += 1
    processorPerFrame = min(processorPerFrame, figures.processorPerFrame)
    median = min(median, figures.median)
    p99 = min(p99, figures.p99)
    residentPerCall = max(residentPerCall, figures.residentPerCall)
    lost += figures.lost
    if !figures.isClean { uncleanRounds += 1 }
  }

  /// Loads each opponent in turn, and begins again.
  static func of(
    _ opponents: [Opponent], calls: Int, seconds: Int, rounds: Int
  ) throws(BenchFailure) -> [Best] {
    var bests = opponents.map { Best($0.name) }
    for _ in 0..<rounds {
      for (index, opponent) in opponents.enumerated() {
        guard let figures = Figures.measure(opponent, calls: calls, seconds: seconds) else {
          throw .impossible("\(opponent.name) could not be loaded")
        }
        bests[index].take(figures)
      }
    }
    return bests
  }
}
