// A sine, and what is left of it: the best fit of that frequency to what came out.

import Glibc

struct Sine {
  let hertz: Double
  let rate: Int
  /// Of full scale.
  var decibels = -1.0

  func samples(_ count: Int) -> [Int16] {
    let amplitude = 32_767 * pow(10, decibels / 20)
    return (0..<count).map { index in
      Int16((amplitude * sin(angle(at: index))).rounded())
    }
  }

  func angle(at index: Int) -> Double { 2 * .pi * hertz * Double(index) / Double(rate) }
}

/// The sine of one frequency that fits samples best, by least squares over whole periods or many.
struct SineFit {
  private let sine: Sine
  private let inPhase: Double
  private let quadrature: Double
  /// Power of the sine over power of all the rest, in decibels.
  let signalToNoise: Double

  /// `first` is the index of the first sample in its stream.
  init(_ samples: ArraySlice<Int16>, hertz: Double, rate: Int) {
    sine = Sine(hertz: hertz, rate: rate)
    var (ss, sc, cc, ys, yc) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for index in samples.indices {
      let (s, c, y) = (
        sin(sine.angle(at: index)), cos(sine.angle(at: index)), Double(samples[index])
      )
      ss += s * s
      sc += s * c
      cc += c * c
      ys += y * s
      yc += y * c
    }
    let determinant = ss * cc - sc * sc
    inPhase = (ys * cc - yc * sc) / determinant
    quadrature = (yc * ss - ys * sc) / determinant
    var rest = 0.0
    for index in samples.indices {
      let angle = sine.angle(at: index)
      let error = Double(samples[index]) - inPhase * sin(angle) - quadrature * cos(angle)
      rest += error * error
    }
    let power = (inPhase * inPhase + quadrature * quadrature) / 2
    signalToNoise = 10 * log10(power / max(rest / Double(samples.count), 1e-9))
  }

  /// In decibels of full scale.
  var level: Double {
    20 * log10(max((inPhase * inPhase + quadrature * quadrature).squareRoot() / 32_767, 1e-9))
  }
  /// Radians by which it lags behind a sine that began with the stream.
  var lag: Double { -atan2(quadrature, inPhase) }

  func value(at index: Int) -> Double {
    let angle = sine.angle(at: index)
    return inPhase * sin(angle) + quadrature * cos(angle)
  }
}
