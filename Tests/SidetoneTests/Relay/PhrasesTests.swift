// What callers hear that was recorded, while their model cannot speak: when it begins, what waits
// for it, and that a caller who is told nothing new is not kept for longer than before.

import TestSupport
import Testing

@testable import Sidetone

extension Config.Greeting {
  /// A tone of so many milliseconds, at 8000 samples a second.
  static func tone(_ milliseconds: Int, hertz: Double = 500) -> Self {
    Self(rate: 8000, samples: Sine(hertz: hertz, rate: 8000).samples(milliseconds * 8))
  }

  /// As a caller hears it who takes linear samples of 8000 a second.
  var heard: [UInt8] {
    samples.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
  }
}

struct PhrasesTests {
  private static let hold = Config.Greeting.tone(600)
  private static let goodbye = Config.Greeting.tone(500, hertz: 700)

  private static func talk(
    _ carrier: String = "ucid", with kind: String = "openai",
    _ change: (inout Config) -> Void = { _ in }
  ) throws -> Talk {
    try Talk(carrier, with: kind) {
      $0.routes[3].holdAudio = hold
      $0.routes[3].goodbyeAudio = goodbye
      change(&$0)
    }
  }

  /// What was heard since the last time, in one.
  private func heard(_ talk: Talk) -> [UInt8] { talk.heard().pieces.flatMap { $0 } }

  private func counts(_ talk: Talk) -> [Int] {
    let totals = talk.rig.relay.totals
    return [totals.holds, totals.goodbyes, totals.deadAir]
  }

  /// The next session stands.
  private func answer(_ talk: Talk) throws -> SlotID {
    let link = try #require(talk.rig.answerDial())
    _ = talk.rig.messages(from: link, isCaller: false)
    talk.rig.answer(Talk.ready(talk.kind), on: link)
    return link
  }

  // MARK: Holding

