// What is special about OpenAI Realtime in a call: errors, items, transcripts that come late, keys.

import Sidetone
import Testing

struct OpenAICallTests {
  private func error(_ code: String) -> String {
    #"{"type":"error","error":{"type":"invalid_request_error","code":"\#(code)","message":"no such thing"}}"#
  }

  @Test func `an error before the session stands ends the call`() throws {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    let model = try #require(rig.answerDial())
    rig.answer(#"{"type":"session.created","session":{}}"#, on: model)
    rig.answer(error("unknown_parameter"), on: model)
    #expect(rig.log.contains { $0.contains("upstream_error") && $0.contains("unknown_parameter") })
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.callsInUse == 0 && rig.dialled.count == 1 && rig.closed.contains(caller))
  }

  @Test func `an error afterwards is a line in the log`() throws {
    let talk = try Talk()
    talk.tell(error("invalid_value"))
    #expect(talk.rig.log.contains { $0.contains("no such thing") })
    talk.say(100)
    #expect(talk.heardBytes() > 0)
  }

  @Test func `a session that has expired is dialled again, and nothing said meanwhile is lost`()
    throws
  {
    let talk = try Talk()
    talk.tell(error("session_expired"))
    for _ in 0..<5 { talk.rig.media(talk.caller) }
    talk.rig.advance(milliseconds: 500)
    #expect(talk.rig.dialled.count == 2)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("openai"), on: second)
    talk.rig.advance(milliseconds: 100)
    #expect(talk.rig.messages(from: second, isCaller: false).count == 1 + 5)
    talk.expectAllHome()
  }

  @Test func `an upstream that is lost in mid-speech is played out`() throws {
    let talk = try Talk()
    talk.say(1000)
    talk.rig.relay.failed(talk.model, .reset, at: talk.rig.now)
    talk.rig.perform()
    talk.rig.advance(milliseconds: 2000)
    #expect(talk.heardBytes() == 8000 + 160)
  }

  @Test func `deltas of an item that nobody announced, or that has no name, are played`() throws {
    let talk = try Talk()
    talk.say(20, item: "never_heard_of")
    talk.tell(
      #"{"type":"response.output_audio.delta","delta":"\#(Talk.base64([UInt8](repeating: 0, count: 960)))"}"#
    )
    talk.rig.advance(milliseconds: 100)
    #expect(talk.heardBytes() == 320)
    talk.interrupt()
    talk.rig.advance(milliseconds: 100)
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test func `of more items than there is place for the newest are cut, counted and told`() throws {
    let talk = try Talk("ucid")
    let places = Utterances.capacity
    for item in 0..<places + 2 { talk.say(40, item: "item_\(item)") }
    #expect(talk.rig.relay.totals.speechCut == 2 && talk.rig.relay.totals.itemsCut == 2)
    let deleted = [places, places + 1].map {
      #"{"type":"conversation.item.delete","item_id":"item_\#($0)"}"#
    }
    #expect(talk.told() == deleted)
    talk.rig.advance(milliseconds: 2000)
    #expect(talk.heardBytes() == places * 640)
  }

  @Test func `one byte at a time makes the same sound`() throws {
    let talk = try Talk("ucid")
    for _ in 0..<960 { talk.say([0]) }
    talk.rig.advance(milliseconds: 100)
    #expect(talk.heardBytes() == 320)
  }

  @Test(arguments: [100, 1900])
  func `a late transcript is awaited after the stop`(milliseconds: Int) throws {
    let talk = try Talk { $0.printsTranscripts = true }
    talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: milliseconds)
    #expect(talk.rig.relay.callsInUse == 1)
    talk.tell(
      #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u1","transcript":"bye"}"#
    )
    #expect(talk.rig.relay.callsInUse == 0)
    #expect(talk.rig.log.contains("[FINAL] Transcription: bye (CA1)\n"))
    #expect(!talk.rig.log.contains { $0.contains("results_missing") })
  }

