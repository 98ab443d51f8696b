// The frames of the load: how a caller's media message is written, and the stamp inside its audio
// by which the twin knows it again. Runs for every frame: no allocation, plain pointers.

/// Which frame this is and when it was sent (nanoseconds on the wall clock): the first 24 of a
/// frame's 160 bytes of audio. µ-law passes a relay untouched, so the bytes arrive as they were.
struct Stamp {
  var call: UInt32
  var sequence: UInt32
  var sent: Int64

  static let size = 24
  private static let magic: UInt32 = 0x5ade_70e3

  /// Ties the fields together, so that a frame put together from two others is not believed.
  private var check: UInt32 {
    let mixed =
      UInt64(bitPattern: sent) ^ (UInt64(call) << 32 | UInt64(sequence)) &* 0x9e37_79b9_7f4a_7c15
    return UInt32(truncatingIfNeeded: mixed ^ mixed >> 32)
  }

  func store(to place: UnsafeMutableRawPointer) {
    place.storeBytes(of: Self.magic, toByteOffset: 0, as: UInt32.self)
    place.storeBytes(of: call, toByteOffset: 4, as: UInt32.self)
    place.storeBytes(of: sequence, toByteOffset: 8, as: UInt32.self)
    place.storeBytes(of: check, toByteOffset: 12, as: UInt32.self)
    place.storeBytes(of: sent, toByteOffset: 16, as: Int64.self)
  }

  /// Nil where the bytes are no stamp of ours.
  init?(at place: UnsafeRawPointer) {
    guard place.loadUnaligned(as: UInt32.self) == Self.magic else { return nil }
    call = place.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    sequence = place.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    sent = place.loadUnaligned(fromByteOffset: 16, as: Int64.self)
    guard place.loadUnaligned(fromByteOffset: 12, as: UInt32.self) == check else { return nil }
  }

  init(call: UInt32, sequence: UInt32, sent: Int64) {
    self.call = call
    self.sequence = sequence
    self.sent = sent
  }
}

/// 20 ms of telephone audio: the stamp, then bytes that never change, so that damage is seen.
enum LoadAudio {
  static let size = 160
  static let tail: [UInt8] = (Stamp.size..<size).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
}

