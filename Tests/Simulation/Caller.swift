// A caller of the simulation: a carrier's stream or a raw client, with one of many ways to leave.

import Sidetone

final class Caller: Peer {
  enum Style { case carrier, raw }
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
  }

  weak var wire: Wire?
  let world: World
  let number: Int
  let style: Style
  let leaving: Leaving
  let frames: Int
  /// How much audio a raw client sends at once, and how often.
  let burst: Int
  let pause: Instant.Span

  private var head: [UInt8] = []
  private(set) var isOpen = false
  private var socket = Socket(isClient: true)
  private var framesSent = 0
  private(set) var sentAudio = 0
  private(set) var isDone = false
  private(set) var refusedWith: String?
  private(set) var closeCode: UInt16?
  private(set) var lines: [String] = []
  private(set) var hasLeft = false

  // What the twin found out about this call.
  var heardUpTo = 0
  var sessions = 0
  var deaths = 0
  var finished = 0
  var mayLose = false
  var spoils = false
  var wasCaughtUp = false
  /// Audio that has left the relay, and that was handed to it: for "in the same turn".
  var departed = 0
  var delivered = 0
  private var shadow = Socket(isClient: false)
  private var isShadowOpen = false

  init(world: World, number: Int, style: Style, leaving: Leaving, frames: Int) {
    self.world = world
    self.number = number
    self.style = style
    self.leaving = leaving
    self.frames = frames
    burst = style == .carrier ? 160 : world.dice.range(1...6000)
    pause = style == .carrier ? .milliseconds(20) : .milliseconds(world.dice.range(1...200))
  }

  func start() {
    guard world.connect(self, windowMax: 1 << 20) else {
      refusedWith = "no link"
      isDone = true
      return
    }
    wire?.onRead = { [unowned self] in shadow(of: $0) }
    let path = style == .carrier ? "/media" : "/ws/transcribe?encoding=mulaw&call_id=c\(number)"
    wire?.send(
      Array(
        """
        GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
        """.utf8))
  }

  // MARK: Talking

  func tick(at now: Instant) {
    guard isOpen, !hasLeft, wire?.isClosed == false else { return }
    if framesSent == frames { return leave() }
    framesSent += 1
    var bytes = (0..<burst).map { audio(call: number, at: sentAudio + $0) }
    if spoils, framesSent == 5 { bytes[0] ^= 1 }
    sentAudio += burst
    wire?.send(style == .raw ? socket.frame(.binary, bytes) : media(bytes))
    world.schedule(now + pause) { [weak self] in self?.tick(at: self!.world.now) }
  }

  private func media(_ bytes: [UInt8]) -> [UInt8] {
    let payload = Self.base64(bytes)
    return text(
      """
      {"event":"media","sequenceNumber":"\(framesSent + 1)","media":{"track":"inbound","chunk":\
      "\(framesSent)","timestamp":"\((framesSent - 1) * 20)","payload":"\(payload)"},"streamSid":"MZ\(number)"}
      """)
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    var place = [UInt8](repeating: 0, count: bytes.count * 2 + 8)
    let count = bytes.withBytes { source in
      place.withMutableBytes { Base64.encode(source, into: $0) }
    }
    return String(decoding: place.prefix(count), as: UTF8.self)
  }

  private func text(_ text: String) -> [UInt8] { socket.frame(.text, Array(text.utf8)) }

  private func begin(at now: Instant) {
    isOpen = true
    if style == .carrier {
      wire?.send(text("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}"))
      wire?.send(
        text(
          """
          {"event":"start","sequenceNumber":"1","streamSid":"MZ\(number)","start":{"streamSid":\
          "MZ\(number)","callSid":"CA\(number)","tracks":["inbound"],"mediaFormat":{"encoding":\
          "audio/x-mulaw","sampleRate":8000,"channels":1}}}
          """))
    }
    world.schedule(now + .milliseconds(world.dice.below(300))) { [weak self] in
      self?.tick(at: self!.world.now)
    }
  }

  private func leave() {
    hasLeft = true
    switch leaving {
    case .stop:
      wire?.send(
        text(
          style == .carrier
            ? "{\"event\":\"stop\",\"streamSid\":\"MZ\(number)\",\"stop\":{}}"
            : "{\"type\":\"CloseStream\"}"))
    case .close: wire?.send(socket.close(1000))
    case .end: wire?.end(byReset: false)
    case .reset:
      wire?.end(byReset: true)
      isDone = true
    case .vanish:
      wire?.isSilent = true
      isDone = true
    case .stay: isDone = true
    }
  }

  /// One who stayed leaves in the end, so that the run comes to rest.
  func depart() {
    if leaving == .stay, closeCode == nil { wire?.send(socket.close(1000)) }
  }

  // MARK: Listening

  func departed(_ bytes: [UInt8], at now: Instant) {}

  func received(_ bytes: [UInt8], at now: Instant) {
    if isOpen { return take(bytes) }
    head += bytes
    guard let end = headEnd(of: head) else { return }
    let status = String(decoding: head.prefix(12), as: UTF8.self)
    guard status == "HTTP/1.1 101" else {
      refusedWith = status
      isDone = true
      return
    }
    let rest = Array(head[end...])
    begin(at: now)
    take(rest)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .text(let text): lines.append(String(decoding: text, as: UTF8.self))
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        closeCode = code
        isDone = true
        if leaving != .close || !hasLeft { wire?.send(socket.close(1000)) }
        wire?.end(byReset: false)
      case .binary: world.fail("binary to a transcription caller")
      case .failed: world.fail("a broken frame to caller \(number)")
      }
    }
  }

  func gone(byReset: Bool, at now: Instant) {
    if !isDone, closeCode == nil, hasLeft, leaving == .stop || leaving == .close, !byReset {
      world.fail("caller \(number) was let go without a Close")
    }
    isDone = true
  }

  /// What the relay has been handed of this caller's audio, in whole messages.
  private func shadow(of bytes: [UInt8]) {
    if !isShadowOpen {
      // The handshake comes whole before any frame, since the caller waits for its answer.
      shadowHead += bytes
      if shadowHead.suffix(4) == [13, 10, 13, 10] { isShadowOpen = true }
      return
    }
    for message in shadow.take(bytes) {
      switch message {
      case .binary(let audio): delivered += audio.count
      case .text(let text) where String(decoding: text, as: UTF8.self).contains("\"media\",\"seq"):
        delivered += 160
      default: break
      }
    }
  }
  private var shadowHead: [UInt8] = []
}
