// Every frame.
//
// Between the bytes of a format on the wire and samples as arithmetic wants them: 16 bits,
// little-endian. The codecs are kernels in C, which turn 20 ms of G.711 in a tenth of a
// microsecond; here are their bounds.

import CKernels

package enum Samples {
  /// The bytes of one sample.
  package static let size = 2

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
}
