// The upstream of the simulation: a listener on the audio that reaches it, with Deepgram's manners.
// It knows which call it hears from the audio itself, and checks every byte against what was said.

import Sidetone
import TestSupport

final class Twin: Peer {
  enum Mood {
    case good
    /// The handshake is refused with this status.
    case refusing(Int)
    /// Breaks after that much audio: with a reset, with a Close, or without a word.
    case dying(afterBytes: Int, Death)
    /// Never answers the handshake.
    case mute
    /// Each result has that many bytes of padding.
    case wordy(Int)
  }
  enum Death {
    case reset, close, silence
    /// With a code that the service does not use for that.
    case closeOddly
  }

  /// How many bytes it takes to know who speaks.
  static let leastToKnow = 16

  weak var wire: Wire?
  let world: World
  let mood: Mood
  private var head = Head()
  private var isOpen = false
  private var socket = Socket(isClient: false)

  /// What has left the relay and is not here yet, and what this twin's answers have brought the
  /// relay.
  private var early = Socket(isClient: false)
  private var earlyHead = Head()
  private var departedBytes = 0
  private var answers = Socket(isClient: true)
  private var answersHead = Head()

  // What the query says of the audio.
  private var bytesPerSecond = 8000
  private var channels = 1
  private var isWide = false
  private var quiet: UInt8 { isWide ? 0 : 0xff }

  /// Which caller it hears, and where in that caller's audio this session began.
  private(set) var caller: Caller?
  private(set) var sessionStart = 0
  private(set) var heard = 0
  /// Silence that the relay put in before any audio.
  private(set) var silence = 0
  /// Where on this session's clock, in microseconds, the finals end; where in its audio.
  private var finalTime = 0
  private var finalBytes = 0
  private var interims = 0
  private(set) var wasFinished = false
  private(set) var isDead = false
  private var pending: [UInt8] = []
  /// When audio or a KeepAlive last came.
  private var lastSign = Instant.zero

  init(world: World, mood: Mood) {
    self.world = world
    self.mood = mood
  }

  // MARK: Bytes

  func departed(_ bytes: [UInt8], at now: Instant) {
    // The relay's frames as they leave: the handshake first, then messages.
    guard let rest = earlyHead.rest(of: bytes) else { return }
    for case .binary(let audio) in early.take(rest) {
      if departedBytes == 0, audio.allSatisfy({ $0 == quiet }) { continue }
      departedBytes += audio.count
      caller?.departed = max(caller?.departed ?? 0, sessionStart + departedBytes)
    }
  }

  /// What the relay has read of this twin: finals acknowledge audio from then on.
  func wasRead(_ bytes: [UInt8]) {
    guard let rest = answersHead.rest(of: bytes) else { return }
    for case .text(let text) in answers.take(rest) {
      let line = String(decoding: text.prefix(200), as: UTF8.self)
      // With two channels it is the second final that completes the pair.
      guard line.contains("\"is_final\":true"), line.contains("[\(channels - 1),\(channels)]"),
        let place = line.split(separator: "\"").first(where: { $0.hasPrefix("at ") }),
        let microseconds = Int(place.dropFirst(3))
      else { continue }
      let bytes = microseconds / 1000 * bytesPerSecond / 1000 - silence
      caller?.acknowledged = max(caller?.acknowledged ?? 0, sessionStart + bytes)
    }
  }

