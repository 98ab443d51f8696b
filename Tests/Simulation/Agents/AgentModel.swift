// A voice model of the simulation that acts: it hears its caller's turns, answers them, calls
// functions and goes on with what they answer, in the manner of one of three vendors. Here is what
// it is told; what it says is in AgentModel+Speaking.

import Sidetone
import TestSupport

final class AgentModel: AgentSession {
  enum Kind: CaseIterable { case openai, gemini, agent }

  /// What a message tells it.
  enum Told {
    case setup
    case answer
    case late
    case ask
    case other
  }

  let kind: Kind
  /// Finds the book of the caller who speaks that language.
  private let bookOf: (String) -> AgentBook?
  /// What was known when it was described.
  private var known = AgentBook.Known()
  /// What it sends.
  private(set) var sounds = Format.mulaw8k
  private var isResumed = false
  private var isAwaitingHistory = false
  private var history: [(utterances: [Int], items: [Int])] = []

  // What it is doing: AgentModel+Speaking.
  var asking = Asking()
  var speech = Speech()

  init(
    world: World, kind: Kind, end: End?, plant: Plant?, bookOf: @escaping (String) -> AgentBook?
  ) {
    self.kind = kind
    self.bookOf = bookOf
    super.init(world: world, end: end, plant: plant)
  }

  override var sendsBinary: Bool { kind == .gemini }
  override func letGo() { asking.isOpenRead = false }
  override func callerSpeaks() { stopSpeaking() }
  override func callerHasSpoken(_ utterance: Int) { hasHeard(utterance) }

  override func endInWords() -> Bool {
    guard kind == .openai else { return false }
    say(
      "{\"type\":\"error\",\"error\":{\"code\":\"session_expired\",\"message\":\"60 min\"}}")
    return true
  }

  // MARK: What arrives

  private func obey(_ told: Told) {
    switch told {
    case .setup: setUp()
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

  // MARK: What leaves for it

  private static let beginsOfAudio = [
    Array("{\"type\":\"input_audio_buffer.append\",\"audio\":\"".utf8),
    Array("{\"realtimeInput\":{\"audio\":{\"data\":\"".utf8),
  ]

  override func leaves(audio: [UInt8]) -> () -> Void { leaves(ofCaller: audio) }

  override func leaves(_ text: [UInt8]) -> () -> Void {
    for begin in Self.beginsOfAudio where text.starts(with: begin) {
      var encoded = Array(text[begin.count...].prefix { $0 != 0x22 })
      guard let count = encoded.withMutableBytes({ Base64.decode($0, into: $0) }) else { break }
      return leaves(ofCaller: Array(encoded.prefix(count)))
    }
    let told = read(text)
    return { [unowned self] in obey(told) }
  }

  private func read(_ text: [UInt8]) -> Told {
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

  /// Its first audio leaves: what it had to know, it has been told.
  override func begins(saysAgain: Bool) {
    guard let book else { return }
    // A Voice Agent is told in its description, the others as they take over.
    let known = kind == .agent ? known : book.known
    book.check(
      known, history.flatMap(\.utterances), items: history.flatMap(\.items), isResumed: isResumed,
      saysAgain: saysAgain)
    if isAwaitingHistory, history.isEmpty { book.fail("a session waits for what was said") }
  }
}
