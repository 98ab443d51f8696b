// A voice model of the simulation, with the manners of OpenAI Realtime or Gemini Live. What it says
// is written in Voice+Script; here is how it is connected, and what it is told.

import Sidetone
import TestSupport

final class Voice: Peer {
  enum Kind { case openai, gemini }

  enum Mood {
    case good
    /// The handshake is refused with this status.
    case refusing(Int)
    /// Never answers.
    case mute
    /// The description of the session is not understood.
    case refusingSetup
    /// Breaks so long after its session began.
    case dying(Instant.Span, Death)
  }
  enum Death: CaseIterable {
    case reset, silence
    /// With a code, and perhaps with something that it says or a handle just before.
    case close, closeAsked, closeRefused, closeUnknown
    /// By an error that says so (OpenAI), or after a `goAway` (Gemini).
    case expiry
    /// Long before its end it says so (Gemini), or it ends without a word (OpenAI).
    case notice

    var code: UInt16 {
      switch self {
      case .closeAsked: 1000
      case .closeRefused: 1008
      case .closeUnknown: 4000
      case .reset, .silence, .close, .expiry, .notice: 1011
      }
    }
  }

  /// What a message does to the relay when it is read.
  enum Effect {
    case nothing
    case words(item: Int)
    case audio(item: Int, bytes: Int)
    case interruption(upTo: Int)
    case over(item: Int)
  }

  weak var wire: Wire?
  let world: World
  let kind: Kind
  let mood: Mood
  private var head = Head()
  private var isOpen = false
  private(set) var isReady = false
  private(set) var isDead = false
  /// It has said that its session is over, and says nothing behind that.
  private var hasExpired = false
  private var socket = Socket(isClient: false)

  // What has left the relay, and what the relay has read, as they happen.
  private var early = Socket(isClient: false)
  private var earlyHead = Head()
  private var answers = Socket(isClient: true)
  private var answersHead = Head()
  private var effects: [Effect] = []
  private var effectsRead = 0
  private var hasHeard = false
  /// Where in the caller's audio it hears.
  private var heardTo = 0

  private(set) var number = 0
  /// Who it talks with; one dialled ahead may be there before its caller.
  var talker: Talker? { world.talkers.first { $0.number == number } }
  private var isPaired = false
  let spelling: Spelling

  init(world: World, kind: Kind, mood: Mood) {
    self.world = world
    self.kind = kind
    self.mood = mood
    spelling = Spelling(seed: world.seed &* 37 &+ UInt64(world.wires.count))
  }

