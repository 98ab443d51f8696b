// A caller of the simulation: a carrier's stream of one track or two, or a raw client, with one of
// many ways to talk and to leave.

import Sidetone
import TestSupport

final class Caller: Peer {
  enum Style {
    case carrier
    /// A carrier's stream with both sides of the call.
    case both
    case raw
  }

  enum Leaving: CaseIterable {
    /// stop (or CloseStream), then waits for our Close.
    case stop
    /// A Close frame, then waits for the answer.
    case close
    /// End of stream, still reading.
    case end
    case reset
    /// Falls silent for ever.
    case vanish
    /// Stays without a word; a raw client's last words must still come.
    case stay
    /// Sends what breaks the protocol, and waits for the Close that says so.
    case nonsense
  }

  struct Plan {
    var style = Style.carrier
    var leaving = Leaving.stop
    var frames = 100
    /// How much audio is sent at once, and how often.
    var burst = 160
    var pause = Instant.Span.milliseconds(20)
    /// How long it says nothing at first.
    var delay = Instant.Span.zero
    var path: String?
    /// A raw client's samples: two bytes of linear16, or one of µ-law.
    var isWide = false
    /// Messages in several frames, with pings between them.
    var isFragmented = false
    /// It never reads what it is sent.
    var isDeaf = false
  }

  weak var wire: Wire?
  let world: World
  let number: Int
  let plan: Plan

  private var head = Head()
  private(set) var isOpen = false
  private var socket = Socket(isClient: true)
  private var framesSent = 0
  private(set) var sentAudio = 0
  private(set) var lastSpoke = Instant.zero
  private(set) var isDone = false
  private(set) var refusedWith: String?
  private(set) var closeCode: UInt16?
  private(set) var lines: [String] = []
  private(set) var echoed: [UInt8] = []
  private(set) var hasLeft = false
  private(set) var endedAt = Instant.never
  private var nonsense = Nonsense.all[0]

  // What is known about this call at its other end.
  var heardUpTo = 0
  var sessions = 0
  /// How far finals have come to the relay.
  var acknowledged = 0
  var mayLose = false
  var spoils = false
  var wasCaughtUp = false
  /// Audio that has left the relay, and that was handed to it: for "in the same turn".
  var departed = 0
  private(set) var delivered = 0
  /// The most that the relay had to keep at once.
  private(set) var mostKept = 0
  private var shadow = Socket(isClient: false)
  private var shadowHead = Head()
  /// Where the words of its transcripts end, and when the last of them came.
  private var wordsEnd = 0
  private(set) var lastWordsAt = Instant.never

  init(world: World, number: Int, plan: Plan) {
    self.world = world
    self.number = number
    self.plan = plan
  }

  /// The bytes of a sample of every channel; an odd byte at the end of a raw stream reaches nobody.
  var align: Int { plan.isWide || plan.style == .both ? 2 : 1 }
  var wholeAudio: Int { sentAudio / align * align }
  var name: String { plan.style == .raw ? "c\(number)" : "CA\(number)" }

  /// The audio as the upstream must hear it.
  func byte(at position: Int) -> UInt8 {
    plan.style == .both
      ? audio(call: number + position % 2 * 1000, at: position / 2)
      : audio(call: number, at: position)
  }

  func start() {
    guard world.connect(self) else {
      refusedWith = "no link"
      isDone = true
      return
    }
    wire?.onRead = { [unowned self] in shadow(of: $0) }
    let encoding = plan.isWide ? "linear16" : "mulaw"
    let path =
      plan.path
      ?? (plan.style == .raw ? "/ws/transcribe?encoding=\(encoding)&call_id=c\(number)" : "/media")
    wire?.send(Frames.handshake(path))
  }

  // MARK: Talking

  private func tick() {
    guard isOpen, !hasLeft, !isDone, wire?.isClosed == false else { return }
    if framesSent == plan.frames { return leave() }
    framesSent += 1
    lastSpoke = world.now
    for message in speak() { wire?.send(message) }
    world.schedule(world.now + plan.pause) { [weak self] in self?.tick() }
  }

