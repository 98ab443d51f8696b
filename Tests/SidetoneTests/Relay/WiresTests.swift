// What callers' wires look like beside what is documented: each is understood where it is plain
// what is meant, and is a line in the log where it is not.

import TestSupport
import Testing

@testable import Sidetone

/// An upstream that only listens: what it was asked for, and the audio that it has had.
struct Listener {
  let rig: Rig
  let link: SlotID
  let request: String

  /// Answers the dialling that was asked for last.
  init?(_ rig: Rig) {
    guard let link = rig.dialled.last else { return nil }
    self.rig = rig
    self.link = link
    rig.connected(link)
    let asked = rig.taken(from: link)
    request = String(decoding: asked, as: UTF8.self)
    guard let answer = Frames.answer(to: asked) else { return nil }
    rig.feed(answer, on: link)
  }

  func audio() -> [UInt8] {
    var decoder = WebSocket(role: .server, messageBytesMax: 1 << 22)
    var bytes = rig.taken(from: link)
    var audio: [UInt8] = []
    bytes.withMutableBytes { buffer in
      while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore, .failed, .close: return
        case .binary(let range): audio += buffer[range].array
        case .text, .ping, .pong: break
        }
      }
    }
    return audio
  }
}

struct WiresTests {
  private let connected = #"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
  private let telnyxStart =
    #"{"event":"start","stream_id":"S","start":{"call_control_id":"v3:C","media_format":{"encoding":"PCMU","sample_rate":8000}}}"#

  private func rig() -> Rig {
    Rig { config in
      config.addRoute("/phone", ["twilio", "telnyx"], to: "deepgram")
      config.addRoute("/u", ["ucid"], to: "deepgram")
      config.addRoute("/both", ["telnyx"], to: "openai")
      config.upstreams[2].key = "k"
      config.upstreams[2].options = [("audio", "g711")]
    }
  }

