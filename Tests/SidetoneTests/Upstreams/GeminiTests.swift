// Gemini Live: the set-up, what its messages say, several things in one included, what it is told,
// and what its closes mean.

import Testing

@testable import Sidetone

struct GeminiTests {
  private func setup(options: String = "", callers: String = "", handle: String = "") -> String {
    let session = Upstream.Session(
      hears: .mulaw8k, says: .mulaw8k, options: kept(options), callers: kept(callers),
      handle: kept(handle))
    return written { Upstream.gemini.setup(session, &$0) }.string
  }
  private func text(_ command: Upstream.Command) -> String {
    written { Upstream.gemini.write(command, anySession, &$0) }.string
  }
  private func read(_ text: String) -> Upstream.Event { Upstream.gemini.read(kept(text)) }

  @Test func `it hears PCM at 16 kHz and says PCM at 24 kHz, whatever the caller sends`() {
    for caller in [
      Format.mulaw8k, Format(codec: .alaw, rate: 8000),
      Format(codec: .linear16, rate: 24_000, isBigEndian: true),
    ] {
      let session = Upstream.Session(hears: caller, says: caller)
      #expect(Upstream.gemini.hears(caller, session) == Format(codec: .linear16, rate: 16_000))
      #expect(
        Upstream.gemini.voice?.says(caller, session) == Format(codec: .linear16, rate: 24_000))
    }
    let stereo = Format(codec: .mulaw, rate: 8000, channels: 2)
    #expect(Upstream.gemini.hears(stereo, Upstream.Session(hears: stereo, says: stereo)) == nil)
  }

  @Test func `a session is asked for with everything that was set`() {
    let options = """
      model=gemini-live-a&voice=Puck&language=en-US&instructions=Be+%22kind%22.&\
      silence_milliseconds=500
      """
    #expect(
      setup(options: options, handle: "handle-1")
        == #"{"setup":{"model":"models/gemini-live-a","generationConfig":{"#
        + #""responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":"#
        + #"{"voiceName":"Puck"}},"languageCode":"en-US"}},"#
        + #""systemInstruction":{"parts":[{"text":"Be \"kind\"."}]},"#
        + #""realtimeInputConfig":{"automaticActivityDetection":{"silenceDurationMs":500}},"#
        + #""inputAudioTranscription":{},"outputAudioTranscription":{},"#
        + #""sessionResumption":{"handle":"handle-1"},"#
        + #""contextWindowCompression":{"slidingWindow":{}}}}"#)
  }

  @Test func `what was not set is not named`() {
    #expect(
      setup()
        == #"{"setup":{"generationConfig":{"responseModalities":["AUDIO"]},"#
        + #""inputAudioTranscription":{},"outputAudioTranscription":{},"sessionResumption":{},"#
        + #""contextWindowCompression":{"slidingWindow":{}}}}"#)
    #expect(setup(options: "voice=Kore").contains(#"{"voiceName":"Kore"}}}}"#))
    #expect(setup(options: "language=de").contains(#""speechConfig":{"languageCode":"de-DE"}}"#))
  }

  @Test(arguments: [
    ("a", "models/a"), ("models/a", "models/a"), ("models%2Fa", "models/a"),
    ("projects%2fp%2fmodels%2fa", "projects/p/models/a"),
  ])
  func `a bare model's name gets its prefix, a path is left as it is`(
    name: String, expected: String
  ) {
    #expect(setup(options: "model=\(name)").contains(#""model":"\#(expected)""#))
  }

  @Test func `a caller may choose model, voice, language and instructions, and nothing else`() {
    let names = Upstream.gemini.allowed.description.split(separator: ", ").map(String.init)
    #expect(names.count == 4)
    for name in names { #expect(Upstream.gemini.allows(kept(name)), "\(name)") }
    for name in ["", "instructions", "greeting", "silence_milliseconds"] {
      #expect(!Upstream.gemini.allows(kept(name)), "\(name)")
    }
    let text = setup(
      options: "voice=Puck", callers: "voice=Kore&instructions=sly&silence_milliseconds=1")
    #expect(text.contains("Kore") && !text.contains("sly") && !text.contains("silence"))
  }

  @Test(arguments: [
    ("pt", "pt-BR"), ("pt-PT", "pt-PT"), ("pt_br", "pt-BR"), ("EN", "en-US"), ("en-gb", "en-GB"),
    ("es-419", "es-US"), ("zh", "cmn-CN"), ("zh-Hans-CN", "cmn-CN"), ("sr-Latn-RS", "sr-RS"),
    ("auto", ""), ("multi", ""), ("english", ""), ("xx", ""), ("e", ""), ("-", ""),
    ("de-", "de-DE"),
    ("en-US-x", "en-US"), ("p%74", ""), ("fil-PH", "fil-PH"), ("12-34", ""),
  ])
  func `a language has the region that the service wants, or none is named`(
    tag: String, code: String
  ) {
    let text = setup(options: "language=\(tag)")
    #expect(text.contains("languageCode") == !code.isEmpty, "\(text)")
    #expect(code.isEmpty || text.contains(#""languageCode":"\#(code)"}"#), "\(text)")
    #expect(code.isEmpty == !text.contains("speechConfig"))
    let voiced = setup(options: "voice=Puck&language=\(tag)")
    #expect(JSON.isValid(kept(voiced)), "\(voiced)")
  }

  @Test(arguments: [
    ("gemini-3.8-live", "", ""), ("gemini-3.8-live", "high", ""),
    ("gemini-3.8-live-extended-thinking", "", "LOW"),
    ("models/gemini-3.8-live-extended-thinking", "minimal", "LOW"),
    ("models%2Fgemini-3.8-live-extended-thinking", "high", "HIGH"),
    ("gemini-3.1-flash-live-preview", "", ""),
    ("gemini-3.1-flash-live-preview", "minimal", "MINIMAL"),
    ("gemini-live-2.5-flash-native-audio", "high", ""), ("gemini-9-live", "low", ""),
  ])
  func `each family of models gets the keys that it takes, and no others`(
    model: String, level: String, expected: String
  ) {
    let text = setup(options: "model=\(model)&thinking_level=\(level)")
    let key = #","thinkingConfig":{"thinkingLevel":"\#(expected)"}"#
    #expect(text.contains("thinkingConfig") == !expected.isEmpty && JSON.isValid(kept(text)))
    #expect(expected.isEmpty || text.contains(key), "\(text)")
    for absent in [
      "proactivity", "enableAffectiveDialog", "behavior", "historyConfig", "temperature",
    ] {
      #expect(!text.contains(absent))
    }
  }

  @Test func `what it is told`() {
    #expect(text(.greet(kept("Say+hi."))) == #"{"realtimeInput":{"text":"Say hi."}}"#)
    #expect(text(.keys(kept("5"))) == #"{"realtimeInput":{"text":"The caller pressed 5."}}"#)
    #expect(text(.finish) == #"{"realtimeInput":{"audioStreamEnd":true}}"#)
    for command in [
      Upstream.Command.greet(.empty), .keepAlive, .finalize, .respond, .forget(item: kept("a")),
      .truncate(item: kept("a"), milliseconds: 1),
    ] {
      #expect(text(command).isEmpty)
    }
  }

  @Test func `all that one message says is heard`() throws {
    let message = kept(
      #"{"usageMetadata":{},"serverContent":{"interrupted":true,"turnComplete":true,"#
        + #""generationComplete":false,"inputTranscription":{"text":"a"},"#
        + #""outputTranscription":{"text":"b"}},"goAway":{"timeLeft":"9.8s"},"#
        + #""sessionResumptionUpdate":{"newHandle":"h-1","resumable":true}}"#)
    let news = Upstream.gemini.read(message)
    #expect(news.isInterrupted && news.isTurnOver && !news.isSpoken && !news.isReady)
    #expect(message[try #require(news.callerWords).text].equals("a"))
    #expect(message[try #require(news.agentWords).text].equals("b"))
    #expect(news.callerWords?.isWhole == false && news.agentWords?.isWhole == false)
    #expect(message[try #require(news.handle)].equals("h-1"))
    #expect(news.leavesWithin == .milliseconds(9800))
  }

  @Test(arguments: [
    (#""9.8s""#, 9800), (#""50s""#, 50_000), (#""0.000000001s""#, 0), (#""12""#, 12_000),
    ("7", 7000), (#"{"seconds":9,"nanos":800000000}"#, 9000), (#"{"seconds":"10"}"#, 10_000),
    ("{}", 0), (#""""#, 0), (#""s""#, 0), (#""-5s""#, 0), (#""soon""#, 0), ("null", 0),
    (#""1e15s""#, 3_600_000),
  ])
  func `how long it stays is read in every form, and is never less than nothing`(
    written: String, milliseconds: Int
  ) {
    let news = read(#"{"goAway":{"timeLeft":\#(written)}}"#)
    #expect(news.leavesWithin == .milliseconds(milliseconds))
  }

  @Test func `only a handle that resumes is one`() {
    for update in [
      #"{"newHandle":"h","resumable":false}"#, #"{"newHandle":"","resumable":true}"#,
      #"{"newHandle":"h"}"#, #"{"resumable":true}"#, #"{"newHandle":7,"resumable":true}"#, "[]",
    ] {
      let news = read(#"{"sessionResumptionUpdate":\#(update)}"#)
      #expect(news.handle == nil && !news.isMalformed, "\(update)")
    }
  }

  @Test func `what is no message is malformed, text that is not UTF-8 included`() {
    for text in ["", "[]", "7", #"{"setupComplete":{}"#, #"{"setupComplete":{}}x"#] {
      #expect(read(text).isMalformed, "\(text)")
    }
    let start = Array(#"{"serverContent":{"outputTranscription":{"text":""#.utf8)
    #expect(Upstream.gemini.read(kept(start + [0xc3] + Array(#""}}}"#.utf8))).isMalformed)
  }

  @Test(
    arguments: [
      (1000, "", true, Cause.upstreamLost), (1001, "", true, .upstreamLost),
      (1006, "", true, .upstreamLost), (1011, "Internal error occurred.", true, .upstreamLost),
      (1011, "You exceeded your current quota, please check", false, .upstreamRefused),
      (1011, "RESOURCE_EXHAUSTED", false, .upstreamRefused),
      (1011, "Your prepay credits are depleted", false, .upstreamRefused),
      (1007, "API key not valid. Please pass a valid API key.", false, .upstreamKey),
      (1007, "Request contains an invalid argument.", false, .upstreamRefused),
      (1008, "models/x is not found for API version v1beta", false, .upstreamRefused),
    ] as [(UInt16, String, Bool, Cause)])
  func `the reason of a close decides whether another attempt can help`(
    code: UInt16, reason: String, isRetried: Bool, cause: Cause
  ) {
    let verdict = Upstream.gemini.closed(code, kept(reason))
    #expect(verdict.retry == isRetried && verdict.cause == cause)
  }
}
