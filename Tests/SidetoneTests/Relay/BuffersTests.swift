// Large messages: one that finds no buffer waits, and its socket with it; one that is too large is
// refused by the name of the limit.

import Sidetone
import TestSupport
import Testing

struct BuffersTests {
  private func message(_ milliseconds: Int) -> [UInt8] {
    let part = Talk.part([UInt8](repeating: 0, count: milliseconds * 48))
    let text = #"{"serverContent":{"modelTurn":{"parts":[\#(part)]}}}"#
    return Frames.frame(.text, Array(text.utf8), isMasked: false)
  }

  private func heard(_ rig: Rig, _ caller: SlotID) -> Int {
    rig.messages(from: caller, isCaller: true).filter { $0.hasPrefix(#"{"event":"media""#) }.count
  }

  /// Sizes around those of a block, of a medium buffer and of a read.
  @Test(arguments: [50, 250, 1000, 1400, 4000])
  func `more large messages than there are buffers for break no call`(milliseconds: Int) throws {
    let rig = Talk.rig(with: "gemini") {
      $0.limits.mediumBuffersMax = 1
      $0.limits.largeBuffersMax = 1
    }
    var calls: [(caller: SlotID, model: SlotID)] = []
    for _ in 0..<4 {
      let caller = try #require(rig.open("/talk"))
      rig.say(Talk.starts["twilio"]!, on: caller)
      let model = try #require(rig.answerDial())
      rig.answer(Talk.ready("gemini"), on: model)
      calls.append((caller, model))
    }
    let bytes = message(milliseconds)
    let cut = bytes.count / 2
    var rests = calls.map { _ in bytes[...] }
    for (index, call) in calls.enumerated() {
      while rests[index].count > bytes.count - cut,
        case let count = rig.hand(rests[index].prefix(rests[index].count - cut), on: call.model),
        count > 0
      {
        rests[index] = rests[index].dropFirst(count)
      }
    }
    for _ in 0..<4 {
      for (index, call) in calls.enumerated() {
        while !rests[index].isEmpty,
          case let count = rig.hand(rests[index], on: call.model), count > 0
        {
          rests[index] = rests[index].dropFirst(count)
        }
      }
    }
    #expect(rests.reduce(0) { $0 + $1.count } == 0)
    // What one turn converts has a bound.
    rig.advance(milliseconds: 100)
    #expect(rig.dialled.count == 4 && rig.relay.buffersInUse == 0)
    for call in calls { #expect(heard(rig, call.caller) > 0) }
  }

  @Test func `a message that is too large is refused by the name of its limit`() throws {
    let talk = try Talk(with: "gemini") { $0.limits.upstreamMessageBytesMax = 65_536 }
    talk.rig.feed(message(2000), on: talk.model)
    #expect(talk.rig.log.contains { $0.contains("limits.upstream_message_bytes_max, 65536") })
    #expect(talk.rig.relay.totals.messagesTooLarge == 1)
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.rig.relay.callsInUse == 1)
    talk.expectAllHome()
  }
}
