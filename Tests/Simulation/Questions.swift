// Callers who ask and fall silent, models that answer what they have heard, and sessions that die
// at moments drawn from the seed: in a question, between it and its answer, in the answer, in
// silence, before they stand. Every question gets an answer, or a line that says why not.

import Sidetone
import TestSupport

struct Questions {
  private(set) var failures: [String] = []
  private(set) var marks: Set<String> = []

  init(seed: UInt64) {
    var config = Config.small()
    config.addUpstream("openai")
    config.addUpstream("gemini")
    config.addRoute("/talk/openai", ["twilio"], to: "openai")
    config.addRoute("/talk/gemini", ["twilio"], to: "gemini")
    let world = World(seed: seed, config: config)
    world.latencyMaxMicroseconds = [2000, 20_000][world.dice.below(2)]
    let kind = world.dice.percent(50) ? Voice.Kind.openai : .gemini
    let asker = Asker(world: world, path: "/talk/\(kind)")
    var deaths = world.dice.range(0...5)
    world.onDial = { _ in
      deaths -= 1
      if deaths >= 0, world.dice.percent(20) {
        return .failure(World.DialFailure(failure: .refused))
      }
      let end = deaths >= 0 ? Answerer.End.drawn(&world.dice) : nil
      return .success(Answerer(world: world, kind: kind, asker: asker, end: end))
    }
    world.onLog = { asker.read($0) }
    world.schedule(world.now) { asker.start() }
    world.run(until: world.now + .seconds(120)) {}
    asker.leave()
    world.run(until: world.now + .seconds(200)) {}
    failures = world.failures + world.relay.missing + asker.unanswered
    marks = world.marks
    world.forget()
  }
}

/// A caller who asks for a second or two, then waits for an answer.
final class Asker: Peer {
  private struct Question {
    var endedAt: Instant
    /// An answer began, the call was over, or a line said why not.
    var settledAt = Instant.never
  }

  weak var wire: Wire?
  let world: World
  private let path: String
  private var head = Head()
  private var socket = Socket(isClient: true)
  private var isOpen = false
  private(set) var isOver = false
  private var questions: [Question] = []
  /// Frames of the present question, or of the silence behind it, that are still to come.
  private var framesLeft = 100
  private var isAsking = false

  /// So long an answer may take, with all that a session that dies brings with it.
  private static let patience = Instant.Span.seconds(14)

  init(world: World, path: String) {
    self.world = world
    self.path = path
  }

  func start() {
    guard world.connect(self) else { return }
    wire?.send(Frames.handshake(path))
  }

  var unanswered: [String] {
    questions.compactMap {
      $0.settledAt <= $0.endedAt + Self.patience
        ? nil : "a question that ended at \($0.endedAt.nanoseconds / 1_000_000) ms has no answer"
    }
  }

  func departed(_ bytes: [UInt8], at now: Instant) {}

  func received(_ bytes: [UInt8], at now: Instant) {
    if !isOpen {
      guard let rest = head.rest(of: bytes) else { return }
      isOpen = true
      wire?.send(
        socket.frame(
          .text,
          Array(
            """
            {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",\
            "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
            """.utf8)))
      tick()
      return take(rest)
    }
    take(bytes)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .text(let text):
        if let start = place(behind: "\"mark\":{\"name\":\"", in: text) {
          let end = text[start...].firstIndex(of: 0x22) ?? text.count
          let name = String(decoding: text[start..<end], as: UTF8.self)
          // Played a while later; how exactly is no matter here.
          world.schedule(world.now + .milliseconds(200)) { [weak self] in
            self?.say("{\"event\":\"mark\",\"streamSid\":\"MZ1\",\"mark\":{\"name\":\"\(name)\"}}")
          }
        }
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close:
        wire?.send(socket.close(1000))
        wire?.end(byReset: false)
        over("the call was over")
      case .binary, .failed: world.fail("a broken frame to the caller")
      }
    }
  }

  private func say(_ text: String) {
    if !isOver { wire?.send(socket.frame(.text, Array(text.utf8))) }
  }

  private func tick() {
    guard !isOver else { return }
    if framesLeft == 0 { turn() }
    framesLeft -= 1
    let frame = [UInt8](repeating: isAsking ? 0x90 : 0xff, count: 160)
    say(
      """
      {"event":"media","streamSid":"MZ1","media":{"track":"inbound","payload":"\(base64(frame))"}}
      """)
    world.schedule(world.now + .milliseconds(20)) { [weak self] in self?.tick() }
  }

  private func turn() {
    if isAsking { questions.append(Question(endedAt: world.now)) }
    isAsking.toggle()
    framesLeft = isAsking ? world.dice.range(40...120) : world.dice.range(800...1000)
  }

  // MARK: What settles a question

  func wasAnswered() { settle("answered") }

  func read(_ line: String) {
    if line.contains("unanswered") { settle("said why not") }
  }

  private func settle(_ how: String) {
    guard let last = questions.indices.last, questions[last].settledAt == .never else { return }
    questions[last].settledAt = world.now
    world.marks.insert(how)
  }

  private func over(_ how: String) {
    isOver = true
    settle(how)
  }

  func leave() {
    guard !isOver else { return }
    say("{\"event\":\"stop\",\"streamSid\":\"MZ1\"}")
    over("the caller left")
  }

  func gone(byReset: Bool, at now: Instant) { over("the call was over") }
}

