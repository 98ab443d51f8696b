// A cascade whose relay finds where its caller pauses: when whoever listens is asked for final
// words, and when what was said is answered. Time is virtual.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

struct CascadePauseTests {
  // MARK: What is asked for

  @Test func `whoever listens is told to find no pauses`() throws {
    let call = try PausingCall(silence: 1500).talk
    #expect(call.handshakes[0].contains("&endpointing=false"))
    #expect(call.handshakes[0].contains("&utterance_end_ms=1500&"))
    let other = try CascadeTalk {
      $0.upstreams[2].options += [
        ("turn_detection", "service"), ("silence_milliseconds", "300"),
      ]
    }
    #expect(other.handshakes[0].contains("&endpointing=300"))
    #expect(other.handshakes[0].contains("&utterance_end_ms=1000&"))
    let patient = try PausingCall(silence: 10_000).talk
    #expect(patient.handshakes[0].contains("&utterance_end_ms=5000&"))
  }

  @Test(arguments: [100, 300, 700, 2000])
  func `final words are asked for behind so much silence, once for each pause`(silence: Int) throws
  {
    var call = try PausingCall(silence: silence)
    call.pause(1000)
    #expect(call.asked() == [])
    for _ in 0..<4 {
      call.word(600)
      call.pause(silence + 3000)
      let asked = call.asked()
      try #require(asked.count == 1)
      #expect(asked[0] >= silence && asked[0] <= silence + 40, "\(asked)")
    }
    call.talk.expectAllHome()
  }