/// Writes a caller's messages, masked, into one buffer that is used again for each of them.
final class CallerMessages {
  private let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 1_024)
  private let tailText: UnsafeMutablePointer<UInt8>
  private let alphabet: UnsafeMutablePointer<UInt8>
  private static let tailLength = (LoadAudio.size - Stamp.size + 2) / 3 * 4
  private var count = 0
  /// RFC 6455 §5.3 wants keys that nobody can guess; for a load on loopback, changing ones will do.
  private var key: UInt64 = 0x2545_f491_4f6c_dd1d

  init() {
    alphabet = .allocate(capacity: 64)
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    alphabet.initialize(from: Array(letters.utf8), count: 64)
    tailText = .allocate(capacity: Self.tailLength)
    // 136 bytes: 45 groups of three, and one byte that pads the last group with "==".
    var padded = LoadAudio.tail + [0, 0]
    Self.encode(&padded, count: padded.count, to: tailText, alphabet)
    tailText[Self.tailLength - 2] = 0x3d
    tailText[Self.tailLength - 1] = 0x3d
  }

  private static func encode(
    _ from: UnsafePointer<UInt8>, count: Int, to: UnsafeMutablePointer<UInt8>,
    _ alphabet: UnsafeMutablePointer<UInt8>
  ) {
    var place = to
    for index in stride(from: 0, to: count, by: 3) {
      let word =
        Int(from[index]) << 16 | Int(from[index &+ 1]) << 8 | Int(from[index &+ 2])
      place[0] = alphabet[word >> 18]
      place[1] = alphabet[word >> 12 & 63]
      place[2] = alphabet[word >> 6 & 63]
      place[3] = alphabet[word & 63]
      place += 4
    }
  }

  typealias Message = UnsafeRawBufferPointer

  func connected() -> Message {
    begin()
    write(#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#)
    return seal(opcode: 1)
  }

  func start(call: UInt32) -> Message {
    begin()
    write(#"{"event":"start","sequenceNumber":"1","streamSid":"MZ"#)
    write(identity: call)
    write(#"","start":{"streamSid":"MZ"#)
    write(identity: call)
    write(#"","accountSid":"AC00000000000000000000000000000001","callSid":"CA"#)
    write(identity: call)
    write(#"","tracks":["inbound"],"customParameters":{},"mediaFormat":"#)
    write(#"{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#)
    return seal(opcode: 1)
  }

  func media(_ stamp: Stamp) -> Message {
    begin()
    write(#"{"event":"media","sequenceNumber":""#)
    write(decimal: stamp.sequence &+ 2)
    write(#"","streamSid":"MZ"#)
    write(identity: stamp.call)
    write(#"","media":{"track":"inbound","chunk":""#)
    write(decimal: stamp.sequence &+ 1)
    write(#"","timestamp":""#)
    write(decimal: stamp.sequence &* 20)
    write(#"","payload":""#)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Stamp.size) { audio in
      stamp.store(to: audio.baseAddress!)
      Self.encode(audio.baseAddress!, count: Stamp.size, to: buffer + count, alphabet)
    }
    count &+= Stamp.size / 3 * 4
    (buffer + count).update(from: tailText, count: Self.tailLength)
    count &+= Self.tailLength
    write(#""}}"#)
    return seal(opcode: 1)
  }

  func stop(call: UInt32, sequence: UInt32) -> Message {
    begin()
    write(#"{"event":"stop","sequenceNumber":""#)
    write(decimal: sequence &+ 2)
    write(#"","streamSid":"MZ"#)
    write(identity: call)
    write(#"","stop":{"accountSid":"AC00000000000000000000000000000001","callSid":"CA"#)
    write(identity: call)
    write(#""}}"#)
    return seal(opcode: 1)
  }

  func close() -> Message {
    begin()
    write("\u{3}")
    buffer[count] = 0xe8  // 1000, normal closure
    count &+= 1
    return seal(opcode: 8)
  }

  func pong(_ content: UnsafeRawBufferPointer) -> Message {
    begin()
    for byte in content.prefix(125) {
      buffer[count] = byte
      count &+= 1
    }
    return seal(opcode: 10)
  }

  /// Payloads start behind the longest header that is needed here: 2, 2 for the length, 4 for the
  /// key.
  private func begin() { count = 8 }

  private func write(_ text: StaticString) {
    (buffer + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    count &+= text.utf8CodeUnitCount
  }

  private func write(decimal value: UInt32) {
    var digits = 1
    var probe = value / 10
    while probe > 0 {
      digits &+= 1
      probe /= 10
    }
    var rest = value
    for place in stride(from: count &+ digits &- 1, through: count, by: -1) {
      buffer[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    count &+= digits
  }

  /// 32 hexadecimal digits, as the carrier's identifiers have.
  private func write(identity call: UInt32) {
    for shift in stride(from: 124, through: 0, by: -4) {
      let nibble = shift < 32 ? UInt8(call >> UInt32(shift) & 15) : 0
      buffer[count] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
      count &+= 1
    }
  }

  private func seal(opcode: UInt8) -> Message {
    let length = count &- 8
    let short = length < 126
    let start = short ? 2 : 0
    buffer[start] = 0x80 | opcode
    if short {
      buffer[start &+ 1] = 0x80 | UInt8(length)
    } else {
      buffer[start &+ 1] = 0x80 | 126
      buffer[start &+ 2] = UInt8(length >> 8)
      buffer[start &+ 3] = UInt8(length & 255)
    }
    key ^= key << 13
    key ^= key >> 7
    key ^= key << 17
    let half = UInt32(truncatingIfNeeded: key)
    let raw = UnsafeMutableRawPointer(buffer)
    raw.storeBytes(of: half, toByteOffset: 4, as: UInt32.self)
    Self.mask(raw + 8, count: length, key: half)
    return UnsafeRawBufferPointer(start: raw + start, count: count &- start)
  }

  /// Masks or unmasks in place, a word at a time.
  static func mask(_ bytes: UnsafeMutableRawPointer, count: Int, key: UInt32) {
    let wide = UInt64(key) | UInt64(key) << 32
    var index = 0
    while index &+ 8 <= count {
      let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      bytes.storeBytes(of: word ^ wide, toByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < count {
      let byte = bytes.load(fromByteOffset: index, as: UInt8.self)
      let part = UInt8(truncatingIfNeeded: key >> UInt32((index & 3) &* 8))
      bytes.storeBytes(of: byte ^ part, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
  }
}
