// Looks for the marks of the tone code in a window that slides over the samples one by one. Because
// every tone has whole periods in the window, a sample leaves the sums exactly as it entered them:
// the arithmetic is in whole numbers and never drifts.

import Glibc

/// One period of 40 Hz, in steps of one sample, scaled to whole numbers.
enum Wave {
  static let scale = 16384.0
  static let cosine = table(cos)
  static let sine = table(sin)

  private static func table(_ function: (Double) -> Double) -> [Int] {
    (0..<Tones.windowSamples).map {
      Int((scale * function(2 * .pi * Double($0) / Double(Tones.windowSamples))).rounded())
    }
  }

  static func power(_ real: Int, _ imaginary: Int) -> Double {
    let real = Double(real) / scale
    let imaginary = Double(imaginary) / scale
    return real * real + imaginary * imaginary
  }
}

/// How much of each mark lies in the window of the last samples.
struct MarkSums {
  /// Of all samples in the window, squared and summed.
  private(set) var energy = 0
  private var real: InlineArray<4, Int> = .init(repeating: 0)
  private var imaginary: InlineArray<4, Int> = .init(repeating: 0)
  private static let steps: InlineArray<4, Int> = [
    Tones.startMark.low, Tones.startMark.high, Tones.endMark.low, Tones.endMark.high,
  ]

  mutating func slide(in new: Int16, out old: Int16, phase: Int) {
    let change = Int(new) - Int(old)
    energy += Int(new) * Int(new) - Int(old) * Int(old)
    for tone in 0..<4 {
      let turn = phase * Self.steps[tone] % Tones.windowSamples
      real[tone] += change * Wave.cosine[turn]
      imaginary[tone] += change * Wave.sine[turn]
    }
  }

  var start: Double { pair(0, 1) }
  var end: Double { pair(2, 3) }

  /// The power of both tones of a mark; 0 where one of them is far weaker than the other.
  private func pair(_ a: Int, _ b: Int) -> Double {
    let a = Wave.power(real[a], imaginary[a])
    let b = Wave.power(real[b], imaginary[b])
    return min(a, b) * 16 < max(a, b) ? 0 : a + b
  }
}

/// Follows one mark while it passes through the window and finds its middle.
struct MarkRun {
  private var powers: [Double] = []
  private var firstPosition = 0
  private var lastPosition = 0
  private var peakShare = 0.0
  private(set) var peakEnergy = 0

  /// Below this the window is silent: samples of ±20, far under any speech.
  private static let energyMin = 400 * Tones.windowSamples

  /// Takes the power of the mark in the window that ends at `position`; answers, once the mark has
  /// passed, where the window ended when it lay in the middle of the mark.
  mutating func step(_ power: Double, energy: Int, at position: Int) -> Int? {
    let share =
      energy < Self.energyMin ? 0 : power / (Double(energy) * Double(Tones.windowSamples) / 2)
    if share >= 0.35 {
      if powers.isEmpty { begin(at: position) }
      if power > (powers.max() ?? 0) { peakEnergy = energy }
      powers.append(power)
      lastPosition = position
      peakShare = max(peakShare, share)
      // Nothing that lasts for five symbols is a mark.
      if lastPosition - firstPosition > 5 * Tones.symbolSamples { powers.removeAll() }
      return nil
    }
    defer { powers.removeAll() }
    return powers.isEmpty || peakShare < 0.6 ? nil : middle
  }

  private mutating func begin(at position: Int) {
    firstPosition = position
    peakShare = 0
    peakEnergy = 0
  }

  /// The middle of the stretch in which the mark had at least half its greatest power.
  private var middle: Int {
    let half = (powers.max() ?? 0) / 2
    let first = powers.firstIndex { $0 >= half } ?? 0
    let last = powers.lastIndex { $0 >= half } ?? 0
    let stride = powers.count > 1 ? (lastPosition - firstPosition) / (powers.count - 1) : 0
    return firstPosition + (first + last) * stride / 2
  }
}
