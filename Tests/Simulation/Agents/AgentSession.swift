// One socket of an agent of the simulation: how it is connected, when and how it ends, what has
// left for it and arrives, what it has sent and the relay has read. Who it is, and what it says,
// its subclasses know.

import Sidetone
import TestSupport

class AgentSession: Peer {
  /// When a session ends; how is drawn.
  enum End: Equatable {
    case refused(Int)
    /// It never says that it is ready.
    case mute
    case setupRefused
    case after(Instant.Span)
    /// With the n-th loud message of a question; behind it; with the first sound of an answer.
    case inQuestion(Int)
    case beforeAnswer
    case inAnswer
    /// With a call of a function; with what it is told of one; when it is asked to go on.
    case atCall
    case atResult
    case atAsk
    /// It says that it will, so many seconds before.
    case notice(after: Instant.Span, seconds: Int)

    static func drawn(_ dice: inout Dice) -> End {
      switch dice.below(12) {
      case 0: return .refused([401, 429, 500, 503][dice.below(4)])
      case 1: return dice.percent(50) ? .mute : .setupRefused
      case 2, 3: return .after(.milliseconds(dice.below(20_000)))
      case 4: return .inQuestion(dice.range(1...60))
      case 5: return .beforeAnswer
      case 6: return .inAnswer
      case 7: return .atCall
      case 8: return .atResult
      case 9: return .atAsk
      default:
        return .notice(after: .milliseconds(dice.below(20_000)), seconds: dice.range(1...50))
      }
    }
  }

  /// What is broken on its way to it, so that the checkers must see it.
  enum Plant: CaseIterable {
    case lostAudio, doubledAudio, lostAnswer, doubledAnswer, lostAsk, doubledAsk, lostHistory
    case doubledHistory
  }

  weak var wire: Wire?
  let world: World
  let end: End?
  let plant: Plant?
  /// Of the caller whose it is, as soon as that is known.
  var book: AgentBook?
  private(set) var head = Head()
  private(set) var isOpen = false
  private(set) var isDead = false {
    didSet { if isDead { diedAt = min(diedAt, world.now) } }
  }
  private(set) var socket = Socket(isClient: false)

  // What has left the relay for it, and what of it has arrived.
  private var early = Socket(isClient: false)
  private(set) var earlyHead = Head()
  private var arriving: [() -> Void] = []
  private var planted = 0

  // What the relay has read.
  private var answers = Socket(isClient: true)
  private var answersHead = Head()
  private var effects: [() -> Void] = []
  private var effectsRead = 0

  // As its book sees it.
  var ear: AgentEar?
  var isJudged = true
  var readyAt = Instant.never
  private var endedAt = Instant.never
  /// It hears and says nothing any more, though the relay may not know yet.
  private var diedAt = Instant.never
  /// Nobody was told of its end.
  private(set) var isSilent = false

  // What it hears.
  private(set) var hearing: Int?
  private var quiet = 0
  private var loud = 0

  init(world: World, end: End?, plant: Plant?) {
    self.world = world
    self.end = end
    self.plant = plant
  }

  // MARK: As its book sees it

  /// The relay holds it for a session that stands.
  var stands: Bool { readyAt != .never && endedAt == .never && wire?.isClosed == false }

  /// Whether it has stood for so long, from then on.
  func stood(from start: Instant, for span: Instant.Span, until end: Instant) -> Bool {
    guard readyAt != .never, isJudged else { return false }
    return max(start, readyAt) + span <= min(endedAt, end)
  }

  /// Whether it could hear for so long, from then on.
  func heard(from start: Instant, for span: Instant.Span, until end: Instant) -> Bool {
    stood(from: start, for: span, until: min(end, diedAt))
  }

  var stoodAtLeaving: Bool {
    guard let caller = book?.caller, readyAt != .never else { return false }
    return self.end == nil && endedAt >= caller.leftAt && readyAt + .seconds(1) < caller.leftAt
  }

  // MARK: Who it is

  /// The relay's request for a socket has left, whole.
  func requested() {}
  /// It has answered that.
  func opened() {}
  /// The relay has read that.
  func openedRead() {}
  /// What a message means that leaves for it; what it does when it arrives.
  func leaves(_ text: [UInt8]) -> () -> Void { {} }
  func leaves(audio: [UInt8]) -> () -> Void { {} }
  /// Its first audio leaves. `saysAgain`: what nobody has answered.
  func begins(saysAgain: Bool) {}
  /// The relay has let go of it.
  func letGo() {}
  /// Its caller begins to speak; has said an utterance.
  func callerSpeaks() {}
  func callerHasSpoken(_ utterance: Int) {}
  /// One way of its own to end; false: it has none.
  func endInWords() -> Bool { false }
  var sendsBinary: Bool { false }

  // MARK: Connected

