// What OpenAI Realtime does in a load: knows the caller's frames by their sound, and talks as long
// as the session lasts, in one answer that never ends. It understands only what a relay sends, and
// asks for no key.

import Glibc

/// What is kept for a session.
struct Voice {
  var ear = StepEar()
  /// The number of what is said here; -1 until the session is set up.
  var stream = -1
  var sequence: UInt32 = 0
  /// Turns since then.
  var turns = 0
}

extension LoadTwin {
  /// First of all the session as it is by default.
  func sayCreated(_ index: Int) { send(text: Self.session("created"), index) }

  /// A message of the relay: audio, or something rarer.
  func event(_ message: UnsafeMutableRawBufferPointer, _ index: Int) {
    if let letters = message.string(behind: "\"audio\":") {
      let count = Base64.decode(letters.baseAddress!, count: letters.count, to: voices.heard)
      hear(voices.heard, count: count, index)
    } else if message.string(behind: "\"type\":")?.elementsEqual("session.update".utf8) == true {
      send(text: Self.session("updated"), index)
      begin(index)
    }
  }

  /// PCM16, which is little-endian like every processor that this runs on.
  private func hear(_ audio: UnsafeMutablePointer<UInt8>, count: Int, _ index: Int) {
    tally.up.strayBytes &+= count & 1
    audio.withMemoryRebound(to: Int16.self, capacity: count / 2) { samples in
      tally.up.noteHeard(
        samples, count: count / 2, perStep: StepSounds.lawBytes * 3,
        by: &connections[index].voice.ear, at: reader.arrival)
    }
  }

  /// The answer begins; what is in it follows on the schedule.
  private func begin(_ index: Int) {
    guard connections[index].voice.stream < 0, let down = tally.down,
      tally.sessions < down.ledger.calls
    else { return }
    connections[index].voice.stream = tally.sessions
    tally.sessions += 1
    for event in Self.beginning { send(text: event, index) }
  }

  /// The turn of the sessions that stand for one of so many slots.
  func turn(of slot: Int, of slots: Int, due: Int64) {
    for index in stride(from: slot, to: capacity, by: slots) {
      let voice = connections[index].voice
      guard connections[index].state == .open, voice.stream >= 0, !isHolding else { continue }
      connections[index].voice.turns &+= 1
      if options.burst == 0 {
        speak(index, due: due)
      } else if voice.turns % (50 * (options.burst &+ 1)) == 0 {
        for _ in 0..<50 * options.burst { speak(index, due: due) }
      }
    }
  }

  private func speak(_ index: Int, due: Int64) {
    let voice = connections[index].voice
    guard let down = tally.down, down.ledger.hasRoom(call: UInt32(voice.stream)) else { return }
    if options.shortCalls > 0 && voice.sequence >= options.frames { return }
    connections[index].voice.sequence &+= 1
    let stamp = Stamp(
      call: UInt32(voice.stream), sequence: voice.sequence, sent: LoadClock.now())
    down.noteSent(stamp, due: due)
    send(voices.delta(stream: stamp.call, sequence: stamp.sequence), index)
  }

  private static func session(_ verb: String) -> String {
    #"{"type":"session.\#(verb)","event_id":"event_\#(verb)","session":"#
      + #"{"type":"realtime","object":"realtime.session","id":"sess_1","model":"gpt-realtime","#
      + #""output_modalities":["audio"],"instructions":"","tools":[],"tool_choice":"auto","#
      + #""max_output_tokens":"inf","audio":{"#
      + #""input":{"format":{"type":"audio/pcm","rate":24000},"transcription":null,"#
      + #""noise_reduction":null,"turn_detection":{"type":"server_vad","threshold":0.5,"#
      + #""prefix_padding_ms":300,"silence_duration_ms":500,"create_response":true,"#
      + #""interrupt_response":true}},"#
      + #""output":{"format":{"type":"audio/pcm","rate":24000},"voice":"marin","speed":1.0}}}}"#
  }

  private static let item =
    #"{"id":"item_1","object":"realtime.item","type":"message","status":"in_progress","#
    + #""role":"assistant","content":[]}"#

  private static let beginning = [
    #"{"type":"response.created","event_id":"event_1","response":{"object":"realtime.response","#
      + #""id":"resp_1","status":"in_progress","status_details":null,"output":[],"#
      + #""conversation_id":"conv_1","output_modalities":["audio"],"max_output_tokens":"inf","#
      + #""usage":null,"metadata":null}}"#,
    #"{"type":"response.output_item.added","event_id":"event_2","response_id":"resp_1","#
      + #""output_index":0,"item":\#(item)}"#,
    #"{"type":"conversation.item.added","event_id":"event_3","previous_item_id":null,"#
      + #""item":\#(item)}"#,
    #"{"type":"response.content_part.added","event_id":"event_4","response_id":"resp_1","#
      + #""item_id":"item_1","output_index":0,"content_index":0,"#
      + #""part":{"type":"audio","transcript":""}}"#,
  ]
}

/// Writes 20 ms of the voice; good until the next is written.
final class VoiceMessages {
  private let writer = MessageWriter(isMasked: false)
  private let sounds = StepSounds()
  /// Room for the audio of a message from the relay.
  let heard = UnsafeMutableRawPointer.allocate(
    byteCount: ArrivalReader.longestMessage, alignment: 8
  ).assumingMemoryBound(to: UInt8.self)

  func delta(stream: UInt32, sequence: UInt32) -> MessageWriter.Message {
    writer.begin()
    writer.write(#"{"type":"response.output_audio.delta","event_id":"event_"#)
    writer.write(decimal: sequence &+ 5)
    writer.write(#"","response_id":"resp_1","item_id":"item_1","output_index":0,"#)
    writer.write(#""content_index":0,"delta":""#)
    for step in 0..<Steps.inFrame {
      let level = Steps.level(step, stream: stream, sequence: sequence)
      writer.write(sounds.text(of: level), count: StepSounds.letters)
    }
    writer.write(#""}"#)
    return writer.seal(opcode: 1)
  }
}
