// The frames of the load: how a caller's messages are written, and the stamp inside the audio of a
// one-way call by which the twin knows it again. Runs for every frame: no allocation, plain
// pointers.

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

/// Writes a caller's messages; each is good until the next is written.
final class CallerMessages {
  typealias Message = MessageWriter.Message

  private let writer = MessageWriter(isMasked: true)
  private let sounds = StepSounds()
  private let audio = UnsafeMutablePointer<UInt8>.allocate(capacity: LoadAudio.size)

  init() {
    (audio + Stamp.size).initialize(from: LoadAudio.tail, count: LoadAudio.tail.count)
  }

  func connected() -> Message {
    writer.begin()
    writer.write(#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#)
    return writer.seal(opcode: 1)
  }

  func start(call: UInt32) -> Message {
    writer.begin()
    writer.write(#"{"event":"start","sequenceNumber":"1","streamSid":"MZ"#)
    writer.write(identity: call)
    writer.write(#"","start":{"streamSid":"MZ"#)
    writer.write(identity: call)
    writer.write(#"","accountSid":"AC00000000000000000000000000000001","callSid":"CA"#)
    writer.write(identity: call)
    writer.write(#"","tracks":["inbound"],"customParameters":{},"mediaFormat":"#)
    writer.write(#"{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#)
    return writer.seal(opcode: 1)
  }

  /// A frame that only passes through: its bytes arrive as they were sent.
  func media(_ stamp: Stamp) -> Message {
    stamp.store(to: audio)
    return media(call: stamp.call, sequence: stamp.sequence)
  }

  /// The same without a message around it.
  func raw(_ stamp: Stamp) -> Message {
    stamp.store(to: audio)
    writer.begin()
    writer.write(audio, count: LoadAudio.size)
    return writer.seal(opcode: 2)
  }

  /// A frame that will be converted.
  func steps(call: UInt32, sequence: UInt32) -> Message {
    for step in 0..<Steps.inFrame {
      let level = Steps.level(step, stream: call, sequence: sequence)
      (audio + step &* StepSounds.lawBytes).update(
        from: sounds.law(of: level), count: StepSounds.lawBytes)
    }
    return media(call: call, sequence: sequence)
  }

  private func media(call: UInt32, sequence: UInt32) -> Message {
    writer.begin()
    writer.write(#"{"event":"media","sequenceNumber":""#)
    writer.write(decimal: sequence &+ 2)
    writer.write(#"","streamSid":"MZ"#)
    writer.write(identity: call)
    writer.write(#"","media":{"track":"inbound","chunk":""#)
    writer.write(decimal: sequence &+ 1)
    writer.write(#"","timestamp":""#)
    writer.write(decimal: sequence &* 20)
    writer.write(#"","payload":""#)
    writer.write(base64: audio, count: LoadAudio.size)
    writer.write(#""}}"#)
    return writer.seal(opcode: 1)
  }

  func stop(call: UInt32, sequence: UInt32) -> Message {
    writer.begin()
    writer.write(#"{"event":"stop","sequenceNumber":""#)
    writer.write(decimal: sequence &+ 2)
    writer.write(#"","streamSid":"MZ"#)
    writer.write(identity: call)
    writer.write(#"","stop":{"accountSid":"AC00000000000000000000000000000001","callSid":"CA"#)
    writer.write(identity: call)
    writer.write(#""}}"#)
    return writer.seal(opcode: 1)
  }

  func ucidStart(call: UInt32) -> Message {
    writer.begin()
    writer.write(#"{"event":"start","type":"text","ucid":""#)
    writer.write(identity: call)
    writer.write(#""}"#)
    return writer.seal(opcode: 1)
  }

  /// Half a frame that will be converted: the vendors' messages hold 10 ms.
  func ucidSteps(call: UInt32, sequence: UInt32, half: Int) -> Message {
    writer.begin()
    writer.write(#"{"event":"media","type":"media","ucid":""#)
    writer.write(identity: call)
    writer.write(#"","data":{"samples":["#)
    let count = LoadAudio.size / 2
    for place in half * count..<(half + 1) * count {
      if place > half * count { writer.write(",") }
      let level = Steps.level(place / StepSounds.lawBytes, stream: call, sequence: sequence)
      let sample = Steps.linears[Int(Steps.laws[level])]
      if sample < 0 { writer.write("-") }
      writer.write(decimal: UInt32(sample.magnitude))
    }
    writer.write(#"],"bitsPerSample":16,"sampleRate":8000,"channelCount":1,"#)
    writer.write(#""numberOfFrames":80,"type":"data"}}"#)
    return writer.seal(opcode: 1)
  }

  func ucidStop(call: UInt32) -> Message {
    writer.begin()
    writer.write(#"{"event":"stop","type":"text","ucid":""#)
    writer.write(identity: call)
    writer.write(#""}"#)
    return writer.seal(opcode: 1)
  }

  func close() -> Message {
    writer.begin()
    writer.write("\u{3}")
    writer.write(byte: 0xe8)  // 1000, normal closure
    return writer.seal(opcode: 8)
  }

  func pong(_ content: UnsafeRawBufferPointer) -> Message {
    writer.begin()
    for byte in content.prefix(125) { writer.write(byte: byte) }
    return writer.seal(opcode: 10)
  }
}
