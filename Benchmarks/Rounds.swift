// What one load on one opponent showed, and the best of several.

import Harness

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

  /// Nil where the load could not be carried out.
  static func measure(_ opponent: Opponent, calls: Int, seconds: Int) -> Figures? {
    opponent.load(calls: calls, seconds: seconds).map(Figures.init)
  }

  private init(_ report: LoadReport) {
    processorPerFrame = report.relay.usPerFrame
    // Of two directions the worse one counts.
    median = max(report.delayUs.p50, report.downDelayUs?.p50 ?? 0)
    p99 = max(report.delayUs.p99, report.downDelayUs?.p99 ?? 0)
    lost = report.frames.lost + (report.downFrames?.lost ?? 0)
    isClean = report.clean
    residentPerCall = report.relay.residentKibPerCall
    frames = report.framesArrived
    lateness = max(report.generatorLatenessUs.p99, report.downGeneratorLatenessUs?.p99 ?? 0)
    generatorBusy = report.generator.busyPercent
    busy = report.relay.busyPercent
  }
}

/// How punctually a burst of the upstream's sound came to a caller, on the carrier's clock; times
/// in microseconds.
struct Punctuality {
  var medianLate: Double
  var p99Late: Double
  var p99Early: Double
  /// Pieces that came when the carrier had nothing left to play.
  var gaps: Int
  var isClean: Bool

  /// Nil where the load could not be carried out.
  static func measure(_ opponent: Opponent, calls: Int, seconds: Int) -> Punctuality? {
    let report = opponent.load(calls: calls, seconds: seconds, ["--burst", "2"])
    guard let report, let late = report.playoutLateUs, let early = report.playoutEarlyUs,
      let playout = report.playout
    else { return nil }
    return Punctuality(
      medianLate: late.p50, p99Late: late.p99, p99Early: early.p99, gaps: playout.gaps,
      isClean: report.clean && late.count > 0)
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
