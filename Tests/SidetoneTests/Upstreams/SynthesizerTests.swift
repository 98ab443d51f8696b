// The rows of services that speak: how they are dialled, what they are told, and what they say.

import Testing

@testable import Sidetone

struct SynthesizerTests {
  private static let row = Synthesizer.deepgramSpeak
  private static let linear = Format(codec: .linear16, rate: 24_000)

  private func session(_ says: Format = .mulaw8k, voice: String = "") -> Synthesizer.Session {
    var session = Synthesizer.Session(says: says)
    session.voice = kept(voice)
    session.answer = 7
    return session
  }
  private func text(
    _ command: Synthesizer.Command, _ row: Synthesizer = Self.row, language: String = ""
  ) -> String {
    var session = session(voice: "v%201")
    session.language = kept(language)
    return written { row.write(command, session, &$0) }.string
  }

  @Test(arguments: [
    (Format.mulaw8k, Format.mulaw8k),
    (Format(codec: .alaw, rate: 8000), Format(codec: .alaw, rate: 8000)),
    (Format(codec: .mulaw, rate: 16_000), Format(codec: .linear16, rate: 16_000)),
    (Format(codec: .linear16, rate: 8000), Format(codec: .linear16, rate: 8000)),
    (Format(codec: .linear16, rate: 44_100), linear),
  ])
  func `they speak in the caller's own format, where they can`(caller: Format, expected: Format) {
    for row in Synthesizer.all { #expect(row.says(caller) == expected) }
  }

  // MARK: Deepgram

  @Test func `its voice and its format are asked for`() {
    func query(_ session: Synthesizer.Session) -> String {
      written { Self.row.query(session, &$0) }.string
    }
    #expect(
      query(session(voice: "aura-2-thalia-en"))
        == "encoding=mulaw&sample_rate=8000&model=aura-2-thalia-en")
    #expect(query(session(Self.linear)) == "encoding=linear16&sample_rate=24000")
  }

  @Test func `what it is told`() {
    #expect(text(.say(kept("Say \"a\"\n"))) == #"{"type":"Speak","text":"Say \"a\"\n"}"#)
    #expect(text(.flush) == #"{"type":"Flush"}"# && text(.end) == text(.flush))
    #expect(text(.clear) == #"{"type":"Clear"}"# && text(.finish) == #"{"type":"Close"}"#)
  }

