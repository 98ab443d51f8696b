// Two-way calls by Telnyx: what overtakes is put right, what it sends and what it takes are
// different things.

import Testing

@testable import Sidetone

struct TelnyxCallTests {
  private func media(_ chunk: String, _ payload: [UInt8], track: String = "inbound") -> String {
    """
    {"event":"media","stream_id":"S1","media":{"track":"\(track)","chunk":\(chunk),\
    "timestamp":"20","payload":"\(Talk.base64(payload))"}}
    """
  }
  private func frame(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 160) }

  /// A call whose audio passes as it is, so that it can be told apart.
  private func talk() throws -> Talk {
    try Talk("telnyx") { $0.upstreams[2].options = [("audio", "g711")] }
  }

  @Test func `chunks reach the model in order, and each once`() throws {
    let talk = try talk()
    for chunk in [1, 3, 2, 2, 1, 5, 4, 6] {
      talk.rig.say(media("\"\(chunk)\"", frame(UInt8(chunk))), on: talk.caller)
    }
    #expect(talk.reached() == (1...6).flatMap { frame(UInt8($0)) })
    #expect(talk.rig.relay.totals.framesLate == 2)
  }

  @Test func `a gap is waited for 60 ms, then it is silence`() throws {
    let talk = try talk()
    talk.rig.say(media("1", frame(1)), on: talk.caller)
    talk.rig.say(media("3", frame(3)), on: talk.caller)
    talk.rig.advance(milliseconds: 59)
    #expect(talk.reached() == frame(1))
    talk.rig.advance(milliseconds: 2)
    #expect(talk.reached() == frame(0xff) + frame(3))
    talk.rig.say(media("2", frame(2)), on: talk.caller)
    talk.rig.say(media("4", frame(4)), on: talk.caller)
    #expect(talk.reached() == frame(4))
    #expect(talk.rig.relay.totals.framesMissing == 1 && talk.rig.relay.totals.framesLate == 1)
    talk.expectAllHome()
  }

  @Test func `a piece behind several gaps is kept as well`() throws {
    let talk = try talk()
    for chunk in [1, 3, 5, 12] {
      talk.rig.say(media("\(chunk)", frame(UInt8(chunk))), on: talk.caller)
    }
    talk.rig.advance(milliseconds: 100)
    #expect(talk.reached().suffix(160) == frame(12)[...])
    #expect(talk.rig.relay.totals.framesMissing == 2 + 6)
  }

  @Test func `what waits for its turn when the caller hangs up is heard`() throws {
    let talk = try talk()
    for chunk in [1, 3, 4] {
      talk.rig.say(media("\(chunk)", frame(UInt8(chunk))), on: talk.caller)
    }
    talk.rig.say(#"{"event":"stop","stream_id":"S1"}"#, on: talk.caller)
    #expect(talk.reached() == frame(1) + frame(0xff) + frame(3) + frame(4))
    talk.rig.advance(milliseconds: 10_000)
    #expect(talk.rig.relay.blocksFree == talk.rig.relay.blocksMax)
  }

  @Test func `no message is shorter than Telnyx takes, at any rate`() throws {
    let talk = try Talk("telnyx", start: Talk.telnyxStart("L16", 24_000)) {
      $0[carrier: "telnyx"].chosenAudio = .linear16(rate: 24_000)
    }
    talk.say(1000)
    talk.end()
    talk.rig.advance(milliseconds: 2000)
    let pieces = talk.heard().pieces
    #expect(pieces.allSatisfy { $0.count >= 20 * 48 })
    #expect(pieces.reduce(0) { $0 + $1.count } >= 48_000)
  }

  @Test(arguments: ["9223372036854775807", "-5", "1e99", "\"x\"", "null", "0.5"])
  func `a number that cannot be stops nothing`(chunk: String) throws {
    let talk = try talk()
    talk.rig.say(media("1", frame(1)), on: talk.caller)
    talk.rig.say(media(chunk, frame(2)), on: talk.caller)
    talk.rig.say(media("2", frame(3)), on: talk.caller)
    talk.rig.say(media("3", frame(4)), on: talk.caller)
    talk.rig.advance(milliseconds: 100)
    #expect(talk.reached().suffix(160) == frame(4)[...])
  }

  @Test func `what the agent is heard to say does not come back to it`() throws {
    let talk = try talk()
    talk.rig.say(media("1", frame(1)), on: talk.caller)
    talk.rig.say(media("1", frame(9), track: "outbound"), on: talk.caller)
    #expect(talk.reached() == frame(1))
  }

  @Test func `A-law passes untouched both ways where it is asked for`() throws {
    let talk = try Talk(
      "telnyx",
      start: Talk.telnyxStart("PCMA", parameters: #""bidirectional_codec":"PCMA""#)
    ) { $0.upstreams[2].options = [("audio", "g711")] }
    #expect(talk.setup[0].pieces(cutAt: "audio/pcma").count == 3)
    talk.rig.say(media("1", frame(0x2a)), on: talk.caller)
    #expect(talk.reached() == frame(0x2a))
    talk.say(frame(0x3b))
    #expect(talk.heard().pieces == [frame(0x3b)])
  }

  @Test func `what is sent is what the webhook's answer has asked for`() throws {
    let talk = try Talk("telnyx") {
      $0[carrier: "telnyx"].chosenAudio = .alaw
      $0.upstreams[2].options = [("audio", "g711")]
    }
    // The caller's audio is mu-law all the same.
    #expect(talk.setup[0].contains(#""input":{"format":{"type":"audio/pcmu"}"#))
    #expect(talk.setup[0].contains(#""output":{"format":{"type":"audio/pcma"}"#))
  }

  @Test(arguments: [8000, 16_000, 24_000])
  func `linear samples are converted both ways, whatever their rate`(rate: Int) throws {
    let talk = try Talk(
      "telnyx",
      start: Talk.telnyxStart(
        "L16", rate,
        parameters: #""bidirectional_codec":"L16","bidirectional_sampling_rate":"\#(rate)""#))
    let frame = [UInt8](repeating: 0, count: rate / 50 * 2)
    for chunk in 1...3 { talk.rig.say(media("\(chunk)", frame), on: talk.caller) }
    #expect(talk.reached().count == 3 * 960)
    talk.say(200)
    talk.end()
    talk.rig.advance(milliseconds: 500)
    let pieces = talk.heard().pieces
    let tail = rate == 24_000 ? 0 : 20
    #expect(pieces.reduce(0) { $0 + $1.count } == (200 + tail) * rate / 500)
    #expect(pieces.allSatisfy { $0.count <= rate / 25 * 2 })
    talk.expectAllHome()
  }

  @Test func `big-endian samples are heard to be that, in both directions`() throws {
    let talk = try Talk(
      "telnyx", start: Talk.telnyxStart("L16", 16_000, parameters: #""bidirectional_codec":"L16""#))
    let tone = Sine(hertz: 300, rate: 16_000).samples(16_000)
    for chunk in 0..<20 {
      let samples = tone[chunk * 320..<chunk * 320 + 320].flatMap {
        [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
      }
      talk.rig.say(media("\(chunk + 1)", samples), on: talk.caller)
    }
    #expect(talk.rig.log.contains { $0.contains("byte_order") })
    let speech = Sine(hertz: 300, rate: 24_000).samples(2400).flatMap {
      [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
    }
    talk.say(speech)
    talk.rig.advance(milliseconds: 200)
    expectSmooth(talk.heard().pieces.flatMap { $0 }, isBigEndian: true)
  }

  @Test func `what waits to be played when the byte order is heard is turned as well`() throws {
    let talk = try Talk(
      "telnyx", start: Talk.telnyxStart("L16", 16_000, parameters: #""bidirectional_codec":"L16""#))
    let speech = Sine(hertz: 300, rate: 24_000).samples(24_000).flatMap {
      [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
    }
    talk.say(speech)
    _ = talk.heard()
    let tone = Sine(hertz: 300, rate: 16_000).samples(16_000)
    for chunk in 0..<20 {
      let samples = tone[chunk * 320..<chunk * 320 + 320].flatMap {
        [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
      }
      talk.rig.say(media("\(chunk + 1)", samples), on: talk.caller)
    }
    talk.rig.advance(milliseconds: 2000)
    expectSmooth(talk.heard().pieces.flatMap { $0 }, isBigEndian: true)
  }

  /// A tone hardly changes from one sample to the next; read the wrong way round it does.
  private func expectSmooth(
    _ audio: [UInt8], isBigEndian: Bool, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let samples = stride(from: 0, to: audio.count - 1, by: 2).map { at in
      let word = UInt16(audio[at]) << 8 | UInt16(audio[at + 1])
      return Int(Int16(bitPattern: isBigEndian ? word : word.byteSwapped))
    }
    #expect(samples.count > 1000, sourceLocation: sourceLocation)
    let step = zip(samples, samples.dropFirst()).map { abs($0 - $1) }.max() ?? 0
    #expect(step < 8000, sourceLocation: sourceLocation)
  }

  @Test func `no message is shorter than 20 ms`() throws {
    let talk = try Talk("telnyx")
    talk.say(50)
    talk.end()
    talk.rig.advance(milliseconds: 300)
    talk.say(3, item: "item_2")
    talk.end(item: "item_2")
    talk.rig.advance(milliseconds: 300)
    let pieces = talk.heard().pieces
    #expect(pieces.allSatisfy { $0.count >= 160 && $0.count <= 320 })
  }

  @Test(arguments: [
    #""bidirectional_codec":"OPUS""#,
    #""bidirectional_codec":"L16","bidirectional_sampling_rate":"44100""#,
  ])
  func `what cannot be sent is refused with 1003 before anything is dialled`(parameters: String)
    throws
  {
    let rig = Talk.rig("telnyx")
    let caller = try #require(rig.open("/talk"))
    rig.say(Talk.telnyxStart(parameters: parameters), on: caller)
    #expect(rig.dialled == [] && rig.closed.contains(caller))
    #expect(rig.log.contains { $0.contains("bidirectional_codec must be") })
  }
}
