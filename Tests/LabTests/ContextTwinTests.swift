// The twin of ElevenLabs' voices: what it says in which context, and how it is strict.

import Testing

@testable import LabKit

private struct Client {
  var twin: ContextTwin
  let format: WireFormat
  var messages: [JSON] = []
  var said: [String] = []
  var end: VoiceOutput?

  init(
    _ misbehaviour: String = "", pace: Double? = nil, _ format: WireFormat = .telephone
  ) throws {
    var manner = VoiceManner()
    manner.misbehaviour = try VoiceMisbehaviour(misbehaviour)
    manner.deltaBytes = 961
    manner.pace = pace
    self.format = format
    twin = ContextTwin(number: 1, format: format, manner: manner, at: 0)
    take(twin.opened(at: 0))
  }

  private mutating func take(_ outputs: [VoiceOutput]) {
    for output in outputs {
      switch output {
      case .message(let text): messages.append(JSON(text.utf8) ?? .null)
      case .happened(.said(let text, _, _)): said.append(text)
      case .happened, .audio: break
      case .close, .reset: end = output
      }
    }
  }

  mutating func send(_ text: String, at now: Double = 0) {
    take(twin.text(Array(text.utf8), at: now))
  }
  mutating func say(_ words: String, _ context: Int = 1, flushes: Bool = true) {
    let message: JSON = [
      "text": .string(words), "context_id": .string("\(context)"), "flush": .bool(flushes),
    ]
    send(message.text)
  }
  mutating func wait(until end: Double) {
    while let time = twin.wakeTime, time <= end { take(twin.advance(to: time)) }
  }

  func heard(_ context: Int = 1) -> String {
    var decoder = ToneDecoder()
    let audio = messages.filter { $0["contextId"]?.string == "\(context)" }
      .compactMap { $0["audio"]?.string.flatMap(Base64Text.decode) }.joined()
    let samples = Resample.all(
      format.read(Array(audio)), from: format.rate, to: Tones.sampleRate)
    return OpenAITwin.text(decoder.hear(samples) + decoder.finish())
  }
  var finals: [String] {
    messages.filter { $0["isFinal"]?.bool == true }.compactMap { $0["contextId"]?.string }
  }
  var closeCode: UInt16? { if case .close(let code, _) = end { code } else { nil } }
}

struct ContextTwinTests {
  @Test(arguments: [WireFormat.telephone, .pcm24, WireFormat(.alaw)])
  func `what is flushed is said, and the end of its context tells that it was`(
    format: WireFormat
  ) throws {
    var client = try Client("", format)
    client.say("hello ", flushes: false)
    #expect(client.messages.isEmpty, "there is not enough")
    client.say("there. ")
    #expect(client.heard() == "hello there." && client.finals == [])
    client.send(#"{"context_id":"1","close_context":true}"#)
    #expect(client.finals == ["1"] && client.said == ["hello there."])
    client.say("again ", 2)
    #expect(client.heard(2) == "again")
  }

  @Test func `a closed context says what was flushed and nothing else`() throws {
    var client = try Client(pace: 1)
    client.say("one two three ")
    client.say("never", flushes: false)
    client.send(#"{"context_id":"1","close_context":true}"#)
    client.say("four", 2)
    client.wait(until: 60)
    #expect(client.heard() == "one two three" && client.heard(2) == "four")
    #expect(client.finals == ["1"])
  }

  @Test func `with enough it begins by itself`() throws {
    var client = try Client()
    let text = "this is a sentence that is long enough to be spoken without a flush at all "
    client.say(text, flushes: false)
    client.say(text, flushes: false)
    #expect(client.heard() == (text + text).dropLast())
  }

  @Test func `it says its last words before it closes`() throws {
    var client = try Client()
    client.say("bye")
    client.send(#"{"close_socket":true}"#)
    #expect(client.heard() == "bye" && client.finals == ["1"] && client.closeCode == 1000)
  }

  @Test func `what it does not understand ends it, and so does a long silence`() throws {
    for text in ["{", "7", #"{"words":"x"}"#, #"{"type":"Speak","text":"x"}"#] {
      var client = try Client()
      client.send(text)
      #expect(client.closeCode == 1008, "\(text)")
      #expect(client.messages.last?["error"]?.string == "invalid_message")
    }
    var many = try Client()
    for context in 1...6 { many.say("x", context, flushes: false) }
    #expect(many.messages.last?["error"]?.string == "too_many_contexts")
    var idle = try Client()
    idle.wait(until: 200)
    #expect(idle.messages.last?["error"]?.string == "input_timeout_exceeded")
    #expect(idle.closeCode == 1008)
  }

  @Test func `a handshake says how it is to sound`() throws {
    func request(_ query: String, key: String = "k") throws -> VoiceRequest {
      let path = "/v1/text-to-speech/abc/multi-stream-input"
      return try VoiceRequest(.speak, target: path + query) { name in
        name.description == "xi-api-key" ? key : ""
      }
    }
    let telephone = try request("?output_format=ulaw_8000&inactivity_timeout=180")
    #expect(telephone.format == .telephone && telephone.hasContexts && telephone.key == "k")
    #expect(try request("?output_format=pcm_16000").format == .pcm(16_000))
    for wrong in ["", "?output_format=mp3_44100_128", "?output_format=pcm_11025"] {
      #expect(throws: VoiceRequest.Refusal.self) { try request(wrong) }
    }
    #expect(throws: VoiceRequest.Refusal.self) { try request("?output_format=ulaw_8000", key: "") }
  }
}
