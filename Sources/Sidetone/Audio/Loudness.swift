// Every frame.
//
// A voice told from a quiet line, by how much of the audio is loud.

import CKernels

/// Whether a chunk of audio holds something loud enough to be a voice.
package enum Loudness {
  /// So loud is a voice on a telephone, at its peaks: -36 dB below the loudest.
  private static let level: UInt16 = 512
  /// As the two kinds of G.711 write that level, without sign, with louder larger once they are
  /// turned.
  private static let mulaw: (level: UInt8, turning: UInt8) = (36, 0x7f)
  private static let alaw: (level: UInt8, turning: UInt8) = (32, 0x55)

  /// One sample in so many has to be that loud.
  private static let share = 16

  @_noAllocation package static func isVoice(_ audio: Bytes, _ format: Format) -> Bool {
    let samples = audio.count / format.bytesPerSample
    let loud =
      switch format.codec {
      case .mulaw: unsafe ck_loud_bytes(audio.base, samples, mulaw.turning, mulaw.level)
      case .alaw: unsafe ck_loud_bytes(audio.base, samples, alaw.turning, alaw.level)
      case .linear16: unsafe ck_loud_samples(audio.base, samples, format.isBigEndian, level)
      }
    return loud &* share > samples
  }
}
