// What the twins of voice models hear and say: turns found in the audio, answers cut into pieces.

import Testing

@testable import LabKit

private func sound(_ text: String, rate: Int, silence: Double) -> [Int16] {
  let tones = Resample.all(Tones.encode(text), from: Tones.sampleRate, to: rate)
  return tones + [Int16](repeating: 0, count: Int(silence * Double(rate)))
}

@Suite struct TurnEarTests {
  @Test(arguments: [8000, 16_000, 24_000]) func `a turn is heard with its times`(_ rate: Int) throws
  {
    var ear = TurnEar(rate: rate, silence: 0.5)
    let lead = [Int16](repeating: 0, count: rate)
    let events = ear.hear(lead + sound("good morning", rate: rate, silence: 1))
    try #require(events.count == 2)
    guard case .started(let start) = events[0], case .stopped(let end, let words) = events[1]
    else {
      Issue.record("\(events)")
      return
    }
    #expect(abs(start - 1) <= 0.011)
    // The last word ends 60 ms before the sound's own silence.
    let spoken = Double(Tones.encode("good morning").count) / 8000
    #expect(abs(end - (1 + spoken - 0.06 + 0.5)) <= 0.021)
    #expect(words.map(\.text) == ["good", "morning"])
  }

  @Test func `the size of the pieces makes no difference`() {
    let samples = sound("one two", rate: 24_000, silence: 0.6)
    var whole = TurnEar(rate: 24_000, silence: 0.5)
    let expected = whole.hear(samples)
    for size in [1, 97, 480, 4801] {
      var ear = TurnEar(rate: 24_000, silence: 0.5)
      var events: [TurnEar.Event] = []
      for begin in stride(from: 0, to: samples.count, by: size) {
        events += ear.hear(Array(samples[begin..<min(begin + size, samples.count)]))
      }
      #expect(events == expected)
    }
  }

  @Test func `the pauses between words end nothing`() {
    var ear = TurnEar(rate: 8000, silence: 0)
    let events = ear.hear(sound("a b c d e f", rate: 8000, silence: 0.3))
    #expect(events.count == 2)
  }

  @Test func `quiet noise is no turn`() {
    var ear = TurnEar(rate: 8000, silence: 0.5)
    let noise = (0..<16_000).map { Int16(($0 * 7919) % 601 - 300) }
    #expect(ear.hear(noise).isEmpty)
  }

  @Test func `a turn can end by order`() {
    var ear = TurnEar(rate: 16_000, silence: nil)
    let events = ear.hear(sound("push to talk", rate: 16_000, silence: 5))
    #expect(events == [.started(at: 0)])
    #expect(ear.finish().map(\.text) == ["push", "to", "talk"])
    #expect(ear.finish().isEmpty && !ear.isSpeaking)
  }
}

@Suite struct SpeechTests {
  @Test(arguments: [WireFormat.pcm24, .telephone, WireFormat(.alaw)])
  func `what is said can be heard`(
    _ format: WireFormat
  ) {
    var speech = Speech("you said: hello", in: format, at: 0)
    var bytes: [UInt8] = []
    while !speech.isComplete { bytes += speech.next(1001).audio }
    let samples = Resample.all(format.read(bytes), from: format.rate, to: Tones.sampleRate)
    var ear = ToneDecoder()
    #expect((ear.hear(samples) + ear.finish()).map(\.text) == ["you", "said:", "hello"])
  }

  @Test func `a word is written no later than its sound`() {
    var speech = Speech("one two three", in: .telephone, at: 0)
    let first = speech.next(160)
    #expect(first.text == "one" && first.audio.count == 160 && speech.sentMilliseconds == 20)
    #expect(speech.next(Tones.encode("one").count).text == " two")
    #expect(speech.next(.max - 20_000).text == " three")
    #expect(speech.sentText == "one two three")
  }

  @Test func `a word counts as heard once it is over`() {
    let speech = Speech("one two", in: .pcm24, at: 0)
    let end = Tones.encode("one").count / 8
    #expect(speech.heard(end - 1) == "")
    #expect(speech.heard(end) == "one")
    #expect(speech.heard(100_000) == "one two")
  }
}

@Suite struct VoiceRequestTests {
  private func request(
    _ service: VoiceRequest.Service, _ target: String, _ headers: [String: String] = [:]
  ) throws(VoiceRequest.Refusal) -> VoiceRequest {
    try VoiceRequest(service, target: target) { headers["\($0)"] ?? "" }
  }

  @Test func `keys are found where clients put them`() throws {
    let path = "/v1/realtime?model=m"
    let gemini = "/ws/google.x.GenerativeService.BidiGenerateContent"
    #expect(try request(.openai, path, ["authorization": "Bearer k"]).key == "k")
    #expect(try request(.openai, "/openai" + path, ["api-key": "k"]).key == "k")
    let browser = try request(
      .openai, path, ["sec-websocket-protocol": "realtime, openai-insecure-api-key.k"])
    #expect(browser.key == "k" && browser.subprotocol == "realtime")
    #expect(try request(.gemini, gemini + "?key=k%2B").key == "k+")
    #expect(try request(.gemini, gemini, ["x-goog-api-key": "k"]).key == "k")
  }

  @Test(arguments: [
    ("/v1/chat?model=m", "Bearer k", 404), ("/v1/realtime?model=m", "", 401),
    ("/v1/realtime?model=m", "Token k", 401), ("/v1/realtime", "Bearer k", 400),
  ]) func `what cannot be let in is refused`(
    _ target: String, _ authorization: String, _ status: Int
  ) {
    do throws(VoiceRequest.Refusal) {
      _ = try request(.openai, target, ["authorization": authorization])
      Issue.record("let in")
    } catch {
      #expect(error.status == status && JSON(error.body.utf8)?["error"]?["message"] != nil)
    }
  }

  @Test func `the beta interface is noticed`() throws {
    let headers = ["authorization": "Bearer k", "openai-beta": "realtime=v1"]
    #expect(try request(.openai, "/realtime?model=m", headers).isBeta)
  }

  @Test func `orders to go wrong are read from keys`() throws {
    let order = try #require(VoiceMisbehaviour.order(in: "misbehave:expire-after=3,first=1"))
    let read = try VoiceMisbehaviour(order)
    #expect(read.expireAfter == 3 && read.first == 1)
    let wrong = [
      "dance", "refuse=418", "expire-after=-1", "silent=1", "frames=0", "base64=hex", "rate=7",
      "echo-format=opus", "close-code=7", "failed-transcripts=1",
    ]
    for list in wrong {
      #expect(throws: VoiceMisbehaviour.Unknown.self) { try VoiceMisbehaviour(list) }
    }
  }
}

@Suite struct MessageTextTests {
  @Test func `values are written in their order`() {
    let value: JSON = ["type": "x", "b": [1, 2.5, nil, true], "a": ["q\"": ""]]
    #expect(value.text == #"{"type":"x","b":[1,2.5,null,true],"a":{"q\"":""}}"#)
    #expect(JSON(value.text.utf8) == value)
    #expect(value == ["a": ["q\"": ""], "b": [1, 2.5, nil, true], "type": "x"])
  }

  @Test(arguments: 0..<7) func `base 64 comes back`(_ count: Int) {
    let bytes = (0..<UInt8(count)).map { $0 &* 91 &+ 200 }
    #expect(Base64Text.decode(Base64Text.encode(bytes)) == bytes)
  }

  @Test(arguments: ["a", "====", "ab=c", "a b="]) func `other text is not base 64`(_ text: String) {
    #expect(Base64Text.decode(text) == nil)
  }
}