  /// The messages of one moment: one, or one of each track.
  private func speak() -> [[UInt8]] {
    let from = sentAudio
    if plan.style == .both {
      sentAudio += 2 * plan.burst
      return ["inbound", "outbound"].enumerated().map { channel, track in
        media((0..<plan.burst).map { byte(at: from + 2 * $0 + channel) }, track)
      }
    }
    sentAudio += plan.burst
    var bytes = (from..<sentAudio).map { byte(at: $0) }
    if spoils, framesSent == 5 { bytes[0] ^= 1 }
    if plan.style == .carrier { return [media(bytes, "inbound")] }
    return [
      plan.isFragmented
        ? socket.fragments(.binary, bytes, &world.dice) : socket.frame(.binary, bytes)
    ]
  }

  private func media(_ bytes: [UInt8], _ track: String) -> [UInt8] {
    text(
      """
      {"event":"media","sequenceNumber":"\(framesSent + 1)","media":{"track":"\(track)","chunk":\
      "\(framesSent)","timestamp":"\((framesSent - 1) * 20)","payload":"\(Self.base64(bytes))"},\
      "streamSid":"MZ\(number)"}
      """)
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    var place = [UInt8](repeating: 0, count: bytes.count * 2 + 8)
    let count = bytes.withBytes { source in
      place.withMutableBytes { Base64.encode(source, into: $0) }
    }
    return String(decoding: place.prefix(count), as: UTF8.self)
  }

  private func text(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    return plan.isFragmented
      ? socket.fragments(.text, bytes, &world.dice) : socket.frame(.text, bytes)
  }

  private func begin() {
    isOpen = true
    wire?.isDeaf = plan.isDeaf
    if plan.style != .raw {
      let tracks = plan.style == .both ? "[\"inbound\",\"outbound\"]" : "[\"inbound\"]"
      wire?.send(text("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"))
      wire?.send(
        text(
          """
          {"event":"start","sequenceNumber":"1","streamSid":"MZ\(number)","start":{"streamSid":\
          "MZ\(number)","callSid":"CA\(number)","tracks":\(tracks),"mediaFormat":{"encoding":\
          "audio/x-mulaw","sampleRate":8000,"channels":1}}}
          """))
    }
    let delay = plan.delay + .milliseconds(world.dice.below(300))
    world.schedule(world.now + delay) { [weak self] in self?.tick() }
  }

  private func leave() {
    hasLeft = true
    switch plan.leaving {
    case .stop:
      wire?.send(
        text(
          plan.style == .raw
            ? "{\"type\":\"CloseStream\"}"
            : "{\"event\":\"stop\",\"streamSid\":\"MZ\(number)\",\"stop\":{}}"))
    case .close: wire?.send(socket.close(1000))
    case .end: wire?.end(byReset: false)
    case .reset:
      wire?.end(byReset: true)
      isDone = true
    case .vanish:
      wire?.isSilent = true
      isDone = true
    case .stay: break
    case .nonsense:
      nonsense = Nonsense.all[world.dice.below(Nonsense.all.count)]
      let more = (0..<world.dice.below(200)).map { _ in UInt8(world.dice.below(256)) }
      wire?.send(nonsense.bytes + more)
    }
  }

  /// One who stayed leaves in the end, so that the run comes to rest.
  func depart() {
    guard isOpen, !isDone, plan.leaving == .stay || !hasLeft else { return }
    guard !hasDeparted else { return }
    hasDeparted = true
    hasLeft = true
    wire?.send(socket.close(1000))
  }
  private var hasDeparted = false

  // MARK: Listening

  func departed(_ bytes: [UInt8], at now: Instant) {}