/// A model that answers half a second after a voice has fallen silent.
final class Answerer: Peer {
  /// How and when a session ends.
  enum End {
    case never(setup: Bool)
    case after(Instant.Span, code: UInt16?)
    /// So many frames into a question; behind it; with the first piece of its answer.
    case inQuestion(frames: Int)
    case beforeAnswer
    case inAnswer
    /// It says that it will, so many seconds before.
    case notice(after: Instant.Span, seconds: Int)

    static func drawn(_ dice: inout Dice) -> End {
      let codes: [UInt16?] = [1011, 1000, 1008, 1007, 4000, nil]
      switch dice.below(7) {
      case 0: return .never(setup: false)
      case 1: return .after(.milliseconds(dice.below(20_000)), code: codes[dice.below(6)])
      case 2: return .after(.milliseconds(dice.below(300)), code: 1011)
      case 3: return .inQuestion(frames: dice.range(1...100))
      case 4: return .beforeAnswer
      case 5: return .inAnswer
      default:
        return .notice(after: .milliseconds(dice.below(20_000)), seconds: dice.range(0...50))
      }
    }
  }

  weak var wire: Wire?
  let world: World
  private let kind: Voice.Kind
  private let asker: Asker
  private let end: End?
  private var head = Head()
  private var isOpen = false
  private var isReady = false
  private var isDead = false
  private var socket = Socket(isClient: false)
  private var loud = 0
  private var quiet = 0
  private var answers = 0

  init(world: World, kind: Voice.Kind, asker: Asker, end: End?) {
    self.world = world
    self.kind = kind
    self.asker = asker
    self.end = end
  }

  func departed(_ bytes: [UInt8], at now: Instant) {}

  func received(_ bytes: [UInt8], at now: Instant) {
    guard !isDead else { return }
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    isOpen = true
    wire?.send(Frames.answer(to: head.bytes)!)
    take(rest)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) where !isDead {
      switch message {
      case .text(let text): hear(text)
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close:
        wire?.end(byReset: false)
        isDead = true
      case .binary: break
      case .failed: world.fail("the model was sent a broken frame")
      }
    }
  }

  private func hear(_ text: [UInt8]) {
    guard isReady else { return setUp(text) }
    guard
      let audio = payload(of: text, behind: "input_audio_buffer.append\",\"audio\":\"")
        ?? payload(of: text, behind: "\"audio\":{\"data\":\"")
    else { return }
    let samples = stride(from: 0, to: audio.count - 1, by: 2).map {
      abs(Int(Int16(truncatingIfNeeded: Int(audio[$0]) | Int(audio[$0 + 1]) << 8)))
    }
    if samples.max() ?? 0 > 1000 {
      loud += 1
      quiet = 0
      if case .inQuestion(let frames) = end, loud >= frames { die(1011) }
    } else if loud > 0 {
      quiet += 1
      guard quiet == 25 else { return }
      answer()
    }
  }

  private func setUp(_ text: [UInt8]) {
    if case .never(setup: false) = end { return }
    isReady = true
    say(
      kind == .openai
        ? "{\"type\":\"session.updated\",\"session\":{\"type\":\"realtime\"}}"
        : "{\"setupComplete\":{}}")
    switch end {
    case .after(let span, let code): after(span) { [unowned self] in die(code) }
    case .notice(let span, let seconds):
      after(span) { [unowned self] in
        if kind == .gemini { say("{\"goAway\":{\"timeLeft\":\"\(seconds)s\"}}") }
        after(.seconds(seconds)) { [unowned self] in die(nil) }
      }
    case .never, .inQuestion, .beforeAnswer, .inAnswer, nil: break
    }
  }

  private func answer() {
    loud = 0
    quiet = 0
    if case .beforeAnswer = end { return die(1011) }
    answers += 1
    let sound = base64([UInt8](repeating: 0x10, count: 48 * 400))
    switch kind {
    case .openai:
      let name = "r\(answers)"
      say("{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u\"}")
      say("{\"type\":\"response.created\",\"response\":{\"id\":\"\(name)\"}}")
      say(
        """
        {"type":"response.output_audio.delta","response_id":"\(name)","item_id":"i\(answers)",\
        "delta":"\(sound)"}
        """)
      asker.wasAnswered()
      if case .inAnswer = end { return die(1011) }
      say(
        """
        {"type":"response.output_audio.done","response_id":"\(name)","item_id":"i\(answers)"}
        """)
      say("{\"type\":\"response.done\",\"response\":{\"id\":\"\(name)\",\"status\":\"completed\"}}")
    case .gemini:
      say(
        """
        {"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000",\
        "data":"\(sound)"}}]}}}
        """)
      asker.wasAnswered()
      if case .inAnswer = end { return die(1011) }
      say("{\"serverContent\":{\"generationComplete\":true}}")
      say("{\"serverContent\":{\"turnComplete\":true}}")
    }
  }

  private func say(_ text: String) {
    if !isDead { wire?.send(socket.frame(.text, Array(text.utf8))) }
  }

  private func die(_ code: UInt16?) {
    guard !isDead else { return }
    if let end { world.marks.insert("died \("\(end)".prefix { $0 != "(" })") }
    if let code { wire?.send(socket.close(code)) }
    wire?.end(byReset: code == nil)
    isDead = true
  }

  private func after(_ span: Instant.Span, _ run: @escaping () -> Void) {
    world.schedule(world.now + span) { [weak self] in
      if self?.isDead == false { run() }
    }
  }

  func gone(byReset: Bool, at now: Instant) { isDead = true }
}
