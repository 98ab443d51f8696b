// A webhook that only lets us listen, signed by a carrier whose sockets bear no signature: its
// answer brings the token that opens the socket.

import TestSupport
import Testing

@testable import Sidetone

struct VoiceTokenTests {
  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Rig {
      $0.telnyxKeys = [telnyxKey()]
      $0.publicURL = "https://relay.example.com"
      $0.routes[0].carriers = ["telnyx"]
      var voice = Config.Route()
      voice.path = "/voice"
      voice.kind = .voice
      voice.stream = "/media"
      voice.secret = "known"
      $0.routes.append(voice)
      change(&$0)
    }
  }

  /// The answer of the webhook, which its secret path opens as a signature would.
  private func answer(_ rig: Rig) throws -> String {
    let link = try #require(rig.accept())
    rig.feed("GET /voice/known HTTP/1.1\r\nHost: relay.example.com\r\n\r\n", on: link)
    return String(decoding: rig.taken(from: link), as: UTF8.self)
  }

  private func start(_ rig: Rig, _ parameters: String) throws -> SlotID {
    let caller = try #require(rig.open("/media"))
    rig.say(Talk.telnyxStart("PCMU", 8000, parameters: parameters), on: caller)
    return caller
  }

  @Test func `the token opens one socket, and nothing else does`() throws {
    let rig = Self.rig()
    let answer = try answer(rig)
    #expect(answer.contains("<Start><Stream url=\"wss://relay.example.com/media\"><Parameter "))
    let token = answer.pieces(cutAt: "name=\"token\" value=\"")[1].pieces(cutAt: "\"")[0]
    for wrong in ["", #""token":"x""#, #""token":"\#(String(repeating: "0", count: 32))""#] {
      let stranger = try start(rig, wrong)
      #expect(rig.closed.contains(stranger) && rig.dialled.isEmpty)
    }
    _ = try start(rig, #""token":"\#(token)""#)
    #expect(rig.dialled.count == 1 && rig.relay.callsInUse == 1)
    let again = try start(rig, #""token":"\#(token)""#)
    #expect(rig.closed.contains(again) && rig.dialled.count == 1)
  }

  @Test func `where every carrier signs its sockets there is none`() throws {
    let rig = Self.rig {
      $0.telnyxKeys = []
      $0.routes[0].carriers = ["twilio"]
      $0.twilioTokens = ["t"]
    }
    #expect(try !answer(rig).contains("token"))
    #expect(rig.open("/media") == nil)
  }

  @Test func `tokens that nobody brings come home`() throws {
    let rig = Self.rig()
    for _ in 0..<(Limits.tokensMax + 3) { _ = try answer(rig) }
    rig.advance(milliseconds: 121_000)
    #expect(rig.relay.missing == [])
  }
}
