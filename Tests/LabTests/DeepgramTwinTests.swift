// The twin follows the service's rules, and its words come from the audio alone.

import Testing

@testable import LabKit

private let telephony = "/v1/listen?model=nova-2&encoding=mulaw&sample_rate=8000&channels=1"

private func twin(
  _ target: String = telephony + "&interim_results=true&punctuate=true", _ order: String = ""
) throws -> DeepgramTwin {
  DeepgramTwin(
    try DeepgramRequest(target: target, authorization: "Token k"), requestID: "r", created: "c",
    behaviour: try Misbehaviour(order), at: 0)
}

private func mulaw(_ text: String, silence: Int = 4000) -> [UInt8] {
  (Tones.encode(text) + [Int16](repeating: 0, count: silence)).map { Law.mu.encode($0) }
}

private func messages(_ outputs: [DeepgramTwin.Output]) -> [JSON] {
  outputs.compactMap { if case .text(let text) = $0 { JSON(text.utf8) } else { nil } }
}

private func transcripts(_ outputs: [DeepgramTwin.Output], final: Bool = true) -> [String] {
  messages(outputs).filter { $0["is_final"]?.bool == final }
    .compactMap { $0["channel"]?["alternatives"]?[0]?["transcript"]?.string }
}

/// Sends audio in frames of 20 ms as a caller would.
private func play(_ audio: [UInt8], to twin: inout DeepgramTwin, frame: Int = 160)
  -> [DeepgramTwin.Output]
{
  var outputs: [DeepgramTwin.Output] = []
  for begin in stride(from: 0, to: audio.count, by: frame) {
    let now = Double(begin) / 8000
    outputs += twin.binary(Array(audio[begin..<min(begin + frame, audio.count)]), at: now)
    outputs += twin.advance(to: now)
  }
  return outputs
}

@Suite struct DeepgramTwinTests {
  @Test func `words are final at silence with their times`() throws {
    var twin = try twin()
    let outputs = play(mulaw("hello there, caller"), to: &twin)
    #expect(transcripts(outputs) == ["hello there, caller"])
    let final = try #require(messages(outputs).first { $0["is_final"]?.bool == true })
    let words = final["channel"]?["alternatives"]?[0]?["words"]
    #expect(words?[1]?["word"]?.string == "there")
    #expect(words?[1]?["punctuated_word"]?.string == "there,")
    #expect(abs((words?[0]?["end"]?.number ?? 0) - 0.27) < 0.003)
    #expect(final["speech_final"]?.bool == true && final["from_finalize"]?.bool == false)
  }

  @Test func `interim results come once a second and only where asked for`() throws {
    let audio = mulaw("a long sentence that takes some seconds to say and goes on and on")
    var asked = try twin()
    let interim = transcripts(play(audio, to: &asked), final: false)
    #expect(interim.count >= 3 && interim.count <= 5)
    #expect(zip(interim, interim.dropFirst()).allSatisfy { $1.hasPrefix($0) })
    var unasked = try twin(telephony)
    #expect(transcripts(play(audio, to: &unasked), final: false).isEmpty)
  }

  @Test func `the size of the messages makes no difference`() throws {
    let audio = mulaw("one two three four five six seven eight nine ten eleven twelve")
    var expected = try twin()
    let outputs = play(audio, to: &expected)
    for frame in [80, 161, 800, audio.count] {
      var other = try twin()
      #expect(transcripts(play(audio, to: &other, frame: frame)) == transcripts(outputs))
    }
  }

  @Test func `silence is acknowledged too`() throws {
    var twin = try twin()
    let outputs = play([UInt8](repeating: 0xff, count: 8000 * 12), to: &twin)
    #expect(transcripts(outputs) == ["", ""])
  }

  @Test func `windows of final results follow each other without a gap`() throws {
    var twin = try twin()
    let said = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron "
    let long = String(repeating: said, count: 3)
    var outputs = play(mulaw(long), to: &twin)
    outputs += twin.text(Array("{\"type\":\"CloseStream\"}".utf8), at: 99)
    var end = 0.0
    for message in messages(outputs) where message["is_final"]?.bool == true {
      let start = try #require(message["start"]?.number)
      #expect(abs(start - end) < 0.002)
      end = start + (message["duration"]?.number ?? 0)
    }
    let words = transcripts(outputs).joined(separator: " ").split(separator: " ").map(String.init)
    #expect(words == Tones.words(of: long))
  }

  @Test func `close stream brings last words then metadata then the end`() throws {
    var twin = try twin()
    let audio = mulaw("goodbye", silence: 0)
    _ = play(audio, to: &twin)
    let outputs = twin.text(Array("{\"type\":\"CloseStream\"}".utf8), at: 1)
    #expect(transcripts(outputs) == ["goodbye"])
    let metadata = try #require(messages(outputs).last)
    #expect(metadata["type"]?.string == "Metadata")
    #expect(metadata["duration"]?.number == (Double(audio.count) / 8).rounded() / 1000)
    #expect(outputs.last == .close(code: 1000, reason: ""))
  }

