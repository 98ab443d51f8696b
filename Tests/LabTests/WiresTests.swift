// Callers write what their carriers write, and refuse what their carriers would.

import Testing

@testable import LabKit

private func json(_ message: WireMessage) -> JSON? {
  if case .text(let text) = message { JSON(text.utf8) } else { nil }
}

private func text(_ message: WireMessage) -> String {
  if case .text(let text) = message { text } else { "binary" }
}

private func isWrong(_ events: [WireEvent]) -> Bool {
  events.contains { if case .wrong = $0 { true } else { false } }
}

private let parameters = [
  Parameter(name: "token", value: "a\"b"), Parameter(name: "bot", value: ""),
]

@Suite struct TwilioCallers {
  private static func streamSid(of wire: inout TwilioWire) -> String {
    json(wire.begin()[1])?["streamSid"]?.string ?? ""
  }

  @Test func `number every message and carry the parameters`() throws {
    var wire = TwilioWire(parameters: parameters)
    let begin = wire.begin()
    #expect(json(begin[0])?["event"]?.string == "connected")
    let start = try #require(json(begin[1]))
    #expect(
      start["start"]?["customParameters"]
        == .object(["token": .string("a\"b"), "bot": .string("")]))
    #expect(start["start"]?["callSid"]?.string == wire.callID)
    let rest = wire.media([0xff], at: 0) + wire.digit("5") + wire.played("m\"1") + wire.end()
    #expect(rest.map { json($0)?["sequenceNumber"]?.string } == ["2", "3", "4", "5"])
    #expect(rest.map { json($0)?["event"]?.string } == ["media", "dtmf", "mark", "stop"])
    #expect(json(rest[0])?["media"]?["payload"]?.string == "/w==")
    #expect(json(rest[1])?["dtmf"]?["track"]?.string == "inbound_track")
    #expect(json(rest[2])?["mark"]?["name"]?.string == "m\"1")
  }

  @Test func `take exact messages of their own stream only`() {
    var wire = TwilioWire()
    let id = Self.streamSid(of: &wire)
    let media = "{\"event\":\"media\",\"streamSid\":\"\(id)\",\"media\":{\"payload\":\"/w==\"}}"
    #expect(wire.read(.text(media)) == [.audio([0xff])])
    #expect(wire.read(.text("{\"event\":\"clear\",\"streamSid\":\"\(id)\"}")) == [.clear])
    let mark = "{\"event\":\"mark\",\"streamSid\":\"\(id)\",\"mark\":{\"name\":\"a\"}}"
    #expect(wire.read(.text(mark)) == [.mark("a")])
    for bad in [
      media.replacing(id, with: "MZ1"),
      media.replacing("{\"payload\"", with: "{\"x\":1,\"payload\""),
      media.replacing("/w==", with: "/w"),
      media.replacing("{\"event\"", with: "{\"x\":1,\"event\""),
      "{\"event\":\"clear\"}", "{\"event\":\"stop\",\"streamSid\":\"\(id)\",\"stop\":{}}", "{",
      "[]",
    ] { #expect(isWrong(wire.read(.text(bad))), "\(bad)") }
    #expect(isWrong(wire.read(.binary([0xff]))))
  }
}

@Suite struct TelnyxCallers {
  @Test func `state their format and keep the stream out of start`() throws {
    let format = WireFormat(.linear16, rate: 16000)
    var wire = TelnyxWire(uplink: format, parameters: parameters)
    let start = try #require(json(wire.begin()[1]))
    #expect(start["stream_id"]?.string?.count == 36)
    #expect(start["start"]?["stream_id"] == nil)
    #expect(start["start"]?["call_control_id"]?.string == wire.callID)
    #expect(start["start"]?["custom_parameters"]?["token"]?.string == "a\"b")
    #expect(start["start"]?["media_format"]?["encoding"]?.string == "L16")
    #expect(start["start"]?["media_format"]?["sample_rate"]?.number == 16000)
    let media = try #require(json(wire.media([1, 2], at: 20)[0]))
    #expect(media["media"]?["chunk"]?.string == "1" && media["media"]?["timestamp"]?.string == "20")
    #expect(media["sequence_number"]?.string == "2")
  }

  @Test func `shuffle without losing a chunk`() {
    var wire = TelnyxWire(isShuffled: true)
    var chunks: [Int] = []
    for index in 0..<70 {
      for message in wire.media([UInt8(index)], at: index * 20) {
        chunks.append(Int(json(message)?["media"]?["chunk"]?.string ?? "") ?? 0)
      }
    }
    let rest = wire.end().dropLast().map { Int(json($0)?["media"]?["chunk"]?.string ?? "") ?? 0 }
    #expect(Set(chunks + rest) == Set(1...70))
    #expect(chunks != chunks.sorted())
    #expect(chunks.count + rest.count > 70)
  }

