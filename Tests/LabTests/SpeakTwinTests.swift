// The twin of Deepgram's voices: what it says of what it is told, and how it is strict.

import Testing

@testable import LabKit

private struct Client {
  var twin: SpeakTwin
  let format: WireFormat
  var messages: [JSON] = []
  var audio: [UInt8] = []
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
    twin = SpeakTwin(number: 1, format: format, manner: manner, at: 0)
    take(twin.opened(at: 0))
  }

  private mutating func take(_ outputs: [VoiceOutput]) {
    for output in outputs {
      switch output {
      case .message(let text): messages.append(JSON(text.utf8) ?? .null)
      case .audio(let bytes): audio += bytes
      case .happened(.said(let text, _, _)): said.append(text)
      case .happened: break
      case .close, .reset: end = output
      }
    }
  }

  mutating func tell(_ type: String, _ text: String? = nil, at now: Double = 0) {
    var message: JSON = ["type": .string(type)]
    if let text { message["text"] = .string(text) }
    send(message.text, at: now)
  }
  mutating func send(_ text: String, at now: Double = 0) {
    take(twin.text(Array(text.utf8), at: now))
  }
  mutating func sendAudio() { take(twin.audio([0], at: 0)) }
  mutating func wait(until end: Double) {
    while let time = twin.wakeTime, time <= end { take(twin.advance(to: time)) }
  }

  var types: [String] { messages.map { $0["type"]?.string ?? "" } }
  var heard: String {
    var decoder = ToneDecoder()
    let samples = Resample.all(format.read(audio), from: format.rate, to: Tones.sampleRate)
    return OpenAITwin.text(decoder.hear(samples) + decoder.finish())
  }
  var closeCode: UInt16? { if case .close(let code, _) = end { code } else { nil } }
}

struct SpeakTwinTests {
  @Test(arguments: [WireFormat.telephone, .pcm24, WireFormat(.alaw)])
  func `what it is told it says`(format: WireFormat) throws {
    var client = try Client("", format)
    client.tell("Speak", "hello ")
    client.tell("Speak", "there.")
    #expect(client.audio.isEmpty, "there is not enough")
    client.tell("Flush")
    #expect(client.heard == "hello there.")
    #expect(client.types == ["Metadata", "Flushed"])
    #expect(client.said == ["hello there."])
  }

  @Test func `with enough it begins by itself`() throws {
    var client = try Client()
    let text = "this is a sentence that is long enough to be spoken without a flush at all"
    client.tell("Speak", text)
    #expect(client.heard == text.dropLast(4))
    client.tell("Flush")
    #expect(client.heard == text)
  }

  @Test func `what is cleared is not said, but for what was on its way`() throws {
    var client = try Client("trailing-deltas=2", pace: 1)
    client.tell("Speak", "one two three four five six")
    client.tell("Flush")
    client.wait(until: 0.3)
    let before = client.audio.count
    client.tell("Speak", "never")
    client.tell("Clear", at: 0.3)
    #expect(client.audio.count == before + 2 * 961)
    #expect(client.types == ["Metadata", "Cleared"])
    client.wait(until: 60)
    #expect(client.audio.count == before + 2 * 961)
    client.tell("Speak", "again", at: 60)
    client.tell("Flush", at: 60)
    client.wait(until: 99)
    #expect(client.types.last == "Flushed" && client.said.last == "again")
  }

  @Test func `it says its last words before it closes`() throws {
    var client = try Client()
    client.tell("Speak", "bye")
    client.tell("Close")
    #expect(client.heard == "bye" && client.closeCode == 1000)
  }

  @Test func `too many flushes are a warning`() throws {
    var client = try Client()
    for _ in 0..<25 { client.tell("Flush") }
    #expect(client.types.count { $0 == "Flushed" } == 20)
    #expect(client.types.count { $0 == "Warning" } == 5)
    client.tell("Flush", at: 61)
    #expect(client.types.last == "Flushed")
  }

  @Test func `what it does not understand ends it`() throws {
    for text in ["{", #"{"type":"Sing"}"#, #"{"type":"Speak"}"#, #"{"type":"Speak","text":""}"#] {
      var client = try Client()
      client.send(text)
      #expect(client.closeCode == 1008, "\(text)")
    }
    var long = try Client()
    long.tell("Speak", String(repeating: "x", count: 2001))
    #expect(long.closeCode == 1009)
    var loud = try Client()
    loud.sendAudio()
    #expect(loud.closeCode == 1003)
  }

  @Test func `a handshake says how it is to sound`() throws {
    func request(_ query: String, _ path: String = "/v1/speak") throws -> VoiceRequest {
      try VoiceRequest(.speak, target: path + query) { name in
        name.description == "authorization" ? "Token k" : ""
      }
    }
    #expect(try request("?encoding=mulaw&sample_rate=8000").format == .telephone)
    #expect(try request("").format == .pcm24)
    for wrong in ["?encoding=opus", "?encoding=mulaw&sample_rate=24000", "?container=wav"] {
      #expect(throws: VoiceRequest.Refusal.self) { try request(wrong) }
    }
    #expect(throws: VoiceRequest.Refusal.self) { try request("", "/v1/listen") }
  }
}
