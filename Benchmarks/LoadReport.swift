// Runs `sidetone-lab load` on an opponent, and reads its report.

import Foundation

/// The part of the report that is used here; names as the load writes them.
struct LoadReport: Decodable {
  struct Frames: Decodable { var arrived: Int, lost: Int }
  struct Times: Decodable { var count: Int, p50: Double, p99: Double }
  struct Busy: Decodable { var busyPercent: Double }
  struct Playout: Decodable { var gaps: Int }
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
  /// Of two-way calls with bursts.
  var playoutLateUs: Times?
  var playoutEarlyUs: Times?
  var playout: Playout?
  var generator: Busy
  var relay: Relay
  var clean: Bool

  /// Runs one load. Nil, and a line with what it said, where it could not be carried out.
  static func of(
    _ opponent: Opponent, calls: Int, seconds: Int, _ more: [String] = []
  ) -> LoadReport? {
    let command = [
      Programs.folder + "/sidetone-lab", "load",
      "--relay", "ws://127.0.0.1:\(opponent.port)\(opponent.kind.path)",
      "--twin-port", String(opponent.twinPort), "--calls", String(calls),
      "--seconds", String(seconds), "--pid", String(opponent.identifier), "--json",
    ]
    let output = Programs.output(
      Programs.pinned(command + opponent.kind.options + more, on: Programs.processors.last))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let report = try? decoder.decode(LoadReport.self, from: Data(output.text.utf8))
    if report == nil { print("\(opponent.name): \(output.text)") }
    return report
  }
}