  func received(_ bytes: [UInt8], at now: Instant) {
    guard !isDead else { return }
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    if case .refused(let status) = end { return refuse(status) }
    isOpen = true
    wire?.onRead = { [unowned self] in wasRead($0) }
    wire?.send(Frames.answer(to: head.bytes)!)
    opened()
    take(rest)
  }

  func refuse(_ status: Int) {
    wire?.send(Array("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n".utf8))
    wire?.end(byReset: false)
    over("refused")
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) where !isDead {
      switch message {
      case .text, .binary: if !arriving.isEmpty { arriving.removeFirst()() }
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        wire?.send(socket.close(code == 1005 ? 1000 : code))
        wire?.end(byReset: false)
        isDead = true
      case .failed: world.fail("the model was sent a broken frame")
      }
    }
  }

  // MARK: Its end

  func die() {
    guard !isDead else { return }
    let name = end.map { "\($0)".prefix { $0 != "(" } } ?? "never"
    switch world.dice.below(10) {
    case 0:
      wire?.isSilent = true
      isSilent = true
      return over("\(name), silent")
    case 1, 2, 3: wire?.end(byReset: true)
    case 4 where endInWords(): break
    default: close([1000, 1006, 1008, 1011, 1011, 4000][world.dice.below(6)])
    }
    over("\(name)")
  }

  func close(_ code: UInt16) {
    wire?.send(code == 1006 ? [] : socket.close(code))
    wire?.end(byReset: false)
  }

  func over(_ how: String) {
    world.marks.insert("died \(how)")
    book?.hasLostSession = true
    isDead = true
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }

  /// At each step: the relay has let go of it.
  func notice() {
    if endedAt == .never, wire?.isClosed != false || wire?.isBroken == true {
      endedAt = world.now
      letGo()
    }
  }

  func after(_ span: Instant.Span, _ run: @escaping () -> Void) {
    world.schedule(world.now + span) { [weak self] in
      if self?.isDead == false { run() }
    }
  }

  // MARK: What it says

  /// `whenRead`: what it does to the relay when that reads it.
  func say(_ text: String, whenRead: @escaping () -> Void = {}) {
    guard !isDead else { return }
    effects.append(whenRead)
    wire?.send(socket.frame(sendsBinary ? .binary : .text, Array(text.utf8)))
  }

  func say(binary bytes: [UInt8], whenRead: @escaping () -> Void) {
    guard !isDead else { return }
    effects.append(whenRead)
    wire?.send(socket.frame(.binary, bytes))
  }

  private func wasRead(_ bytes: [UInt8]) {
    let wasWhole = !answersHead.isAwaited
    guard let rest = answersHead.rest(of: bytes) else { return }
    if !wasWhole { openedRead() }
    for message in answers.take(rest) {
      switch message {
      case .text, .binary:
        effectsRead += 1
        effects[effectsRead - 1]()
      case .ping, .close, .failed: break
      }
    }
  }

  // MARK: What leaves for it

  func departed(_ bytes: [UInt8], at now: Instant) {
    let wasWhole = !earlyHead.isAwaited
    guard let rest = earlyHead.rest(of: bytes) else { return }
    if !wasWhole { requested() }
    for message in early.take(rest) {
      switch message {
      case .text(let text): arriving.append(leaves(text))
      case .binary(let audio): arriving.append(leaves(audio: audio))
      case .ping, .close, .failed: break
      }
    }
  }

  /// Once in a session one message is lost, or comes twice.
  func tamper(_ losing: Plant, _ doubling: Plant, _ tell: () -> Void) {
    if plant == losing || plant == doubling { planted += 1 }
    if plant == losing, planted == 1 { return }
    tell()
    if plant == doubling, planted == 1 { tell() }
  }

  // MARK: Its caller's audio

  /// Audio leaves for it; what it does when it arrives.
  func leaves(ofCaller audio: [UInt8]) -> () -> Void {
    if audio.isEmpty { world.fail("an empty message reached the model") }
    if readyAt == .never { world.fail("audio before the session was ready") }
    if plant == .lostAudio || plant == .doubledAudio { planted += 1 }
    if plant == .lostAudio, planted == 100 { return {} }
    guard let book, let place = book.hear(audio, self) else { return {} }
    if plant == .doubledAudio, planted == 100 { _ = book.hear(audio, self) }
    let utterance = book.caller.utterance(at: (place.lowerBound + place.upperBound) / 2)
    let milliseconds = book.caller.format.milliseconds(forBytes: place.count)
    return { [unowned self] in hear(utterance, milliseconds) }
  }

  private func hear(_ utterance: Int?, _ milliseconds: Int) {
    if let utterance {
      quiet = 0
      loud += 1
      if case .inQuestion(let count) = end, loud == count { return die() }
      if hearing == nil {
        hearing = utterance
        callerSpeaks()
      }
    } else if let utterance = hearing {
      quiet += milliseconds
      guard quiet >= 500 else { return }
      hearing = nil
      if end == .beforeAnswer { return die() }
      callerHasSpoken(utterance)
    }
  }
}
