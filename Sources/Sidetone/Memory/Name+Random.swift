// Names for calls that have none.

extension Random {
  /// A random id in the form of a version 4 UUID (RFC 9562 §5.4). `scratch`: 80 bytes and more.
  mutating func nextName(scratch: Bytes) -> Name {
    var writer = Writer(scratch.prefix(36))
    let raw = scratch[64..<80]
    fill(raw)
    raw[6] = raw[6] & 0x0f | 0x40
    raw[8] = raw[8] & 0x3f | 0x80
    var at = 0
    for (place, length) in [(0, 4), (1, 2), (2, 2), (3, 2), (4, 6)] {
      if place > 0 { writer.write(byte: 0x2d) }
      writer.write(hex: raw[at..<at + length])
      at += length
    }
    return Name(writer.written) ?? Name()
  }
}
