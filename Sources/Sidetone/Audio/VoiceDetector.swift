// Every frame.
//
// A voice told from the noise around it, in windows of 10 ms. How loud the noise is, is learned:
//
//     ▁▁▁▂▁▁▁▅█▆▇▃▁▁▂▁▁▁   power, smoothed
//     ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁   floor: the lowest of the last 4 to 5 s
//
// 1. A window is voice where it is 5 dB above the floor; where its sign changes as often as a
//    fricative's does, 3 dB are enough if those before it were as loud.
// 2. What is as loud as a voice on a telephone is always voice, whatever the floor: a steady tone,
//    music, a noise in which nobody could be told from it.
// 3. The floor falls at once and rises within 5 s, as no syllable lasts.

import CKernels

package struct VoiceDetector: BitwiseCopyable, Sendable {
  /// As powers of samples of 32,768: 72 dB below the loudest, which is the least step that G.711
  /// has, and 36 dB below it.
  private static let quietest: Float = 64
  private static let loudest: Float = 270_000
  /// 5 and 3 dB.
  private static let above: Float = 3.2
  private static let fricativeAbove: Float = 2

  /// Of the windows so far; negative before the first.
  private var smoothed: Float = -1
  /// The lowest of it in each of the last seconds, the present one first.
  private var lowest = InlineArray<5, Float>(repeating: .infinity)
  /// Samples of the present second, and how many seconds there were.
  private var samples: Int32 = 0
  private var seconds: UInt8 = 0

  package init() {}

  /// It has heard enough to know what is noise.
  package var isSure: Bool { seconds >= 5 }

  /// Whether there is a voice on one channel of this audio, which follows what was heard before.
  @_noAllocation package mutating func hears(
    _ audio: Bytes, _ format: Format, channel: Int = 0
  ) -> Bool {
    let frames = audio.count / format.bytesPerFrame
    let window = format.rate / 100 & ~7
    var isVoice = false
    var at = 0
    while at < frames {
      let count = min(window, frames &- at) & ~7
      if count == 0 { break }
      let first = audio.dropping(at &* format.bytesPerFrame &+ channel &* format.bytesPerSample)
      if hears(first, count, format) { isVoice = true }
      at &+= count
    }
    return isVoice
  }

  @_noAllocation private mutating func hears(
    _ first: Bytes, _ count: Int, _ format: Format
  ) -> Bool {
    let sound = unsafe ck_sound_of(first.base, count, format.channels, format.kernelKind)
    let power = sound.power / Float(count)
    smoothed = smoothed < 0 ? power : smoothed + (power - smoothed) / 4
    lowest[0] = min(lowest[0], smoothed)
    var floor = Self.quietest
    if let low = lowestOfAll, low > floor { floor = low }
    samples &+= Int32(truncatingIfNeeded: count)
    if samples >= format.rate { beginSecond() }
    if power > min(Self.above * floor, Self.loudest) { return true }
    guard min(power, smoothed) > Self.fricativeAbove * floor else { return false }
    // Of two bytes the second holds the sign, where the low one comes first.
    let sign = first.dropping(format.codec == .linear16 && !format.isBigEndian ? 1 : 0)
    return unsafe ck_crossings(sign.base, count, format.bytesPerFrame) &* 3 >= count
  }

  private var lowestOfAll: Float? {
    var low = Float.infinity
    for index in 0..<5 { low = min(low, lowest[index]) }
    return low < .infinity ? low : nil
  }

  private mutating func beginSecond() {
    samples = 0
    if seconds < 5 { seconds &+= 1 }
    for index in 0..<4 { lowest[4 &- index] = lowest[3 &- index] }
    lowest[0] = .infinity
  }
}
