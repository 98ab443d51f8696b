// Deepgram's Voice Agent: the settings, what its messages say, what it is told, and what its errors
// and closes mean.

import Testing

@testable import Sidetone

struct DeepgramAgentTests {
  private static let row = Upstream.deepgramAgent

  private func setup(
    _ format: Format = .mulaw8k, options: String = "", callers: String = ""
  ) -> String {
    let session = Upstream.Session(
      hears: format, says: format, options: kept(options), callers: kept(callers))
    return written { Self.row.setup(session, &$0) }.string
  }
  private func text(_ command: Upstream.Command) -> String {
    written {
      Self.row.write(command, anySession, &$0)
    }.string
  }
  private func read(_ text: String) -> Upstream.Event { Self.row.read(kept(text)) }

  // MARK: Audio

  @Test(arguments: [
    (Format.mulaw8k, Format.mulaw8k),
    (Format(codec: .alaw, rate: 8000), Format(codec: .alaw, rate: 8000)),
    (Format(codec: .mulaw, rate: 16_000), Format(codec: .linear16, rate: 16_000)),
    (
      Format(codec: .linear16, rate: 24_000, isBigEndian: true),
      Format(codec: .linear16, rate: 24_000)
    ),
    (Format(codec: .linear16, rate: 44_100), Format(codec: .linear16, rate: 16_000)),
  ])
  func `both directions have the caller's own format, where the service takes it`(
    caller: Format, expected: Format
  ) {
    let session = Upstream.Session(hears: caller, says: caller)
    #expect(Self.row.hears(caller, session) == expected)
    #expect(Self.row.voice?.says(caller, session) == expected)
  }

  @Test func `it takes no two channels`() {
    let stereo = Format(codec: .mulaw, rate: 8000, channels: 2)
    #expect(Self.row.hears(stereo, Upstream.Session(hears: stereo, says: stereo)) == nil)
  }

  // MARK: Settings

  @Test func `a session is asked for with everything that was set`() {
    let options = """
      model=gpt-4o-mini&voice=aura-2-thalia-en&language=en&instructions=Be+%22kind%22.&\
      greeting=Hello&think_provider=open_ai&listen_model=nova-3
      """
    #expect(
      setup(options: options)
        == #"{"type":"Settings","audio":{"input":{"encoding":"mulaw","sample_rate":8000},"#
        + #""output":{"encoding":"mulaw","sample_rate":8000,"container":"none"}},"#
        + #""agent":{"listen":{"provider":{"type":"deepgram","version":"v1","model":"nova-3","#
        + #""language":"en"}},"think":{"provider":{"type":"open_ai","model":"gpt-4o-mini"},"#
        + #""prompt":"Be \"kind\"."},"#
        + #""speak":{"provider":{"type":"deepgram","model":"aura-2-thalia-en"}}}}"#)
  }

  @Test func `what was not set is not named`() {
    #expect(
      setup(Format(codec: .linear16, rate: 24_000))
        == #"{"type":"Settings","audio":{"input":{"encoding":"linear16","sample_rate":24000},"#
        + #""output":{"encoding":"linear16","sample_rate":24000,"container":"none"}},"#
        + #""agent":{"listen":{"provider":{"type":"deepgram","version":"v1"}},"#
        + #""think":{"provider":{"type":"open_ai"}},"speak":{"provider":{"type":"deepgram"}}}}"#)
  }

  @Test func `flux is asked for in its own version, and without a language`() {
    let text = setup(options: "listen_model=flux-general-en&language=en")
    #expect(text.contains(#""version":"v2","model":"flux-general-en"}}"#))
    #expect(!text.contains("language"))
  }

  @Test func `a caller may choose model, voice, language and instructions, and nothing else`() {
    for name in ["model", "voice", "language", "system_instruction"] {
      #expect(Self.row.allows(kept(name)), "\(name)")
    }
    for name in ["", "instructions", "greeting", "listen_model", "think_provider"] {
      #expect(!Self.row.allows(kept(name)), "\(name)")
    }
    let text = setup(
      options: "voice=a&instructions=b",
      callers: "voice=aura-2-zeus-en&instructions=sly&listen_model=c&system_instruction=mine")
    #expect(text.contains("aura-2-zeus-en") && text.contains(#""prompt":"mine""#))
    #expect(!text.contains("sly") && !text.contains(#""c""#))
  }

