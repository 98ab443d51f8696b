// Call tokens that any process of a service takes: given out by one relay, brought to another.

import TestSupport
import Testing

@testable import Sidetone

struct SealedTokensTests {
  private static func rig(
    _ key: String = "a secret of sixteen", _ change: (inout Config) -> Void = { _ in }
  ) -> Rig {
    Talk.announcingRig {
      $0.tokenKey = Array(key.utf8)
      change(&$0)
    }
  }

  /// The webhook's token.
  private func call(_ rig: Rig, _ query: String = "") throws -> String {
    let link = try #require(rig.accept())
    rig.feed("GET /twiml\(query) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    return answer.pieces(cutAt: "name=\"token\" value=\"")[1].pieces(cutAt: "\"")[0]
  }

  private func start(_ rig: Rig, _ token: String) throws -> SlotID {
    let caller = try #require(rig.open("/talk"))
    rig.say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
      ["inbound"],"customParameters":{"token":"\(token)"},\
      "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: caller)
    return caller
  }

  @Test func `a token of one process opens a socket at another, once, with what was chosen`() throws
  {
    let first = Self.rig()
    for number in 0..<200 {
      let second = Self.rig()
      let token = try call(first, "?voice=cedar&language=en-GB&model=gpt-\(number)")
      #expect(token.utf8.count + "token".utf8.count <= 500 && token.utf8.count > 64)
      let caller = try start(second, token)
      #expect(!second.isGone(caller))
      let model = try #require(second.answerDial())
      let setup = second.messages(from: model, isCaller: false).joined()
      #expect(setup.contains("cedar"), "\(setup)")
      let again = try start(second, token)
      #expect(second.isGone(again))
    }
    first.advance(milliseconds: 130_000)
    #expect(first.relay.missing == [])
  }

  @Test func `where it was given out it leads to the session that was dialled ahead, once`() throws
  {
    let rig = Self.rig()
    let token = try call(rig)
    _ = try #require(rig.answerDial())
    _ = try start(rig, token)
    #expect(rig.dialled.count == 1 && rig.relay.callsInUse == 1)
    let again = try start(rig, token)
    #expect(rig.isGone(again) && rig.dialled.count == 1)
  }

  @Test func `another key, another letter and another time open nothing`() throws {
    let first = Self.rig()
    let token = try call(first)
    let stranger = Self.rig("another secret of sixteen")
    #expect(try stranger.isGone(start(stranger, token)))
    let other = Self.rig()
    let changed = Array(token)
    for place in stride(from: 0, to: changed.count, by: 7) {
      var letters = changed
      letters[place] = letters[place] == "A" ? "B" : "A"
      #expect(try other.isGone(start(other, String(letters))), "letter \(place)")
    }
    #expect(try !other.isGone(start(other, token)))
    let late = Self.rig()
    late.advance(milliseconds: 121_000)
    #expect(try late.isGone(start(late, token)))
  }

  @Test func `what does not fit waits where it was given out`() throws {
    let rig = Self.rig()
    let text = String(repeating: "word+", count: 80)
    let token = try call(rig, "?system_instruction=\(text)")
    #expect(token.utf8.count == CallTokens.textBytes)
    #expect(try !rig.isGone(start(rig, token)))
  }
}
