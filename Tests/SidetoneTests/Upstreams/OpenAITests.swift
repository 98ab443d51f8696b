// OpenAI Realtime: the session that is asked for, what its events say, what it is told, and what
// its refusals mean.

import Testing

@testable import Sidetone

struct OpenAITests {
  private static let wideband = Format(codec: .linear16, rate: 16_000)
  private static let alaw = Format(codec: .alaw, rate: 8000)
  private static let pcm = Format(codec: .linear16, rate: 24_000)

  private func session(
    _ caller: Format = .mulaw8k, fixed: String = "", options: String = "", callers: String = ""
  ) -> Upstream.Session {
    var session = Upstream.Session(
      hears: caller, says: caller, fixed: kept(fixed), options: kept(options),
      callers: kept(callers))
    let says = Upstream.openai.voice!.says(caller, session)
    session.hears = Upstream.openai.hears(caller, session) ?? caller
    session.says = says
    return session
  }
  private func setup(_ session: Upstream.Session) -> String {
    written { Upstream.openai.setup(session, &$0) }.string
  }
  private func query(_ session: Upstream.Session) -> String {
    written { Upstream.openai.query(session, &$0) }.string
  }
  private func text(_ command: Upstream.Command) -> String {
    written { Upstream.openai.write(command, anySession, &$0) }.string
  }
  private func read(_ text: String) -> Upstream.Event { Upstream.openai.read(kept(text)) }

  @Test
  func `it hears and says PCM at 24 kHz, or the caller's own G.711 where that is asked for`() {
    for caller in [Format.mulaw8k, Self.alaw, Self.wideband, Self.pcm] {
      let plain = session(caller)
      #expect(plain.hears == Self.pcm && plain.says == Self.pcm)
      let companded = session(caller, options: "audio=g711")
      let expected = caller.codec == .linear16 ? Self.pcm : caller
      #expect(companded.hears == expected && companded.says == expected)
    }
    let swapped = Format(codec: .linear16, rate: 24_000, isBigEndian: true)
    #expect(session(swapped).hears == Self.pcm)
    let stereo = Format(codec: .mulaw, rate: 8000, channels: 2)
    #expect(Upstream.openai.hears(stereo, session()) == nil)
  }

  @Test func `the query names the model, and keeps what the operator wrote`() {
    #expect(query(session(options: "model=gpt-a")) == "model=gpt-a")
    #expect(query(session(options: "model=gpt-a", callers: "model=gpt%2Fb")) == "model=gpt%2Fb")
    #expect(query(session(fixed: "x=1", options: "model=gpt-a")) == "x=1&model=gpt-a")
    #expect(query(session(options: "model=gpt-a", callers: "model=gpt-b")) == "model=gpt-b")
    #expect(query(session(fixed: "x=1")) == "x=1")
  }

  @Test func `a session is asked for with everything that was set`() {
    let options = """
      model=gpt-a&voice=marin&language=en-US&instructions=Be+%22kind%22.&\
      transcription_model=gpt-4o-mini-transcribe&turn_detection=server_vad&\
      silence_milliseconds=500&threshold=0.5&speed=1.1&audio=g711
      """
    #expect(
      setup(session(options: options))
        == #"{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],"#
        + #""instructions":"Be \"kind\".","audio":{"input":{"format":{"type":"audio/pcmu"},"#
        + #""transcription":{"model":"gpt-4o-mini-transcribe","language":"en"},"#
        + #""turn_detection":{"type":"server_vad","threshold":0.5,"silence_duration_ms":500,"#
        + #""create_response":true,"interrupt_response":true}},"#
        + #""output":{"format":{"type":"audio/pcmu"},"voice":"marin","speed":1.1}}}}"#)
  }

  @Test func `what was not set is not named`() {
    #expect(
      setup(session())
        == #"{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],"#
        + #""audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"#
        + #""turn_detection":{"type":"server_vad","create_response":true,"#
        + #""interrupt_response":true}},"output":{"format":{"type":"audio/pcm","rate":24000}}}}}"#)
  }