  /// Callers in noise, with pauses of every length: one request for each that is long enough.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func `pauses within what somebody says are none`(seed: UInt64) throws {
    var call = try PausingCall(silence: 400, noise: -50, seed: seed)
    call.pause(1000)
    for _ in 0..<12 {
      for _ in 0..<call.random(1...4) {
        call.word(call.random(120...900), Double(call.random(-36 ... -18)))
        call.pause(call.random(40...300))
      }
      #expect(call.asked() == [])
      call.pause(call.random(700...4000))
      #expect(call.asked().count == 1)
      call.talk.allStand()
    }
    call.talk.expectAllHome()
  }

  // MARK: When it is answered

  @Test func `the words that were asked for are answered, and not before`() throws {
    var call = try PausingCall()
    call.word(500)
    call.talk.hears("My number", isFinal: true)
    // What others take for an end.
    call.hears("", isAsked: false)
    call.hears("is one", isAsked: false, endsSpeech: true)
    #expect(call.talk.requests.isEmpty)
    call.pause(400)
    #expect(call.asked().count == 1 && call.talk.requests.isEmpty)
    call.hears("two.", isAsked: true)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: My number is one two."])
    call.pause(3000)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `no answer to the request is waited for: what was final is answered`() throws {
    var call = try PausingCall()
    call.word(500)
    call.talk.hears("Hello.", isFinal: true)
    call.pause(700)
    #expect(call.asked().count == 1 && call.talk.requests.isEmpty)
    call.pause(200)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: Hello."])
    call.pause(3000)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `words that are final late are waited for, and nothing is answered where none come`()
    throws
  {
    var call = try PausingCall()
    call.word(500)
    call.talk.hears("Hel")
    call.pause(2000)
    #expect(call.talk.requests.isEmpty)
    call.talk.hears("Hello.", isFinal: true)
    call.pause(600)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: Hello."])
    call.talk.answer("Yes?")
    // A cough.
    call.word(100)
    call.pause(3000)
    call.hears("", isAsked: true)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a short word that nobody guessed, and whose request has no answer, is answered`()
    throws
  {
    var call = try PausingCall()
    call.word(200)
    call.pause(1000)
    #expect(call.asked().count == 1)
    call.talk.hears("Yes.", isFinal: true)
    call.pause(600)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: Yes."])
    call.talk.expectAllHome()
  }

  @Test func `guesses behind final words are waited for, and asked for again`() throws {
    var call = try PausingCall()
    call.word(900)
    call.talk.hears("My number is", isFinal: true)
    call.talk.hears("five")
    call.pause(1000)
    #expect(call.asked().count == 2 && call.talk.requests.isEmpty)
    call.hears("five.", isAsked: true)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: My number is five."])
    call.talk.expectAllHome()
  }

  @Test func `guesses that never become final are asked for four times, then what is final counts`()
    throws
  {
    var call = try PausingCall()
    call.word(900)
    call.talk.hears("My number is", isFinal: true)
    call.talk.hears("fi")
    call.pause(1700)
    #expect(call.talk.requests.isEmpty)
    call.pause(3000)
    #expect(call.asked().count == 4 && call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a noise that was taken for a word gives the answer back, however loud the line is`()
    throws
  {
    var call = try PausingCall()
    call.word(400)
    call.talk.hears("Well?", isFinal: true)
    call.pause(900)
    call.talk.thinks("It is a long story. ", "It begins")
    call.word(1000, -8)
    call.talk.hears("uh")
    call.word(200, -8)
    #expect(call.talk.requests.count == 1)
    call.hears("", isAsked: false)
    #expect(call.talk.requests.count == 2)
    call.talk.expectAllHome()
  }

  @Test func `the answer to an earlier request does not end what was said since`() throws {
    var call = try PausingCall(silence: 100)
    call.word(400)
    call.pause(140)
    call.word(150)
    call.pause(140)
    #expect(call.asked().count == 2)
    call.hears("One", isAsked: true, endsSpeech: true)
    #expect(call.talk.requests.isEmpty)
    call.hears("two.", isAsked: true, endsSpeech: true)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: One two."])
    call.talk.expectAllHome()
  }

  @Test func `who goes on before the words come is answered behind the next pause`() throws {
    var call = try PausingCall()
    call.word(500)
    call.pause(400)
    #expect(call.asked().count == 1)
    call.word(200)
    call.hears("One", isAsked: true)
    call.word(1000)
    #expect(call.talk.requests.isEmpty)
    call.pause(400)
    #expect(call.asked().count == 1)
    call.hears("two.", isAsked: true)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: One two."])
    call.talk.expectAllHome()
  }

  @Test func `where noise hides the pause the words' end is the turn's`() throws {
    var call = try PausingCall()
    call.word(2000, -8)
    call.talk.hears("Can you hear me?", isFinal: true)
    call.word(1000, -8)
    #expect(call.asked() == [] && call.talk.requests.isEmpty)
    call.talk.utteranceEnds()
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a line that falls silent altogether is a pause`() throws {
    var call = try PausingCall()
    call.word(500)
    call.talk.hears("Hello.", isFinal: true)
    call.talk.rig.advance(milliseconds: 1100)
    #expect(call.asked().count == 1)
    call.talk.rig.advance(milliseconds: 600)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a line that falls silent is no pause before that has lasted as long as one`() throws {
    var call = try PausingCall(silence: 3000)
    call.word(500)
    call.talk.hears("Hello.", isFinal: true)
    call.talk.rig.advance(milliseconds: 2900)
    #expect(call.asked() == [] && call.talk.requests.isEmpty)
    call.talk.rig.advance(milliseconds: 700)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a call that ends while words were asked for waits for them as ever`() throws {
    var call = try PausingCall()
    call.word(500)
    call.talk.hears("Good", isFinal: true)
    call.pause(400)
    call.talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: call.talk.caller)
    call.talk.rig.advance(milliseconds: 900)
    #expect(call.talk.logs("call_ended") == 0)
    call.hears("bye.", isAsked: false, endsSpeech: true)
    call.talk.rig.advance(milliseconds: 100)
    #expect(call.talk.logs("call_ended") == 1)
    call.talk.expectAllHome()
  }

  // MARK: Others

  @Test func `where the service finds pauses, words that were asked for end no sentence`() throws {
    var call = try PausingCall(detection: "service")
    call.word(500)
    call.talk.rig.advance(milliseconds: 1100)
    #expect(call.asked().count == 1)
    call.word(200)
    call.hears("My number", isAsked: true)
    call.word(800)
    #expect(call.talk.requests.isEmpty)
    call.hears("is one.", isAsked: false, endsSpeech: true)
    #expect(call.talk.requests.map { $0.lines.last } == ["user: My number is one."])
    call.talk.expectAllHome()
  }

  @Test func `where the service finds pauses, a line that falls silent is answered as well`() throws
  {
    var call = try PausingCall(detection: "service")
    call.word(500)
    call.pause(400)
    #expect(call.asked() == [])
    call.talk.hears("Hello.", isFinal: true)
    call.talk.rig.advance(milliseconds: 1400)
    #expect(call.asked().count == 1 && call.talk.requests.isEmpty)
    call.talk.rig.advance(milliseconds: 300)
    #expect(call.talk.requests.count == 1)
    call.talk.answer("Yes?")
    // One who goes on talking is not answered in mid-sentence.
    call.word(500)
    call.talk.hears("And now", isFinal: true)
    call.talk.rig.advance(milliseconds: 1200)
    call.word(600)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a turn that goes by sense is ended by a long silence`() throws {
    var call = try PausingCall(silence: 1000, model: "flux-general-en")
    #expect(!call.talk.handshakes[0].contains("endpointing"))
    call.word(500)
    call.pause(900)
    #expect(call.texts() == [])
    call.pause(200)
    #expect(call.texts() == [#"{"type":"ForceEndTurn"}"#])
    call.talk.rig.answer(
      #"{"type":"TurnInfo","event":"EndOfTurn","turn_index":0,"transcript":"So."}"#,
      on: try #require(call.talk.ear))
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }

  @Test func `a turn that goes by sense and is found late is ended as well`() throws {
    var call = try PausingCall(silence: 100, model: "flux-general-en")
    call.word(300)
    call.pause(200)
    #expect(call.texts().count == 1)
    let ear = try #require(call.talk.ear)
    call.talk.rig.answer(
      #"{"type":"TurnInfo","event":"StartOfTurn","turn_index":0,"transcript":"So"}"#, on: ear)
    call.pause(600)
    #expect(call.texts() == [#"{"type":"ForceEndTurn"}"#])
    call.talk.expectAllHome()
  }

  @Test func `a session that is dialled again finds the pause in what it is sent again`() throws {
    var call = try PausingCall()
    call.word(500)
    call.pause(100)
    call.talk.rig.fail(try #require(call.talk.ear))
    call.pause(1000)
    try call.talk.openAll()
    _ = call.texts()
    call.talk.rig.advance(milliseconds: 20)
    #expect(call.asked().count == 1)
    call.hears("Hello.", isAsked: true)
    #expect(call.talk.requests.count == 1)
    call.talk.expectAllHome()
  }
}

/// A caller in noise, whose every frame comes in its time.
private struct PausingCall {
  let talk: CascadeTalk
  private let noise: Double
  private var seeded: SeededRandom
  /// Milliseconds since the last word's end.
  private var since = 0
  private var told: [(text: String, since: Int)] = []

  init(
    silence: Int = 300, noise: Double = -60, seed: UInt64 = 1, detection: String = "relay",
    model: String = "nova-3"
  ) throws {
    talk = try CascadeTalk {
      $0.upstreams[2].options += [
        ("turn_detection", detection), ("silence_milliseconds", "\(silence)"),
        ("listen_model", model),
      ]
    }
    self.noise = noise
    seeded = SeededRandom(seed: seed)
  }

  mutating func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &seeded) }

  mutating func pause(_ milliseconds: Int) {
    say(VoiceDetectorTests.noise(noise, milliseconds * 8, &seeded), isWord: false)
  }

  mutating func word(_ milliseconds: Int, _ decibels: Double = -26) {
    let tone = Sine(hertz: Double(random(100...400)), rate: 8000, decibels: decibels + 3)
    let hiss = VoiceDetectorTests.noise(noise, milliseconds * 8, &seeded)
    say(zip(tone.samples(milliseconds * 8), hiss).map { $0 &+ $1 }, isWord: true)
  }

  private mutating func say(_ samples: [Int16], isWord: Bool) {
    let audio = VoiceDetectorTests.encoded(samples, .mulaw8k)
    for place in stride(from: 0, to: audio.count, by: 160) {
      let piece = audio[place..<min(place + 160, audio.count)]
      talk.rig.media(talk.caller, Data(piece).base64EncodedString())
      since = isWord ? 0 : since + 20
      listen()
      talk.rig.advance(milliseconds: 20)
    }
  }

  private mutating func listen() {
    guard let ear = talk.ear, !talk.rig.isGone(ear) else { return }
    // The others are audio.
    let texts = talk.rig.messages(from: ear, isCaller: false).filter { $0.hasPrefix("{\"type\"") }
    told += texts.map { ($0, since) }
  }

  /// What whoever listens was told since the last time.
  mutating func texts() -> [String] {
    listen()
    defer { told = [] }
    return told.map(\.text)
  }

  /// When it was asked for final words, in milliseconds behind the last of the caller's.
  mutating func asked() -> [Int] {
    listen()
    defer { told = [] }
    return told.filter { $0.text == #"{"type":"Finalize"}"# }.map(\.since)
  }

  func hears(_ text: String, isAsked: Bool, endsSpeech: Bool = false) {
    talk.hears(text, isFinal: true, endsSpeech: endsSpeech, isAsked: isAsked)
  }
}
