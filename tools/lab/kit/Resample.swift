// Changes the rate of a stream of samples with a windowed sinc: for the lab's own files and twins,
// where exact arithmetic matters and speed does not. It delays by half its kernel and ends with
// what it has.

import Glibc

package struct Resample {
  private let up: Int
  private let down: Int
  private let reach: Int
  /// One row of weights for each place that an output can have between two inputs.
  private let weights: [[Double]]
  private var kept: [Double]
  /// The input place of `kept[0]`, and the number of the next output.
  private var firstInput: Int
  private var nextOutput = 0

  /// From one rate to another, both in Hz.
  package init(from: Int, to: Int) {
    precondition(from > 0 && to > 0)
    var (a, b) = (from, to)
    while b != 0 { (a, b) = (b, a % b) }
    up = to / a
    down = from / a
    // The cut lies a little under half of the lower rate; the kernel spans 32 of its periods.
    let cut = 0.94 * min(1, Double(to) / Double(from))
    reach = Int((16 / cut).rounded(.up))
    let (reach, up) = (reach, up)
    weights = (0..<up).map { phase in
      let row = (-reach + 1...reach).map { tap in
        Self.weight(Double(tap) - Double(phase) / Double(up), cut: cut, reach: Double(reach))
      }
      let sum = row.reduce(0, +)
      return row.map { $0 / sum }
    }
    kept = [Double](repeating: 0, count: reach)
    firstInput = -reach
  }

  private static func weight(_ x: Double, cut: Double, reach: Double) -> Double {
    if abs(x) >= reach { return 0 }
    let turn = Double.pi * x / reach
    let window = 0.42 + 0.5 * cos(turn) + 0.08 * cos(2 * turn)
    let angle = Double.pi * x * cut
    return window * (abs(angle) < 1e-9 ? 1 : sin(angle) / angle)
  }

  /// Takes samples in and answers those that they complete.
  package mutating func convert(_ samples: [Int16]) -> [Int16] {
    if up == down { return samples }
    kept.append(contentsOf: samples.lazy.map { Double($0) })
    var result: [Int16] = []
    while true {
      let base = nextOutput * down / up
      let begin = base - reach + 1 - firstInput
      guard begin + 2 * reach <= kept.count else { break }
      let row = weights[nextOutput * down % up]
      var sum = 0.0
      for tap in 0..<2 * reach { sum += row[tap] * kept[begin + tap] }
      result.append(Int16(max(-32768, min(32767, sum.rounded()))))
      nextOutput += 1
    }
    let unneeded = min(kept.count, nextOutput * down / up - reach + 1 - firstInput)
    if unneeded > 0 {
      kept.removeFirst(unneeded)
      firstInput += unneeded
    }
    return result
  }

  /// A whole recording at once, its length kept in proportion.
  package static func all(_ samples: [Int16], from: Int, to: Int) -> [Int16] {
    if from == to { return samples }
    var resample = Resample(from: from, to: to)
    var result = resample.convert(samples)
    let wanted = samples.count * to / from
    while result.count < wanted {
      result += resample.convert([Int16](repeating: 0, count: resample.reach))
    }
    return [Int16](result.prefix(wanted))
  }
}