  @Test func `an empty message ends the stream`() throws {
    var twin = try twin()
    #expect(twin.binary([], at: 0).last == .close(code: 1000, reason: ""))
  }

  @Test func `text sent as audio is refused`() throws {
    var twin = try twin()
    let outputs = twin.binary(Array("{\"type\":\"KeepAlive\"}".utf8), at: 0)
    guard case .close(1008, let reason) = outputs.last else {
      Issue.record("\(outputs)")
      return
    }
    #expect(reason.contains("DATA-0000"))
  }

  @Test func `keep alive saves only a stream that had audio`() throws {
    let alive = Array("{\"type\":\"KeepAlive\"}".utf8)
    var fresh = try twin()
    _ = fresh.text(alive, at: 8)
    #expect(fresh.wakeTime == 10)
    guard case .close(1011, let reason)? = fresh.advance(to: 10).last else {
      Issue.record("still open")
      return
    }
    #expect(reason.contains("net0001") && reason.utf8.count <= 123)
    var used = try twin()
    _ = used.binary([0xff], at: 3)
    _ = used.text(alive, at: 12)
    #expect(used.advance(to: 13).isEmpty && used.wakeTime == 22)
  }

  @Test func `finalize answers only where enough is buffered`() throws {
    let finalize = Array("{\"type\":\"Finalize\"}".utf8)
    var twin = try twin()
    _ = twin.binary([UInt8](repeating: 0xff, count: 700), at: 0)
    #expect(twin.text(finalize, at: 0).isEmpty)
    _ = play(mulaw("over", silence: 0), to: &twin)
    let outputs = twin.text(finalize, at: 1)
    #expect(transcripts(outputs) == ["over"])
    #expect(messages(outputs).last?["from_finalize"]?.bool == true)
    var deaf = try self.deaf()
    #expect(deaf.text(finalize, at: 1).isEmpty)
  }

  private func deaf() throws -> DeepgramTwin {
    var deaf = try twin(telephony, "no-finalize")
    _ = play(mulaw("over", silence: 0), to: &deaf)
    return deaf
  }

  @Test func `each channel has its own transcript`() throws {
    var twin = try twin(
      "/v1/listen?model=nova-2&encoding=linear16&sample_rate=16000&channels=2&multichannel=true")
    let left = Resample.all(Tones.encode("left side"), from: 8000, to: 16000)
    let right = Resample.all(Tones.encode("right hand"), from: 8000, to: 16000)
    var audio: [UInt8] = []
    for index in 0..<max(left.count, right.count) + 8000 {
      for row in [left, right] {
        let sample = UInt16(bitPattern: index < row.count ? row[index] : 0)
        audio += [UInt8(sample & 0xff), UInt8(sample >> 8)]
      }
    }
    // Messages that cut samples in two.
    let outputs = play(audio, to: &twin, frame: 641)
    #expect(transcripts(outputs).sorted() == ["left side", "right hand"])
    let places = messages(outputs).filter { $0["is_final"]?.bool == true }
      .compactMap { $0["channel_index"]?[0]?.number }
    #expect(Set(places) == [0, 1])
  }

  @Test func `speech events come where asked for`() throws {
    var twin = try twin(
      telephony + "&interim_results=true&vad_events=true&utterance_end_ms=1000")
    let types = messages(play(mulaw("hello you", silence: 12_000), to: &twin))
      .compactMap { $0["type"]?.string }
    #expect(types.first == "SpeechStarted")
    #expect(types.filter { $0 == "UtteranceEnd" }.count == 1)
  }

  @Test func `an unknown message is answered and the stream stays open`() throws {
    var twin = try twin()
    #expect(
      messages(twin.text(Array("{\"type\":\"Nope\"}".utf8), at: 0)).first?["type"]?.string
        == "Error")
    #expect(transcripts(play(mulaw("still here"), to: &twin)) == ["still here"])
  }
}

@Suite struct DeepgramMisbehaviourTests {
  @Test func `last words can be late`() throws {
    var twin = try twin(telephony, "late-finals=2")
    _ = play(mulaw("bye", silence: 0), to: &twin)
    #expect(twin.text(Array("{\"type\":\"CloseStream\"}".utf8), at: 5).isEmpty)
    #expect(twin.wakeTime == 7)
    #expect(transcripts(twin.advance(to: 7)) == ["bye"])
  }

  @Test func `a session can break or fail in a word`() throws {
    var broken = try twin(telephony, "reset-after=0.1")
    #expect(play(mulaw("hello"), to: &broken) == [.reset])
    var failed = try twin(telephony, "fail-after=0.5")
    let outputs = play(mulaw("hello hello hello"), to: &failed)
    guard case .close(1011, _)? = outputs.last else {
      Issue.record("\(outputs)")
      return
    }
  }