  @Test
  func `turns end by sense or by nothing where that is asked for; silence counts for neither`() {
    let semantic = setup(
      session(options: "turn_detection=semantic_vad&threshold=0.5&silence_milliseconds=500"))
    #expect(
      semantic.contains(
        #""turn_detection":{"type":"semantic_vad","create_response":true,"interrupt_response":true}"#
      ))
    #expect(setup(session(options: "turn_detection=none")).contains(#""turn_detection":null}"#))
  }

  @Test(
    arguments: [
      ("en", "en"), ("en-US", "en"), ("DE_at", "de"), ("pt%2DBR", "pt"), ("multi", nil),
      ("fil-PH", nil), ("e", nil), ("12", nil), ("", nil),
    ] as [(String, String?)])
  func `the caller's language is two letters, or is left to the model`(
    tag: String, expected: String?
  ) {
    let text = setup(session(options: "transcription_model=whisper-1&language=\(tag)"))
    let language = expected.map { #","language":"\#($0)""# } ?? ""
    #expect(text.contains(#""transcription":{"model":"whisper-1"\#(language)}"#))
  }

  @Test func `a caller may choose model, voice, language and instructions, and nothing else`() {
    let names = Upstream.openai.allowed.description.split(separator: ", ").map(String.init)
    #expect(names.count == 4)
    for name in names { #expect(Upstream.openai.allows(kept(name)), "\(name)") }
    for name in ["", "instructions", "greeting", "audio", "speed", "threshold", "Voice"] {
      #expect(!Upstream.openai.allows(kept(name)), "\(name)")
    }
    let text = setup(
      session(
        options: "voice=marin&instructions=operator",
        callers: "voice=cedar&system_instruction=caller"))
    #expect(text.contains(#""voice":"cedar""#) && text.contains(#""instructions":"caller""#))
    // What the row does not allow must not get in under its own name.
    let sly = setup(session(options: "speed=1.0", callers: "speed=1.5&instructions=sly"))
    #expect(sly.contains(#""speed":1.0"#) && !sly.contains("sly"))
  }

  @Test func `what it is told`() {
    #expect(text(.greet(.empty)) == #"{"type":"response.create"}"#)
    #expect(text(.respond) == #"{"type":"response.create"}"#)
    #expect(
      text(.greet(kept("Say+hi.")))
        == #"{"type":"response.create","response":{"instructions":"Say hi."}}"#)
    #expect(
      text(.truncate(item: kept("item_a1"), milliseconds: 1480))
        == #"{"type":"conversation.item.truncate","item_id":"item_a1","content_index":0,"#
        + #""audio_end_ms":1480}"#)
    #expect(
      text(.forget(item: kept("item_a1")))
        == #"{"type":"conversation.item.delete","item_id":"item_a1"}"#)
    #expect(
      text(.keys(kept("*")))
        == #"{"type":"conversation.item.create","item":{"type":"message","role":"user","#
        + #""content":[{"type":"input_text","text":"The caller pressed *."}]}}"#)
    for command in [Upstream.Command.keepAlive, .finalize, .finish] {
      #expect(text(command).isEmpty)
    }
  }

  @Test
  func `words come in pieces, then whole; the agent's under the name of what it says`() throws {
    let delta = kept(
      #"{"type":"response.output_audio_transcript.delta","item_id":"i_1","delta":"a \"b\""}"#)
    let news = Upstream.openai.read(delta)
    let agent = try #require(news.agentWords)
    #expect(delta[agent.text].equals(#"a \"b\""#) && !agent.isWhole)
    #expect(delta[news.item].equals("i_1"))
    #expect(
      read(#"{"type":"response.audio_transcript.done","transcript":"a"}"#).agentWords?.isWhole
        == true)
    let name = "conversation.item.input_audio_transcription"
    #expect(read(#"{"type":"\#(name).delta","delta":"a"}"#).callerWords?.isWhole == false)
    let whole = read(#"{"type":"\#(name).completed","transcript":"a"}"#)
    #expect(whole.callerWords?.isWhole == true && whole.transcriptsOwed == -1)
    #expect(read(#"{"type":"\#(name).updated","transcript":"a"}"#).callerWords?.isWhole == true)
  }

  @Test func `a transcript is owed only where one was agreed upon`() {
    for (transcription, expected) in [("null", false), (#"{"model":"whisper-1"}"#, true)] {
      let input = #"{"input":{"transcription":\#(transcription)}}"#
      let ready = read(#"{"type":"session.updated","session":{"audio":\#(input)}}"#)
      #expect(ready.isReady && ready.transcribes == expected)
      let older = read(
        #"{"type":"session.updated","session":{"input_audio_transcription":\#(transcription)}}"#)
      #expect(older.isReady && older.transcribes == expected)
    }
    #expect(!read(#"{"type":"session.created","session":{}}"#).isReady)
  }

  @Test(
    arguments: [
      ("session_expired", true), ("invalid_api_key", false), ("insufficient_quota", false),
      ("model_not_found", false), ("beta_api_shape_disabled", false), ("invalid_value", nil),
    ] as [(String, Bool?)])
  func `errors are complaints; only some leave a session that is of no use`(
    code: String, isRetried: Bool?
  ) throws {
    let message = kept(#"{"type":"error","error":{"code":"\#(code)","message":"no"}}"#)
    let complaint = try #require(Upstream.openai.read(message).complaint)
    #expect(message[complaint.code].string == code && message[complaint.message].equals("no"))
    #expect(complaint.verdict?.retry == isRetried)
  }

  @Test func `an answer of which only the type of its error is filled fails by that name`() throws {
    let message = kept(#"{"type":"error","error":{"type":"server_error","code":null}}"#)
    let complaint = try #require(Upstream.openai.read(message).complaint)
    #expect(message[complaint.code].equals("server_error"))
  }

  @Test func `what is asked for while an answer is open is refused, which is no error`() {
    let news = read(
      #"{"type":"error","error":{"code":"conversation_already_has_active_response"}}"#)
    #expect(news.isAskedTooEarly && news.complaint == nil)
  }

  @Test(
    arguments: [
      (#""status":"completed","output":[{"type":"message"}]"#, Upstream.Ending.How.whole, "", nil),
      (#""status":"cancelled""#, .cancelled, "", nil),
      (
        #""status":"incomplete","status_details":{"reason":"max_output_tokens"}"#, .cut,
        "max_output_tokens", nil
      ),
      (
        #""status":"failed","status_details":{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.3s."}}"#,
        .failed, "rate_limit_exceeded", 1300
      ),
      (
        #""status":"failed","status_details":{"error":{"code":"rate_limit_exceeded","message":"try again in 850ms"}}"#,
        .failed, "rate_limit_exceeded", 850
      ),
      (
        #""status":"failed","status_details":{"error":{"type":"server_error"}}"#, .failed,
        "server_error", 1000
      ),
      (
        #""status":"failed","status_details":{"error":{"code":"content_filter"}}"#, .failed,
        "content_filter", nil
      ),
    ] as [(String, Upstream.Ending.How, String, Int?)])
  func `how an answer ended, and why`(
    members: String, how: Upstream.Ending.How, reason: String, passes: Int?
  ) throws {
    let message = kept(#"{"type":"response.done","response":{"id":"r1",\#(members)}}"#)
    let news = Upstream.openai.read(message)
    let ending = try #require(news.ending)
    #expect(ending.how == how && message[ending.reason].string == reason)
    #expect(ending.passesAfter?.milliseconds == passes)
    #expect(message[news.response].equals("r1"))
  }

  @Test
  func `a response that failed says why; one that was cancelled is over and no more`() throws {
    let error = #"{"type":"server_error","code":"rate_limit_exceeded","message":"slow down"}"#
    let failed = kept(
      #"{"type":"response.done","response":{"status":"failed","status_details":{"error":\#(error)}}}"#
    )
    let news = Upstream.openai.read(failed)
    let ending = try #require(news.ending)
    #expect(failed[ending.reason].equals("rate_limit_exceeded") && news.complaint == nil)
    let cancelled = read(#"{"type":"response.done","response":{"status":"cancelled"}}"#)
    #expect(cancelled.isTurnOver && cancelled.complaint == nil)
    #expect(read(#"{"type":"error"}"#).complaint?.code.isEmpty == true)
  }

  @Test func `what is no message is malformed`() {
    for text in ["", "[]", "{}", #"{"type":7}"#, #"{"type":"error""#, #"{"type":"ping"}x"#] {
      #expect(read(text).isMalformed, "\(text)")
    }
  }

  @Test(arguments: [
    (400, false), (401, false), (402, false), (403, false), (404, false), (429, true),
    (500, true), (503, true), (302, false),
  ])
  func `a refusal is tried again only where that can help`(status: Int, isRetried: Bool) {
    #expect(Upstream.openai.refused(status).retry == isRetried)
  }

  @Test func `a close is tried again after the codes after which its own clients do, and 1000`() {
    for code in [1000, 1001, 1005, 1006, 1011, 1012, 1013] as [UInt16] {
      #expect(Upstream.openai.closed(code, .empty).retry)
    }
    for code in [1007, 1008, 1009, 3000, 4000] as [UInt16] {
      #expect(!Upstream.openai.closed(code, .empty).retry)
    }
    let hour = kept("Your session hit the maximum duration of 60 minutes.")
    #expect(Upstream.openai.closed(1001, hour).retry)
    let key = Upstream.openai.closed(3000, kept("invalid_request_error.invalid_api_key"))
    #expect(key.cause == .upstreamKey && !key.retry)
  }
}
