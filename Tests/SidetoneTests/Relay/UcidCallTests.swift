// Two-way calls of the vendors that name a call by its ucid, from their first message to our Close.

import Testing

@testable import Sidetone

struct UcidCallTests {
  private func media(_ samples: String, rate: String = "8000") -> String {
    """
    {"event":"media","type":"media","ucid":"123","data":{"samples":[\(samples)],\
    "bitsPerSample":16,"sampleRate":\(rate),"channelCount":1,"numberOfFrames":80,"type":"data"}}
    """
  }
  private let frame = (0..<80).map { "\($0 * 10)" }.joined(separator: ",")

  /// The code of the Close frame that ends what a caller was sent.
  private func closeCode(_ bytes: [UInt8]) -> Int? {
    guard let place = bytes.lastIndex(of: 0x88), place + 3 < bytes.count else { return nil }
    return Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
  }

  @Test func `eighty samples every ten milliseconds, in the vendors' own order`() throws {
    let talk = try Talk("ucid")
    talk.say(200)
    talk.end()
    for tick in 0..<22 {
      let messages = talk.rig.messages(from: talk.caller, isCaller: true)
      #expect(messages.count == (tick == 0 ? 2 : tick == 21 ? 0 : 1), "\(tick)")
      for message in messages {
        #expect(
          message.hasPrefix(
            #"{"event":"media","type":"media","ucid":"123","data":{"samples":["#))
        #expect(
          message.hasSuffix(
            #"],"bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":80,"type":"data"}}"#
          ))
        #expect(message.filter { $0 == "," }.count == 79 + 8)
      }
      talk.rig.advance(milliseconds: 10)
    }
  }

  @Test func `the last piece is filled up with silence`() throws {
    let talk = try Talk("ucid")
    talk.say([UInt8](repeating: 0x11, count: 15 * 48))
    talk.rig.advance(milliseconds: 100)
    #expect(talk.heard().pieces.count == 1)
    talk.end()
    talk.rig.advance(milliseconds: 100)
    let pieces = talk.heard().pieces
    // The other half of the second, and the filter's 20 ms behind it.
    #expect(pieces.map(\.count) == [160, 160, 160])
    #expect(pieces.last?.suffix(100).allSatisfy { $0 == 0 || $0 == 0xff } == true)
  }

  @Test func `a stop that names another call ends this one, with 1000`() throws {
    let talk = try Talk("ucid")
    talk.rig.say(#"{"event":"stop","ucid":"another","type":"text"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 0)
    #expect(closeCode(talk.rig.taken(from: talk.caller)) == 1000)
    #expect(talk.rig.closed.contains(talk.caller))
    #expect(talk.rig.log.contains { $0.contains("[123] 🛑 Stop event received") })
    let end = try #require(talk.rig.log.last { $0.contains("[123]") && $0.contains("call_ended") })
    #expect(end.contains(" ms (") && end.contains(" s)"))
    talk.expectAllHome()
  }

  @Test func `a vendor that stops before the upstream stands is let go within the bound`() throws {
    let rig = Talk.rig("ucid")
    let caller = try #require(rig.open("/talk"))
    rig.say(Talk.starts["ucid"]!, on: caller)
    rig.say(#"{"event":"stop","ucid":"x"}"#, on: caller)
    rig.advance(milliseconds: 5100)
    #expect(closeCode(rig.taken(from: caller)) == 1000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test func `audio without a start is one`() throws {
    let talk = try Talk("ucid", start: media(frame))
    talk.rig.say(media(frame), on: talk.caller)
    talk.rig.advance(milliseconds: 50)
    #expect(talk.reached().count == 2 * 480)
    #expect(talk.rig.relay.totals.callsStarted == 1)
  }

  @Test func `a first message of another rate is dropped in silence, later ones are complained of`()
    throws
  {
    let talk = try Talk("ucid")
    talk.rig.say(media(frame, rate: "16000"), on: talk.caller)
    #expect(!talk.rig.log.contains { $0.contains("bad_message") })
    #expect(talk.rig.relay.totals.framesBad == 1 && talk.rig.relay.totals.messagesBad == 0)
    talk.rig.say(media(frame), on: talk.caller)
    #expect(talk.reached().count == 480)
    talk.rig.say(media(frame, rate: "16000"), on: talk.caller)
    #expect(talk.reached() == [])
    #expect(talk.rig.relay.totals.framesBad == 2 && talk.rig.relay.totals.messagesBad == 0)
    #expect(talk.rig.log.contains { $0.contains("audio of another rate") })
    talk.rig.say(media(frame), on: talk.caller)
    #expect(talk.reached().count == 480)
  }

  @Test(arguments: [
    "0.5", "1e3", "NaN", "Infinity", "32768", "-32769", "99999999999", "\"7\"", "null", "[1]", "01",
    "+1", "0x1", "1,", ",1", "1,,2", "{}", "true",
  ])
  func `samples that are none are dropped and counted, and the call goes on`(sample: String) throws
  {
    let talk = try Talk("ucid")
    talk.rig.say(media("1,2," + sample), on: talk.caller)
    #expect(talk.reached() == [])
    #expect(talk.rig.relay.totals.framesBad + talk.rig.relay.totals.messagesBad == 1)
    talk.rig.say(media(frame), on: talk.caller)
    #expect(talk.reached().count == 480)
    #expect(talk.rig.relay.callsInUse == 1)
  }

  @Test func `a wrong count of samples is taken as what it is`() throws {
    let talk = try Talk("ucid")
    for count in [79, 1, 0, 240] {
      talk.rig.say(
        media((0..<count).map { "\($0)" }.joined(separator: ",")), on: talk.caller)
    }
    talk.rig.advance(milliseconds: 100)
    // 320 samples are four steps of 10 ms.
    #expect(talk.reached().count == 4 * 480)
    #expect(talk.rig.relay.totals.framesBad == 0)
  }

  @Test func `more nonsense than is allowed closes with 1008`() throws {
    let talk = try Talk("ucid")
    for _ in 0...20 { talk.rig.say("{\"event\":", on: talk.caller) }
    talk.rig.advance(milliseconds: 0)
    #expect(closeCode(talk.rig.taken(from: talk.caller)) == 1008)
    talk.expectAllHome()
  }

  @Test func `a vendor that sends no audio at all is heard out`() throws {
    let talk = try Talk("ucid")
    talk.rig.advance(milliseconds: 15_000)
    talk.say(100)
    #expect(talk.heardBytes() > 0)
    #expect(talk.rig.relay.callsInUse == 1)
  }
}
