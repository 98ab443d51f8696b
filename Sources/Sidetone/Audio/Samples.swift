// Every frame.
//
// Between the bytes of a format on the wire and samples as arithmetic wants them: 16 bits,
// little-endian, and for filters 32-bit floats of the same scale. The codecs are kernels in C,
// which turn 20 ms of G.711 in a tenth of a microsecond; here are their bounds.

import CKernels

package enum Samples {
  /// The bytes of one sample, and of one that is a float.
  package static let size = 2
  package static let floatSize = 4

  /// Decodes `source`, whole samples of `format`, into samples; answers their bytes. `samples` has
  /// room for them and does not overlap `source`.
  @_noAllocation package static func decode(
    _ source: Bytes, as format: Format, into samples: Bytes
  ) -> Int {
    let count = source.count / format.bytesPerSample
    precondition(source.count % format.bytesPerSample == 0 && samples.count / 2 >= count)
    switch format.codec {
    case .mulaw: unsafe ck_mulaw_decode(samples.base, source.base, count)
    case .alaw: unsafe ck_alaw_decode(samples.base, source.base, count)
    case .linear16 where format.isBigEndian: unsafe ck_swap16(samples.base, source.base, count)
    case .linear16: unsafe ck_move(samples.base, source.base, 2 &* count)
    }
    return 2 &* count
  }

  /// Encodes whole samples into bytes of `format`; answers how many. `destination` has room for
  /// them; it begins where `samples` begins or does not overlap it.
  @_noAllocation package static func encode(
    _ samples: Bytes, as format: Format, into destination: Bytes
  ) -> Int {
    let count = samples.count / 2
    let bytes = count &* format.bytesPerSample
    precondition(samples.count & 1 == 0 && destination.count >= bytes)
    switch format.codec {
    case .mulaw: unsafe ck_mulaw_encode(destination.base, samples.base, count)
    case .alaw: unsafe ck_alaw_encode(destination.base, samples.base, count)
    case .linear16 where format.isBigEndian: unsafe ck_swap16(destination.base, samples.base, count)
    case .linear16: unsafe ck_move(destination.base, samples.base, bytes)
    }
    return bytes
  }

  /// Writes `samples` as floats into `floats`, which has exactly room for them and does not overlap
  /// them.
  @_noAllocation package static func widen(_ samples: Bytes, into floats: Bytes) {
    let count = samples.count / size
    precondition(samples.count == count &* size && floats.count == count &* floatSize)
    unsafe ck_widen(floats.base, samples.base, count)
  }

  /// Writes the samples nearest to `floats` into `samples`, which has exactly room for them and
  /// does not overlap them. What is louder than any sample becomes the loudest.
  @_noAllocation package static func round(_ floats: Bytes, into samples: Bytes) {
    let count = samples.count / size
    precondition(samples.count == count &* size && floats.count == count &* floatSize)
    unsafe ck_round(samples.base, floats.base, count)
  }
}