  @Test func `play from 20 milliseconds to 30 seconds`() {
    let wire = TelnyxWire(downlink: WireFormat(.linear16, rate: 16000))
    func media(_ count: Int) -> [WireEvent] {
      let payload = Base64Text.encode([UInt8](repeating: 0, count: count))
      return wire.read(.text("{\"event\":\"media\",\"media\":{\"payload\":\"\(payload)\"}}"))
    }
    #expect(media(640) == [.audio([UInt8](repeating: 0, count: 640))])
    #expect(isWrong(media(600)) && isWrong(media(32000 * 31)))
    #expect(wire.read(.text("{\"event\":\"clear\"}")) == [.clear])
    #expect(isWrong(wire.read(.text("{\"event\":\"mark\",\"mark\":{}}"))))
  }
}

@Suite struct UcidCallers {
  private static func media(_ samples: String, id: String, frames: Int = 80) -> String {
    "{\"event\":\"media\",\"type\":\"media\",\"ucid\":\"\(id)\",\"data\":{\"samples\":[\(samples)],"
      + "\"bitsPerSample\":16,\"sampleRate\":8000,\"channelCount\":1,"
      + "\"numberOfFrames\":\(frames),\"type\":\"data\"}}"
  }

  @Test func `write the fields in the vendor's order`() {
    var wire = UcidWire()
    #expect(
      wire.begin().map(text) == [
        "{\"event\":\"start\",\"ucid\":\"\(wire.callID)\",\"type\":\"text\"}"
      ])
    let samples = (0..<80).map { Int16($0 - 40) }
    let expected = Self.media(samples.map { "\($0)" }.joined(separator: ","), id: wire.callID)
    #expect(wire.media(wire.uplink.write(samples), at: 0).map(text) == [expected])
    #expect(
      wire.end().map(text) == [
        "{\"event\":\"stop\",\"type\":\"text\",\"ucid\":\"\(wire.callID)\"}"
      ])
  }

  @Test func `of koo koo begin with a message of another rate`() throws {
    var wire = UcidWire(isKooKoo: true, parameters: parameters, begunAt: 1_735_689_600_000)
    let begin = wire.begin()
    let headers = try #require(json(begin[0])?["x_headers"]?.string)
    #expect(JSON(headers.utf8)?["token"]?.string == "a\"b")
    let first = try #require(json(begin[1]))
    #expect(first["event"] == nil && first["type"]?.string == "media")
    #expect(first["data"]?["sampleRate"]?.number == 16000)
    #expect(first["data"]?["numberOfFrames"]?.number == 160)
    #expect(json(wire.media(wire.uplink.silence(seconds: 0.01), at: 20)[0])?["event"] == nil)
    let ack = try #require(json(wire.played("a-b")[0]))
    #expect(ack["seqid"]?.string == "a-b" && ack["timestamp"]?.number == 1_735_689_600_020)
    let zeros = (0..<80).map { _ in "0" }.joined(separator: ",")
    let media = Self.media(zeros, id: wire.callID)
      .replacing(",\"data\":{", with: ",\"seqid\":\"s-1\",\"data\":{")
    #expect(wire.read(.text(media)).last == .mark("s-1"))
  }

  @Test func `take eighty samples in their own form`() {
    let wire = UcidWire()
    let samples = (0..<80).map { "\($0 * 400 - 16000)" }.joined(separator: ",")
    let media = Self.media(samples, id: wire.callID)
    #expect(
      wire.read(.text(media)) == [
        .audio(wire.downlink.write((0..<80).map { Int16($0 * 400 - 16000) }))
      ]
    )
    #expect(wire.read(.text("{\"command\":\"clearBuffer\"}")) == [.clear])
    #expect(wire.read(.text("{\"command\":\"callDisconnect\"}")) == [.hangUp])
    for bad in [
      media.replacing("{\"event\":\"media\",", with: "{"), media.replacing(wire.callID, with: "x"),
      media.replacing("8000", with: "16000"), media.replacing("-16000", with: "-16000.5"),
      media.replacing("-16000", with: "-40000"), Self.media("1,2", id: wire.callID, frames: 2),
      media.replacing("\"type\":\"data\"", with: "\"type\":\"media\""), "{\"command\":\"clear\"}",
    ] { #expect(isWrong(wire.read(.text(bad))), "\(bad)") }
  }
}

@Suite struct Formats {
  @Test(arguments: [false, true]) func `keep every sample in both orders`(_ isBigEndian: Bool) {
    let format = WireFormat(.linear16, isBigEndian: isBigEndian)
    let samples: [Int16] = [0, 1, -1, 256, -32768, 32767, 4660]
    #expect(format.read(format.write(samples)) == samples)
    #expect(format.write([0x1234]) == (isBigEndian ? [0x12, 0x34] : [0x34, 0x12]))
  }

  @Test func `say a mono recording on all channels`() {
    let format = WireFormat(.linear16, channels: 2)
    let sound = Recording(rate: 8000, channels: [[1, 2, 3]])
    #expect(format.read(format.encode(sound)) == [1, 1, 2, 2, 3, 3])
    #expect(format.decode(format.encode(sound)).channels == [[1, 2, 3], [1, 2, 3]])
  }
}
