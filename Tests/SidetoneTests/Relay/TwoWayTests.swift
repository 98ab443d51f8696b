// A caller and a voice model through the whole relay, on a clock moved by hand: what each is sent,
// and when.

import Sidetone
import Testing

/// A talk that has begun: a Twilio caller, an OpenAI session that is ready.
private struct Talk {
  let rig: Rig
  let caller: SlotID
  let model: SlotID
  /// What the model was sent to describe its session.
  let setup: [String]

  init(_ change: (inout Config) -> Void = { _ in }) throws {
    rig = Rig {
      $0.upstreams[2].key = "test"
      change(&$0)
    }
    caller = try #require(rig.open("/talk"))
    rig.start(caller)
    model = try #require(rig.answerDial())
    setup = rig.messages(from: model, isCaller: false)
    rig.answer(#"{"type":"session.created","session":{}}"#, on: model)
    rig.answer(
      #"{"type":"session.updated","session":{"audio":{"input":{"transcription":{"model":"x"}}}}}"#,
      on: model)
  }

  /// The model says that many milliseconds, in one message.
  func say(_ milliseconds: Int, item: String = "item_1") {
    let audio = [UInt8](repeating: 0, count: milliseconds * 48)
    rig.answer(
      """
      {"type":"response.output_audio.delta","response_id":"r","item_id":"\(item)",\
      "output_index":0,"content_index":0,"delta":"\(base64(audio))"}
      """, on: model)
  }

  func interrupt() {
    rig.answer(
      #"{"type":"input_audio_buffer.speech_started","audio_start_ms":0,"item_id":"u"}"#, on: model)
  }

  /// Bytes of audio, and everything else, that the caller was sent since the last time.
  func heard() -> (bytes: Int, others: [String]) {
    var bytes = 0
    var others: [String] = []
    for message in rig.messages(from: caller, isCaller: true) {
      if message.hasPrefix(#"{"event":"media""#) {
        let payload = message.components("payload\":\"")[1].components("\"")[0]
        bytes += payload.utf8.count / 4 * 3 - payload.utf8.filter { $0 == 0x3d }.count
      } else {
        others.append(message)
      }
    }
    return (bytes, others)
  }

  func told() -> [String] { rig.messages(from: model, isCaller: false) }
}

private func base64(_ bytes: [UInt8]) -> String {
  var text = [UInt8](repeating: 0, count: Base64.encodedCount(of: bytes.count))
  bytes.withBytes { bytes in text.withMutableBytes { _ = Base64.encode(bytes, into: $0) } }
  return String(decoding: text, as: UTF8.self)
}

extension String {
  fileprivate func components(_ separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}

struct TwoWayTests {
  @Test func `a caller's frame reaches the model in its turn, six times as large`() throws {
    let talk = try Talk()
    #expect(talk.setup.count == 1)
    #expect(talk.setup[0].hasPrefix(#"{"type":"session.update""#))
    talk.rig.media(talk.caller)
    let sent = talk.told()
    #expect(sent.count == 1)
    #expect(sent[0].hasPrefix(#"{"type":"input_audio_buffer.append","audio":""#))
    #expect(sent[0].utf8.count == 47 + 1280)
  }

  @Test func `what was said before the model was ready reaches it whole`() throws {
    let rig = Rig { $0.upstreams[2].key = "test" }
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    for _ in 0..<7 { rig.media(caller) }
    let model = try #require(rig.answerDial())
    for _ in 0..<5 { rig.media(caller) }
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    rig.answer(#"{"type":"session.updated","session":{}}"#, on: model)
    rig.advance(milliseconds: 100)
    #expect(rig.messages(from: model, isCaller: false).count == 12)
  }

  @Test func `a burst is played in real time, 200 ms ahead`() throws {
    let talk = try Talk()
    talk.say(2000)
    #expect(talk.heard().bytes == 1440)
    var total = 1440
    for _ in 0..<40 {
      talk.rig.advance(milliseconds: 10)
      total += talk.heard().bytes
    }
    // 400 ms have been played.
    #expect(total >= 3200 + 1280 && total <= 3200 + 1600)
    talk.rig.advance(milliseconds: 3000)
    #expect(total + talk.heard().bytes == 16_000)
  }

  @Test func `an interruption clears the caller's buffer and tells the model what was heard`()
    throws
  {
    let talk = try Talk()
    talk.say(2000)
    talk.rig.advance(milliseconds: 500)
    _ = talk.heard()
    _ = talk.told()
    talk.interrupt()
    let after = talk.heard()
    #expect(after.bytes == 0)
    #expect(after.others == [#"{"event":"clear","streamSid":"MZ1"}"#])
    // No mark has come back: the caller may have heard the first 20 ms, and no more is known.
    #expect(
      talk.told() == [
        #"{"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":20}"#
      ])
    talk.say(300)
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heard().bytes == 0)
    talk.say(300, item: "item_2")
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heard().bytes == 2400)
  }

  @Test func `everything comes home`() throws {
    let talk = try Talk()
    talk.say(3000)
    talk.rig.media(talk.caller)
    talk.rig.advance(milliseconds: 300)
    talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 10_000)
    #expect(talk.rig.relay.callsInUse == 0)
    #expect(talk.rig.relay.blocksFree == talk.rig.relay.blocksMax)
    #expect(talk.rig.relay.resamplersInUse == 0)
    #expect(talk.rig.closed.contains(talk.caller))
  }
}