  // MARK: What it is told

  @Test func `what it is told`() {
    #expect(text(.keepAlive) == #"{"type":"KeepAlive"}"#)
    #expect(
      text(.greet(kept("Say+%22hi%22.")))
        == #"{"type":"InjectAgentMessage","message":"Say \"hi\"."}"#)
    #expect(
      text(.keys(kept("47#")))
        == ##"{"type":"InjectUserMessage","content":"The caller pressed 47#."}"##)
    #expect(
      text(.respond)
        == #"{"type":"InjectUserMessage","content":"(Please answer what is not answered yet.)"}"#)
    for command in [
      Upstream.Command.greet(.empty), .finalize, .finish, .forget(item: kept("a")),
      .truncate(item: kept("a"), milliseconds: 20),
    ] {
      #expect(text(command) == "")
    }
  }

  private static let request = #"""
    {"type":"FunctionCallRequest","functions":[
    {"id":"f\"1","name":"look","arguments":"{}","client_side":true},
    {"id":"f2","name":"served","arguments":"{}","client_side":false}, 7,
    {"id":"f3","name":"book","arguments":"{}","client_side":true}]}
    """#

  private static let functions = DeepgramAgent.functions

  @Test func `functions that we are to call are read one by one, whoever declared them`() {
    let message = kept(Self.request)
    func call(_ place: Int) -> [String]? {
      Self.functions.call(message, place).map { call in
        [call.id, call.name, call.arguments?.range ?? 0..<0].map { message[$0].string }
      }
    }
    #expect(call(0) == [#"f\"1"#, "look", "{}"] && call(1) == ["f3", "book", "{}"])
    #expect(call(2) == nil && read(Self.request).callsFunctions)
    #expect(
      text(.answer(id: kept(#"f\"1"#), function: kept("look"), kept(#"{"a":"b"}"#)))
        == #"{"type":"FunctionCallResponse","id":"f\"1","name":"look","content":"{\"a\":\"b\"}"}"#)
    #expect(
      text(.lateAnswer(function: kept("look"), kept("{}"))).hasPrefix(
        #"{"type":"UpdatePrompt","prompt":"The function look,"#))
  }

  @Test func `calls that are not wanted any more are named`() {
    let text =
      #"{"type":"FunctionCallCancelled","functions":[{"id":"f1","name":"a"},7,{"id":"f2"}]}"#
    let message = kept(text)
    #expect(read(text).cancelsFunctions)
    let ids = (0..<4).map { Self.functions.cancelled(message, $0).map { message[$0].string } }
    #expect(ids == ["f1", "", "f2", nil])
  }

  @Test func `functions are declared where there are some`() {
    var session = Upstream.Session(hears: .mulaw8k, says: .mulaw8k)
    #expect(!written { Self.row.setup(session, &$0) }.string.contains("functions"))
    session.functions = [
      Upstream.Function(
        name: "look", description: "Looks \"it\" up.", schema: #"{"type":"object"}"#,
        talksMeanwhile: false)
    ]
    #expect(
      written { Self.row.setup(session, &$0) }.string.contains(
        #","functions":[{"name":"look","description":"Looks \"it\" up.","parameters":{"type":"object"}}]},"speak""#
      ))
  }

  @Test func `of a crowd of functions only so many are read`() {
    let one = #"{"id":"f","name":"n","arguments":"","client_side":true}"#
    let list = [String](repeating: one, count: 40).joined(separator: ",")
    let message = kept(#"{"type":"FunctionCallRequest","functions":[\#(list)]}"#)
    #expect(Self.functions.call(message, 15) != nil && Self.functions.call(message, 16) == nil)
  }

  @Test(arguments: ["[]", "{}", "7", "[[]]", #"[{"client_side":false}]"#])
  func `a request for no function asks for nothing`(functions: String) {
    let news = read(#"{"type":"FunctionCallRequest","functions":\#(functions)}"#)
    #expect(!news.callsFunctions && news.complaint == nil && news.unknown == nil)
  }

  // MARK: What it says

  @Test func `words are sentences of either side, and only the caller's are to be answered`() {
    let caller = #"{"type":"ConversationText","role":"user","content":"Where?"}"#
    var news = read(caller)
    #expect(kept(caller)[news.callerWords?.text ?? 0..<0].string == "Where?")
    #expect(news.callerWords?.isApart == true && news.isCallerDone && news.agentWords == nil)
    news = read(#"{"type":"ConversationText","role":"assistant","content":"Here."}"#)
    #expect(news.agentWords?.isApart == true && !news.isCallerDone && news.callerWords == nil)
    news = read(
      #"{"type":"ConversationText","role":"user","content":"mhm","conversational_behavior":"backchannel"}"#
    )
    #expect(news.callerWords != nil && !news.isCallerDone)
  }

  @Test(arguments: ["The caller pressed 5.", "The caller pressed 123*0#A."])
  func `what we told it of keys is nobody's word`(content: String) {
    let news = read(#"{"type":"ConversationText","role":"user","content":"\#(content)"}"#)
    #expect(news.callerWords == nil && !news.isCallerDone && news.unknown == nil)
  }

  @Test(arguments: ["The caller pressed on.", "The caller pressed", "I pressed 5."])
  func `a caller may talk of keys`(content: String) {
    #expect(
      read(#"{"type":"ConversationText","role":"user","content":"\#(content)"}"#).callerWords != nil
    )
  }

  @Test func `a type that is not known is named, one of no concern is not`() {
    let message = #"{"type":"SomethingNew"}"#
    #expect(kept(message)[read(message).unknown ?? 0..<0].string == "SomethingNew")
    for type in ["Welcome", "LatencyReport", "History", "PromptUpdated", "FunctionCallCancelled"] {
      #expect(read(#"{"type":"\#(type)"}"#).unknown == nil, "\(type)")
    }
  }

  @Test(arguments: ["", "{", "[]", "null", "{}", #"{"type":7}"#, #"{"type":"Welcome"} x"#])
  func `what is no event is malformed`(text: String) {
    #expect(read(text).isMalformed)
  }

  // MARK: What its errors and closes mean

  @Test(arguments: [
    ("INVALID_SETTINGS", false), ("UNPARSABLE_CLIENT_MESSAGE", false),
    ("NON_SETTINGS_MESSAGE_BEFORE_SETTINGS", false), ("SETTINGS_ALREADY_APPLIED", false),
    ("USER_AUDIO_FORMAT", false), ("INTERNAL_SERVER_ERROR", true), ("CLIENT_MESSAGE_TIMEOUT", true),
    ("ASR_CONNECTION_CLOSED", true), ("FAILED_TO_START_LISTENING", true), ("", true), ("NEW", true),
  ])
  func `an error ends the session, and may pass or not`(code: String, passes: Bool) throws {
    let message = #"{"type":"Error","description":"why","code":"\#(code)"}"#
    let complaint = try #require(read(message).complaint)
    #expect(complaint.scope == .session && complaint.verdict?.retry == passes)
    #expect(kept(message)[complaint.message].string == "why")
    #expect(read(#"{"type":"Error"}"#).complaint?.verdict?.retry == true)
  }

  @Test func `a warning and a refused text end nothing`() {
    let warning = read(#"{"type":"Warning","description":"why","code":"PROMPT_TOO_LONG"}"#)
    #expect(warning.complaint?.scope == .warning && warning.complaint?.verdict == nil)
    let refused = read(#"{"type":"InjectionRefused","message":"The user is speaking"}"#)
    #expect(refused.isAskedTooEarly && refused.complaint?.scope == .warning)
  }

  @Test(arguments: [
    (1000, true), (1001, true), (1005, true), (1006, true), (1011, true), (1008, false),
    (1002, false), (1003, false), (1007, false), (4000, true),
  ])
  func `a close that is ours to mend is not tried again`(code: UInt16, passes: Bool) {
    #expect(Self.row.closed(code, .empty).retry == passes)
  }

  @Test func `its refusals are those of the account`() {
    #expect(Self.row.refused(401).cause == .upstreamKey)
    #expect(Self.row.refused(429).cause == .upstreamBusy && Self.row.refused(503).retry)
    #expect(Self.row.refused(400).cause == .upstreamRefused && !Self.row.refused(400).retry)
  }
}