  private func frame(_ byte: UInt8, _ count: Int = 160) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
  }

  private func media(
    _ byte: UInt8, at milliseconds: Int = 0, track: String = "inbound", chunk: Int = 1
  ) -> String {
    """
    {"event":"media","media":{"track":"\(track)","chunk":"\(chunk)","timestamp":"\(milliseconds)",\
    "payload":"\(Talk.base64(frame(byte)))"}}
    """
  }

  private func binary(_ bytes: [UInt8]) -> [UInt8] {
    Frames.frame(.binary, bytes, isMasked: true)
  }

  // MARK: Before the start

  @Test(arguments: ["/phone", "/media"])
  func `audio before the start waits for it`(path: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open(path))
    rig.say(connected, on: caller)
    for index in 0..<25 { rig.say(media(UInt8(index), at: 20 * index), on: caller) }
    rig.start(caller)
    let upstream = try #require(Listener(rig))
    for index in 25..<30 { rig.say(media(UInt8(index), at: 20 * index), on: caller) }
    #expect(upstream.audio() == (0..<30).flatMap { frame(UInt8($0)) })
    #expect(rig.log.filter { $0.contains("early_audio") }.count == 1)
    #expect(rig.relay.totals.messagesBad == 0 && rig.relay.totals.frames == 30)
  }

  @Test func `audio without a start is kept within bounds, and not for long`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    let free = rig.relay.blocksFree
    rig.say(connected, on: caller)
    for index in 0..<200 { rig.say(media(1, at: 20 * index), on: caller) }
    #expect(free - rig.relay.blocksFree <= 10 && rig.relay.callsInUse == 1)
    rig.advance(milliseconds: 6000)
    #expect(rig.relay.callsInUse == 0 && rig.relay.blocksFree >= free)
  }

  @Test func `a start that is nobody's is described, without its values`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    let start =
      #"{"event":"start","start":{"callId":"secret","streamId":"s","tracks":[]},"extra_headers":"{}"}"#
    for _ in 0..<3 { rig.say(start, on: caller) }
    let line = try #require(rig.log.first { $0.contains("unrecognised") })
    for word in ["WARNING", "\"start\"", "callId", "extra_headers", "twilio or telnyx"] {
      #expect(line.contains(word), "\(word)")
    }
    #expect(!line.contains("secret"))
  }

  @Test func `a start of a vendor that the route does not take names the vendor`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    for _ in 0..<3 { rig.say(Fixture.start, on: caller) }
    #expect(rig.log.contains { $0.contains("this is how twilio begins") })
  }

  @Test(arguments: [#"\u65e5\u672c"#, #"a\"b\\c"#, String(repeating: "k", count: 300)])
  func `an id of any spelling and length is taken`(id: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.say(
      #"{"event":"start","start":{"streamSid":"M","callSid":"\#(id)"}}"#, on: caller)
    #expect(rig.relay.totals.callsStarted == 1)
    #expect(rig.log.contains { $0.contains("id_cut") } == (id.count > 96))
    #expect(rig.log.contains { $0.contains("日本") } == id.hasPrefix(#"\u65e5"#))
  }

  @Test func `a second socket with the id of a running call is noticed`() throws {
    let rig = self.rig()
    for _ in 0..<2 {
      let caller = try #require(rig.open("/media"))
      #expect(!rig.log.contains { $0.contains("second_socket") })
      rig.start(caller)
    }
    #expect(rig.log.filter { $0.contains("second_socket") }.count == 1)
  }

  @Test func `what a webhook gave its call is shown, but no secret`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.say(Fixture.start, on: caller)
    #expect(rig.log.contains { $0.contains("call_started") && $0.contains("bot=sales") })
    #expect(!rig.log.contains { $0.contains("s3cr3t") })
    let operators = try #require(rig.accept())
    rig.feed("GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: operators)
    let page = String(decoding: rig.taken(from: operators), as: UTF8.self)
    #expect(page.contains(#""parameters":{"bot":"sales"}"#))
  }

  // MARK: Payloads

  /// Needs all of the alphabet's last characters.
  private static let loud: [UInt8] = (0..<160).map { [0xfb, 0xff, 0xfe][$0 % 3] }

  @Test(arguments: ["/media", "/phone"])
  func `base64 in another spelling is the same audio`(path: String) throws {
    let standard = Talk.base64(Self.loud)
    let url = standard.replacing("+", with: "-").replacing("/", with: "_")
    let bare = standard.replacing("=", with: "")
    let line = String(standard.prefix(76))
    let rest = String(standard.dropFirst(76))
    let spellings: [String] = [
      url, url.replacing("=", with: ""), "data:audio/x-mulaw;base64,\(standard)",
      "data:;base64,\(url)", bare, " \(standard)\\n", "\(line)\\r\\n\(rest)",
      standard.replacing("/", with: "\\/"), "\(standard)==",
    ]
    for text in spellings {
      let rig = self.rig()
      let caller = try #require(rig.open(path))
      rig.say(path == "/media" ? Fixture.start : telnyxStart, on: caller)
      let upstream = try #require(Listener(rig))
      for number in 1...3 {
        rig.say(
          #"{"event":"media","media":{"chunk":"\#(number)","payload":"\#(text)"}}"#, on: caller)
      }
      #expect(upstream.audio() == Self.loud + Self.loud + Self.loud, "\(text)")
      #expect(rig.relay.totals.framesBad == 0)
    }
  }

  @Test func `audio that cannot be read is a line at the first, and bounded`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    rig.media(caller, "####")
    #expect(rig.log.contains { $0.contains("bad_message") && $0.contains("base64") })
    for _ in 0..<30 { rig.media(caller, "####") }
    #expect(rig.relay.totals.framesBad == 21)
  }

  @Test func `nonsense is borne by its rate, not by the length of a call`() throws {
    let rig = Rig { $0.limits.pingSeconds = 10_000 }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    _ = try #require(Listener(rig))
    for _ in 0..<5 {
      for _ in 0..<15 { rig.say("nonsense", on: caller) }
      rig.advance(milliseconds: 60_000)
      rig.media(caller)
    }
    #expect(rig.relay.callsInUse == 1 && rig.relay.totals.messagesBad == 75)
    for _ in 0..<100 {
      rig.say("nonsense", on: caller)
      for _ in 0..<5 { rig.media(caller) }
    }
    #expect(rig.relay.callsInUse == 1)
    for _ in 0..<21 { rig.say("nonsense", on: caller) }
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.callsInUse == 0)
  }

  @Test(arguments: ["ping", "", "KeepAlive", "\"pong\"", "{}", #"{"type":"ping"}"#])
  func `a sign of life is no nonsense`(text: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    for _ in 0..<100 { rig.say(text, on: caller) }
    #expect(rig.relay.callsInUse == 1 && rig.relay.totals.messagesBad == 0)
    #expect(rig.relay.totals.messagesIgnored == 100)
  }

  // MARK: The socket

  @Test func `a message that is too large is refused by the setting's name`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    rig.feed(Array(binary([UInt8](repeating: 0, count: 70_000)).prefix(20)), on: caller)
    let line = try #require(rig.log.first { $0.contains("protocol_broken") })
    #expect(line.contains("70000 bytes, but limits.carrier_message_bytes_max is 65536"))
    #expect(line.contains("WARNING"))
    let close = String(decoding: rig.taken(from: caller), as: UTF8.self)
    #expect(close.contains("limits.carrier_message_bytes_max"))
  }

  @Test func `each broken rule of the socket is told by its own name`() throws {
    for (bytes, rule) in [
      ([0x81, 0x02, 0x7b, 0x7d], "a client must mask its frames"),
      ([0xc1, 0x82, 0, 0, 0, 0, 0x7b, 0x7d], "reserved bits are set"),
      ([0x83, 0x80, 0, 0, 0, 0], "unknown opcode"),
    ] as [([UInt8], String)] {
      let rig = self.rig()
      let caller = try #require(rig.open("/media"))
      rig.feed(bytes, on: caller)
      #expect(rig.log.contains { $0.contains("WARNING") && $0.contains(rule) })
      #expect(String(decoding: rig.taken(from: caller), as: UTF8.self).contains(rule))
    }
  }

  // MARK: Raw clients

  @Test(arguments: [#"{"event":"websocket:dtmf","digit":"5"}"#, "ping", "{\"broken"])
  func `texts beside raw audio do not end a call`(text: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(Listener(rig))
    for _ in 0..<40 {
      rig.feed(binary(frame(1, 320)), on: caller)
      rig.say(text, on: caller)
    }
    #expect(upstream.audio().count == 40 * 320)
    #expect(rig.relay.totals.messagesIgnored == 40 && rig.relay.totals.messagesBad == 0)
    #expect(rig.log.filter { $0.contains("message_ignored") }.count == 1)
  }

  @Test(arguments: [true, false])
  func `a rate that the first text states is heeded`(isConnected: Bool) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    if isConnected { _ = try #require(Listener(rig)) }
    rig.say(
      #"{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}"#, on: caller)
    let upstream = try #require(Listener(rig))
    #expect(rig.dialled.count == 2 && upstream.request.contains("sample_rate=16000"))
    rig.feed(binary(frame(1, 640)), on: caller)
    #expect(upstream.audio() == frame(1, 640))
    rig.say(#"{"sample_rate":24000}"#, on: caller)
    #expect(rig.dialled.count == 2)
    #expect(rig.log.contains { $0.contains("WARNING: audio_format") && $0.contains("24000") })
  }

  private func wave(_ format: [UInt8], before: [UInt8] = []) -> [UInt8] {
    let endless: [UInt8] = [0xff, 0xff, 0xff, 0x7f]
    var file = Array("RIFF".utf8) + endless + Array("WAVE".utf8) + before
    file += Array("fmt ".utf8)
    file += [UInt8(format.count), 0, 0, 0]
    return file + format + Array("data".utf8) + endless
  }
  private let pcm16k: [UInt8] = [1, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0x7d, 0, 0, 2, 0, 16, 0]

  @Test(arguments: [1, 7, 44, 100, 1000])
  func `the head of a WAV file is heeded, and is no sound`(piece: Int) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let audio = (0..<1280).map { UInt8(truncatingIfNeeded: $0 % 251) }
    let size: [UInt8] = [3, 0, 0, 0]
    let list = Array("LIST".utf8) + size + Array("abc\0".utf8)
    var rest = (wave(pcm16k, before: list) + audio)[...]
    while !rest.isEmpty {
      rig.feed(binary(Array(rest.prefix(piece))), on: caller)
      rest = rest.dropFirst(piece)
    }
    let upstream = try #require(Listener(rig))
    #expect(upstream.request.contains("sample_rate=16000"))
    #expect(upstream.audio() == audio)
  }

  @Test func `a file that is no raw audio is refused with its kind`() throws {
    let floats: [UInt8] = [3, 0, 1, 0, 0x80, 0x3e, 0, 0, 0, 0xfa, 0, 0, 4, 0, 32, 0]
    let matroska: [UInt8] = [0x1a, 0x45, 0xdf, 0xa3]
    let ogg = Array("OggS".utf8)
    let files: [([UInt8], String)] = [
      (wave(floats), "WAV of other samples"), (matroska + frame(0), "WebM"),
      (ogg + frame(0), "Ogg"),
    ]
    for (head, kind) in files {
      let rig = self.rig()
      let caller = try #require(rig.open("/ws/transcribe"))
      rig.feed(binary(head), on: caller)
      #expect(rig.log.contains { $0.contains("audio_is_file") && $0.contains(kind) })
      #expect(rig.messages(from: caller, isCaller: true).contains { $0.contains("unsupported") })
      rig.advance(milliseconds: 6000)
      #expect(rig.relay.callsInUse == 0)
    }
  }

  @Test func `audio that begins like a file and is none arrives whole`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(Listener(rig))
    let audio = Array("RIFF is no file".utf8) + [0]
    for byte in audio { rig.feed(binary([byte]), on: caller) }
    #expect(upstream.audio() == audio)
  }

  @Test(arguments: ["RI", "RIFF"])
  func `nothing is kept back for a file that never comes`(end: String) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let upstream = try #require(Listener(rig))
    let audio = frame(1, 160) + Array(end.utf8)
    rig.feed(binary(frame(1, 160)) + binary(Array(end.utf8)), on: caller)
    #expect(upstream.audio() == audio)
    let other = try #require(rig.open("/ws/transcribe"))
    let next = try #require(Listener(rig))
    rig.feed(binary(Array(end.utf8)), on: other)
    rig.say(#"{"type":"CloseStream"}"#, on: other)
    #expect(next.audio() == Array(end.utf8))
  }

  // MARK: Samples

  private func samples(_ list: String, _ more: String) -> String {
    #"{"event":"media","type":"media","ucid":"U","data":{"samples":[\#(list)],\#(more)}}"#
  }

  @Test func `two channels of samples are two channels`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    for _ in 0..<3 {
      rig.say(samples("1,2,1,2", #""channelCount":2,"sampleRate":8000"#), on: caller)
    }
    let upstream = try #require(Listener(rig))
    #expect(upstream.request.contains("channels=2&multichannel=true"))
    #expect(upstream.audio() == (0..<6).flatMap { _ in [1, 0, 2, 0] as [UInt8] })
    #expect(rig.relay.totals.framesBad == 0)
  }

  @Test(arguments: [16_000, 44_100])
  func `samples of another rate are asked for at that rate`(rate: Int) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    for _ in 0..<3 { rig.say(samples("1,2", #""sampleRate":\#(rate)"#), on: caller) }
    let upstream = try #require(Listener(rig))
    #expect(upstream.request.contains("sample_rate=\(rate)"))
    // The first may be a stray one.
    #expect(upstream.audio() == [1, 0, 2, 0, 1, 0, 2, 0])
  }

  @Test func `a rate that nobody can take is refused by its true reason`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/u"))
    for _ in 0..<3 { rig.say(samples("1,2", #""sampleRate":11025"#), on: caller) }
    #expect(rig.log.contains { $0.contains("call_refused") && $0.contains("Hz") })
    #expect(!rig.log.contains { $0.contains("bad_messages") })
  }

  // MARK: Tracks

  @Test(arguments: [true, false])
  func `a second track that nobody announced becomes a second channel`(together: Bool) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    rig.say(telnyxStart, on: caller)
    _ = try #require(Listener(rig))
    for index in 0..<20 {
      for (track, name) in ["inbound", "outbound"].enumerated() {
        let chunk = together ? 2 * index + track + 1 : index + 1
        rig.say(media(UInt8(track + 1), at: 20 * index, track: name, chunk: chunk), on: caller)
      }
    }
    let upstream = try #require(Listener(rig))
    #expect(rig.dialled.count == 2 && upstream.request.contains("channels=2"))
    rig.advance(milliseconds: 100)
    let audio = upstream.audio()
    let left = stride(from: 0, to: audio.count, by: 2).map { audio[$0] }
    let right = stride(from: 1, to: audio.count, by: 2).map { audio[$0] }
    #expect(
      left.filter { $0 == 1 }.count == 20 * 160 && left.allSatisfy { [1, 0xff].contains($0) })
    #expect(right.filter { $0 == 2 }.count == 20 * 160 && audio.count <= 21 * 320)
    #expect(rig.log.filter { $0.contains("other_track") }.count == 1)
  }

  @Test func `a call of the outbound track alone is one channel`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/phone"))
    rig.say(telnyxStart, on: caller)
    let upstream = try #require(Listener(rig))
    for index in 0..<5 {
      rig.say(media(3, at: 20 * index, track: "outbound", chunk: index + 1), on: caller)
    }
    #expect(upstream.audio() == frame(3, 800) && rig.dialled.count == 1)
  }

  // MARK: Speed

  @Test(arguments: [(640, true), (320, false), (960, true)])
  func `live audio of another rate than was said is a warning`(bytes: Int, isFast: Bool) throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    _ = try #require(Listener(rig))
    for _ in 0..<400 {
      rig.feed(binary(frame(1, bytes)), on: caller)
      rig.advance(milliseconds: 20)
    }
    #expect(rig.log.filter { $0.contains("WARNING: audio_too_fast") }.count == (isFast ? 1 : 0))
  }

  @Test func `a file that is held back is no live audio`() throws {
    let rig = self.rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    _ = try #require(Listener(rig))
    for _ in 0..<1000 { rig.feed(binary(frame(1, 3200)), on: caller) }
    rig.advance(milliseconds: 12_000)
    #expect(!rig.log.contains { $0.contains("audio_too_fast") })
  }

  // MARK: Comfort

  @Test func `a caller who hears nothing is sent silence where that is asked for`() throws {
    let rig = Rig { config in
      config.addRoute("/quiet", ["telnyx"], to: "deepgram")
      config.routes[4].sendsComfort = true
    }
    let caller = try #require(rig.open("/quiet"))
    rig.say(telnyxStart, on: caller)
    rig.advance(milliseconds: 5500)
    let sent = rig.messages(from: caller, isCaller: true)
    #expect(sent.count == 5)
    #expect(sent.allSatisfy { $0.contains(Talk.base64(frame(0xff))) })
  }
}
