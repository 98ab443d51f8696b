// A voice model of the simulation that acts: it hears its caller's turns, answers them, calls
// functions and goes on with what they answer, in the manner of one of three vendors. Here is how
// it is connected, what it is told, and how it ends; what it says is in AgentModel+Speaking.

import Sidetone
import TestSupport

final class AgentModel: Peer {
  enum Kind: CaseIterable { case openai, gemini, agent }

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

  /// What a message tells it.
  enum Told {
    case audio(isLoud: Bool, utterance: Int?, milliseconds: Int)
    case setup
    case answer
    case late
    case ask
    case other
  }

  weak var wire: Wire?
  let world: World
  let kind: Kind
  let end: End?
  let plant: Plant?
  /// Finds the book of the caller who speaks that language.
  private let bookOf: (String) -> AgentBook?
  private(set) var book: AgentBook?
  private var head = Head()
  private var isOpen = false
  private(set) var isReady = false
  private(set) var isDead = false {
    didSet { if isDead { diedAt = min(diedAt, world.now) } }
  }
  private var socket = Socket(isClient: false)

  // What has left the relay for it, and what of it has arrived.
  private var early = Socket(isClient: false)
  private var earlyHead = Head()
  private var arriving: [Told] = []
  private var planted = 0

  // What the relay has read.
  private var answers = Socket(isClient: true)
  private var answersHead = Head()
  private var effects: [() -> Void] = []
  private var effectsRead = 0

  // As its book sees it.
  var ear: AgentEar?
  var isJudged = true
  private var readyAt = Instant.never
  private var endedAt = Instant.never
  /// It hears and says nothing any more, though the relay may not know yet.
  private var diedAt = Instant.never
  /// What was known when it was described.
  private var known = AgentBook.Known()
  /// What it sends.
  private(set) var sounds = Format.mulaw8k
  private var isResumed = false
  private var isAwaitingHistory = false
  private var history: [(utterances: [Int], items: [Int])] = []

  // What it is doing: AgentModel+Speaking.
  var hearing: Int?
  var quiet = 0
  var loud = 0
  var asking = Asking()
  var speech = Speech()

  init(
    world: World, kind: Kind, end: End?, plant: Plant?, bookOf: @escaping (String) -> AgentBook?
  ) {
    self.world = world
    self.kind = kind
    self.end = end
    self.plant = plant
    self.bookOf = bookOf
  }

  /// The relay holds it for a session that stands.
  var stands: Bool { readyAt != .never && endedAt == .never && wire?.isClosed == false }

  /// Nobody was told of its end.
  private(set) var isSilent = false

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

  // MARK: Connected