  @Test func `silent means silent`() throws {
    var twin = try twin(telephony, "silent")
    var outputs = play(mulaw("hello"), to: &twin)
    outputs += twin.text(Array("{\"type\":\"CloseStream\"}".utf8), at: 1)
    outputs += twin.advance(to: 100)
    #expect(outputs.isEmpty && twin.wakeTime == nil)
  }

  @Test func `a throttled session takes audio little faster than it is spoken`() throws {
    var slow = try twin(telephony, "throttle")
    #expect(slow.takesAudioAt < 0)
    _ = slow.binary([UInt8](repeating: 0xff, count: 8000 * 5), at: 0)
    #expect(abs(slow.takesAudioAt - 3.6) < 0.001)
  }

  @Test func `words of a broken connection count as heard`() throws {
    var lost = try twin(telephony)
    _ = play(mulaw("left alone", silence: 0), to: &lost)
    #expect(lost.heard.isEmpty)
    lost.disconnected()
    #expect(lost.heard.map(\.text) == ["left", "alone"])
  }

  @Test func `results can lack their duration`() throws {
    var odd = try twin(telephony, "no-duration")
    let outputs = play(mulaw("hello"), to: &odd)
    #expect(transcripts(outputs) == ["hello"])
    #expect(messages(outputs).allSatisfy { $0["duration"] == nil && $0["start"] != nil })
  }

  @Test func `an error can come in the midst`() throws {
    var odd = try twin(telephony, "error-after=0.1")
    let outputs = play(mulaw("still here"), to: &odd)
    let errors = messages(outputs).filter { $0["type"]?.string == "Error" }
    #expect(errors.count == 1 && errors.first?["description"]?.string != nil)
    #expect(transcripts(outputs) == ["still here"])
  }

  @Test func `a session can die behind an empty interim`() throws {
    var odd = try twin(telephony, "close-after-first")
    let outputs = play(mulaw("hello"), to: &odd)
    #expect(transcripts(outputs, final: false) == [""] && outputs.count == 2)
    guard case .close(1011, _)? = outputs.last else {
      Issue.record("\(outputs)")
      return
    }
  }

  @Test(arguments: [("close-after=0.1", UInt16(1000)), ("close-after=0.1,close-code=4000", 4000)])
  func `a session can be closed with any code`(_ order: String, _ code: UInt16) throws {
    var odd = try twin(telephony, order)
    #expect(play(mulaw("hello"), to: &odd) == [.close(code: code, reason: "")])
  }

  @Test func `orders are read from keys and tags`() throws {
    let request = try DeepgramRequest(
      target: telephony + "&tag=misbehave%3Arefuse%3D429,first%3D1", authorization: "token abc")
    let order = try #require(Misbehaviour.order(in: request))
    let read = try Misbehaviour(order)
    #expect(read.refusal == 429 && read.first == 1)
    #expect(throws: Misbehaviour.Unknown.self) { try Misbehaviour("dance") }
    #expect(throws: Misbehaviour.Unknown.self) { try Misbehaviour("refuse=418") }
  }
}

@Suite struct DeepgramRequestTests {
  @Test(arguments: [
    "/v1/listen", telephony + "&colour=red", telephony + "&channels=0",
    telephony + "&punctuate=yes", telephony + "&callback=https%3A%2F%2Fx", telephony + "&model=gpt",
    telephony + "&utterance_end_ms=1000", "/v1/listen?model=nova-2", "/v1/talk?model=nova-2",
  ]) func `what makes no sense is refused`(_ target: String) {
    #expect(throws: DeepgramRefusal.self) {
      try DeepgramRequest(target: target, authorization: "Token k")
    }
  }

  @Test(arguments: ["", "k", "Basic k", "Token"]) func `a key is needed`(_ authorization: String) {
    #expect(throws: DeepgramRefusal.standard(401)) {
      try DeepgramRequest(target: telephony, authorization: authorization)
    }
  }
}

@Suite struct SHA256Tests {
  @Test func `published vectors`() {
    var digest = SHA256()
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    #expect(digest.hexadecimal == empty)
    digest.append(Array("abc".utf8))
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(digest.hexadecimal == abc)
    var long = SHA256()
    for _ in 0..<10_000 { long.append([UInt8](repeating: 0x61, count: 100)) }
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(long.hexadecimal == million)
  }
}

@Suite struct JSONTests {
  @Test(arguments: [
    "{\"a\":[1,-2.5e3,true,null,\"x\\u00e9\\ud83d\\ude00\\n\"]}", " [ ] ", "0", "\"\"", "{}",
  ]) func `valid text is read`(_ text: String) { #expect(JSON(text.utf8) != nil) }

  @Test(arguments: ["", "{", "[1,]", "01", "\"\\x\"", "\"\\ud83d\"", "nul", "1 2", "{\"a\" 1}"])
  func `other text is not`(_ text: String) { #expect(JSON(text.utf8) == nil) }

  @Test func `quoted text comes back`() {
    let text = "a\"b\\c\n\u{1}é😀"
    #expect(JSON(JSON.quote(text).utf8) == .string(text))
  }
}