  @Test func `but not for longer than two seconds`() throws {
    let talk = try Talk()
    talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 2100)
    #expect(talk.rig.relay.callsInUse == 0)
    #expect(talk.rig.log.contains { $0.contains("results_missing") })
  }

  @Test func `what was generated and what was heard are both shown`() throws {
    let talk = try Talk("ucid") { $0.printsTranscripts = true }
    talk.say(2000)
    talk.tell(
      #"{"type":"response.output_audio_transcript.delta","item_id":"item_1","delta":"one two three four"}"#
    )
    talk.rig.advance(milliseconds: 1000)
    talk.interrupt()
    #expect(
      talk.rig.log.contains("[INTERRUPTED] heard 1000 of 2000 ms: one two | three four (123)\n"))
    #expect(talk.rig.log.contains { $0.contains("heard 1000 of 2000 ms generated") })
  }

  // MARK: Keys

  private let pressed =
    #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#
  private func item(_ digit: String) -> String {
    """
    {"type":"conversation.item.create","item":{"type":"message","role":"user","content":\
    [{"type":"input_text","text":"The caller pressed \(digit)."}]}}
    """
  }

  @Test func `a key reaches the model as text, which is then asked to answer`() throws {
    let talk = try Talk { $0.printsTranscripts = true }
    talk.rig.say(pressed, on: talk.caller)
    #expect(talk.told() == [])
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.told() == [item("5"), #"{"type":"response.create"}"#])
    let lines = talk.rig.log.filter { $0.contains("5") && !$0.contains("ms") }
    #expect(lines == ["[DTMF] 5 (CA1)\n"])
  }

  @Test func `keys that were pressed before the session stood follow it, and are no secret told`()
    throws
  {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
    for _ in 0..<40 { rig.say(pressed, on: caller) }
    let model = try #require(rig.answerDial())
    _ = rig.messages(from: model, isCaller: false)
    rig.answer(Talk.ready("openai"), on: model)
    rig.advance(milliseconds: 1000)
    let sent = rig.messages(from: model, isCaller: false)
    let keys = item(String(repeating: "5", count: 32))
    #expect(sent == [keys, #"{"type":"response.create"}"#] && rig.relay.totals.keysLost == 8)
    #expect(!rig.log.contains { $0.contains("DTMF") || $0.contains("pressed") })
  }

  @Test func `a key that is pressed while the agent talks is answered when its turn is over`()
    throws
  {
    let talk = try Talk()
    talk.say(2000)
    talk.rig.say(pressed, on: talk.caller)
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.told() == [])
    talk.end()
    talk.finish()
    #expect(talk.told() == [item("5"), #"{"type":"response.create"}"#])
    talk.finish()
    #expect(talk.told() == [])
  }

  @Test func `a key after the agent's turn is answered at once, though it is still heard`() throws {
    let talk = try Talk()
    talk.say(2000)
    talk.end()
    talk.finish()
    talk.rig.say(pressed, on: talk.caller)
    talk.rig.say(pressed.replacing("\"5\"", with: "\"#\""), on: talk.caller)
    #expect(talk.told() == [item("5#"), #"{"type":"response.create"}"#])
  }

  // MARK: Untouched

  @Test func `G.711 on both sides passes to the byte, both ways`() throws {
    let talk = try Talk { $0.upstreams[2].options = [("audio", "g711")] }
    let audio = (0..<160).map { UInt8(truncatingIfNeeded: $0 * 73) }
    talk.rig.media(talk.caller, Talk.base64(audio))
    #expect(talk.reached() == audio)
    talk.say(audio)
    #expect(talk.heard().pieces == [audio])
  }

  @Test func `a route of one track hears the caller alone`() throws {
    let talk = try Talk()
    talk.rig.media(talk.caller, track: "outbound")
    #expect(talk.reached() == [] && talk.rig.relay.totals.frames == 0)
    talk.rig.media(talk.caller)
    #expect(talk.reached().count == 960)
  }

  @Test func `a reader of text gets the model's messages whole, and audio as binary`() throws {
    let talk = try Talk("raw", with: "gemini", query: "?sample_rate=24000", start: "")
    _ = talk.rig.messages(from: talk.caller, isCaller: true)
    // Longer than a block, so that it is decoded where it lies.
    let part = Talk.part([UInt8](repeating: 0, count: 4800))
    talk.tell(
      #"{"serverContent":{"modelTurn":{"parts":[\#(part)]},"outputTranscription":{"text":"yes"}}}"#)
    let messages = talk.rig.messages(from: talk.caller, isCaller: true)
    let text = try #require(messages.first { $0.contains("gemini_response") })
    #expect(text.contains(#""outputTranscription":{"text":"yes"}"#) && text.contains(part))
  }

  @Test func `speech for which the last block was needed is played when there are others`() throws {
    let talk = try Talk {
      TimesTests.small(&$0)
      $0.upstreams[2].options = [("audio", "g711")]
    }
    let hogs = talk.rig.dryOut(leaving: 1)
    talk.say([UInt8](repeating: 0xff, count: 160))
    #expect(talk.heardBytes() == 0 && talk.rig.relay.blocksFree == 0)
    talk.rig.unstall(hogs[0])
    talk.rig.advance(milliseconds: 10)
    #expect(talk.heardBytes() == 160)
  }

  @Test func `where the pool is dry speech waits, and the clock goes on in steps`() throws {
    let talk = try Talk { TimesTests.small(&$0) }
    talk.say(500)
    _ = talk.heard()
    talk.rig.dryOut()
    talk.rig.advance(milliseconds: 200)
    #expect(talk.rig.relay.callsInUse > 0)
    var turns = 0
    let end = talk.rig.now + .milliseconds(100)
    while talk.rig.relay.wakeTime <= end, turns < 1000 {
      talk.rig.step()
      turns += 1
    }
    #expect(turns < 100)
  }
}