  // MARK: Connected

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
    case .good, .refusingSetup, .dying:
      isOpen = true
      wire?.onRead = { [unowned self] in wasRead($0) }
      wire?.send(Frames.answer(to: head.bytes)!)
      if kind == .openai {
        find(in: head.bytes, behind: "model=c")
        say("{\"type\":\"session.created\",\"session\":{\"type\":\"realtime\"}}")
      }
      take(rest)
    }
  }

  /// Its caller wished for a model of its own number.
  private func find(in text: [UInt8], behind words: StaticString) {
    guard let start = place(behind: words, in: text) else {
      return world.fail("a session without a model")
    }
    let digits = text[start...].prefix { $0 &- 0x30 <= 9 }
    number = Int(String(decoding: digits, as: UTF8.self)) ?? 0
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .text(let text) where !isReady && !isDead: setUp(text)
      case .text, .binary: break
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        wire?.send(socket.close(code == 1005 ? 1000 : code))
        isDead = true
        wire?.end(byReset: false)
      case .failed: world.fail("the model was sent a broken frame")
      }
      if isDead { return }
    }
  }

  private func setUp(_ text: [UInt8]) {
    guard !isPaired else { return world.fail("the model was sent audio before it was ready") }
    isPaired = true
    let isSetup =
      kind == .openai
      ? place(behind: "{\"type\":\"session.update\"", in: text) != nil
      : place(behind: "{\"setup\":", in: text) != nil
    if !isSetup { world.fail("a session began with something else") }
    if kind == .gemini { find(in: text, behind: "models/c") }
    if place(behind: "\"handle\":\"", in: text) != nil { world.marks.insert("resumed") }
    if case .refusingSetup = mood { return refuse() }
    after(.milliseconds(world.dice.below(400))) { [unowned self] in
      if kind == .openai {
        say("{\"type\":\"session.updated\",\"session\":{\"type\":\"realtime\"}}")
      } else {
        say("{\"setupComplete\":{}}")
      }
      isReady = true
      if case .dying(let span, let death) = mood { after(span) { [unowned self] in die(death) } }
      after(.milliseconds(world.dice.below(300))) { [unowned self] in beginTurn() }
    }
  }

  private func refuse() {
    world.marks.insert("setup refused")
    if kind == .openai {
      say("{\"type\":\"error\",\"error\":{\"code\":\"unknown_parameter\",\"message\":\"no\"}}")
    } else {
      wire?.send(socket.close(1007))
      wire?.end(byReset: false)
      isDead = true
    }
  }

  private func die(_ death: Death) {
    world.marks.insert("model died: \(death)")
    switch death {
    case .reset: wire?.end(byReset: true)
    case .close, .closeAsked, .closeRefused, .closeUnknown:
      if kind == .gemini, world.dice.percent(50) { sayHandle() }
      wire?.send(socket.close(death.code))
      wire?.end(byReset: false)
    case .notice where kind == .openai: wire?.end(byReset: false)
    case .silence: wire?.isSilent = true
    case .expiry where kind == .openai:
      say("{\"type\":\"error\",\"error\":{\"code\":\"session_expired\",\"message\":\"60 min\"}}")
      hasExpired = true
      return
    case .expiry, .notice:
      sayHandle()
      let seconds = death == .expiry ? 3 : 10 + world.dice.below(30)
      say("{\"goAway\":{\"timeLeft\":\"\(seconds)s\"}}")
      after(.seconds(seconds)) { [unowned self] in
        wire?.end(byReset: false)
        isDead = true
      }
      return
    }
    isDead = true
  }

  private func sayHandle() {
    let number = world.dice.below(3)
    say("{\"sessionResumptionUpdate\":{\"newHandle\":\"h\(number)\",\"resumable\":true}}")
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }

  /// The relay holds it for a session that stands.
  var stands: Bool { isReady && wire?.isClosed == false }

  /// Another session of the same call is still there: it is this one's turn later.
  var isBeside: Bool {
    world.wires.values.contains {
      guard let other = $0.peer as? Voice else { return false }
      return other !== self && other.number == number && other.stands && !other.isDead
    }
  }

  /// Does it then, if it is still there.
  func after(_ span: Instant.Span, _ run: @escaping () -> Void) {
    world.schedule(world.now + span) { [weak self] in
      if self?.isDead == false { run() }
    }
  }

  // MARK: What it sends

  func say(_ text: String, _ effect: Effect = .nothing) {
    guard !isDead, !hasExpired else { return }
    effects.append(effect)
    wire?.send(socket.frame(kind == .openai ? .text : .binary, Array(text.utf8)))
  }

  private func wasRead(_ bytes: [UInt8]) {
    guard let rest = answersHead.rest(of: bytes) else { return }
    for message in answers.take(rest) {
      switch message {
      case .text, .binary:
        let effect = effects[effectsRead]
        effectsRead += 1
        apply(effect)
      case .ping, .close, .failed: break
      }
    }
  }

  private func apply(_ effect: Effect) {
    guard let talker else { return }
    switch effect {
    case .nothing: break
    case .words(let item): talker.items[item].isKnown = true
    case .audio(let item, let bytes): talker.items[item].hand(bytes, at: world.now)
    case .over(let item): talker.items[item].isOver = true
    case .interruption(let last):
      talker.interrupted(upTo: last, at: world.now)
    }
  }

  // MARK: What leaves for it

  func departed(_ bytes: [UInt8], at now: Instant) {
    guard let rest = earlyHead.rest(of: bytes) else { return }
    for case .text(let text) in early.take(rest) { hear(text) }
  }

  private func hear(_ text: [UInt8]) {
    guard let talker else { return }
    if let audio = payload(of: text, behind: "input_audio_buffer.append\",\"audio\":\"")
      ?? payload(of: text, behind: "\"audio\":{\"data\":\"")
    {
      if audio.isEmpty { world.fail("an empty message reached the model") }
      talker.sound == .exact ? hearExactly(audio, talker) : count(audio, talker)
    } else if let start = place(behind: "conversation.item.truncate\",\"item_id\":\"", in: text) {
      let rest = String(decoding: text[start...], as: UTF8.self).split(separator: "\"")
      let time = rest.last.flatMap { Int($0.drop { !$0.isNumber }.prefix { $0.isNumber }) }
      world.marks.insert("truncated")
      talker.told(String(rest[0]), milliseconds: time ?? -1)
    } else if let start = place(behind: "conversation.item.delete\",\"item_id\":\"", in: text) {
      let rest = String(decoding: text[start...], as: UTF8.self).split(separator: "\"")
      world.marks.insert("forgotten")
      talker.told(String(rest[0]), milliseconds: 0)
    } else if let start = place(behind: "The caller pressed ", in: text) {
      world.marks.insert("key")
      for key in text[start...].prefix(while: { $0 != UInt8(ascii: ".") }) {
        talker.keysTold += 1
        if !talker.keysPressed.contains(key) { world.fail("a key that nobody pressed") }
      }
    }
  }

  /// Every byte in its order. A session begins where the last one ended, or a little before: what
  /// nobody has answered is said again.
  private func hearExactly(_ heard: [UInt8], _ talker: Talker) {
    if !hasHeard { begin(heard, talker) }
    for index in heard.indices {
      if heard[index] != audio(call: talker.number, at: heardTo) {
        // A model that takes too little hears with gaps, also inside a message: what waits has a
        // bound.
        let isFull = !world.isPrompt && talker.spoken - heardTo > 9 * 8000
        // What was said out of order and then broke off has a gap of silence.
        let isBrokenOff = talker.hasLeft && talker.plan.shuffles
        if isBrokenOff, heard[index] == 0xff { continue }
        guard isFull || isBrokenOff,
          let found = position(of: Array(heard[index...]), in: talker, from: heardTo)
        else { return world.fail("call \(talker.number): wrong audio to the model at \(heardTo)") }
        heardTo = found
        world.marks.insert("uplink cut")
      }
      heardTo += 1
    }
    talker.uplink = max(talker.uplink, heardTo)
  }

  private func begin(_ heard: [UInt8], _ talker: Talker) {
    hasHeard = true
    talker.sessions += 1
    let from = talker.uplink
    // So much is kept at most.
    let earliest = max(0, talker.uplink - 10 * 8000)
    guard let found = position(of: heard, in: talker, from: earliest) else {
      return world.fail("call \(talker.number): a session of other audio")
    }
    if found < from { world.marks.insert("said again") }
    if found > from { world.marks.insert("uplink cut") }
    if found > from, talker.spoken - from < 9 * 8000, world.isPrompt {
      world.fail("call \(talker.number): \(found - from) bytes never reached a model")
    }
    heardTo = found
  }

  private func position(of heard: [UInt8], in talker: Talker, from start: Int) -> Int? {
    (start..<max(start, talker.spoken)).first { talker.says(heard, at: $0) }
  }

  private func count(_ heard: [UInt8], _ talker: Talker) {
    if !hasHeard { talker.sessions += 1 }
    hasHeard = true
    heardTo += heard.count / 2 * 8 / (kind == .openai ? 24 : 16)
    talker.uplink = max(talker.uplink, heardTo)
    if heardTo > talker.spoken {
      world.fail("call \(talker.number): more audio for the model than was said")
    }
  }
}
