// The log of whole calls as its readers know it from their carriers' guides: every sentence, in the
// order of what happened, each of a known call with its id.

import TestSupport
import Testing

@testable import Sidetone

struct LogOfACallTests {
  private static let hello = #"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
  private static let stop = #"{"event":"stop","streamSid":"MZ1","stop":{"callSid":"CA1"}}"#

  @Test func `a call that is transcribed reads as its terminal does`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.say(Self.hello, on: caller)
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.media(caller)
    rig.say(Self.stop, on: caller)
    rig.feed(Frames.frame(.close, [0x03, 0xe8], isMasked: false), on: upstream)
    #expect(
      rig.sentences == [
        "NEW WEBSOCKET CONNECTION ACCEPTED", "WebSocket path: /media", "Connected Message received",
        "[CA1] Start Message received", "[CA1] Deepgram connection initiated",
        "[CA1] Connected to Deepgram WebSocket", "[CA1] Media message received: 160 bytes",
        "[CA1] 🛑 Stop event received from telephony vendor",
        "[CA1] ⏱️ Total call duration: 0ms (0s)",
      ])
  }

  @Test func `where several carriers greet in the same words, the greeting has its line`() throws {
    let rig = Rig { $0.routes[0].carriers = ["twilio", "telnyx"] }
    let caller = try #require(rig.open("/media"))
    rig.say(Self.hello, on: caller)
    #expect(rig.sentences.last == "Connected Message received")
  }

  @Test func `a vendor's call reads as the vendors' guide does, with words where they are wanted`()
    throws
  {
    for isShown in [true, false] {
      let talk = try Talk("ucid") { $0.printsTranscripts = isShown }
      talk.tell(
        #"{"type":"conversation.item.input_audio_transcription.completed","transcript":"hi \"you\""}"#
      )
      talk.rig.advance(milliseconds: 5432)
      talk.rig.say(#"{"event":"stop","ucid":"123"}"#, on: talk.caller)
      let words = isShown ? [#"[123] 📝 Transcription completed: "hi "you"""#] : []
      #expect(
        talk.rig.sentences == [
          "Phone WebSocket connection accepted", "WebSocket path: /talk",
          "[123] Telephony provider detected: ucid", "[123] 🎤 New call started (UCID: 123)",
          "[123] OpenAI connection initiated", "[123] Connected to OpenAI Realtime API",
        ] + words + [
          "[123] 🛑 Stop event received from telephony vendor",
          "[123] ⏱️ Total call duration: 5432ms (5s)",
        ])
    }
  }

  @Test func `a bot's call reads as telephone bots do, and names what its webhook gave it`() throws
  {
    let start = """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
      ["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000},\
      "customParameters":{"name":"Zo\\u00eb","token":"hush","long":"\(String(repeating: "é", count: 90))"}}}
      """
    let talk = try Talk(with: "gemini", start: start)
    #expect(
      talk.rig.sentences == [
        "Phone WebSocket connection accepted", "WebSocket path: /talk",
        "[CA1] Telephony provider detected: twilio", "[CA1] Phone call connected",
        "[CA1] Gemini connection initiated", "[CA1] Connected to Gemini Live API",
      ])
    let line = try #require(talk.rig.log.first { $0.contains("call_started") })
    #expect(
      line.hasSuffix(
        "[CA1] call_started: twilio to gemini on /talk; parameters: name=Zoë, "
          + "long=\(String(repeating: "é", count: 40))…\n"))
    #expect(!talk.rig.log.contains { $0.contains("hush") })
  }

  @Test func `two sides of a call are named, one is not`() throws {
    let result = { (words: String, channel: Int, channels: Int) in
      """
      {"type":"Results","channel_index":[\(channel),\(channels)],"start":0,"duration":1,\
      "is_final":true,"channel":{"alternatives":[{"transcript":"\(words)","confidence":1}]}}
      """
    }
    let rig = Rig { $0.printsTranscripts = true }
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: #""inbound","outbound""#)
    let upstream = try #require(rig.answerDial())
    rig.answer(result("hello", 0, 2), on: upstream)
    rig.answer(result("good day", 1, 2), on: upstream)
    let raw = try #require(rig.open("/ws/transcribe?call_id=c-9&channels=2"))
    let other = try #require(rig.answerDial())
    rig.answer(result("left", 0, 2), on: other)
    rig.answer(result("right", 1, 2), on: other)
    _ = raw
    let mono = try #require(rig.open("/ws/transcribe?call_id=c-1"))
    rig.answer(result("alone", 0, 1), on: try #require(rig.answerDial()))
    _ = mono
    #expect(
      rig.log.filter { $0.hasPrefix("[FINAL]") } == [
        "[FINAL] Transcription: [caller] hello (CA1)\n",
        "[FINAL] Transcription: [agent] good day (CA1)\n",
        "[FINAL] Transcription: [channel 0] left (c-9)\n",
        "[FINAL] Transcription: [channel 1] right (c-9)\n",
        "[FINAL] Transcription: alone (c-1)\n",
      ])
  }

  @Test func `the same complaint is said once, counted, and told with the next or the last line`()
    throws
  {
    let talk = try Talk()
    let complaint =
      #"{"type":"error","error":{"type":"invalid_request_error","code":"x","message":"NO"}}"#
    for _ in 0..<5 { talk.tell(complaint.replacing("NO", with: "no")) }
    talk.tell(complaint.replacing("NO", with: "something else"))
    #expect(talk.rig.log.filter { $0.contains("upstream_error") }.count == 2)
    talk.rig.advance(milliseconds: 10_000)
    for _ in 0..<3 { talk.tell(complaint.replacing("NO", with: "no")) }
    let told = talk.rig.log.filter { $0.contains("upstream_error") }
    #expect(told.count == 3 && told[2].hasSuffix("no; like it, not shown: 4\n"))
    talk.rig.say(Self.stop, on: talk.caller)
    talk.rig.advance(milliseconds: 6000)
    let end = try #require(talk.rig.log.last { $0.contains("call_ended") })
    #expect(end.contains("complaints not shown 2\n"))
    #expect(talk.rig.relay.turn.log.repeated == 6)
  }

  @Test func `levels mean something, and decide what is written`() throws {
    for level in [Config.LogLevel.debug, .info, .warning, .error] {
      let talk = try Talk { $0.logLevel = level }
      talk.tell(#"{"type":"error","error":{"type":"server_error","code":"x","message":"no"}}"#)
      for _ in 0..<40 { talk.rig.fail(talk.model) }
      let log = talk.rig.log
      #expect(log.contains { $0.contains("wire: ") } == (level == .debug))
      #expect(log.contains { $0.contains("call_started") } == (level <= .info))
      let hasError = log.contains { $0.contains("] WARNING: upstream_error: openai: x: no") }
      #expect(hasError == (level <= .warning))
    }
  }

  @Test func `the wire's messages at debug show neither words nor keys nor audio nor secrets`()
    throws
  {
    let talk = try Talk(
      "twilio",
      start: """
        {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
        ["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000},\
        "customParameters":{"password":"hush"}}}
        """
    ) { $0.logLevel = .debug }
    let secrets = [
      #"{"event":"dtmf","dtmf":{"digit":"7"}}"#, #"{"event":"media","media":{"payload":17}}"#,
      #"{"event":"x","samples":[777,7777,77777],"digit":7,"data":"\#(Rig.frame)"}"#, "777",
    ]
    for message in secrets { talk.rig.say(message, on: talk.caller) }
    talk.tell(#"{"type":"response.done","response":{"output":[{"transcript":"hush 777"}]}}"#)
    let wire = talk.rig.log.filter { $0.contains("wire: ") }
    #expect(
      wire.count >= 6 && wire.contains { $0.contains(#"{"event":"dtmf","dtmf":{"digit":"(1"#) })
    #expect(!wire.contains { $0.contains("hush") || $0.contains("777") || $0.contains("abcd") })
    #expect(wire.contains { $0.contains("to the upstream: {\"type\":\"session.update\"") })
  }
}

extension EngineDriver {
  /// The log so far: the words of each line, without its time and the details in brackets.
  fileprivate var sentences: [String] {
    log.compactMap { line in
      // Alone on its line, behind the call; before a call is known, in front of its event.
      if line.hasPrefix("["), !line.hasPrefix("[FINAL]"), !line.hasPrefix("[AGENT]") {
        return String(line.dropLast())
      }
      guard line.hasPrefix("20") else { return nil }
      let text = line.dropFirst("2023-11-14T22:13:20.000Z ".count).dropLast()
      for place in text.indices where text[place...].hasPrefix(" (") {
        let word = text[place...].dropFirst(2).prefix { $0.isLowercase || $0 == "_" }
        if word.contains("_") { return String(text[..<place]) }
      }
      return nil
    }
  }
}
