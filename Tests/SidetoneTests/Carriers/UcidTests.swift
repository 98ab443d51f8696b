// The messages of the ucid vendors, one by one: what each means, and what is refused in it.

import Foundation
import Testing

@testable import Sidetone

struct UcidTests {
  private func read(_ text: String) -> Carrier.Event { Carrier.ucid.read(kept(text)) }

  private func started(_ text: String) -> (call: String, isAudio: Bool, format: Format)? {
    guard case .started(let start) = read(text) else { return nil }
    #expect(start.call == start.stream)
    return (kept(text)[start.call].string, start.isAudio, start.format)
  }

  private let linear8k = Format(codec: .linear16, rate: 8000)

  @Test func `a ucid, text or number, says who it is`() {
    func isUcid(_ text: String) -> Bool { Carrier.ucid.recognise!(kept(text)) }
    #expect(isUcid(#"{"event":"start","ucid":"CALL-0001","type":"text"}"#))
    #expect(isUcid(#"{"type":"media","ucid":12345,"data":{"samples":[1]}}"#))
    #expect(!isUcid(Fixture.connected) && !isUcid(Fixture.start) && !isUcid(""))
    #expect(!isUcid(#"{"event":"start","start":{"ucid":"1"}}"#))
  }

  @Test(arguments: [
    (#""CALL-0001""#, "CALL-0001"), ("123456789012345678", "123456789012345678"),
    ("12345678901234567890123456789012", "12345678901234567890123456789012"),
    (#""0012""#, "0012"), ("0", "0"),
  ])
  func `the id is kept as it is written, however long a number it is`(written: String, name: String)
    throws
  {
    let start = try #require(started(#"{"event":"start","type":"text","ucid":\#(written)}"#))
    #expect(start == (name, false, linear8k))
  }

  @Test func `members that only some vendors send make no difference`() throws {
    let start = try #require(
      started(
        #"{"did":"91","x_headers":"{\"event\":\"stop\"}","media":{"sampleRate":16000},"event":"start","type":"text","ucid":"7"}"#
      ))
    #expect(start == ("7", false, linear8k))
  }

  @Test func `audio before any start introduces the call, with event or without`() throws {
    for event in ["", #""event":"media","#] {
      let text = #"{\#(event)"type":"media","ucid":"C","data":{"samples":[1,2]}}"#
      #expect(try #require(started(text)) == ("C", true, linear8k))
    }
  }

  @Test func `acknowledgements are marks; any stop is a stop; the unknown is ignored`() {
    let mark = #"{"event":"mark","type":"ack","ucid":"C","seqid":"0b9f-1"}"#
    guard case .mark(let name) = read(mark) else {
      Issue.record("no mark")
      return
    }
    #expect(kept(mark)[name].equals("0b9f-1"))
    #expect("\(read(#"{"event":"stop","type":"text","ucid":"SOMEBODY-ELSE"}"#))" == "stopped")
    #expect("\(read(#"{"event":"stop"}"#))" == "stopped")
    #expect("\(read(#"{"event":"tomorrow"}"#))" == "ignored")
    #expect("\(read(#"{"type":"tomorrow"}"#))" == "ignored")
  }

  @Test(arguments: [
    "", "hello", "{}", "[1]", #"{"event":"start"}"#, #"{"event":"start","ucid":null}"#,
    #"{"event":"start","ucid":""}"#, #"{"event":"start","ucid":1.5}"#,
    #"{"event":"start","ucid":1e9}"#, #"{"event":"start","ucid":-1}"#,
    #"{"event":"start","ucid":["C"]}"#,
    #"{"type":"media","ucid":"C"}"#, #"{"type":"media","ucid":"C","data":{"samples":"1"}}"#,
    #"{"type":"media","data":{"samples":[1]}}"#, #"{"event":"mark","ucid":"C"}"#,
  ])
  func `what lacks what it must have is malformed`(text: String) {
    #expect("\(read(text))".hasPrefix("malformed"), "\(text)")
  }

  @Test func `clear and hang-up are commands; nothing else is said in words`() {
    let context = Carrier.Context(
      call: Name(kept("C"))!, now: WallTime(nanoseconds: 0), offsetMicroseconds: 0)
    func said(_ answer: Carrier.Command) -> String {
      written { _ = Carrier.ucid.write(answer, context, &$0) }.string
    }
    #expect(said(.clear) == #"{"command":"clearBuffer"}"#)
    #expect(said(.mark(name: kept("7"))) == "" && said(.ready) == "")
  }

  @Test func `audio goes out in the vendors' shape and order, and reads back as audio`() throws {
    let pool = BlockPool(blocks: 1)
    defer { pool.deallocate() }
    var chain = Chain()
    let samples = (0..<80).map { Int16(truncatingIfNeeded: $0 * 821 - 32_768) }
    let audio = kept(count: 160)
    for (index, sample) in samples.enumerated() { audio.store(sample, at: 2 * index) }
    var envelope = envelope(.ucid, "CALL-0001")
    let isSealed = envelope.seal(audio: audio, as: .integers, into: &chain, from: pool)
    #expect(isSealed)
    let message = chain.front(in: pool).dropping(4)
    let list = samples.map(String.init).joined(separator: ",")
    #expect(
      message.string
        == #"{"event":"media","type":"media","ucid":"CALL-0001","data":{"samples":[\#(list)],"#
        + #""bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":80,"type":"data"}}"#
    )
    #expect((try? JSONSerialization.jsonObject(with: Data(message.array))) != nil)
    guard case .audio(let piece) = Carrier.ucid.media.locate(message) else {
      Issue.record("no audio")
      return
    }
    #expect(message[piece.payload].string == list && piece.rate == 8000)
  }

  @Test func `the longest id and the loudest samples fit in one block`() {
    let pool = BlockPool(blocks: 1)
    defer { pool.deallocate() }
    var chain = Chain()
    let audio = kept(Array(repeating: [0x00, 0x80], count: 80).flatMap { $0 })
    var envelope = envelope(.ucid, String(repeating: "9", count: Name.bytesMax))
    #expect(envelope.audioBytesMax(as: .integers) >= 160)
    let isSealed = envelope.seal(audio: audio, as: .integers, into: &chain, from: pool)
    #expect(isSealed)
  }
}