  func received(_ bytes: [UInt8], at now: Instant) {
    if plan.isDeaf, isOpen { return }
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    guard head.status == "HTTP/1.1 101" else {
      refusedWith = head.status
      world.marks.insert("refused \(head.status.suffix(3))")
      isDone = true
      return
    }
    begin()
    take(rest)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .text(let text): listen(String(decoding: text, as: UTF8.self))
      case .ping(let payload):
        world.marks.insert("pinged")
        wire?.send(socket.frame(.pong, payload))
      case .close(let code): closed(code)
      case .binary(let audio): echoed += audio
      case .failed: world.fail("a broken frame to caller \(number)")
      }
    }
  }

  private func closed(_ code: UInt16) {
    closeCode = code
    isDone = true
    endedAt = world.now
    world.marks.insert("closed \(code)")
    if plan.leaving == .nonsense, hasLeft, code != nonsense.code, code == 1000 || !mayLose {
      world.fail("caller \(number): \(nonsense.what) was answered with \(code)")
    }
    if plan.leaving != .close || !hasLeft { wire?.send(socket.close(1000)) }
    wire?.end(byReset: false)
  }

  /// Final words say from where to where they were spoken: none twice, none left out.
  private func listen(_ line: String) {
    lines.append(line)
    guard line.hasPrefix("{\"type\":\"transcript\""), line.contains("\"is_final\":true"),
      let words = line.split(separator: "\"").first(where: { $0.hasPrefix("from ") })
    else { return }
    let parts = words.split(separator: " ").compactMap { Int($0) }
    // Times are counted in whole milliseconds, so words at a seam may come twice by so much.
    let millisecond = plan.isWide ? 16 : 8
    if parts[0] < wordsEnd - millisecond {
      world.fail("caller \(number): words from \(parts[0]) again, after \(wordsEnd)")
    }
    if parts[0] > wordsEnd, mostKept <= World.keptForSure {
      world.fail("caller \(number): no words between \(wordsEnd) and \(parts[0])")
    }
    wordsEnd = parts[1]
    if wordsEnd == wholeAudio { lastWordsAt = world.now }
  }

  /// Whether all that was said has come back as final words.
  var hasLastWords: Bool { wordsEnd == wholeAudio }

  func gone(byReset: Bool, at now: Instant) {
    if !isDone, isOpen, !plan.isDeaf {
      world.fail("caller \(number) (\(plan.leaving)) was let go without a Close")
    }
    if endedAt == .never { endedAt = now }
    if byReset { world.marks.insert("reset a caller") }
    isDone = true
  }

  // MARK: What the relay has been handed

  private func shadow(of bytes: [UInt8]) {
    guard let bytes = shadowHead.rest(of: bytes) else { return }
    for message in shadow.take(bytes) {
      switch message {
      case .binary(let audio): delivered += audio.count
      case .text(let text) where String(decoding: text, as: UTF8.self).contains("\"media\",\"seq"):
        delivered += plan.burst
      default: break
      }
    }
    mostKept = max(mostKept, delivered - acknowledged)
  }
}

/// Bytes that no peer may send, and the code with which they are answered (RFC 6455 §7.4.1).
struct Nonsense {
  let what: String
  let bytes: [UInt8]
  let code: UInt16

  private static let key: [UInt8] = [0, 0, 0, 0]

  static let all: [Nonsense] = [
    Nonsense(what: "a reserved bit", bytes: [0xc2, 0x81] + key + [1], code: 1002),
    Nonsense(what: "an unknown opcode", bytes: [0x83, 0x80] + key, code: 1002),
    Nonsense(what: "a frame without a mask", bytes: [0x82, 0x01, 0x00], code: 1002),
    Nonsense(what: "a continuation of nothing", bytes: [0x80, 0x80] + key, code: 1002),
    Nonsense(what: "a ping in pieces", bytes: [0x09, 0x80] + key, code: 1002),
    Nonsense(what: "a long ping", bytes: [0x89, 0xfe, 0x00, 0x7e] + key, code: 1002),
    Nonsense(what: "a Close with one byte", bytes: [0x88, 0x81] + key + [3], code: 1002),
    Nonsense(
      what: "a text that is not UTF-8", bytes: [0x81, 0x82] + key + [0xc3, 0x28], code: 1007),
    Nonsense(
      what: "a message of a gigabyte", bytes: [0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0] + key,
      code: 1009),
  ]
}
