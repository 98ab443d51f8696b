// The upstream of the simulation: a listener on the audio that reaches it, with Deepgram's manners.
// It knows which call it hears from the audio itself, and checks every byte against what was said.

import Sidetone

final class Twin: Peer {
  enum Mood {
    case good
    /// The handshake is refused with this status.
    case refusing(Int)
    /// Breaks after that much audio: with a reset, with a Close, or without a word.
    case dying(afterBytes: Int, Death)
    /// Never answers the handshake.
    case mute
  }
  enum Death { case reset, close, silence }

  weak var wire: Wire?
  let world: World
  let mood: Mood
  private var head: [UInt8] = []
  private var isOpen = false
  private var socket = Socket(isClient: false)
  private var early = Socket(isClient: false)
  private var earlyHead: [UInt8] = []
  private var isEarlyOpen = false

  /// Which caller it hears, and where in that caller's audio this session began.
  private(set) var caller: Caller?
  private(set) var sessionStart = 0
  private(set) var heard = 0
  /// Silence that the relay put in before any audio.
  private(set) var silence = 0
  private var finals = 0
  private(set) var wasFinished = false
  private(set) var isDead = false
  private var departedBytes = 0
  private var pending: [UInt8] = []

  init(world: World, mood: Mood) {
    self.world = world
    self.mood = mood
  }

  func departed(_ bytes: [UInt8], at now: Instant) {
    // The relay's frames as they leave: the handshake first, then messages.
    var rest = bytes
    if !isEarlyOpen {
      earlyHead += bytes
      guard let end = headEnd(of: earlyHead) else { return }
      isEarlyOpen = true
      rest = Array(earlyHead[end...])
    }
    for case .binary(let audio) in early.take(rest) {
      if departedBytes == 0, audio.allSatisfy({ $0 == 0xff }) { continue }
      departedBytes += audio.count
      caller?.departed = max(caller?.departed ?? 0, sessionStart + departedBytes)
    }
  }

  func received(_ bytes: [UInt8], at now: Instant) {
    guard !isDead else { return }
    if isOpen { return take(bytes) }
    head += bytes
    guard let end = headEnd(of: head) else { return }
    let rest = Array(head[end...])
    switch mood {
    case .mute: return
    case .refusing(let status):
      wire?.send(Array("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n".utf8))
      wire?.end(byReset: false)
      isDead = true
    case .good, .dying:
      isOpen = true
      wire?.send(accept(String(decoding: head[..<end], as: UTF8.self)))
      take(rest)
    }
  }

  private func accept(_ head: String) -> [UInt8] {
    let line = head.split(separator: "\r\n").first {
      $0.lowercased().hasPrefix("sec-websocket-key:")
    }
    let key = Array(line!.dropFirst(18).drop { $0 == " " }.utf8)
    var response = [UInt8](repeating: 0, count: 256)
    let count = key.withBytes { key in
      response.withMutableBytes { place in
        var writer = Writer(place)
        Upgrade.writeAccept(key: key, into: &writer)
        return writer.count
      }
    }
    return Array(response.prefix(count))
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .binary(let audio): hear(audio)
      case .text(let text): obey(String(decoding: text, as: UTF8.self))
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        if !isDead { wire?.send(socket.close(code == 1005 ? 1000 : code)) }
        isDead = true
        wire?.end(byReset: false)
      case .failed: world.fail("the upstream was sent a broken frame")
      }
      if isDead { return }
    }
  }

  private func hear(_ bytes: [UInt8]) {
    if bytes.isEmpty { world.fail("an empty message reached the upstream") }
    if wasFinished { world.fail("audio after CloseStream") }
    if caller == nil, heard == 0, bytes.allSatisfy({ $0 == 0xff }) {
      silence += bytes.count
      return
    }
    pending += bytes
    if caller == nil {
      guard pending.count >= 16 else { return }
      identify()
    }
    guard let caller else { return }
    for byte in pending {
      if byte != audio(call: caller.number, at: sessionStart + heard) {
        return world.fail("call \(caller.number): wrong audio at \(sessionStart + heard)")
      }
      heard += 1
    }
    pending = []
    caller.heardUpTo = max(caller.heardUpTo, sessionStart + heard)
    // A result a second: every second one final.
    while heard - finals >= 8000 {
      finals += 8000
      let isFinal = finals / 8000 % 2 == 0
      if isFinal { sendResult(end: finals, isFinal: true, text: "up to \(sessionStart + finals)") }
    }
    if case .dying(let afterBytes, let death) = mood, heard >= afterBytes { die(death) }
  }

  /// The first bytes say who speaks, and from where on.
  private func identify() {
    for candidate in world.callers where candidate.sentAudio > 0 {
      var position = 0
      while position < candidate.sentAudio {
        var index = 0
        while index < 16, pending[index] == audio(call: candidate.number, at: position + index) {
          index += 1
        }
        if index == 16 {
          caller = candidate
          sessionStart = position
          candidate.sessions += 1
          if position > candidate.heardUpTo, candidate.mayLose == false {
            world.fail("call \(candidate.number): audio skipped before \(position)")
          }
          candidate.departed = max(candidate.departed, sessionStart + departedBytes)
          return
        }
        position += 1
      }
    }
    world.fail("nobody said what reached the upstream")
  }

  private func sendResult(end: Int, isFinal: Bool, text: String) {
    let seconds = Double(end + silence) / 8000
    let body = """
      {"type":"Results","channel_index":[0,1],"start":0.0,"duration":\(seconds),"is_final":\(isFinal),\
      "channel":{"alternatives":[{"transcript":"\(text)","confidence":0.9}]}}
      """
    wire?.send(socket.frame(.text, Array(body.utf8)))
  }

  private func obey(_ text: String) {
    if text.contains("CloseStream") {
      wasFinished = true
      sendResult(end: heard, isFinal: true, text: "end at \(sessionStart + heard)")
      wire?.send(socket.frame(.text, Array("{\"type\":\"Metadata\",\"duration\":1}".utf8)))
      wire?.send(socket.close(1000))
      caller?.finished += 1
    } else if !text.contains("KeepAlive"), !text.contains("Finalize") {
      world.fail("unknown message to the upstream: \(text)")
    }
  }

  private func die(_ death: Death) {
    isDead = true
    caller?.deaths += 1
    switch death {
    case .reset: wire?.end(byReset: true)
    case .close:
      wire?.send(socket.close(1011))
      wire?.end(byReset: false)
    case .silence: wire?.isSilent = true
    }
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }
  func tick(at now: Instant) {}
}
