// Callers of cascades leave at every moment: sockets, requests and memory come home, and none of
// the three services is left with work that nobody wants.

import Sidetone
import TestSupport
import Testing

struct CascadeHomeTests {
  enum Moment: String, CaseIterable, Sendable {
    case dialled, earStands, voiceStands, bothStand, callerSpeaks, callerHasSpoken, asked
    case firstWords, firstSound, chatIsOver, flushed, played, interrupted, askedAgain
    case functionRuns, functionAnswered, hangsUp, voiceIsGone, voiceIsBack, sessionIsGone
    case sessionIsBack, noted
  }

  private func begin() throws -> CascadeTalk {
    try CascadeTalk(greeting: "Hello.", isOpen: false) {
      $0.routes[3].functions = FunctionTalk.functions
    }
  }

  private func bring(_ call: CascadeTalk, to moment: Moment) throws {
    switch moment {
    case .dialled: return
    case .earStands:
      try call.openEar()
      return
    case .voiceStands:
      try call.openVoice()
      return
    default: break
    }
    try call.openEar()
    try call.openVoice()
    if moment == .bothStand { return }
    call.sounds(100)
    call.flushed(2)
    call.wait(seconds: 12)
    if moment == .noted {
      return call.rig.say(
        #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#,
        on: call.caller)
    }
    call.hears("Well")
    if moment == .callerSpeaks { return }
    call.hears("Well?", isFinal: true)
    if moment == .callerHasSpoken { return }
    call.utteranceEnds()
    if moment == .asked { return }
    try bring(asked: call, to: moment)
  }

  private func bring(asked call: CascadeTalk, to moment: Moment) throws {
    switch moment {
    case .askedAgain: return call.refuses(500)
    case .functionRuns: return call.calls(["a": "status", "b": "slow"])
    case .functionAnswered:
      call.calls(["a": "status", "b": "slow"])
      return call.rig.fetcherSays("answer \(call.posts[0]) 200 whole\n\n{}")
    default: break
    }
    call.thinks("It is here. ", "And it")
    if moment == .firstWords { return }
    call.sounds(500)
    call.rig.advance(milliseconds: 100)
    switch moment {
    case .hangsUp: return call.calls(["a": "bye"], "{}")
    case .interrupted: return call.hears("Stop")
    case .sessionIsGone: return call.rig.fail(try #require(call.ear))
    case .voiceIsGone, .voiceIsBack, .sessionIsBack:
      call.rig.fail(try #require(call.voice))
      call.rig.advance(milliseconds: 1000)
      if moment == .voiceIsGone { return }
      if moment == .sessionIsBack { try call.openEar() } else { try call.openVoice() }
      return
    default: break
    }
    call.chatEnds()
    if moment == .chatIsOver { return }
    call.flushed(2)
    if moment == .flushed { return }
    call.rig.advance(milliseconds: 2000)
  }

  @Test(arguments: Moment.allCases) func `a caller who leaves takes everything along`(
    moment: Moment
  ) throws {
    let call = try begin()
    try bring(call, to: moment)
    #expect(call.rig.relay.callsInUse == 1 && call.rig.relay.cascadesInUse == 1)
    let cancelled = call.cancelled.count
    let under = call.rig.relay.fetchesInUse
    call.hangUp()
    // Nobody works for a caller who is gone.
    #expect(call.rig.relay.fetchesInUse == 0 && call.cancelled.count == cancelled + under)
    call.rig.advance(milliseconds: 30_000)
    #expect(call.rig.relay.cascadesInUse == 0)
    call.expectAllHome()
  }

  @Test(arguments: Moment.allCases) func `what comes behind the end is nobody's`(
    moment: Moment
  ) throws {
    let call = try begin()
    try bring(call, to: moment)
    call.hangUp()
    call.hears("Hello?", isFinal: true, endsSpeech: true)
    call.sounds(200)
    call.flushed(2)
    call.cleared()
    if let id = call.requests.last?.id {
      call.piece(CascadeTalk.chunk("\"content\":\"More. \""), of: id)
      call.rig.fetcherSays("answer \(id) 200 whole\n\n")
    }
    let requests = call.requests.count
    call.rig.advance(milliseconds: 10_000)
    #expect(call.requests.count == requests && call.rig.relay.callsInUse == 0)
    call.expectAllHome()
  }

  @Test(arguments: Moment.allCases) func `a call that goes on is whole afterwards`(
    moment: Moment
  ) throws {
    if moment == .hangsUp { return }
    let call = try begin()
    try bring(call, to: moment)
    // Whoever was still to stand does.
    for _ in 0..<4 {
      call.wait(seconds: 1)
      try call.openAll()
    }
    call.cleared()
    call.ask("So what?")
    _ = (call.told(), call.heard())
    #expect(call.requests.last?.lines.contains { $0.hasSuffix("So what?") } == true)
    call.cleared()
    call.answer("So this.", 300)
    #expect(call.told().first == "So this." && call.heardBytes() == 2400)
    #expect(call.rig.relay.callsInUse == 1)
    call.expectAllHome()
  }

  @Test func `a daemon that is shut down ends them all`() throws {
    let call = try begin()
    try bring(call, to: .firstSound)
    call.rig.relay.drain(at: call.rig.now)
    call.rig.perform()
    call.rig.advance(milliseconds: 1000)
    call.expectAllHome()
    #expect(call.rig.wasDrained)
  }
}
