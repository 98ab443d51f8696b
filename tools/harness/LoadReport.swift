// What `sidetone-lab load` reports, as far as anybody here reads it; names as the load writes them.

import Foundation

package struct LoadReport: Decodable {
  package struct Frames: Decodable { package var sent: Int, arrived: Int, lost: Int }
  package struct Times: Decodable { package var count: Int, p50: Double, p99: Double }
  package struct Busy: Decodable { package var busyPercent: Double }
  package struct Playout: Decodable { package var gaps: Int }
  package struct Relay: Decodable {
    package var usPerFrame: Double, busyPercent: Double
    package var residentKib: Double, residentKibPerCall: Double
    package var descriptorsBefore: Int, descriptorsAfter: Int
  }
  package var frames: Frames
  package var delayUs: Times
  package var generatorLatenessUs: Times
  /// Of two-way calls: the other direction.
  package var downFrames: Frames?
  package var downDelayUs: Times?
  package var downGeneratorLatenessUs: Times?
  /// Of two-way calls with bursts.
  package var playoutLateUs: Times?
  package var playoutEarlyUs: Times?
  package var playout: Playout?
  package var generator: Busy
  package var relay: Relay
  package var clean: Bool

  /// Of both directions.
  package var framesArrived: Int { frames.arrived + (downFrames?.arrived ?? 0) }

  /// Nil where the load said something else.
  package init?(_ text: String) {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let report = try? decoder.decode(LoadReport.self, from: Data(text.utf8)) else {
      return nil
    }
    self = report
  }
}
