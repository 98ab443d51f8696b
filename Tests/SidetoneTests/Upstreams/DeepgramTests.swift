// Deepgram's query, messages, commands and refusals.

import Testing

@testable import Sidetone

struct DeepgramTests {
  private func query(
    _ format: Format = .mulaw8k, fixed: String = "", options: String = "", callers: String = ""
  ) -> String {
    let bytes = written {
      Upstream.deepgram.query(
        Upstream.Session(
          hears: format, says: format, fixed: kept(fixed), options: kept(options),
          callers: kept(callers)), &$0)
    }
    return String(decoding: bytes.array, as: UTF8.self)
  }

  @Test func `the call's own format, and nothing converted`() {
    #expect(query() == "encoding=mulaw&sample_rate=8000&channels=1")
    #expect(
      query(Format(codec: .linear16, rate: 48_000, channels: 2))
        == "encoding=linear16&sample_rate=48000&channels=2&multichannel=true")
    #expect(
      query(Format(codec: .alaw, rate: 8000)) == "encoding=alaw&sample_rate=8000&channels=1")
  }

  @Test
  func `another rate, where the operator wants one, for callers of one channel who have another`() {
    func hears(_ caller: Format, _ rate: Int) -> Format? {
      Upstream.deepgram.hears(caller, Upstream.Session(hears: caller, says: caller, rate: rate))
    }
    let wide = Format(codec: .linear16, rate: 16_000)
    let swapped = Format(codec: .linear16, rate: 8000, isBigEndian: true)
    let stereo = Format(codec: .mulaw, rate: 8000, channels: 2)
    #expect(hears(.mulaw8k, 0) == .mulaw8k && hears(.mulaw8k, 8000) == .mulaw8k)
    #expect(hears(.mulaw8k, 16_000) == wide && hears(swapped, 16_000) == wide)
    #expect(hears(wide, 16_000) == wide && hears(stereo, 16_000) == stereo)
    #expect(hears(swapped, 0) == Format(codec: .linear16, rate: 8000))
  }

  @Test func `the caller's wish goes before the route's option; lists stay lists`() {
    let text = query(
      fixed: "new=true", options: "model=nova-2&language=en&keyterm=a&keyterm=b",
      callers: "language=de&call_id=7&tag=x&tag=y&callback=http%3A%2F%2Fevil")
    #expect(
      text
        == "encoding=mulaw&sample_rate=8000&channels=1&new=true&model=nova-2&keyterm=a"
        + "&keyterm=b&language=de&tag=x&tag=y")
  }

  @Test func `a name that stands once is said once, and one without a value not at all`() {
    let text = query(
      options: "model=nova-2&language=en",
      callers: "model=nova-3&model=base&language=&punctuate=&search=a&search=b&dictation=true")
    #expect(
      text
        == "encoding=mulaw&sample_rate=8000&channels=1&language=en&model=nova-3&search=a&search=b"
        + "&dictation=true")
  }

  @Test(arguments: [
    ("model=nova-2&language=en-US&interim_results=true&punctuate=true", ""),
    ("model=nova-3&keywords=a", "keywords"), ("model=nova-3-medical&keywords=a:2", "keywords"),
    ("model=nova-2&keywords=a", ""), ("model=nova-2&keyterm=a", "keyterm"),
    ("model=nova-3&keyterm=a b&keyterm=c", ""), ("model=nova-3&keyterm=a,b", "keyterm"),
    ("model=nova-2&utterance_end_ms=1500", "utterance_end_ms"),
    ("model=nova-2&utterance_end_ms=500&interim_results=true", "utterance_end_ms"),
    ("model=nova-2&utterance_end_ms=1000&interim_results=true", ""),
    ("model=nova-2&utterance_end_ms=abc&interim_results=true", "utterance_end_ms"),
    ("model=nova-2&endpointing=false", ""), ("model=nova-2&endpointing=300", ""),
    ("model=nova-2&endpointing=-1", "endpointing"),
    ("model=nova-2&endpointing=on", "endpointing"),
    ("model=nova-2&punctuate=yes", "punctuate"),
    ("model=nova-2&diarize_model=v2", "diarize_model"),
    ("model=base&language=multi", "language"), ("model=nova-3&language=multi", ""),
    ("model=nova-3&language=multi&language_hint=en&language_hint=es", ""),
    ("model=nova-3&language=en&language_hint=en", "language_hint"),
    ("model=nova-2&dictation=true", "dictation"),
    ("model=nova-2&dictation=true&punctuate=true", ""),
    ("model=nova-2&filler_words=true&language=de", "filler_words"),
    ("model=nova-2&filler_words=true&language=en-GB", ""),
    ("model=flux-general-en", "model"), ("model=nova-2&summarize=v2", "summarize"),
    ("model=nova-2&redact=pci&redact=ssn", ""), ("model=nova-2&redact=name", "redact"),
    ("model=nova-2&replace=a:b", ""), ("model=nova-2&replace=a", "replace"),
    ("model=nova-2&replace=a:", ""), ("model=nova-2&extra=a:b", ""),
    ("model=nova-2&model=nova-3", "model"),
    ("model=nova-2&detect_entities=true", "detect_entities"),
  ])
  func `what does not go together is told by the name of the option`(text: String, option: String) {
    let complaints = Upstream.deepgram.settings().complaints(.init(Query.decoded(text)))
    #expect(complaints.map(\.option) == (option.isEmpty ? [] : [option]), "\(complaints)")
  }

  @Test func `the default options go together`() {
    let settings = Upstream.deepgram.settings()
    for path in settings.paths { #expect(settings.complaints(.init(path.options)).isEmpty) }
  }

  @Test func `every option of the refusal's sentence is allowed, and callback never is`() {
    let names = Upstream.deepgram.allowed.description.split(separator: ", ").map(String.init)
    #expect(names.count == 26)
    for name in names { #expect(Upstream.deepgram.allows(kept(name)), "\(name)") }
    for name in ["callback", "callback_method", "encoding", "", "Model", "modelx", "mode"] {
      #expect(!Upstream.deepgram.allows(kept(name)), "\(name)")
    }
  }

  @Test func `results: words, confidence, channel, and where they end in microseconds`() {
    let text = #"""
      {"type":"Results","channel_index":[1,2],"duration":1.98,"start":0.5,"is_final":true,\#
      "channel":{"alternatives":[{"transcript":"hi \"you\"","confidence":0.98}]}}
      """#
    guard let heard = Upstream.deepgram.read(kept(text)).heard else {
      Issue.record("not heard")
      return
    }
    #expect(kept(text)[heard.text].equals(#"hi \"you\""#))
    #expect(kept(text)[heard.confidence].equals("0.98"))
    #expect(heard.isFinal && heard.channel == 1 && heard.channels == 2)
    #expect(heard.endMicroseconds == 2_480_000)
  }

  @Test func `silence is heard without words; what a result leaves out is not known`() {
    let silence =
      #"{"type":"Results","start":1,"duration":2,"channel":{"alternatives":[{"transcript":""}]}}"#
    guard let heard = Upstream.deepgram.read(kept(silence)).heard else {
      Issue.record("not heard")
      return
    }
    #expect(heard.text.isEmpty && heard.confidence.isEmpty && !heard.isFinal)
    #expect(heard.endMicroseconds == 3_000_000)
    for text in [
      #"{"type":"Results"}"#, #"{"type":"Results","start":-1,"duration":1}"#,
      #"{"type":"Results","start":"a","duration":1}"#,
      #"{"type":"Results","start":9e12,"duration":9e12}"#,
    ] {
      #expect(Upstream.deepgram.read(kept(text)).heard?.endMicroseconds == -1, "\(text)")
    }
    for text in ["[]", "", "out of order", #"{"type":"Results""#, "7"] {
      #expect(Upstream.deepgram.read(kept(text)).isMalformed, "\(text)")
    }
  }

  @Test func `words are found without whatever stands beside them, and in whatever order`() {
    let members = [
      #""type":"Results""#, #""channel_index":[0,1]"#, #""duration":1.5"#, #""start":0.5"#,
      #""is_final":true"#, #""speech_final":true"#, #""metadata":{"a":[1]}"#,
    ]
    let channel = #""channel":{"alternatives":[{"transcript":"hello","confidence":0.5}]}"#
    for left in members.indices {
      for place in [0, 3, 6] {
        var some = members
        some.remove(at: left)
        some.insert(channel, at: place)
        let message = kept("{" + some.joined(separator: ",") + "}")
        let heard = Upstream.deepgram.read(message).heard
        #expect(heard.map { message[$0.text].string } == "hello", "without \(members[left])")
        #expect(heard?.endMicroseconds == ([2, 3].contains(left) ? -1 : 2_000_000))
        #expect(heard?.endsSpeech == (left == 5 ? nil : true))
      }
    }
  }

  @Test(arguments: [
    (
      #"{"type":"Error","description":"broke","message":"NET-0000","variant":"x"}"#, "NET-0000",
      "broke"
    ),
    (#"{"type":"Error","message":"broke"}"#, "broke", "broke"),
    (#"{"err_code":"Bad","err_msg":"broke","request_id":"r"}"#, "Bad", "broke"),
    (#"{"type":"Error","err_code":400,"err_msg":"broke"}"#, "400", "broke"),
    (#"{"error":"broke"}"#, "", "broke"),
    (#"{"error":{"code":"c","message":"broke"}}"#, "c", "broke"),
    (#"{"type":"error","reason":"broke"}"#, "", "broke"),
  ])
  func `an error is shown, whatever its shape`(text: String, code: String, sentence: String) throws
  {
    let message = kept(text)
    let complaint = try #require(Upstream.deepgram.read(message).complaint)
    #expect(message[complaint.code].string == code)
    #expect(message[complaint.message].string == sentence)
    #expect(complaint.verdict == nil)
  }

  @Test func `a type that is not known is named, one without a type is not`() {
    let message = kept(#"{"type":"Tomorrow","x":1}"#)
    #expect(Upstream.deepgram.read(message).unknown.map { message[$0].string } == "Tomorrow")
    #expect(Upstream.deepgram.read(kept(#"{"x":1}"#)).unknown == 0..<0)
    #expect(Upstream.deepgram.read(kept(#"{"type":"SpeechStarted"}"#)).unknown == nil)
  }

  @Test func `metadata ends the session; what is unknown is passed on`() {
    func read(_ text: String) -> Upstream.Event { Upstream.deepgram.read(kept(text)) }
    #expect(read(#"{"type":"Metadata","duration":12.5}"#).isFinished)
    for text in [#"{"type":"SpeechStarted","timestamp":2.34}"#, #"{"type":"Invented"}"#] {
      let news = read(text)
      #expect(news.heard == nil && !news.isFinished && !news.isMalformed, "\(text)")
    }
  }

  @Test func `commands are the literal texts`() {
    func text(_ command: Upstream.Command) -> String {
      String(
        decoding: written { Upstream.deepgram.write(command, anySession, &$0) }.array, as: UTF8.self
      )
    }
    #expect(text(.keepAlive) == #"{"type":"KeepAlive"}"#)
    #expect(text(.finalize) == #"{"type":"Finalize"}"#)
    #expect(text(.finish) == #"{"type":"CloseStream"}"#)
  }

  @Test(arguments: [
    (400, false), (401, false), (402, false), (403, false), (404, false), (429, true),
    (500, true),
    (503, true), (302, false),
  ])
  func `a refusal is tried again only where that can help`(status: Int, isRetried: Bool) {
    let verdict = Upstream.deepgram.refused(status)
    #expect(verdict.retry == isRetried)
    #expect(!verdict.code.description.isEmpty && !verdict.sentence.description.isEmpty)
  }

  @Test func `a close is tried again, but not one that says the audio was none`() {
    for code in [1000, 1001, 1005, 1006, 1011, 1012] as [UInt16] {
      #expect(Upstream.deepgram.closed(code, .empty).retry)
    }
    #expect(
      !Upstream.deepgram.closed(1008, .empty).retry && !Upstream.deepgram.closed(1002, .empty).retry
    )
  }
}