  func received(_ bytes: [UInt8], at now: Instant) {
    guard !isDead else { return }
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    if case .refused(let status) = end {
      wire?.send(Array("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n".utf8))
      wire?.end(byReset: false)
      return over("refused")
    }
    isOpen = true
    wire?.onRead = { [unowned self] in wasRead($0) }
    wire?.send(Frames.answer(to: head.bytes)!)
    take(rest)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) where !isDead {
      switch message {
      case .text, .binary: if !arriving.isEmpty { obey(arriving.removeFirst()) }
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        wire?.send(socket.close(code == 1005 ? 1000 : code))
        wire?.end(byReset: false)
        isDead = true
      case .failed: world.fail("the model was sent a broken frame")
      }
    }
  }

  private func obey(_ told: Told) {
    switch told {
    case .setup: setUp()
    case .audio(let isLoud, let utterance, let milliseconds):
      hear(isLoud: isLoud, utterance, milliseconds)
    case .answer: if end == .atResult { die() } else { wasAnswered() }
    case .ask: if end == .atAsk { die() } else { wasAsked() }
    case .late: if kind == .gemini { after(.milliseconds(200)) { [unowned self] in respond() } }
    case .other: break
    }
  }

  private func setUp() {
    switch end {
    case .mute: return
    case .setupRefused:
      world.marks.insert("setup refused")
      switch kind {
      case .openai: say("{\"type\":\"error\",\"error\":{\"code\":\"unknown_parameter\"}}")
      case .gemini: close(1007)
      case .agent: say("{\"type\":\"Error\",\"code\":\"INVALID_SETTINGS\",\"description\":\"no\"}")
      }
      return over("setup refused")
    default: break
    }
    after(.milliseconds(world.dice.below(300))) { [unowned self] in
      isReady = true
      let text =
        switch kind {
        case .openai:
          #"{"type":"session.updated","session":{"audio":{"input":{"transcription":{}}}}}"#
        case .gemini: "{\"setupComplete\":{}}"
        case .agent: "{\"type\":\"SettingsApplied\"}"
        }
      say(text) { [unowned self] in
        readyAt = world.now
        world.marks.insert("\(kind) ready")
      }
      begin()
    }
  }

  private func begin() {
    switch end {
    case .after(let span): after(span) { [unowned self] in die() }
    case .notice(let span, let seconds):
      after(span) { [unowned self] in
        if kind == .gemini { say("{\"goAway\":{\"timeLeft\":\"\(seconds)s\"}}") }
        after(.seconds(seconds)) { [unowned self] in die() }
      }
    default: break
    }
    if kind == .gemini { offerHandle() }
  }

  /// What resumes it, now and then, while nothing is open.
  private func offerHandle() {
    after(.milliseconds(world.dice.range(2000...12_000))) { [unowned self] in
      if !speech.isOpen, asking.running.isEmpty {
        let handle = "\"newHandle\":\"h\(world.dice.below(99))\",\"resumable\":true"
        say("{\"sessionResumptionUpdate\":{\(handle)}}")
      }
      if world.dice.percent(50) { offerHandle() }
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
    case 4 where kind == .openai:
      say("{\"type\":\"error\",\"error\":{\"code\":\"session_expired\",\"message\":\"60 min\"}}")
    default: close([1000, 1006, 1008, 1011, 1011, 4000][world.dice.below(6)])
    }
    over("\(name)")
  }

  private func close(_ code: UInt16) {
    wire?.send(code == 1006 ? [] : socket.close(code))
    wire?.end(byReset: false)
  }

  private func over(_ how: String) {
    world.marks.insert("died \(how)")
    book?.hasLostSession = true
    isDead = true
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }

  /// At each step: the relay has let go of it.
  func notice() {
    if endedAt == .never, wire?.isClosed != false || wire?.isBroken == true {
      endedAt = world.now
      if let book, readyAt != .never { book.sessionEnded(self) }
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
    wire?.send(socket.frame(kind == .gemini ? .binary : .text, Array(text.utf8)))
  }

  func say(binary bytes: [UInt8], whenRead: @escaping () -> Void) {
    guard !isDead else { return }
    effects.append(whenRead)
    wire?.send(socket.frame(.binary, bytes))
  }

  private func wasRead(_ bytes: [UInt8]) {
    guard let rest = answersHead.rest(of: bytes) else { return }
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
    guard let rest = earlyHead.rest(of: bytes) else { return }
    for message in early.take(rest) {
      switch message {
      case .text(let text): arriving.append(read(text))
      case .binary(let audio): arriving.append(hear(audio))
      case .ping, .close, .failed: break
      }
    }
  }

  private static let beginsOfAudio = [
    Array("{\"type\":\"input_audio_buffer.append\",\"audio\":\"".utf8),
    Array("{\"realtimeInput\":{\"audio\":{\"data\":\"".utf8),
  ]

  private func read(_ text: [UInt8]) -> Told {
    for begin in Self.beginsOfAudio where text.starts(with: begin) {
      var encoded = Array(text[begin.count...].prefix { $0 != 0x22 })
      guard let count = encoded.withMutableBytes({ Base64.decode($0, into: $0) }) else { break }
      return hear(Array(encoded.prefix(count)))
    }
    if place(behind: "{\"type\":\"session.update\"", in: text) != nil
      || place(behind: "{\"setup\":{", in: text) != nil
      || place(behind: "{\"type\":\"Settings\"", in: text) != nil
    {
      describe(text)
      return .setup
    }
    if let id = answerID(in: text) {
      tamper(.lostAnswer, .doubledAnswer) { book?.answered(id, text, to: self) }
      wasTold(id)
      return .answer
    }
    if place(behind: "called before the connection was interrupted", in: text) != nil {
      let start = place(behind: "The function ", in: text)!
      let name = String(decoding: text[start...].prefix { $0 != 0x2c }, as: UTF8.self)
      tamper(.lostAnswer, .doubledAnswer) { book?.answeredLate(name, text) }
      asking.isAllowed = true
      return .late
    }
    if place(behind: "{\"type\":\"response.create\"", in: text) != nil {
      var isAsked = false
      tamper(.lostAsk, .doubledAsk) {
        ask()
        isAsked = true
      }
      return isAsked ? .ask : .other
    }
    if place(behind: "\"clientContent\"", in: text) != nil
      || place(behind: "{\"type\":\"message\"", in: text) != nil
    {
      if ear?.hasBegun == true { book?.fail("a session is told of what was said behind audio") }
      tamper(.lostHistory, .doubledHistory) { remember(text) }
    }
    return .other
  }

  /// Once in a session one message is lost, or comes twice.
  private func tamper(_ losing: Plant, _ doubling: Plant, _ tell: () -> Void) {
    if plant == losing || plant == doubling { planted += 1 }
    if plant == losing, planted == 1 { return }
    tell()
    if plant == doubling, planted == 1 { tell() }
  }

  private func answerID(in text: [UInt8]) -> String? {
    guard
      let start = place(behind: "\"function_call_output\",\"call_id\":\"", in: text)
        ?? place(behind: "\"functionResponses\":[{\"id\":\"", in: text)
        ?? place(behind: "\"FunctionCallResponse\",\"id\":\"", in: text)
    else { return nil }
    return String(decoding: text[start...].prefix { $0 != 0x22 }, as: UTF8.self)
  }

  /// Which call it is for stands in what it is told to be.
  private func describe(_ text: [UInt8]) {
    let start =
      place(behind: "\"language\":\"", in: text) ?? place(behind: "\"languageCode\":\"", in: text)
    guard book == nil, let start,
      let book = bookOf(String(decoding: text[start..<start + 2], as: UTF8.self))
    else { return world.fail("a session that is nobody's") }
    self.book = book
    let input = place(behind: "\"input\":", in: text) ?? 0
    let output = place(behind: "\"output\":", in: text) ?? text.count
    ear = AgentEar(book.caller, format(in: Array(text[input..<output])))
    sounds = format(in: Array(text[output...]))
    known = book.known
    isResumed = place(behind: "\"handle\":\"", in: text) != nil
    isAwaitingHistory = place(behind: "initialHistoryInClientContent", in: text) != nil
    if isResumed { world.marks.insert("resumed") }
    book.add(self)
    asking.isAllowed = book.owesAnswer || book.owesGoingOn
    if place(behind: "\"History\"", in: text) != nil {
      tamper(.lostHistory, .doubledHistory) { remember(text) }
    }
  }

  /// What a part of a description says of audio.
  private func format(in text: [UInt8]) -> Format {
    switch kind {
    case .openai:
      place(behind: "audio/pcmu", in: text) != nil
        ? .mulaw8k : Format(codec: .linear16, rate: 24_000)
    case .gemini: Format(codec: .linear16, rate: 16_000)
    case .agent:
      place(behind: "\"encoding\":\"mulaw\"", in: text) != nil
        ? .mulaw8k : Format(codec: .linear16, rate: 16_000)
    }
  }

  private func remember(_ text: [UInt8]) {
    history.append((AgentWords.all("uttr", in: text), AgentWords.all("answ", in: text)))
    world.marks.insert("told what was said")
  }

  private func hear(_ audio: [UInt8]) -> Told {
    if audio.isEmpty { world.fail("an empty message reached the model") }
    if readyAt == .never { world.fail("audio before the session was ready") }
    if plant == .lostAudio || plant == .doubledAudio { planted += 1 }
    if plant == .lostAudio, planted == 100 { return .other }
    guard let book, let place = book.hear(audio, self) else { return .other }
    if plant == .doubledAudio, planted == 100 { _ = book.hear(audio, self) }
    let utterance = book.caller.utterance(at: (place.lowerBound + place.upperBound) / 2)
    return .audio(
      isLoud: utterance != nil, utterance: utterance,
      milliseconds: book.caller.format.milliseconds(forBytes: place.count))
  }

  /// Its first audio leaves: what it had to know, it has been told.
  func begins(saysAgain: Bool) {
    guard let book else { return }
    // A Voice Agent is told in its description, the others as they take over.
    let known = kind == .agent ? known : book.known
    book.check(
      known, history.flatMap(\.utterances), items: history.flatMap(\.items), isResumed: isResumed,
      saysAgain: saysAgain)
    if isAwaitingHistory, history.isEmpty { book.fail("a session waits for what was said") }
  }
}
