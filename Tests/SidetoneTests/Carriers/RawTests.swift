// The raw client: what its query may ask for, what it may say, and every answer word for word.

import Testing

@testable import Sidetone

struct RawTests {
  private func open(_ query: String) -> Carrier.Opening {
    Carrier.raw.open!(kept(query))
  }

  @Test func `without parameters: linear16 at 8000 Hz, one channel, no id`() {
    guard case .start(let call, let format) = open("") else {
      Issue.record("refused")
      return
    }
    #expect(call.isEmpty && format == Format(codec: .linear16, rate: 8000))
  }

  @Test func `what is asked for is what is opened`() {
    let query = "call_id=a-1&sample_rate=48000&encoding=linear16&channels=2&language=de"
    guard case .start(let call, let format) = open(query) else {
      Issue.record("refused")
      return
    }
    #expect(call.equals(kept("a-1")))
    #expect(format == Format(codec: .linear16, rate: 48_000, channels: 2))
  }

  @Test(arguments: [
    ("encoding=opus", "encoding"), ("encoding=", "encoding"), ("encoding=MULAW", "encoding"),
    ("sample_rate=11025", "sample_rate"), ("sample_rate=-8000", "sample_rate"),
    ("sample_rate=8000.0", "sample_rate"), ("sample_rate=", "sample_rate"),
    ("sample_rate=99999999999999999999999", "sample_rate"),
    ("encoding=mulaw&sample_rate=16000", "sample_rate"),
    ("sample_rate=16000&encoding=alaw", "sample_rate"),
    ("channels=0", "channels"), ("channels=3", "channels"), ("channels=two", "channels"),
    ("call_id=", "call_id"), ("call_id=a%20b", "call_id"), ("call_id=a/../b", "call_id"),
    ("call_id=" + String(repeating: "x", count: 97), "call_id"),
  ])
  func `what cannot be served is refused by the parameter's name`(query: String, name: String) {
    guard case .refused(let parameter, let allowed) = open(query) else {
      Issue.record("\(query) was accepted")
      return
    }
    #expect(parameter.description == name)
    #expect(!allowed.description.isEmpty)
  }

  @Test func `finalize and CloseStream are heard; other text is ignored, also what is no JSON`() {
    func read(_ text: String) -> String { "\(Carrier.raw.read(kept(text)))" }
    #expect(read(#"{"type":"Finalize"}"#) == "finalize")
    #expect(read(#"{ "x":1, "type" : "CloseStream" }"#) == "finish")
    #expect(read(#"{"type":"KeepAlive"}"#) == "ignored")
    for text in ["", "hello", "ping", "[]", "{}", #"{"type":1}"#, #"{"event":"websocket:dtmf"}"#] {
      #expect(read(text) == "ignored", "\(text)")
    }
  }

  @Test(arguments: [
    (#"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#, 16_000, 1),
    (#"{"contentType":"audio\/L16; rate=\"24000\"; channels=2"}"#, 24_000, 2),
    (#"{ "sampleRate" : "48000", "other": {"sample_rate":1} }"#, 48_000, 1),
    (#"{"config":{"sample_rate":16000,"num_channels":1}}"#, 16_000, 1),
    (#"{"type":"start","encoding":"linear16","sample_rate":44100,"channels":2}"#, 44_100, 2),
  ])
  func `what a client says of its audio is read in many spellings`(
    text: String, rate: Int, channels: Int
  ) {
    let usual = Format(codec: .linear16, rate: 8000, channels: 1)
    guard case .format = Carrier.raw.read(kept(text)),
      case .format(let format) = Carrier.audio(statedIn: kept(text), orAs: usual)
    else {
      Issue.record("not read: \(text)")
      return
    }
    #expect(format == Format(codec: .linear16, rate: rate, channels: channels))
  }

  @Test(arguments: [
    #"{"content-type":"audio/opus;rate=48000"}"#, #"{"sample_rate":11025}"#,
    #"{"encoding":"mulaw","sample_rate":16000}"#, #"{"sample_rate":-1}"#,
    #"{"sample_rate":16000,"channels":8}"#,
  ])
  func `what cannot be served is refused by its reason`(text: String) {
    let usual = Format(codec: .linear16, rate: 8000, channels: 1)
    guard case .refused = Carrier.audio(statedIn: kept(text), orAs: usual) else {
      Issue.record("not refused: \(text)")
      return
    }
  }

  @Test(arguments: [
    #"{"input":{"sample_rate":16000},"output":{"encoding":"mp3"}}"#,
    #"{"audio":{"sample_rate":16000},"text":{"encoding":"utf-8"}}"#,
    #"{"encoding":"wav","sample_rate":16000}"#,
  ])
  func `what stands beside it speaks of something else`(text: String) {
    let usual = Format(codec: .linear16, rate: 8000, channels: 1)
    guard case .format(let format) = Carrier.audio(statedIn: kept(text), orAs: usual) else {
      Issue.record("refused: \(text)")
      return
    }
    #expect(format == Format(codec: .linear16, rate: 16_000, channels: 1))
  }

  @Test func `a file's head may say what the audio is`() {
    let usual = Format(codec: .linear16, rate: 8000, channels: 1)
    let event = Carrier.audio(statedIn: kept(#"{"content-type":"audio/wav"}"#), orAs: usual)
    if case .refused = event { Issue.record("refused") }
  }

  @Test func `what says nothing of audio is ignored`() {
    #expect("\(Carrier.raw.read(kept(#"["audio/l16;rate=16000"]"#)))" == "ignored")
  }

  @Test func `every answer is one JSON object with the call and the time`() {
    let context = Carrier.Context(
      call: Name(kept("c-1"))!, now: WallTime(nanoseconds: 1_700_000_000_123_000_000),
      offsetMicroseconds: 1_250_000)
    func say(_ answer: Carrier.Command, body: String = "") -> String {
      var parts: (String, String) = ("", "")
      let all = written { writer in
        let framing = Carrier.raw.write(answer, context, &writer)
        let text = String(decoding: writer.written.array, as: UTF8.self)
        if case .around(let suffix) = framing {
          parts = (String(text.dropLast(suffix)), String(text.suffix(suffix)))
        } else {
          parts = (text, "")
        }
      }
      _ = all
      return parts.0 + body + parts.1
    }
    let tail = #""call_id":"c-1","timestamp":"2023-11-14T22:13:20.123Z"}"#
    #expect(say(.ready) == #"{"type":"ready","# + tail)
    #expect(
      say(
        .transcript(
          text: kept("a \\\"b\\\""), isFinal: true, confidence: kept("0.9"), channel: 1, channels: 2
        ))
        == #"{"type":"transcript","text":"a \"b\"","is_final":true,"confidence":0.9,"channel":1,"#
        + tail)
    #expect(
      say(
        .transcript(text: kept("a"), isFinal: false, confidence: .empty, channel: 0, channels: 1))
        == #"{"type":"transcript","text":"a","is_final":false,"confidence":null,"# + tail)
    #expect(
      say(.response(upstream: "deepgram"), body: "{}")
        == #"{"type":"deepgram_response","data":{},"stream_offset_seconds":1.250000,"# + tail)
    #expect(
      say(.error(code: "x", message: "y")) == #"{"type":"error","code":"x","message":"y","# + tail)
  }
}
