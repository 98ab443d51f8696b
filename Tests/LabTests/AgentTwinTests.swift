// The twin of Deepgram's Voice Agent: what it wants, what it hears and says, and how it is strict.

import Testing

@testable import LabKit

private struct Client {
  var twin: AgentTwin
  var messages: [JSON] = []
  var audio: [UInt8] = []
  var events: [VoiceEvent] = []
  var end: VoiceOutput?

  static let settings = #"""
    {"type":"Settings","audio":{"input":{"encoding":"mulaw","sample_rate":8000},
    "output":{"encoding":"mulaw","sample_rate":8000,"container":"none"}},
    "agent":{"listen":{"provider":{"type":"deepgram","version":"v1","model":"nova-3"}},
    "think":{"provider":{"type":"open_ai","model":"m"}},
    "speak":{"provider":{"type":"deepgram","model":"v"}}}}
    """#

  init(_ misbehaviour: String = "", isSet: Bool = true) throws {
    var manner = VoiceManner()
    manner.misbehaviour = try VoiceMisbehaviour(misbehaviour)
    manner.deltaBytes = 961
    twin = AgentTwin(number: 1, manner: manner, at: 0)
    take(twin.opened(at: 0))
    if isSet { say(Self.settings) }
  }

  private mutating func take(_ outputs: [VoiceOutput]) {
    for output in outputs {
      switch output {
      case .message(let text): messages.append(JSON(text.utf8) ?? .null)
      case .audio(let bytes): audio += bytes
      case .happened(.audio): break
      case .happened(let event): events.append(event)
      case .close, .reset: end = output
      }
    }
  }

  mutating func say(_ text: String, at now: Double = 0) {
    take(twin.text(Array(text.utf8), at: now))
  }
  mutating func speak(_ words: String, at now: Double) {
    let samples = Tones.words(of: words).flatMap { Tones.encode($0) }
    let sound = Resample.all(samples, from: Tones.sampleRate, to: 8000)
    let bytes = WireFormat.telephone.write(sound) + WireFormat.telephone.silence(seconds: 0.7)
    for start in stride(from: 0, to: bytes.count, by: 160) {
      take(twin.audio(Array(bytes[start..<min(start + 160, bytes.count)]), at: now))
    }
  }
  mutating func wait(until now: Double) { take(twin.advance(to: now)) }

  var types: [String] { messages.map { $0["type"]?.string ?? "" } }
  func words(_ role: String) -> String {
    messages.filter { $0["role"]?.string == role }.compactMap { $0["content"]?.string }
      .joined(separator: " ")
  }
}

struct AgentTwinTests {
  @Test func `it hears words and says them, in text and in sound`() throws {
    var client = try Client()
    #expect(client.types == ["Welcome", "SettingsApplied"])
    client.speak("good day", at: 1)
    #expect(client.types.contains("UserStartedSpeaking"))
    #expect(client.words("user") == "good day")
    #expect(client.words("assistant") == "you said: good day")
    #expect(WireFormat.telephone.words(in: client.audio) == ["you", "said:", "good", "day"])
    #expect(client.types.last == "AgentAudioDone" && client.end == nil)
  }

  @Test func `a text is said where nobody speaks, and refused where somebody does`() throws {
    var client = try Client()
    client.say(#"{"type":"InjectAgentMessage","message":"hello there"}"#)
    #expect(WireFormat.telephone.words(in: client.audio) == ["hello", "there"])
    client.say(#"{"type":"InjectUserMessage","content":"and"}"#, at: 0.1)
    #expect(client.types.last == "InjectionRefused")
    client.wait(until: 60)
    client.say(#"{"type":"InjectUserMessage","content":"and"}"#, at: 60)
    #expect(client.words("user") == "and" && client.events.contains(.read("and")))
  }

  @Test(arguments: [
    ("{", "UNPARSABLE_CLIENT_MESSAGE"), (#"{"type":"Nonsense"}"#, "UNPARSABLE_CLIENT_MESSAGE"),
    (#"{"type":"InjectUserMessage"}"#, "UNPARSABLE_CLIENT_MESSAGE"),
    (Client.settings, "SETTINGS_ALREADY_APPLIED"),
  ])
  func `what it does not take ends the session`(text: String, code: String) throws {
    var client = try Client()
    client.say(text)
    #expect(client.messages.last?["code"]?.string == code && client.end != nil)
  }

  @Test func `settings come first, and are looked at`() throws {
    var client = try Client(isSet: false)
    client.say(#"{"type":"KeepAlive"}"#)
    #expect(client.messages.last?["code"]?.string == "NON_SETTINGS_MESSAGE_BEFORE_SETTINGS")
    var other = try Client(isSet: false)
    other.say(Client.settings.replacing(#""container":"none""#, with: #""container":"wav""#))
    #expect(other.messages.last?["code"]?.string == "INVALID_SETTINGS" && other.end != nil)
    #expect(try Client("refuse-settings").end != nil)
  }

  @Test func `it asks for a function when it is told to`() throws {
    var client = try Client("ask-function=1")
    client.speak("order", at: 1)
    #expect(client.types.filter { $0 == "FunctionCallRequest" }.count == 1)
    client.say(#"{"type":"FunctionCallResponse","id":"fc_1","name":"x","content":"no"}"#, at: 2)
    #expect(client.events.contains(.read("no")) && client.end == nil)
  }

  @Test func `its arguments are made of what it heard`() throws {
    var client = try Client("ask-function=1", isSet: false)
    let schema = #"{"type":"object","properties":{"to":{"type":"string","enum":["sales","desk"]}}}"#
    let declared = #"{"name":"transfer","description":"d","parameters":\#(schema)}"#
    client.say(
      Client.settings.replacing(#""think":{"#, with: #""think":{"functions":[\#(declared)],"#))
    client.speak("sales please", at: 1)
    let call = client.messages.first { $0["type"]?.string == "FunctionCallRequest" }
    let function = call?["functions"]?.array?.first
    #expect(function?["name"]?.string == "transfer")
    #expect(function?["arguments"]?.string == #"{"to":"sales"}"#)
  }
}