  @Test func `what it says`() throws {
    func read(_ text: String) -> Synthesizer.Event { Self.row.read(kept(text)) }
    #expect(read(#"{"type":"Flushed","sequence_id":0}"#).isFlushed)
    #expect(read(#"{"type":"Cleared","sequence_id":1}"#).isCleared)
    let metadata = read(
      #"{"type":"Metadata","request_id":"r","model_name":"m","model_version":"1"}"#)
    #expect(!metadata.isMalformed && metadata.unknown == nil && metadata.complaint == nil)
    let text = kept(#"{"type":"Warning","description":"Flush limit reached","code":"EXCESSIVE"}"#)
    let warning = try #require(Self.row.read(text).complaint)
    #expect(text[warning.message].string == "Flush limit reached" && warning.scope == .warning)
    #expect(text[warning.code].string == "EXCESSIVE")
    #expect(read(#"{"type":"Error","message":"x"}"#).complaint?.scope == .session)
  }

  @Test func `which of its closes may pass`() {
    func verdict(_ code: UInt16, _ reason: String = "") -> Upstream.Verdict {
      Self.row.closed(code, kept(reason))
    }
    #expect(verdict(1008, "DATA-0001: too many characters").retry)
    #expect(!verdict(1008, "DATA-0000").retry && !verdict(1009, "BIG-0001").retry)
    #expect(!verdict(1003, "MESSAGE-0000").retry)
    #expect(verdict(1011, "NET-0001").retry && verdict(1006).retry)
    #expect(!Self.row.refused(401).retry && Self.row.refused(503).retry)
  }

  // MARK: Cartesia

  @Test func `each piece repeats what the answer is to sound like`() {
    func piece(_ words: String, _ language: String, _ continues: Bool) -> String {
      #"{"model_id":"sonic-3","transcript":"\#(words)","voice":{"mode":"id","id":"v 1"},"#
        + language + #""context_id":"7","output_format":{"container":"raw","#
        + #""encoding":"pcm_mulaw","sample_rate":8000},"continue":\#(continues),"#
        + #""max_buffer_delay_ms":0}"#
    }
    #expect(text(.say(kept("Hi \"a\". ")), .cartesia) == piece(#"Hi \"a\". "#, "", true))
    #expect(
      text(.end, .cartesia, language: "en") == piece("", #""language":"en","#, false))
    #expect(text(.clear, .cartesia) == #"{"context_id":"7","cancel":true}"#)
    #expect(text(.flush, .cartesia) == "" && text(.finish, .cartesia) == "")
  }

  @Test func `its audio names the answer, and its errors say what they are`() throws {
    let chunk = kept(
      #"{"type":"chunk","context_id":"7","status_code":206,"done":false,"data":"f39/fw=="}"#)
    guard case .speech(let piece) = Synthesizer.cartesia.speech.locate(chunk) else {
      Issue.record("no speech")
      return
    }
    #expect(chunk[piece.item].string == "7" && chunk[piece.payload].string == "f39/fw==")
    func read(_ text: String) -> Synthesizer.Event { Synthesizer.cartesia.read(kept(text)) }
    #expect(read(#"{"type":"done","context_id":"7","status_code":206,"done":true}"#).isFlushed)
    for quiet in ["chunk", "timestamps", "flush_done"] {
      let news = read(#"{"type":"\#(quiet)","done":false}"#)
      #expect(news.unknown == nil && !news.isFlushed && news.complaint == nil)
    }
    for (text, sentence, isPassing) in [
      (#"{"type":"error","status_code":400,"message":"no voice"}"#, "no voice", false),
      (#"{"type":"error","status_code":429,"error":"too many"}"#, "too many", true),
      (#"{"type":"error","error":"gone"}"#, "gone", true),
    ] {
      let message = kept(text)
      let complaint = try #require(Synthesizer.cartesia.read(message).complaint)
      #expect(message[complaint.message].string == sentence)
      #expect(complaint.verdict?.retry == isPassing)
    }
  }

  @Test func `what it says of another answer is told apart`() {
    let cartesia = Synthesizer.cartesia
    func concerns(_ text: String, _ row: Synthesizer, answer: Int) -> Bool {
      let message = kept(text)
      var session = session()
      session.answer = answer
      return session.concerns(row.read(message), in: message)
    }
    for text in [
      #"{"type":"done","context_id":"6","status_code":206,"done":true}"#,
      #"{"type":"error","context_id":"6","status_code":400,"message":"cancelled"}"#,
    ] {
      #expect(!concerns(text, cartesia, answer: 7) && concerns(text, cartesia, answer: 6))
    }
    // What names none is about all.
    for text in [#"{"type":"error","status_code":429}"#, #"{"type":"done","context_id":7}"#] {
      #expect(concerns(text, cartesia, answer: 7))
    }
    let flushed = kept(#"{"type":"Flushed","sequence_id":6,"context_id":"6"}"#)
    #expect(Self.row.read(flushed).answer.isEmpty)
    for text in [#"{"isFinal":true,"contextId":"6"}"#, #"{"error":"x","contextId":"6"}"#] {
      #expect(!concerns(text, .elevenLabs, answer: 7) && concerns(text, .elevenLabs, answer: 6))
    }
    #expect(concerns(#"{"error":"quota_exceeded","contextId":null}"#, .elevenLabs, answer: 7))
  }

  // MARK: ElevenLabs

  @Test func `the voice is in its path, and the format in its query`() throws {
    let row = Synthesizer.elevenLabs
    func path(_ voice: String) throws -> String {
      let path = try #require(row.path)
      return written { path(session(voice: voice), kept("/base"), &$0) }.string
    }
    #expect(try path("21m00Tcm") == "/base/21m00Tcm/multi-stream-input")
    #expect(try path("a+b%20c/../d?e=f") == "/base/a%20b%20c%2F..%2Fd%3Fe=f/multi-stream-input")
    var wishes = session(voice: "v")
    #expect(
      written { row.query(wishes, &$0) }.string
        == "output_format=ulaw_8000&inactivity_timeout=180")
    wishes.model = kept("eleven_flash_v2_5")
    wishes.language = kept("en")
    for (codec, rate, name) in [
      (Format.Codec.alaw, 8000, "alaw_8000"), (.linear16, 16_000, "pcm_16000"),
      (.linear16, 24_000, "pcm_24000"),
    ] {
      wishes.says = Format(codec: codec, rate: rate)
      #expect(
        written { row.query(wishes, &$0) }.string == "output_format=\(name)"
          + "&inactivity_timeout=180&model_id=eleven_flash_v2_5&language_code=en")
    }
    // It has no higher rate that a caller may want.
    #expect(row.says(Format(codec: .linear16, rate: 48_000)) == Self.linear)
    for other in [Synthesizer.deepgramSpeak, .cartesia] { #expect(other.path == nil) }
  }

  @Test func `each answer is a context, and each of its pieces is spoken at once`() {
    let row = Synthesizer.elevenLabs
    #expect(
      text(.say(kept("Say \"a\".")), row)
        == #"{"text":"Say \"a\". ","context_id":"7","flush":true}"#)
    #expect(text(.say(kept("Hi. ")), row) == #"{"text":"Hi. ","context_id":"7","flush":true}"#)
    #expect(text(.end, row) == #"{"context_id":"7","close_context":true}"#)
    #expect(text(.clear, row) == text(.end, row) && text(.flush, row) == "")
    #expect(text(.finish, row) == #"{"close_socket":true}"#)
  }

  @Test func `its messages are told by their members`() throws {
    let row = Synthesizer.elevenLabs
    func read(_ text: String) -> Synthesizer.Event { row.read(kept(text)) }
    let audio = kept(
      #"{"audio":"f39/fw==","isFinal":null,"normalizedAlignment":null,"contextId":"7"}"#)
    guard case .speech(let piece) = row.speech.locate(audio) else {
      Issue.record("no speech")
      return
    }
    #expect(audio[piece.item].string == "7" && audio[piece.payload].string == "f39/fw==")
    for quiet in [audio.string, #"{"audio":null,"alignment":{"chars":["H"]}}"#] {
      let news = read(quiet)
      #expect(!news.isMalformed && news.unknown == nil && !news.isFlushed)
      #expect(news.complaint == nil)
    }
    for text in [
      #"{"isFinal":true,"contextId":"7"}"#, #"{"audio":null,"is_final":true,"contextId":"7"}"#,
    ] {
      #expect(read(text).isFlushed)
      #expect(row.speech.locate(kept(text)) == .other)
    }
    for (text, sentence, isPassing) in [
      (#"{"message":"No text.","error":"input_timeout_exceeded","code":1008}"#, "No text.", true),
      (#"{"message":"Too many.","error":"too_many_concurrent_requests"}"#, "Too many.", true),
      (#"{"error":"quota_exceeded","code":1008}"#, "quota_exceeded", false),
      (#"{"message":"No.","error":"invalid_api_key","code":1008}"#, "No.", false),
      (#"{"message":"No.","error":"voice_id_does_not_exist","code":1008}"#, "No.", false),
      (#"{"message":"?","code":1011}"#, "?", true),
    ] {
      let message = kept(text)
      let complaint = try #require(row.read(message).complaint)
      #expect(message[complaint.message].string == sentence)
      #expect(complaint.verdict?.retry == isPassing, "\(text)")
    }
    #expect(read(#"{"weather":"rain"}"#).unknown?.isEmpty == true)
  }

  @Test func `which of its refusals may pass`() {
    let row = Synthesizer.elevenLabs
    for status in [401, 402, 403, 404, 422] { #expect(!row.refused(status).retry, "\(status)") }
    for status in [429, 500, 503] { #expect(row.refused(status).retry, "\(status)") }
    func retries(_ code: UInt16, _ reason: String) -> Bool { row.closed(code, kept(reason)).retry }
    #expect(retries(1006, "") && retries(1011, "") && retries(1008, "input_timeout_exceeded"))
    #expect(!retries(1008, "") && !retries(1008, "Quota_exceeded") && !retries(1000, "model_gone"))
  }

  // MARK: All

  @Test func `what is no message of theirs`() {
    for row in Synthesizer.all {
      #expect(row.read(kept(#"{"type":"Sung"}"#)).unknown != nil)
      for text in ["", "{", "7", "[]", "{}", #"{"type":7}"#, #"{"type":"done"}x"#, "\u{0}"] {
        #expect(row.read(kept(text)).isMalformed, "\(text)")
      }
    }
  }

  @Test func `each has its own name and place`() {
    let names = Synthesizer.all.map { $0.name.description }
    #expect(Set(names).count == names.count)
    for row in Synthesizer.all {
      #expect(!row.service().host.isEmpty && row.service().path.hasPrefix("/"))
      #expect(row.flushesPerMinuteMax > 0)
    }
  }
}