  @Test func `a caller without a session is asked to hold, once`() throws {
    let talk = try Self.talk()
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 950)
    #expect(heard(talk) == [] && counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 100)
    #expect(counts(talk) == [1, 0, 0])
    talk.rig.advance(milliseconds: 4000)
    #expect(heard(talk) == Self.hold.heard)
    #expect(counts(talk) == [1, 0, 0])
    #expect(talk.rig.log.count { $0.contains("hold: no session stands") } == 1)
    // In the next absence it is heard again.
    talk.rig.fail(try answer(talk))
    talk.rig.advance(milliseconds: 2000)
    #expect(counts(talk) == [2, 0, 0] && heard(talk) == Self.hold.heard)
    talk.expectAllHome()
  }

  @Test func `of a text its words stand in the transcript, once it is heard`() throws {
    let talk = try Self.talk {
      $0.printsTranscripts = true
      $0.routes[3].holdAudio?.speech = Config.Speech(text: "One \"moment\".")
      $0.routes[3].goodbyeAudio = Config.Greeting(rate: 24_000, samples: [])
      $0.routes[3].goodbyeAudio?.speech = Config.Speech(text: "Nobody has spoken it.")
    }
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 4000)
    #expect(heard(talk) == Self.hold.heard)
    let lines = talk.rig.log.filter { $0.contains("[AGENT]") }
    #expect(lines.count == 1 && lines[0].contains("One \"moment\"."), "\(lines)")
    talk.rig.advance(milliseconds: 60_000)
    #expect(talk.rig.relay.totals.goodbyes == 0)
    talk.expectAllHome()
  }

  @Test func `a session that stands soon is not waited for`() throws {
    let talk = try Self.talk()
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    _ = try answer(talk)
    talk.rig.advance(milliseconds: 3000)
    #expect(heard(talk) == [] && counts(talk) == [0, 0, 0])
    talk.expectAllHome()
  }

  @Test func `what the model had said is heard first`() throws {
    let talk = try Self.talk()
    talk.say(2000)
    talk.end()
    talk.rig.advance(milliseconds: 100)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 2500)
    #expect(counts(talk) == [0, 0, 0])
    talk.rig.advance(milliseconds: 2000)
    #expect(counts(talk) == [1, 0, 0])
    #expect(heard(talk).suffix(Self.hold.heard.count) == Self.hold.heard[...])
    talk.expectAllHome()
  }

  @Test(arguments: ["openai", "gemini"])
  func `a session in the midst of it waits with what it says until it is over`(kind: String) throws
  {
    let talk = try Self.talk(with: kind)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 1100)
    let link = try answer(talk)
    let sound = Talk.base64([UInt8](repeating: 0, count: 9600))
    talk.rig.answer(
      kind == "gemini"
        ? #"{"serverContent":{"modelTurn":{"parts":[\#(Talk.part([UInt8](repeating: 0, count: 9600)))]}}}"#
        : """
        {"type":"response.output_audio.delta","response_id":"r","item_id":"i","output_index":0,\
        "content_index":0,"delta":"\(sound)"}
        """, on: link)
    talk.rig.advance(milliseconds: 2000)
    let all = heard(talk)
    // The hold line whole, then 200 ms of silence.
    #expect(all.prefix(Self.hold.heard.count) == Self.hold.heard[...])
    let rest = all.dropFirst(Self.hold.heard.count)
    #expect(rest.count >= 3040 && rest.allSatisfy { $0 == 0 })
    talk.expectAllHome()
  }

  @Test func `the fallback is waited for with it`() throws {
    let talk = try Self.talk {
      $0.addUpstream("gemini")
      $0.routes[3].fallback = "gemini"
    }
    talk.rig.fail(talk.model)
    #expect(talk.rig.relay.totals.fallbacks == 1)
    talk.rig.advance(milliseconds: 2000)
    #expect(counts(talk) == [1, 0, 0] && heard(talk) == Self.hold.heard)
    talk.expectAllHome()
  }

  @Test func `a caller who speaks over it ends it, and the model is told nothing of it`() throws {
    let talk = try Self.talk("twilio") { $0.routes[3].holdAudio = .tone(5000) }
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 1200)
    let link = try answer(talk)
    _ = talk.heard()
    talk.rig.answer(
      #"{"type":"input_audio_buffer.speech_started","audio_start_ms":0,"item_id":"u"}"#, on: link)
    talk.rig.advance(milliseconds: 2000)
    let (pieces, others) = talk.heard()
    #expect(pieces == [] && others.contains(#"{"event":"clear","streamSid":"MZ1"}"#))
    #expect(!talk.rig.messages(from: link, isCaller: false).contains { $0.contains("truncate") })
    talk.expectAllHome()
  }

  @Test(arguments: ["twilio", "ucid"], ["openai", "gemini"])
  func `one that is to be heard whole goes on, and what waits behind it is void`(
    carrier: String, model: String
  ) throws {
    let talk = try Talk(carrier, with: model) {
      $0.routes[3].greetingAudio = .tone(2000)
      $0.routes[3].uninterrupted = [.greeting]
    }
    _ = talk.told()
    talk.rig.advance(milliseconds: 500)
    talk.say([UInt8](repeating: 0, count: 48 * 300))
    talk.rig.advance(milliseconds: 100)
    talk.interrupt()
    let told = talk.told()
    #expect(told.contains { $0.contains("conversation.item.delete") } == (model == "openai"))
    #expect(!told.contains { $0.contains("truncate") })
    talk.rig.advance(milliseconds: 3000)
    let (pieces, others) = talk.heard()
    #expect(!others.contains { $0.contains("clear") })
    let sample = carrier == "ucid" ? 2 : 1
    #expect(pieces.reduce(0) { $0 + $1.count } == 16_000 * sample)
    #expect(talk.rig.relay.totals.interruptions == 1)
    // The answer to that comes next, and can be spoken over.
    talk.tell(#"{"serverContent":{"turnComplete":true}}"#)
    talk.tell(#"{"type":"response.created","response":{"id":"r_item_2"}}"#)
    talk.say(1000, item: "item_2")
    talk.rig.advance(milliseconds: 400)
    #expect(talk.heardBytes() > 0)
    talk.interrupt()
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.rig.relay.totals.interruptions == 2)
    talk.expectAllHome()
  }

  @Test func `nothing is interrupted where only that is heard`() throws {
    let talk = try Talk("ucid") {
      $0.routes[3].greetingAudio = .tone(1000)
      $0.routes[3].uninterrupted = [.greeting]
    }
    for _ in 0..<5 {
      talk.rig.advance(milliseconds: 100)
      talk.interrupt()
    }
    talk.rig.advance(milliseconds: 2000)
    #expect(heard(talk) == Config.Greeting.tone(1000).heard)
    #expect(talk.rig.relay.totals.interruptions == 0)
    talk.expectAllHome()
  }

  @Test func `silence is counted through it`() throws {
    let talk = try Self.talk {
      $0.routes[3].holdAudio = .tone(6900)
      $0.routes[3].goodbyeAudio = nil
    }
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 7900)
    #expect(counts(talk) == [1, 0, 0] && talk.rig.relay.callsInUse == 1)
    talk.rig.advance(milliseconds: 200)
    #expect(counts(talk) == [1, 0, 1] && talk.rig.relay.callsInUse == 0)
  }

  // MARK: Goodbye

  @Test func `a caller who has heard nothing for too long hears a goodbye`() throws {
    let talk = try Self.talk()
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 8100)
    #expect(counts(talk) == [1, 1, 1] && talk.rig.relay.callsInUse == 1)
    // Nobody is dialled any more, and a dial that comes too late changes nothing.
    let dials = talk.rig.dialled.count
    talk.rig.advance(milliseconds: 350)
    #expect(talk.rig.relay.callsInUse == 1 && talk.rig.dialled.count == dials)
    talk.rig.advance(milliseconds: 1000)
    #expect(heard(talk) == Self.hold.heard + Self.goodbye.heard)
    #expect(talk.rig.relay.callsInUse == 0 && talk.rig.closed.contains(talk.caller))
    #expect(talk.rig.log.contains { $0.contains("call_ended") && $0.contains("upstream_lost") })
    talk.expectAllHome()
  }

  @Test func `a dial that is under way then is let go of`() throws {
    let talk = try Self.talk(with: "gemini")
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 7500)
    let link = try #require(talk.rig.answerDial())
    talk.rig.advance(milliseconds: 600)
    #expect(counts(talk) == [1, 1, 1])
    #expect(talk.rig.closed.contains(link))
    talk.rig.advance(milliseconds: 1500)
    #expect(heard(talk) == Self.hold.heard + Self.goodbye.heard)
    talk.expectAllHome()
  }

  @Test func `so does one whose upstream refuses for good, at once`() throws {
    let rig = Talk.rig("ucid") { $0.routes[3].goodbyeAudio = Self.goodbye }
    let caller = try #require(rig.open("/talk"))
    rig.say(Talk.starts["ucid"]!, on: caller)
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    rig.feed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", on: link)
    #expect(rig.relay.totals.goodbyes == 1 && rig.relay.callsInUse == 1)
    rig.advance(milliseconds: 400)
    #expect(rig.relay.callsInUse == 1)
    rig.advance(milliseconds: 1000)
    #expect(rig.relay.callsInUse == 0 && rig.closed.contains(caller))
    rig.fail(caller)
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `one who hangs up during it is let go`() throws {
    let talk = try Self.talk()
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 8200)
    #expect(counts(talk) == [1, 1, 1])
    talk.rig.fail(talk.caller)
    #expect(talk.rig.relay.callsInUse == 0)
    talk.rig.advance(milliseconds: 200_000)
    #expect(talk.rig.relay.missing == [])
  }

  // MARK: Memory

  @Test func `a long recording takes no more room than what is soon played`() throws {
    let talk = try Self.talk { $0.routes[3].greetingAudio = .tone(30_000) }
    let pool = talk.rig.relay.store.pool
    let free = pool.free
    talk.rig.advance(milliseconds: 1000)
    #expect(talk.heardBytes() > 8000 && free - pool.free < 8)
    talk.rig.advance(milliseconds: 30_000)
    #expect(talk.heardBytes() == 30_000 * 16 - 16_320)
    talk.expectAllHome()
  }
}
