// What is odd about callers' wires and harms nobody: clocks, sizes, orders and words that no
// carrier documents. Nothing of what is said is lost, or it is counted.

import TestSupport
import Testing

@testable import Sidetone

struct OddWiresTests {
  private let connected = #"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
  private let pressed =
    #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#

  private func rig() -> Rig {
    Rig { config in
      config.addRoute("/phone", ["twilio", "telnyx"], to: "deepgram")
      config.addRoute("/u", ["ucid"], to: "deepgram")
    }
  }

  private func frame(_ byte: UInt8, _ count: Int = 160) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
  }

  private func media(
    _ bytes: [UInt8], at milliseconds: Int = 0, track: String = "inbound", chunk: Int = 1
  ) -> String {
    """
    {"event":"media","media":{"track":"\(track)","chunk":"\(chunk)","timestamp":"\(milliseconds)",\
    "payload":"\(Talk.base64(bytes))"}}
    """
  }

  // MARK: Two tracks

  private static let bothTracks = #""inbound","outbound""#

  @Test(arguments: [160, 400, 800, 1000])
  func `pieces of any length and of any clock lie side by side`(length: Int) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: Self.bothTracks)
    let upstream = try #require(Listener(rig))
    var audio: [UInt8] = []
    for index in 0..<8 {
      let time = 1_764_000_000_000 + index * length / 8
      rig.say(media(frame(1, length), at: time), on: caller)
      rig.say(media(frame(2, length), at: time, track: "outbound"), on: caller)
      rig.advance(milliseconds: length / 8)
      audio += upstream.audio()
    }
    #expect(audio == (0..<8 * length).flatMap { _ in [1, 2] as [UInt8] })
    #expect(rig.relay.totals.framesBad == 0 && rig.relay.totals.framesLate == 0)
  }

  @Test(arguments: [1600, 3000])
  func `pieces longer than is kept for their partner are not lost`(length: Int) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: Self.bothTracks)
    let upstream = try #require(Listener(rig))
    var audio: [UInt8] = []
    for index in 0..<4 {
      let time = index * length / 8
      rig.say(media(frame(1, length), at: time), on: caller)
      rig.say(media(frame(2, length), at: time, track: "outbound"), on: caller)
      rig.advance(milliseconds: length / 8)
      audio += upstream.audio()
    }
    rig.advance(milliseconds: 5000)
    audio += upstream.audio()
    #expect(audio.filter { $0 == 1 }.count == 4 * length)
    #expect(audio.filter { $0 == 2 }.count == 4 * length)
    #expect(rig.relay.totals.framesBad == 0 && rig.relay.totals.framesLate == 0)
  }

  enum Clocks: CaseIterable {
    case joinsLater, bothRestart, oneRestarts, lagsBehind, farApart

    /// The time stamps of both tracks' pieces of the same 20 ms; nil: there is none.
    func stamps(_ index: Int) -> (inbound: Int, outbound: Int?) {
      let time = 20 * index
      return switch self {
      case .joinsLater: (time, index < 250 ? nil : time - 5000)
      case .bothRestart: (time % 6000, time % 6000)
      case .oneRestarts: (time, time % 6000)
      case .lagsBehind: (time, index < 10 ? nil : time - 200)
      case .farApart: (time, (1 << 41) + time)
      }
    }
  }

  @Test(arguments: Clocks.allCases)
  func `tracks whose clocks do not agree are both heard`(clocks: Clocks) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: Self.bothTracks)
    let upstream = try #require(Listener(rig))
    var audio: [UInt8] = []
    var outbound = 0
    for index in 0..<600 {
      let stamps = clocks.stamps(index)
      rig.say(media(frame(1), at: stamps.inbound), on: caller)
      if let time = stamps.outbound {
        rig.say(media(frame(2), at: time, track: "outbound"), on: caller)
        outbound += 160
      }
      rig.advance(milliseconds: 20)
      audio += upstream.audio()
    }
    rig.advance(milliseconds: 2000)
    audio += upstream.audio()
    let left = stride(from: 0, to: audio.count, by: 2).map { audio[$0] }
    let right = stride(from: 1, to: audio.count, by: 2).map { audio[$0] }
    #expect(left.filter { $0 == 1 }.count == 600 * 160)
    #expect(right.filter { $0 == 2 }.count == outbound)
    #expect(left.allSatisfy { $0 != 2 } && right.allSatisfy { $0 != 1 })
    #expect(rig.relay.totals.framesLate == 0 && rig.relay.totals.framesLost == 0)
  }

  @Test func `a piece of a track that comes twice is dropped and counted`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller, tracks: Self.bothTracks)
    let upstream = try #require(Listener(rig))
    for index in 0..<4 {
      for _ in 0..<2 { rig.say(media(frame(1), at: 20 * index), on: caller) }
      rig.say(media(frame(2), at: 20 * index, track: "outbound"), on: caller)
    }
    #expect(upstream.audio() == (0..<4 * 160).flatMap { _ in [1, 2] as [UInt8] })
    #expect(rig.relay.totals.framesLate == 4)
  }

  @Test func `tracks that cannot be paired leave the caller's own, whichever came first`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    rig.say(Talk.telnyxStart("L16", 16_000), on: caller)
    let upstream = try #require(Listener(rig))
    rig.say(media(frame(2, 640), track: "outbound"), on: caller)
    for index in 1..<6 {
      rig.say(media(frame(1, 640), at: 20 * index, chunk: 2 * index), on: caller)
      rig.say(
        media(frame(2, 640), at: 20 * index, track: "outbound", chunk: 2 * index + 1), on: caller)
    }
    #expect(upstream.audio() == frame(2, 640) + frame(1, 5 * 640))
    #expect(rig.log.filter { $0.contains("WARNING: other_track") }.count == 1)
    #expect(rig.log.contains { $0.contains("other_track") && $0.contains("outbound") })
    #expect(rig.relay.totals.messagesIgnored == 5 && rig.relay.totals.framesMissing == 0)
  }

  @Test func `the byte order is heard where one of two tracks is listened to`() throws {
    let talk = try Talk("telnyx", start: Talk.telnyxStart("L16", 16_000))
    let tone = Sine(hertz: 300, rate: 16_000).samples(16_000)
    for chunk in 0..<20 {
      let samples = tone[chunk * 320..<chunk * 320 + 320].flatMap {
        [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)]
      }
      talk.rig.say(media(frame(0, 640), track: "outbound", chunk: 2 * chunk + 1), on: talk.caller)
      talk.rig.say(media(samples, chunk: 2 * chunk + 2), on: talk.caller)
    }
    #expect(talk.rig.log.contains { $0.contains("byte_order") })
  }

  @Test func `another track behind the end of a call changes nothing`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    rig.say(Talk.telnyxStart(), on: caller)
    _ = try #require(Listener(rig))
    rig.say(media(frame(1)), on: caller)
    rig.say(#"{"event":"stop","stream_id":"S1"}"#, on: caller)
    rig.say(media(frame(2), track: "outbound", chunk: 2), on: caller)
    rig.advance(milliseconds: 100)
    #expect(rig.dialled.count == 1)
    #expect(!rig.log.contains { $0.contains("other_track") })
  }

  // MARK: Samples

  private func samples(_ count: Int, _ more: String, last: String = "-2") -> String {
    let list = String(repeating: "1,", count: count - 1) + last
    return
      #"{"event":"media","type":"media","ucid":"U","data":{"samples":[\#(list)],\#(more)}}"#
  }

  @Test(arguments: [960, 961, 1600, 4800])
  func `a message holds as many samples as it likes`(count: Int) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    rig.say(samples(count, #""sampleRate":8000"#), on: caller)
    let upstream = try #require(Listener(rig))
    rig.say(samples(count, #""sampleRate":8000"#), on: caller)
    rig.advance(milliseconds: 2000)
    var one: [UInt8] = []
    for _ in 1..<count { one += [1, 0] }
    one += [0xfe, 0xff]
    #expect(upstream.audio() == one + one)
    #expect(rig.relay.totals.framesBad == 0)
  }

  @Test func `long messages of two channels at 48 kHz are taken`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    for _ in 0..<3 {
      rig.say(samples(1920, #""channelCount":2,"sampleRate":48000"#), on: caller)
    }
    let upstream = try #require(Listener(rig))
    #expect(upstream.request.contains("sample_rate=48000"))
    // The first may be a stray one.
    #expect(upstream.audio().count == 2 * 1920 * 2)
  }

  @Test(arguments: ["x", "40000", "", "1.5"])
  func `a long message with one thing wrong leaves nothing behind`(last: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    rig.say(samples(80, #""sampleRate":8000"#), on: caller)
    let upstream = try #require(Listener(rig))
    rig.say(samples(1600, #""sampleRate":8000"#, last: last), on: caller)
    #expect(upstream.audio().count == 160)
    #expect(rig.relay.totals.framesBad + rig.relay.totals.messagesBad == 1)
  }

  // MARK: Before the start

  @Test(arguments: ["/media", "/phone"])
  func `keys, marks and signs of life before the start end no call`(path: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open(path))
    for _ in 0..<5 {
      rig.say(pressed, on: caller)
      rig.say(#"{"event":"mark","mark":{"name":"m"}}"#, on: caller)
      rig.say(#"{"event":"ping"}"#, on: caller)
    }
    rig.say(connected, on: caller)
    for _ in 0..<5 { rig.say(#"{"event":"news"}"#, on: caller) }
    rig.start(caller)
    let upstream = try #require(Listener(rig))
    rig.media(caller)
    #expect(upstream.audio().count == 160)
    #expect(rig.relay.totals.callsStarted == 1 && rig.relay.totals.messagesBad == 0)
  }

  @Test(arguments: [true, false])
  func `a key before the start reaches the model`(isGreeted: Bool) throws {
    let rig = Talk.rig()
    let caller = try #require(rig.open("/talk"))
    if isGreeted { rig.say(connected, on: caller) }
    rig.say(pressed, on: caller)
    rig.start(caller)
    let model = try #require(rig.answerDial())
    _ = rig.messages(from: model, isCaller: false)
    rig.answer(Talk.ready("openai"), on: model)
    rig.advance(milliseconds: 1000)
    let sent = rig.messages(from: model, isCaller: false)
    #expect(sent.contains { $0.contains("The caller pressed 5.") })
    #expect(rig.relay.totals.keysLost == 0)
  }

  @Test func `early audio of the outbound track alone is heard`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    rig.say(connected, on: caller)
    for index in 0..<5 {
      let message = media(frame(3), at: 20 * index, track: "outbound", chunk: index + 1)
      rig.say(message, on: caller)
    }
    rig.say(Talk.telnyxStart(), on: caller)
    let upstream = try #require(Listener(rig))
    #expect(upstream.audio() == frame(3, 800) && rig.dialled.count == 1)
    #expect(rig.relay.totals.framesLost == 0)
  }

  // MARK: Gaps

  @Test func `gaps of a carrier whose messages are put in order are filled as well`() throws {
    let talk = try Talk("telnyx") {
      $0.upstreams[2].options = [("audio", "g711")]
      $0.routes[3].fillsGaps = true
    }
    func media(_ chunk: Int, at milliseconds: Int) {
      talk.rig.say(self.media(frame(1), at: milliseconds, chunk: chunk), on: talk.caller)
    }
    // The third never comes: that is another silence.
    for (chunk, time) in [(1, 0), (2, 20), (4, 60), (5, 80)] { media(chunk, at: time) }
    talk.rig.advance(milliseconds: 100)
    for (chunk, time) in [(6, 100), (7, 2100), (8, 2120)] { media(chunk, at: time) }
    talk.rig.advance(milliseconds: 5000)
    #expect(talk.reached().count == 8 * 160 + 1980 * 8)
    #expect(talk.rig.relay.totals.silenceFilled == 1980)
    #expect(talk.rig.relay.totals.framesMissing == 1)
  }

  // MARK: What a raw client says of its audio

  struct Saying: Sendable {
    var query = ""
    var text: String
    var asked: [String]
  }
  static let sayings = [
    Saying(
      query: "?encoding=mulaw", text: #"{"type":"start","sample_rate":8000}"#,
      asked: ["encoding=mulaw", "sample_rate=8000"]),
    Saying(
      text: #"{"sample_rate":16000,"content-type":"audio/l16"}"#,
      asked: ["encoding=linear16", "sample_rate=16000"]),
    Saying(
      query: "?channels=2", text: #"{"config":{"sample_rate":16000}}"#,
      asked: ["channels=2", "sample_rate=16000"]),
    Saying(
      text: #"{"audio_format":{"encoding":"pcm_s16le","sample_rate":16000}}"#,
      asked: ["encoding=linear16", "sample_rate=16000"]),
    Saying(
      text: #"{"sample_rate":8000,"format":{"codec":"pcm_mulaw"}}"#,
      asked: ["encoding=mulaw", "sample_rate=8000"]),
    Saying(
      query: "?sample_rate=16000", text: #"{"content-type":"application/json","encoding":"utf-8"}"#,
      asked: ["encoding=linear16", "sample_rate=16000"]),
  ]

  @Test(arguments: sayings)
  func `what a text leaves out is as in the call's format`(saying: Saying) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe" + saying.query))
    rig.say(saying.text, on: caller)
    let upstream = try #require(Listener(rig))
    for word in saying.asked { #expect(upstream.request.contains(word), "\(word)") }
    rig.feed(Frames.frame(.binary, frame(1, 320), isMasked: true), on: caller)
    #expect(upstream.audio() == frame(1, 320))
  }

  @Test(arguments: [
    (#"{"sample_rate":16000,"encoding":"opus"}"#, "opus"),
    (#"{"type":"start","codec":"opus"}"#, "opus"),
    (#"{"content-type":"audio/webm;codecs=opus"}"#, "compressed"),
    (#"{"encoding":"pcm_f32le","sample_rate":16000}"#, "pcm_f32le"),
    (#"{"encoding":"mystery","sample_rate":16000}"#, "encoding"),
    (#"{"sample_rate":11025}"#, "8000 to 48000 Hz"),
    (#"{"encoding":"mulaw","sample_rate":16000}"#, "mulaw"),
    (#"{"sample_rate":16000,"channels":6}"#, "one channel or two"),
  ])
  func `what cannot be served is refused by its name`(text: String, word: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    rig.say(text, on: caller)
    #expect(rig.log.contains { $0.contains("call_refused") && $0.contains(word) })
    let told = rig.messages(from: caller, isCaller: true)
    #expect(told.contains { $0.contains("unsupported") && $0.contains(word) })
    rig.advance(milliseconds: 6000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test func `what is said of audio that was heard already ends no call`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(Listener(rig))
    for _ in 0..<2 {
      rig.feed(Frames.frame(.binary, frame(1, 320), isMasked: true), on: caller)
      rig.say(#"{"encoding":"opus","sample_rate":48000}"#, on: caller)
    }
    #expect(upstream.audio() == frame(1, 640))
    #expect(rig.relay.callsInUse == 1 && rig.relay.totals.messagesIgnored == 2)
  }
}
