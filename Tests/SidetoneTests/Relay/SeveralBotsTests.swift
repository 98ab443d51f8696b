// A route with bots of different natures: one that talks, and nobody, so that callers hear
// themselves. Which of them a call has is known when its caller has chosen, not before.

import TestSupport
import Testing

@testable import Sidetone

struct SeveralBotsTests {
  /// `/talk` with a voice model and an echo to choose from, the default first.
  private static func rig(_ bots: [(name: String, upstream: String)]) -> Rig {
    Talk.rig {
      $0.routes[3].bots = bots
      $0.routes[3].upstream = bots[0].upstream
    }
  }

  private func start(_ rig: Rig, _ bot: String) throws -> SlotID {
    try rig.talk(with: #""bot_type":"\#(bot)""#)
  }

  private func expectEcho(_ rig: Rig) throws {
    let caller = try start(rig, "hear")
    rig.media(caller)
    let heard = rig.messages(from: caller, isCaller: true)
    #expect(rig.dialled.isEmpty)
    #expect(heard.count == 1 && heard[0].contains(Rig.frame))
    rig.feed(Frames.frame(.close, [3, 232], isMasked: true), on: caller)
    rig.advance(milliseconds: 10)
    #expect(rig.relay.callsInUse == 0 && rig.relay.blocksFree == rig.relay.blocksMax)
  }

  private func expectTalk(_ rig: Rig) throws {
    let caller = try start(rig, "talk")
    let model = try #require(rig.answerDial())
    #expect(rig.messages(from: model, isCaller: false)[0].contains("session.update"))
    rig.answer(Talk.ready("openai"), on: model)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
  }

  @Test func `an echo beside a voice model that is the default`() throws {
    let rig = Self.rig([("talk", "openai"), ("hear", "echo")])
    try expectEcho(rig)
    try expectTalk(rig)
  }

  @Test func `a voice model beside an echo that is the default`() throws {
    let rig = Self.rig([("hear", "echo"), ("talk", "openai")])
    try expectEcho(rig)
    try expectTalk(rig)
  }
}
