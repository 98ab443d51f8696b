// A transcription route that leaves silence out: which samples its upstream hears, what it is told
// in between, and when its words were said. Time is virtual, and every sample is counted.

import Foundation
import Glibc
import TestSupport
import Testing

@testable import Sidetone

struct SkippedSilenceTests {
  // MARK: Words

  @Test(arguments: 0..<6 as Range<UInt64>)
  func `no word is lost or said twice in noise, and half of the call is not sent`(seed: UInt64)
    throws
  {
    let call = try QuietCall(seed: seed)
    try call.pause(milliseconds: 6000)
    for _ in 0..<8 {
      try call.word(-30, milliseconds: call.random(80...900))
      try call.pause(milliseconds: call.random(200...9000))
    }
    try call.pause(milliseconds: 3000)
    call.expectWords()
    let share = Double(call.sent.count) / Double(call.spoken.count)
    #expect(share < 0.75, "\(share)")
    call.end()
    #expect(call.rig.relay.totals.silenceSkipped == (call.spoken.count - call.sent.count) / 8)
  }

  /// A quiet talker, one who begins in mid-word, music, keys, clicks, digital silence.
  @Test func `whoever is quiet is heard where nothing is louder`() throws {
    let call = try QuietCall(noise: -.infinity)
    try call.word(-38, milliseconds: 400)
    try call.pause(milliseconds: 7000)
    for level in [-55.0, -45, -58] {
      try call.word(level, milliseconds: 300)
      try call.pause(milliseconds: 4000)
    }
    call.expectWords()
    #expect(call.sent.count < call.spoken.count * 3 / 4)
  }