  func received(_ bytes: [UInt8], at now: Instant) {
    guard !isDead else { return }
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    switch mood {
    case .mute: return
    case .refusing(let status):
      wire?.send(Array("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n".utf8))
      wire?.end(byReset: false)
      isDead = true
    case .good, .dying, .wordy:
      isOpen = true
      lastSign = world.now
      let request = String(decoding: head.bytes, as: UTF8.self)
      isWide = request.contains("encoding=linear16")
      channels = request.contains("channels=2&multichannel=true") ? 2 : 1
      bytesPerSecond = 8000 * channels * (isWide ? 2 : 1)
      wire?.onRead = { [unowned self] in wasRead($0) }
      wire?.send(Frames.answer(to: head.bytes)!)
      take(rest)
    }
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .binary(let audio): hear(audio)
      case .text(let text): obey(String(decoding: text, as: UTF8.self))
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        wire?.send(socket.close(code == 1005 ? 1000 : code))
        isDead = true
        wire?.end(byReset: false)
      case .failed: world.fail("the upstream was sent a broken frame")
      }
      if isDead { return }
    }
  }

  // MARK: Listening

  /// A session is given up after ten seconds without audio or KeepAlive (NET-0001).
  private func sign() {
    if world.now - lastSign > .seconds(10) {
      world.fail("the upstream was left alone for \((world.now - lastSign).milliseconds) ms")
    }
    lastSign = world.now
  }

  private func hear(_ bytes: [UInt8]) {
    if bytes.isEmpty { world.fail("an empty message reached the upstream") }
    if wasFinished { world.fail("audio after CloseStream") }
    sign()
    if caller == nil, pending.isEmpty, bytes.allSatisfy({ $0 == quiet }) {
      world.marks.insert("opening silence")
      silence += bytes.count
      return
    }
    pending += bytes
    if caller == nil {
      guard pending.count >= Self.leastToKnow else { return }
      identify()
    }
    guard let caller else { return }
    for byte in pending {
      if byte != caller.byte(at: sessionStart + heard) {
        return world.fail("call \(caller.number): wrong audio at \(sessionStart + heard)")
      }
      heard += 1
    }
    pending = []
    caller.heardUpTo = max(caller.heardUpTo, sessionStart + heard)
    // A result a second; every second one is final.
    while (heard - finalBytes) / bytesPerSecond > interims {
      interims += 1
      sendResults(upTo: finalBytes + interims * bytesPerSecond, isFinal: interims == 2)
    }
    if case .dying(let afterBytes, let death) = mood, heard >= afterBytes { die(death) }
  }

  /// The first bytes say who speaks, and from where on.
  private func identify() {
    guard let (candidate, position) = speaker() else {
      return world.fail("nobody said what reached the upstream")
    }
    caller = candidate
    sessionStart = position
    candidate.sessions += 1
    let first = candidate.acknowledged
    if candidate.sessions > 1 { world.marks.insert("replayed") }
    if position < first {
      world.fail("call \(candidate.number): sent \(position) again, though \(first) is final")
    }
    if position > first {
      if candidate.mostKept <= World.keptForSure {
        world.fail("call \(candidate.number): replay from \(position) instead of \(first)")
      }
      // Who is held back leaves room for a replay, however much waits.
      let replay = candidate.departed - first
      if candidate.plan.style == .raw, replay < World.keptForSure {
        world.fail("call \(candidate.number): replay of \(replay) bytes cut at \(position)")
      }
      world.marks.insert("shorter replay")
    }
    candidate.departed = max(candidate.departed, sessionStart + departedBytes)
  }

  private func speaker() -> (Caller, Int)? {
    func says(_ candidate: Caller, at position: Int) -> Bool {
      (0..<Self.leastToKnow).allSatisfy { pending[$0] == candidate.byte(at: position + $0) }
    }
    let callers = world.callers.filter { $0.sentAudio > 0 }
    if let caller = callers.first(where: { says($0, at: $0.acknowledged) }) {
      return (caller, caller.acknowledged)
    }
    for caller in callers {
      let end = caller.sentAudio
      if let position = (0..<end).first(where: { says(caller, at: $0) }) {
        return (caller, position)
      }
    }
    return nil
  }

  // MARK: Answering

  private func sendResults(upTo bytes: Int, isFinal: Bool, flag: String = "") {
    let end = (bytes + silence) * 1_000_000 / bytesPerSecond
    let filling = String(repeating: " um", count: world.wordiness / 3)
    let words = "from \(sessionStart + finalBytes) to \(sessionStart + bytes)\(filling)"
    var padding = ""
    if case .wordy(let count) = mood { padding = String(repeating: "x", count: count) }
    let times = "\"start\":\(seconds(finalTime)),\"duration\":\(seconds(end - finalTime))"
    for channel in 0..<channels {
      let body = """
        {"type":"Results","channel_index":[\(channel),\(channels)],"is_final":\(isFinal),\
        "place":"at \(end)",\(times)\(flag),\
        "channel":{"alternatives":[{"transcript":"\(words)","confidence":0.9}]},"pad":"\(padding)"}
        """
      wire?.send(socket.frame(.text, Array(body.utf8)))
    }
    if isFinal {
      finalTime = end
      finalBytes = bytes
      interims = 0
    }
  }

  private func seconds(_ microseconds: Int) -> String {
    let fraction = String(microseconds % 1_000_000)
    let zeros = String(repeating: "0", count: 6 - fraction.count)
    return "\(microseconds / 1_000_000).\(zeros)\(fraction)"
  }

  private func obey(_ text: String) {
    if wasFinished { world.fail("\(text) after CloseStream") }
    switch text {
    case "{\"type\":\"CloseStream\"}":
      wasFinished = true
      if heard > finalBytes { sendResults(upTo: heard, isFinal: true) }
      wire?.send(socket.frame(.text, Array("{\"type\":\"Metadata\",\"duration\":1}".utf8)))
      wire?.send(socket.close(1000))
    case "{\"type\":\"Finalize\"}":
      world.marks.insert("finalized")
      if heard > finalBytes {
        sendResults(upTo: heard, isFinal: true, flag: ",\"from_finalize\":true")
      }
    case "{\"type\":\"KeepAlive\"}":
      // Alone it does not save a session that never had audio.
      if heard + silence + pending.count == 0 { world.fail("a KeepAlive before any audio") }
      world.marks.insert("kept alive")
      sign()
    default: world.fail("unknown message to the upstream: \(text)")
    }
  }

  private func die(_ death: Death) {
    isDead = true
    switch death {
    case .reset: wire?.end(byReset: true)
    case .close: close(1011)
    case .closeOddly: close([1000, 1001, 1008, 4000][world.dice.below(4)])
    case .silence: wire?.isSilent = true
    }
  }

  private func close(_ code: UInt16) {
    wire?.send(socket.close(code))
    wire?.end(byReset: false)
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }
}
