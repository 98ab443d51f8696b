// Every frame.
//
// What one side of a call sounds like: how loud it is, how much of it is clipped, how much is
// silence. A sample of it, so that a frame costs one comparison: of every 300 ms the first 10 ms
// are looked at. Places are counted in whatever the owner counts; what was looked at once is not
// looked at again, though it may be sent again.
//
//     ├─look─┤            290 ms            ├─look─┤                          ├─look─┤
//     place                                  next

import CKernels

package struct SoundMeter: BitwiseCopyable, Sendable {
  package static let lookMilliseconds = 10
  package static let everyMilliseconds = 300
  /// Below this power, 50 dB under the loudest that 16 bits have, a look is silence.
  private static let silence = fullScale / 100_000
  /// The power of samples of 32,768.
  private static let fullScale: Float = 1_073_741_824

  private var next = 0
  /// The squares of all samples of looks that are no silence, and how many those are.
  private var power: Float = 0
  private var spoken: UInt32 = 0
  private var samples: UInt32 = 0
  private var clipped: UInt32 = 0
  private var looks: UInt32 = 0
  private var silentLooks: UInt32 = 0

  package init() {}

  /// Whether audio that begins at this place is to be looked at.
  @inline(__always) package func isDue(at place: Int) -> Bool { place >= next }

  /// What was looked at so far counts no more; what comes from this place on does.
  @_noAllocation package mutating func restart(at place: Int) {
    self = SoundMeter()
    next = place
  }

  /// Places are counted anew: what comes next is at this one.
  @_noAllocation package mutating func goOn(at place: Int) { next = place }

  /// Looks at the beginning of audio, at one of its channels; the next look is due so much later.
  @_noAllocation package mutating func look(
    at audio: Bytes, _ format: Format, channel: Int = 0, place: Int, every: Int
  ) {
    next = place &+ every
    let whole = min(audio.count / format.bytesPerFrame, format.rate / 1000 &* Self.lookMilliseconds)
    let count = whole & ~7
    guard count > 0 else { return }
    let first = audio.dropping(channel &* format.bytesPerSample)
    let kind = format.kernelKind
    let sound = unsafe ck_sound_of(first.base, count, format.channels, kind)
    let length = UInt32(truncatingIfNeeded: count)
    samples &+= length
    clipped &+= sound.clipped
    looks &+= 1
    if sound.power < Self.silence * Float(count) {
      silentLooks &+= 1
    } else {
      power += sound.power
      spoken &+= length
    }
  }

  /// Nil where nothing was looked at.
  package var sound: Sound? {
    guard looks > 0 else { return nil }
    let isHeard = spoken > 0
    let mean = isHeard ? Double(power / Float(spoken) / Self.fullScale) : 1
    return Sound(
      level: isHeard ? -Int(0.5 - 10 * decibels(mean)) : nil,
      clipped: Int(clipped) &* 1_000_000 / Int(samples),
      silence: Int(silentLooks) &* 1000 / Int(looks))
  }
}

/// What was measured.
package struct Sound: BitwiseCopyable, Equatable, Sendable {
  /// Root mean square of what is no silence, in tenths of a decibel; 0 is a square wave of the
  /// loudest samples, a sine is 3 dB below its peaks. Nil where there is only silence.
  package var level: Int?
  /// Samples that are as loud as the format can have them (0.2 dB less, of 16 bits), per million.
  package var clipped: Int
  /// Silence, 50 dB below the loudest, per mille.
  package var silence: Int
}

/// How many decibels a ratio of powers above 0 is. The logarithm bit by bit, to a thousandth.
private func decibels(_ ratio: Double) -> Double {
  var logarithm = Double(ratio.exponent)
  var rest = ratio.significand
  var bit = 0.5
  for _ in 0..<14 {
    rest *= rest
    if rest >= 2 {
      rest /= 2
      logarithm += bit
    }
    bit /= 2
  }
  return logarithm * 3.010_299_956_639_812
}

extension Format {
  /// As the kernel that measures calls it.
  var kernelKind: Int32 {
    switch codec {
    case .mulaw: Int32(CK_MULAW)
    case .alaw: Int32(CK_ALAW)
    case .linear16: Int32(isBigEndian ? CK_SWAPPED : CK_LINEAR)
    }
  }
}