  @Test func `what is loud for long is sent all`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 8000)
    let before = call.sent.count
    try call.word(-20, milliseconds: 20_000)
    try call.pause(milliseconds: 4000)
    call.expectWords()
    #expect(call.sent.count - before >= 160_000 + 8 * 1200)
  }

  @Test func `noise that grows is sent until it is known, and the words in it too`() throws {
    let call = try QuietCall(noise: -62)
    try call.pause(milliseconds: 8000)
    call.noise = -46
    try call.pause(milliseconds: 15_000)
    let known = call.sent.count
    try call.pause(milliseconds: 5000)
    #expect(call.sent.count == known)
    try call.word(-30, milliseconds: 500)
    try call.pause(milliseconds: 3000)
    call.expectWords()
  }

  // MARK: What it is told

  @Test func `behind the last word comes a second of silence, the request, then signs of life`()
    throws
  {
    let call = try QuietCall()
    try call.pause(milliseconds: 7000)
    try call.word(-30, milliseconds: 500)
    let end = call.spoken.count
    call.texts = []
    try call.pause(milliseconds: 21_000)
    #expect(call.texts.first?.text == #"{"type":"Finalize"}"#)
    let tail = (call.texts[0].audio - call.place(ofWord: 0)) / 8 - 500
    #expect(tail >= 1000 && tail <= 1100)
    let lives = call.texts.dropFirst()
    #expect(lives.count >= 4 && lives.allSatisfy { $0.text == #"{"type":"KeepAlive"}"# })
    #expect(zip(call.texts, lives).allSatisfy { $1.time - $0.time <= 4020 })
    #expect(lives.allSatisfy { $0.audio == call.texts[0].audio } && end > 0)
  }

  @Test func `as much silence is sent as the session waits for`() throws {
    let call = try QuietCall { $0.routes[0].options = [("utterance_end_ms", "2500")] }
    try call.pause(milliseconds: 8000)
    try call.word(-30, milliseconds: 500)
    call.texts = []
    try call.pause(milliseconds: 5000)
    let tail = (try #require(call.texts.first).audio - call.place(ofWord: 0)) / 8 - 500
    #expect(tail >= 2500 && tail <= 2800)
  }

  @Test func `a call that ends in silence is finished as ever`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 12_000)
    call.texts = []
    call.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: call.caller)
    call.rig.advance(milliseconds: 20)
    call.listen()
    #expect(call.texts.map(\.text) == [#"{"type":"CloseStream"}"#])
  }

  @Test func `where it is not asked for, all is sent and nothing is told`() throws {
    let call = try QuietCall { $0.routes[0].skipsSilence = false }
    try call.pause(milliseconds: 12_000)
    #expect(call.sent == call.spoken && call.texts.isEmpty)
    call.end()
    #expect(call.rig.relay.totals.silenceSkipped == 0)
  }

  // MARK: Sessions

  @Test func `a session that is lost in silence is not sent it by the next`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 7000)
    try call.word(-30, milliseconds: 500)
    try call.pause(milliseconds: 8000)
    call.result(start: 0, end: call.sent.count)
    try call.lose()
    try call.pause(milliseconds: 3000)
    #expect(call.sent.isEmpty)
    call.words = []
    try call.word(-30, milliseconds: 500)
    try call.pause(milliseconds: 4000)
    call.expectWords()
    #expect(call.sent.count <= 8 * (300 + 500 + 1100))
  }

  @Test func `words that were not final are said again, without the silence behind them`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 7000)
    call.result(start: 0, end: call.sent.count)
    try call.word(-30, milliseconds: 500)
    try call.pause(milliseconds: 8000)
    try call.lose()
    try call.pause(milliseconds: 4000)
    call.expectWords()
    #expect(call.sent.count <= 8 * (300 + 500 + 1100 + 1300))
  }

  // MARK: Times

  @Test func `words have the times of the call, whatever was left out before them`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 7000)
    var begins: [Int] = []
    for _ in 0..<40 {
      begins.append(call.spoken.count / 8)
      try call.word(-30, milliseconds: 400)
      try call.pause(milliseconds: 4000)
      let place = call.place(ofWord: call.words.count - 1)
      call.result(start: place, end: place + 400 * 8)
    }
    let finals = try call.rig.entries.filter { $0.contains("\"kind\":\"final\"") }
      .map(Hearing.json)
    let starts = finals.compactMap { $0["start"] as? Int }
    let ends = finals.compactMap { $0["end"] as? Int }
    #expect(starts.count == 40 && ends.count == 40)
    for (index, begin) in begins.enumerated() where index < starts.count {
      #expect(abs(starts[index] - begin) <= 20 && abs(ends[index] - begin - 400) <= 20)
    }
  }

  @Test func `a stretch that ends where silence was left out ends before it`() throws {
    let call = try QuietCall()
    try call.pause(milliseconds: 7000)
    let begin = call.spoken.count / 8
    try call.word(-30, milliseconds: 400)
    let place = call.place(ofWord: 0)
    try call.pause(milliseconds: 6000)
    let closed = call.sent.count
    call.result(start: place, end: closed)
    // The next begins where that ended, on the session's clock.
    let second = call.spoken.count / 8
    try call.word(-30, milliseconds: 400)
    try call.pause(milliseconds: 2000)
    call.result(start: closed, end: closed + 700 * 8)
    let finals = try call.rig.entries.filter { $0.contains("\"kind\":\"final\"") }
      .map(Hearing.json)
    #expect(finals.count == 2)
    let times = finals.flatMap { [$0["start"] as? Int ?? -1, $0["end"] as? Int ?? -1] }
    #expect(abs(times[0] - begin) <= 20 && times[1] < begin + 400 + 1200)
    #expect(times[2] >= second - 320 && times[2] <= second)
  }
}

/// A call of words with noise between them, and what its upstream is sent.
private final class QuietCall {
  let rig: Rig
  let caller: SlotID
  private(set) var upstream: SlotID
  var noise: Double
  private var seeded: SeededRandom
  private(set) var spoken: [UInt8] = []
  /// The bytes of each word.
  var words: [[UInt8]] = []
  private(set) var sent: [UInt8] = []
  /// Text messages, each behind so much audio, in milliseconds of the test.
  var texts: [(text: String, audio: Int, time: Int)] = []
  private var time = 0

