// The twin of Gemini Live keeps the service's rules, and its words come from the audio alone.

import Testing

@testable import LabKit

/// A client and the twin without a socket; time passes with the audio that is sent.
private struct Talk {
  var twin: GeminiTwin
  var now = 0.0
  private(set) var messages: [JSON] = []
  private(set) var events: [VoiceEvent] = []
  private(set) var end: VoiceOutput?

  init(_ manner: VoiceManner = VoiceManner(), setup: String? = Talk.setup) {
    twin = GeminiTwin(number: 1, manner: manner, at: 0)
    take(twin.opened(at: 0))
    if let setup { say(#"{"setup":\#(setup)}"#) }
  }

  static let setup = #"""
    {"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]},
    "realtimeInputConfig":{"automaticActivityDetection":{"silenceDurationMs":300}},
    "inputAudioTranscription":{},"outputAudioTranscription":{},"sessionResumption":{}}
    """#

  private mutating func take(_ outputs: [VoiceOutput]) {
    for output in outputs {
      switch output {
      case .message(let text): messages.append(JSON(text.utf8) ?? .null)
      case .happened(.audio), .audio: break
      case .happened(let event): events.append(event)
      case .close, .reset: end = output
      }
    }
  }

  /// Sends a message and forgets what came before.
  mutating func say(_ text: String) {
    messages = []
    events = []
    take(twin.text(Array(text.utf8), at: now))
  }

  /// Says a text in tones, in messages of 20 ms, and is then quiet.
  mutating func speak(_ text: String, rate: Int = 16_000, silence: Double = 0.5) {
    let tones = Tones.encode(text) + [Int16](repeating: 0, count: Int(silence * 8000))
    let samples = Resample.all(tones, from: 8000, to: rate)
    messages = []
    events = []
    for begin in stride(from: 0, to: samples.count, by: rate / 50) {
      let piece = Array(samples[begin..<min(begin + rate / 50, samples.count)])
      let audio = Base64Text.encode(WireFormat.pcm(rate).write(piece))
      let blob = #"{"data":"\#(audio)","mimeType":"audio/pcm;rate=\#(rate)"}"#
      take(twin.text(Array(#"{"realtimeInput":{"audio":\#(blob)}}"#.utf8), at: now))
      wait(0.02)
    }
  }

  mutating func wait(_ seconds: Double) {
    now += seconds
    take(twin.advance(to: now))
  }

  /// The names of what the server said, in order, one for each run of messages of a kind.
  var kinds: [String] {
    var kinds: [String] = []
    for message in messages {
      let content = message["serverContent"]?.members ?? message.members ?? [:]
      let name = content.all.first?.key ?? ""
      if kinds.last != name { kinds.append(name) }
    }
    return kinds
  }

  func text(_ kind: String) -> String {
    messages.compactMap { $0["serverContent"]?[kind]?["text"]?.string }.joined()
  }

  var heard: String { heard(rate: 24_000) }

  func heard(rate: Int) -> String {
    let bytes = messages.flatMap { message in
      let part = message["serverContent"]?["modelTurn"]?["parts"]?[0]?["inlineData"]
      return Base64Text.decode(part?["data"]?.string ?? "") ?? []
    }
    var ear = ToneDecoder()
    let samples = Resample.all(WireFormat.pcm(rate).read(bytes), from: rate, to: 8000)
    return (ear.hear(samples) + ear.finish()).map(\.text).joined(separator: " ")
  }
}

private let greet = #"""
  {"clientContent":{"turns":[{"role":"user","parts":[{"text":"greet"}]}],"turnComplete":true}}
  """#

@Suite struct GeminiTurnTests {
  @Test func `nothing is said before the setup`() {
    var talk = Talk(setup: nil)
    #expect(talk.messages.isEmpty)
    talk.say(#"{"setup":\#(Talk.setup)}"#)
    #expect(talk.kinds == ["setupComplete", "sessionResumptionUpdate"])
  }

  @Test func `the first words in writing bring the greeting`() {
    var talk = Talk()
    talk.say(greet)
    #expect(talk.heard == VoiceManner.greeting)
    #expect(talk.text("outputTranscription") == VoiceManner.greeting)
    talk.wait(5)
    talk.say(#"{"realtimeInput":{"text":"the caller pressed 1"}}"#)
    #expect(talk.heard == "you said: the caller pressed 1")
  }

  @Test(arguments: [8000, 16_000, 24_000]) func `words are heard at the stated rate`(_ rate: Int) {
    var talk = Talk()
    talk.speak("where is it", rate: rate)
    #expect(talk.text("inputTranscription") == "where is it")
    #expect(talk.heard == "you said: where is it")
    #expect(talk.events.contains(.heard("where is it")))
  }

  @Test func `the turn is complete once the answer would have been played`() throws {
    var talk = Talk()
    talk.say(greet)
    #expect(talk.kinds.last == "generationComplete")
    let length = Double(Tones.encode(VoiceManner.greeting).count) / 8000
    let wake = try #require(talk.twin.wakeTime)
    #expect(abs(wake - length) < 0.001)
    talk.wait(length + 0.001)
    #expect(talk.kinds.suffix(2) == ["turnComplete", "sessionResumptionUpdate"])
    let last = talk.messages.last { $0["usageMetadata"] != nil }
    #expect(last?["serverContent"]?["turnComplete"]?.bool == true)
  }

  @Test func `transcripts come only where asked for`() {
    var talk = Talk(setup: #"{"model":"models/m"}"#)
    talk.speak("hello")
    #expect(talk.kinds == ["modelTurn", "generationComplete"])
  }

  @Test func `snake case is read too`() {
    var talk = Talk(setup: #"{"model":"models/m","input_audio_transcription":{}}"#)
    talk.speak("hello")
    #expect(talk.text("inputTranscription") == "hello")
  }

  @Test func `the end of the stream ends the turn`() {
    var talk = Talk()
    talk.speak("cut off", silence: 0)
    #expect(talk.heard == "")
    talk.say(#"{"realtimeInput":{"audioStreamEnd":true}}"#)
    #expect(talk.heard == "you said: cut off")
  }

  @Test func `a client can mark the turns itself`() {
    var talk = Talk(
      setup: #"""
        {"model":"models/m","realtimeInputConfig":{"automaticActivityDetection":{"disabled":true}}}
        """#)
    talk.say(#"{"realtimeInput":{"activityStart":{}}}"#)
    talk.speak("over to you", silence: 3)
    #expect(talk.messages.isEmpty)
    talk.say(#"{"realtimeInput":{"activityEnd":{}}}"#)
    #expect(talk.heard == "you said: over to you")
    var automatic = Talk()
    automatic.say(#"{"realtimeInput":{"activityStart":{}}}"#)
    #expect(automatic.end != nil)
  }
}

@Suite struct GeminiInterruptionTests {
  @Test func `sound ends the turn without its generation`() throws {
    var talk = Talk(try manner(pace: 1.2, answer: "an answer of many words that goes on"))
    talk.speak("hello")
    talk.speak("stop", silence: 0)
    let kinds = talk.kinds
    let place = try #require(kinds.firstIndex(of: "interrupted"))
    #expect(Array(kinds[place...]) == ["interrupted", "turnComplete", "sessionResumptionUpdate"])
    #expect(!kinds.contains("generationComplete"))
    #expect(talk.events.contains(.speechStarted(interrupts: true)))
    talk.wait(30)
    #expect(!talk.kinds.contains("generationComplete"))
  }

  @Test func `a burst can be interrupted while it plays`() {
    var talk = Talk()
    talk.say(greet)
    talk.speak("stop", silence: 0)
    #expect(talk.kinds.prefix(2) == ["interrupted", "turnComplete"])
    talk.speak("", silence: 5)
    talk.wait(10)
    talk.speak("later", silence: 0)
    #expect(talk.events == [.speechStarted(interrupts: false)])
  }

  @Test func `interruption can be forbidden`() {
    var talk = Talk(
      setup: #"""
        {"model":"models/m","realtimeInputConfig":{"activityHandling":"NO_INTERRUPTION"}}
        """#)
    talk.say(greet)
    talk.speak("a", silence: 0.6)
    #expect(talk.messages.isEmpty && talk.events.contains(.heard("a")))
    talk.wait(5)
    #expect(talk.heard == "you said: a")
  }
}

@Suite struct GeminiRefusalTests {
  @Test(arguments: [
    (#"{"setup":{"model":"models/m","voice":"x"}}"#, 1007), (#"{"setup":{}}"#, 1008),
    (#"{"setup":{"model":"m"}}"#, 1008), ("{", 1007), (greet, 1007),
    (#"{"setup":{"model":"models/m"},"realtimeInput":{}}"#, 1007),
    (#"{"setup":{"model":"models/m","generationConfig":{"responseModalities":["TEXT"]}}}"#, 1007),
    (#"{"setup":{"model":"models/m","sessionResumption":{"handle":"old"}}}"#, 1008),
  ]) func `a bad setup is a close`(_ text: String, _ wanted: Int) {
    var talk = Talk(setup: nil)
    talk.say(text)
    guard case .close(let code, let reason)? = talk.end, code == wanted else {
      Issue.record("\(String(describing: talk.end))")
      return
    }
    #expect(talk.messages.isEmpty && talk.events == [.refused(reason)])
  }

  @Test(arguments: [
    #"{"realtimeInput":{"audio":{"data":"AAAA","mimeType":"audio/pcmu;rate=8000"}}}"#,
    #"{"realtimeInput":{"audio":{"data":"AAAA","mimeType":"audio/pcm;rate=16000"}}}"#,
    #"{"realtimeInput":{"audio":{"data":"?","mimeType":"audio/pcm"}}}"#,
    #"{"realtimeInput":{"sound":true}}"#, #"{"setup":{"model":"models/m"}}"#, #"{"truncate":{}}"#,
  ]) func `a message that makes no sense is a close`(_ text: String) {
    var talk = Talk()
    talk.say(text)
    guard case .close(1007, _)? = talk.end else {
      Issue.record("\(String(describing: talk.end))")
      return
    }
    #expect(talk.twin.wakeTime == nil)
  }

  @Test func `a handle goes on with the session`() throws {
    let first = Talk()
    let update = first.messages.last?["sessionResumptionUpdate"]
    let handle = try #require(update?["newHandle"]?.string)
    let setup = #"{"model":"models/m","sessionResumption":{"handle":"\#(handle)"}}"#
    var second = Talk(setup: setup)
    second.say(#"{"realtimeInput":{"text":"hi"}}"#)
    #expect(second.heard == "you said: hi")
    let refused = Talk(try manner("refuse-handle"), setup: setup)
    #expect(refused.end != nil)
  }
}

@Suite struct GeminiMisbehaviourTests {
  @Test(arguments: [UInt16(1007), 1008, 1011]) func `a setup can be refused`(_ code: UInt16) throws
  {
    let talk = Talk(try manner("refuse-setup=\(code)"))
    guard case .close(code, let reason)? = talk.end else {
      Issue.record("\(String(describing: talk.end))")
      return
    }
    #expect(!reason.isEmpty && reason.utf8.count <= 123)
  }

  @Test func `go away comes before the cut`() throws {
    var talk = Talk(try manner("go-away=5,time-left=1.5"))
    #expect(talk.twin.wakeTime == 5)
    talk.wait(5)
    #expect(talk.messages.last?["goAway"]?["timeLeft"]?.string == "1.5s")
    #expect(talk.end == nil && talk.twin.wakeTime == 6.5)
    talk.wait(1.5)
    guard case .close(1001, _)? = talk.end else {
      Issue.record("still open")
      return
    }
  }

  @Test func `the quota can run out and the connection break`() throws {
    var poor = Talk(try manner("no-quota=1"))
    poor.wait(1)
    guard case .close(1011, let reason)? = poor.end else {
      Issue.record("still open")
      return
    }
    #expect(reason.contains("quota"))
    var broken = Talk(try manner("reset-after=1"))
    broken.wait(1)
    #expect(broken.end == .reset)
  }

  @Test func `a set up can stay unanswered`() throws {
    #expect(Talk(try manner("mute-setup")).messages.isEmpty)
  }

  @Test(arguments: [
    ("close-after=3", UInt16(1000)), ("close-after=3,close-code=1007", 1007),
    ("close-after-first", 1011),
  ]) func `a session can be closed with any code`(_ order: String, _ code: UInt16) throws {
    var talk = Talk(try manner(order))
    talk.say(greet)
    talk.wait(3)
    guard case .close(code, _)? = talk.end else {
      Issue.record("\(String(describing: talk.end))")
      return
    }
    let answers = talk.messages.filter { $0["serverContent"]?["modelTurn"] != nil }
    #expect(order == "close-after-first" ? answers.count == 1 : answers.count > 1)
  }

  @Test func `an interruption can come where nothing plays`() throws {
    var talk = Talk(try manner("stray-interrupted=1"))
    talk.say(greet)
    talk.wait(1.1)
    #expect(!talk.kinds.contains("interrupted"))
    talk.wait(10)
    let place = try #require(talk.kinds.firstIndex(of: "interrupted"))
    #expect(talk.kinds[..<place].contains("turnComplete"))
    #expect(talk.kinds.last == "interrupted" && talk.twin.wakeTime == nil)
    talk.speak("hello")
    #expect(talk.heard == "you said: hello" && !talk.kinds.contains("interrupted"))
  }

  @Test func `a turn can be rejected without sound`() throws {
    var talk = Talk(try manner("rejected=2,turn-reason=NEED_MORE_INPUT"))
    for _ in 0..<2 {
      talk.say(greet)
      let content = talk.messages.last?["serverContent"]
      #expect(content?["turnComplete"]?.bool == true && talk.heard.isEmpty)
      #expect(content?["turnCompleteReason"]?.string == "NEED_MORE_INPUT")
    }
    talk.speak("hello")
    #expect(talk.heard == "you said: hello")
    #expect(try VoiceMisbehaviour("rejected").rejected == .max)
  }

  @Test(arguments: [8000, 16_000, 48_000]) func `audio can be at another rate`(_ rate: Int) throws {
    var talk = Talk(try manner("rate=\(rate)"))
    talk.say(greet)
    #expect(talk.heard(rate: rate) == VoiceManner.greeting)
    let parts = talk.messages.compactMap { $0["serverContent"]?["modelTurn"]?["parts"]?[0] }
    #expect(
      parts.allSatisfy { $0["inlineData"]?["mimeType"]?.string == "audio/pcm;rate=\(rate)" })
  }

  @Test func `words can come behind the end and in escapes`() throws {
    var talk = Talk(try manner("late-words,escaped-words"))
    talk.say(greet)
    #expect(talk.text("outputTranscription").isEmpty)
    talk.wait(10)
    #expect(talk.text("outputTranscription") == VoiceManner.greeting)
    let kinds = talk.kinds
    let end = try #require(kinds.firstIndex(of: "turnComplete"))
    #expect(kinds[(end + 1)...].first == "outputTranscription")
  }

  @Test func `audio can be in the URL alphabet`() throws {
    var talk = Talk(try manner("base64=url"))
    talk.say(greet)
    let text = talk.messages.compactMap {
      $0["serverContent"]?["modelTurn"]?["parts"]?[0]?["inlineData"]?["data"]?.string
    }.joined()
    #expect(text.contains("-") && text.contains("_"))
    #expect(!text.contains("+") && !text.contains("/"))
  }

  @Test func `a state can end the turn`() throws {
    var talk = Talk(try manner("idle-ends"))
    talk.say(greet)
    let piece = talk.messages.last?["serverContent"]
    #expect(piece?["turnComplete"]?.bool == true)
    #expect(piece?["interactionStatus"]?.string == "IN_PROGRESS")
    talk.wait(10)
    let end = talk.messages.last { $0["usageMetadata"] != nil }?["serverContent"]
    #expect(end == ["interactionStatus": "IDLE"])
  }
}
