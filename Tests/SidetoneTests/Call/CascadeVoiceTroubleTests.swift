// The voice of a cascade fails: it refuses, is lost, is silent, or says what cannot be read. Where
// it had nothing to say another one is dialled; else the session goes with it, and the caller is
// answered by the next.

import Sidetone
import TestSupport
import Testing

struct CascadeVoiceTroubleTests {
  // MARK: Idle

  @Test func `one that is refused for a moment is asked for again`() throws {
    let call = try CascadeTalk(greeting: "Hello.", isOpen: false)
    try call.openEar()
    try call.refuseVoice("503 Busy")
    #expect(call.dials(ofVoice: true).count == 2)
    try call.openVoice()
    #expect(call.told() == ["Hello.", "[Flush]"])
    #expect(call.dials(ofVoice: false).count == 1 && call.logs("upstream_refused") == 1)
    call.sounds(100)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 800)
    call.expectAllHome()
  }

  @Test func `one whose key is refused ends the call`() throws {
    let call = try CascadeTalk(greeting: "Hello.", isOpen: false)
    try call.openEar()
    try call.refuseVoice("401 Unauthorized")
    call.wait(seconds: 10)
    #expect(call.dials(ofVoice: true).count == 1 && call.dials(ofVoice: false).count == 1)
    #expect(call.rig.relay.callsInUse == 0)
    #expect(call.logs("cascade.speak") > 0 && call.logs("DEEPGRAM_API_KEY") > 0)
    call.expectAllHome()
  }

  @Test func `its key may be refused before the session stands`() throws {
    let call = try CascadeTalk(isOpen: false)
    try call.refuseVoice("401 Unauthorized")
    call.wait(seconds: 10)
    #expect(call.dials(ofVoice: true).count == 1 && call.rig.relay.callsInUse == 0)
    call.expectAllHome()
  }

  @Test func `one that is never to be had is given up`() throws {
    let call = try CascadeTalk(greeting: "Hello.", isOpen: false)
    try call.openEar()
    for _ in 0..<200 {
      guard call.rig.relay.callsInUse == 1 else { break }
      for link in call.dials(ofVoice: true) where !call.rig.isGone(link) {
        call.rig.fail(link, .refused)
      }
      if let link = call.dials(ofVoice: false).last, !call.rig.isGone(link), link != call.ear {
        try call.openEar()
      }
      call.rig.advance(milliseconds: 500)
    }
    #expect(call.rig.relay.callsInUse == 0)
    #expect(call.dials(ofVoice: true).count < 40)
    call.expectAllHome()
  }

  @Test func `one that never answers is dialled again in time`() throws {
    let call = try CascadeTalk(greeting: "Hello.", isOpen: false)
    try call.openEar()
    call.wait(seconds: 5)
    #expect(call.dials(ofVoice: true).count == 2)
    try call.openVoice()
    #expect(call.told() == ["Hello.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `one that is let go of when idle is dialled again, as often as that happens`() throws {
    let call = try CascadeTalk()
    let ends: [(SlotID) -> Void] = [
      { call.rig.end($0) }, { call.rig.fail($0) },
      { call.rig.feed(Frames.frame(.close, [0x03, 0xe8], isMasked: false), on: $0) },
    ]
    for round in 0..<9 {
      call.wait(seconds: 180)
      ends[round % 3](try #require(call.voice))
      #expect(call.dials(ofVoice: true).count == round + 2, "\(round)")
      try call.openVoice()
    }
    #expect(call.rig.relay.callsInUse == 1 && call.rig.relay.totals.upstreamsLost == 0)
    #expect(call.dials(ofVoice: false).count == 1)
    call.ask("Still there?")
    call.answer("Yes.")
    #expect(call.told() == ["Yes.", "[Flush]"] && call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `what is told meanwhile waits for the next one`() throws {
    let call = try CascadeTalk()
    call.wait(seconds: 15)
    call.rig.fail(try #require(call.voice))
    call.ask("Still there?")
    call.thinks("I am. ", "And well")
    call.chatEnds()
    try call.openVoice()
    #expect(call.told() == ["I am. ", "[Flush]", "And well", "[Flush]"])
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 1600 && call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `behind an answer it is idle again`() throws {
    let call = try CascadeTalk()
    call.ask("One?")
    call.answer("One.")
    call.rig.fail(try #require(call.voice))
    try call.openVoice()
    call.ask("Two?")
    call.answer("Two.")
    #expect(call.told() == ["Two.", "[Flush]"] && call.heardBytes() == 3200)
    #expect(call.dials(ofVoice: false).count == 1)
    call.expectAllHome()
  }

  // MARK: In mid-answer

  private enum End: CaseIterable { case reset, close, error, tooLarge, garbage }

  private func lose(_ call: CascadeTalk, by end: End) throws {
    let voice = try #require(call.voice)
    switch end {
    case .reset: call.rig.fail(voice)
    case .close:
      call.rig.feed(Frames.frame(.close, [0x03, 0xf3], isMasked: false), on: voice)
    case .error: call.voiceSays(#"{"type":"Error","description":"no more","code":"X"}"#)
    case .tooLarge:
      call.rig.feed([0x82, 127, 0, 0, 0, 0, 0x7f, 0, 0, 0], on: voice)
    case .garbage: call.rig.feed([0xff, 0xff, 0xff, 0xff], on: voice)
    }
  }

  @Test(arguments: 0..<5) func `in mid-answer the session goes with it, and the next one answers`(
    number: Int
  ) throws {
    let call = try CascadeTalk()
    call.wait(seconds: 12)
    call.ask("Well?")
    call.thinks("It is here. ", "And")
    call.sounds(100)
    call.rig.advance(milliseconds: 400)
    try lose(call, by: End.allCases[number])
    #expect(call.cancelled.count == 1)
    call.wait(seconds: 1)
    #expect(call.dials(ofVoice: false).count == 2 && call.dials(ofVoice: true).count == 2)
    try call.openEar()
    try call.openVoice()
    #expect(call.told() == [])
    call.ask("Are you there?")
    #expect(call.requests.last?.lines.last == "user: Are you there?")
    call.answer("Yes.")
    #expect(call.told() == ["Yes.", "[Flush]"])
    #expect(call.rig.relay.callsInUse == 1)
    call.expectAllHome()
  }

  @Test func `before any sound what the caller has said is heard again, and answered`() throws {
    let call = try CascadeTalk()
    for _ in 0..<40 {
      call.rig.media(call.caller, Talk.voice)
      call.rig.advance(milliseconds: 20)
    }
    call.ask("Well?")
    call.thinks("It is here.\\n")
    call.rig.fail(try #require(call.voice))
    call.rig.advance(milliseconds: 1000)
    try call.openEar()
    try call.openVoice()
    call.rig.advance(milliseconds: 1500)
    let ear = try #require(call.ear)
    #expect(call.rig.messages(from: ear, isCaller: false).reduce(0) { $0 + $1.utf8.count } > 3000)
    call.ask("Well?")
    #expect(
      call.requests.last?.lines == ["system: Be \"brief\".", "user: Well?"])
    call.answer("It is here.")
    #expect(call.told() == ["It is here.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `one that never says that all has come is not waited for`() throws {
    let call = try CascadeTalk()
    call.wait(seconds: 12)
    call.ask("Well?")
    call.thinks("It is here.")
    call.chatEnds()
    call.sounds(500)
    call.wait(seconds: 7)
    #expect(call.dials(ofVoice: false).count == 1)
    call.wait(seconds: 12)
    #expect(call.dials(ofVoice: false).count == 2 && call.logs("the voice says nothing") > 0)
    try call.openEar()
    try call.openVoice()
    call.ask("And?")
    call.answer("Yes.")
    #expect(call.told() == ["Yes.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `one that is slow is waited for while sound comes`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story.")
    call.chatEnds()
    for _ in 0..<10 {
      call.wait(seconds: 3)
      call.sounds(1000)
    }
    call.flushed(2)
    call.wait(seconds: 2)
    #expect(call.dials(ofVoice: false).count == 1 && call.dials(ofVoice: true).count == 1)
    #expect(call.heardBytes() == 80_000)
    call.expectAllHome()
  }

  @Test func `one that never says that it has forgotten is let go of, and the call goes on`() throws
  {
    let call = try CascadeTalk()
    call.wait(seconds: 12)
    call.ask("Well?")
    call.thinks("It is here.\\n")
    call.sounds(500)
    call.rig.advance(milliseconds: 200)
    call.hears("Stop")
    call.wait(seconds: 2)
    #expect(call.dials(ofVoice: true).count == 1)
    call.wait(seconds: 2)
    #expect(call.dials(ofVoice: true).count == 2 && call.dials(ofVoice: false).count == 1)
    try call.openVoice()
    call.hears("Stop it.", isFinal: true, endsSpeech: true)
    _ = call.heard()
    call.answer("Fine.")
    #expect(call.told() == ["Fine.", "[Flush]"] && call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `an answer behind a clearing that is never confirmed is not lost`() throws {
    let call = try CascadeTalk()
    call.wait(seconds: 12)
    call.ask("Well?")
    call.thinks("It is here.\\n")
    call.sounds(500)
    call.rig.advance(milliseconds: 200)
    call.ask("Stop.")
    call.thinks("I have stopped.")
    call.chatEnds()
    // Whatever it says is of the old one, for all that is known.
    for _ in 0..<4 {
      call.sounds(200)
      call.wait(seconds: 5)
      try call.openAll()
    }
    #expect(call.dials(ofVoice: true).count == 2 && call.rig.relay.callsInUse == 1)
    _ = call.told()
    call.ask("Hello?")
    call.answer("Yes.")
    #expect(call.told() == ["Yes.", "[Flush]"])
    call.expectAllHome()
  }

  // MARK: What it says

  @Test func `messages that are unknown or malformed are said, and change nothing`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is here.")
    call.chatEnds()
    for text in [
      #"{"type":"Sung","how":"well"}"#, "{", "7", #"{"type":7}"#, "",
      #"{"type":"Metadata","request_id":"r"}"#,
      #"{"type":"Warning","description":"slowly","code":"W1"}"#,
    ] { call.voiceSays(text) }
    call.sounds(200)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 1600 && call.rig.relay.callsInUse == 1)
    #expect(call.rig.relay.totals.messagesBad > 0 && call.logs("slowly") == 1)
    #expect(call.logs("Sung") > 0)
    #expect(call.dials(ofVoice: true).count == 1)
    call.expectAllHome()
  }

  @Test func `sound that nobody asked for is not heard`() throws {
    let call = try CascadeTalk()
    call.sounds(300)
    call.flushed()
    call.cleared()
    call.rig.advance(milliseconds: 1000)
    #expect(call.heardBytes() == 0 && call.rig.relay.totals.speechLate == 1)
    call.ask("Well?")
    call.sounds(300)
    call.flushed(3)
    #expect(call.heardBytes() == 0)
    call.answer("Yes.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `a Flushed too many ends nothing early`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is here.\\n")
    call.sounds(100)
    call.flushed(3)
    call.thinks("And it is red.\\n")
    call.sounds(100)
    call.chatEnds()
    call.sounds(100)
    call.flushed()
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 2400 && call.rig.relay.totals.answersSilent == 0)
    call.ask("Good.")
    #expect(call.requests.last?.lines[2] == "assistant: It is here.\nAnd it is red.\n")
    call.expectAllHome()
  }
}