  init(
    seed: UInt64 = 1, noise: Double = -50, _ change: (inout Config) -> Void = { _ in }
  ) throws {
    rig = Rig {
      $0.routes[0].skipsSilence = true
      $0.records = Config.Records()
      change(&$0)
    }
    self.noise = noise
    seeded = SeededRandom(seed: seed)
    caller = try #require(rig.open("/media"))
    rig.start(caller)
    upstream = try #require(rig.answerDial())
  }

  func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &seeded) }

  func pause(milliseconds: Int) throws { try say(hiss(milliseconds / 20 * 160)) }

  /// Its beginning is not that of a frame, and rises in 30 ms as a voice does.
  func word(_ decibels: Double, milliseconds: Int) throws {
    let offset = random(0...19) * 8
    let count = milliseconds * 8
    let pitch = Double(random(100...400))
    let tone = Sine(hertz: pitch, rate: 8000, decibels: decibels + 3).samples(count)
    let samples = zip(tone, hiss(count)).enumerated().map { place, pair in
      let rise = min(1, Double(place + 1) / 240)
      return Int16(clamping: Int(Double(pair.0) * rise) + Int(pair.1))
    }
    let all = hiss(offset) + samples + hiss((160 - (offset + count) % 160) % 160)
    words.append(Array(VoiceDetectorTests.encoded(all, .mulaw8k)[offset..<offset + count]))
    try say(all)
  }

  private func hiss(_ count: Int) -> [Int16] {
    noise.isInfinite
      ? [Int16](repeating: 0, count: count) : VoiceDetectorTests.noise(noise, count, &seeded)
  }

  private func say(_ samples: [Int16]) throws {
    let audio = VoiceDetectorTests.encoded(samples, .mulaw8k)
    spoken += audio
    for place in stride(from: 0, to: audio.count, by: 160) {
      rig.media(caller, Data(audio[place..<min(place + 160, audio.count)]).base64EncodedString())
      rig.advance(milliseconds: 20)
      time += 20
      listen()
      // One that never says anything would be taken for dead.
      if time % 5000 == 0 {
        rig.answer(#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":0}"#, on: upstream)
      }
    }
  }

  /// What came to the upstream since the last time.
  func listen() {
    var decoder = WebSocket(role: .server, messageBytesMax: 1 << 22)
    var bytes = rig.taken(from: upstream)
    bytes.withMutableBytes { buffer in
      while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore, .failed: return
        case .binary(let range): sent += buffer[range].array
        case .text(let range): texts.append((buffer[range].string, sent.count, time))
        case .ping, .pong, .close: break
        }
      }
    }
  }

  /// What was final of the session, in bytes that it was sent.
  func result(start: Int, end: Int) {
    let (start, length) = (Double(start) / 8000, Double(end - start) / 8000)
    rig.answer(
      """
      {"type":"Results","channel_index":[0,1],"start":\(start),"duration":\(length),\
      "is_final":true,"channel":{"alternatives":[{"transcript":"a","confidence":1}]}}
      """, on: upstream)
  }

  func lose() throws {
    rig.fail(upstream)
    rig.advance(milliseconds: 500)
    upstream = try #require(rig.answerDial())
    (sent, texts) = ([], [])
  }

  func end() {
    rig.fail(caller)
    rig.advance(milliseconds: 20_000)
  }

  /// Where the session was sent that word; -1: nowhere.
  func place(ofWord index: Int) -> Int {
    Data(sent).range(of: Data(words[index]))?.lowerBound ?? -1
  }

  /// Each word once, whole, in its turn, with what was in front of it.
  func expectWords() {
    let (sent, spoken) = (Data(sent), Data(spoken))
    var end = 0
    for (index, word) in words.map({ Data($0) }).enumerated() {
      guard let found = sent.range(of: word) else {
        Issue.record("word \(index) was not sent")
        continue
      }
      let rest = found.upperBound..<sent.count
      #expect(found.lowerBound >= end && sent.range(of: word, in: rest) == nil)
      end = found.upperBound
      guard let place = spoken.range(of: word)?.lowerBound, place >= 1600 else { continue }
      #expect(sent.range(of: spoken[place - 1600..<place + word.count]) != nil)
    }
  }
}
