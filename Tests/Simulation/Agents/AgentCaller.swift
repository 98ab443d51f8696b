// A caller of the simulation who talks with an agent that acts: says something, falls silent, now
// and then speaks over the agent. No two stretches of its sound are alike, quiet ones included, so
// that whoever hears it knows where in it that is.

import Sidetone
import TestSupport

final class AgentCaller: Peer {
  enum Carrier {
    /// µ-law at 8 kHz.
    case twilio
    /// Linear samples at 16 kHz.
    case telnyx
  }

  struct Plan {
    var carrier = Carrier.twilio
    var path = ""
    /// How long it talks, from its start on.
    var talks = Instant.Span.seconds(45)
    /// It sends nothing at all for so long, when its first words are said.
    var rests = Instant.Span.zero
    var leaving = Talker.Leaving.stop
    /// It never leaves: planted, to see that it is missed.
    var stays = false

    init() {}

    /// A carrier, one of these paths, how long it talks and how it leaves.
    init(_ world: World, among paths: [String]) {
      carrier = world.dice.percent(60) ? .twilio : .telnyx
      path = paths[world.dice.below(paths.count)]
      talks = .milliseconds(world.dice.range(25_000...60_000))
      let all: [Talker.Leaving] = [.stop, .stop, .stop, .close, .end, .reset, .vanish]
      leaving = all[world.dice.below(all.count)]
    }
  }

  weak var wire: Wire?
  let world: World
  let number: Int
  let plan: Plan
  private(set) lazy var book = AgentBook(self)

  private var head = Head()
  private var socket = Socket(isClient: true)
  private(set) var isOpen = false
  private(set) var isDone = false
  private(set) var hasLeft = false
  private(set) var refusedWith: String?
  private(set) var startedAt = Instant.never
  private(set) var leftAt = Instant.never

  // What it says.
  private(set) var said: [UInt8] = []
  /// Where each utterance is, in bytes of what it said; the last one may still be going on.
  private(set) var utterances: [Range<Int>] = []
  /// When the last of each was said.
  private(set) var utteranceEnds: [Instant] = []
  private var framesLeft = 60
  private var isSpeaking = false
  private var hasRested = false
  private var quietFrames = 0

  // What it hears.
  private var leavingFrames = LeavingFrames()
  private var arriving: [Sent] = []
  private var player = Player()
  private var marks = WaitingMarks()

  init(world: World, number: Int, plan: Plan) {
    self.world = world
    self.number = number
    self.plan = plan
  }

  var name: String { "CA\(number)" }
  /// By it every vendor's model knows whose it is.
  var language: String { "x\(Character(Unicode.Scalar(0x60 + UInt8(number))))" }
  var format: Format {
    plan.carrier == .twilio ? .mulaw8k : Format(codec: .linear16, rate: 16_000)
  }
  /// 20 ms of what it says.
  var frameBytes: Int { plan.carrier == .twilio ? 160 : 640 }
  var isHearing: Bool { player.waiting(at: world.now) > 0 }
  var isTalking: Bool { isOpen && !hasLeft && !isDone && wire?.isClosed == false }

  func start() {
    guard world.connect(self) else {
      refusedWith = "no link"
      isDone = true
      return
    }
    wire?.send(Frames.handshake("\(plan.path)?language=\(language)-XX"))
  }

  private func send(_ text: String) { wire?.send(socket.frame(.text, Array(text.utf8))) }

  // MARK: Talking

  private func begin() {
    isOpen = true
    startedAt = world.now
    switch plan.carrier {
    case .twilio:
      send(
        """
        {"event":"start","streamSid":"MZ\(number)","start":{"streamSid":"MZ\(number)",\
        "accountSid":"AC1","callSid":"CA\(number)","tracks":["inbound"],\
        "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
        """)
    case .telnyx:
      send(
        """
        {"event":"start","stream_id":"s\(number)","start":{"call_control_id":"CA\(number)",\
        "media_format":{"encoding":"L16","sample_rate":16000,"channels":1}}}
        """)
    }
    tick()
    world.schedule(startedAt + plan.talks + plan.rests) { [weak self] in self?.leave() }
  }

  private func tick() {
    guard isTalking else { return }
    if framesLeft == 0 { turn() }
    framesLeft -= 1
    say()
    var pause = Instant.Span.milliseconds(20)
    quietFrames = isSpeaking ? 0 : quietFrames + 1
    if plan.rests > .zero, !hasRested, quietFrames == 100, utterances.count >= 2 {
      hasRested = true
      pause = plan.rests
    }
    world.schedule(world.now + pause) { [weak self] in self?.tick() }
  }

  private func turn() {
    isSpeaking.toggle()
    if isSpeaking {
      framesLeft = world.dice.range(20...110)
    } else {
      framesLeft =
        world.dice.percent(25) ? world.dice.range(40...100) : world.dice.range(150...450)
    }
    // Quiet at its end: everything that can be answered is.
    if world.now > startedAt + plan.rests + plan.talks + .seconds(-12) {
      isSpeaking = false
      framesLeft = 10_000
    }
    if isSpeaking {
      utterances.append(said.count..<said.count)
      utteranceEnds.append(world.now)
    }
  }

  private func say() {
    let from = said.count
    let samples = frameBytes / format.bytesPerSample
    for index in from / format.bytesPerSample..<from / format.bytesPerSample + samples {
      switch plan.carrier {
      case .twilio: said.append(mulaw(at: index))
      case .telnyx:
        let sample = linear(at: index)
        said += [UInt8(truncatingIfNeeded: sample), UInt8(truncatingIfNeeded: sample >> 8)]
      }
    }
    if isSpeaking, let last = utterances.indices.last {
      utterances[last] = utterances[last].lowerBound..<said.count
      utteranceEnds[last] = world.now
    }
    let payload = base64(Array(said[from...]))
    let stream = plan.carrier == .twilio ? "\"streamSid\":\"MZ\(number)\"" : "\"stream_id\":\"s\""
    send("{\"event\":\"media\",\"media\":{\"payload\":\"\(payload)\"},\(stream)}")
  }

  /// Loud cells of 10 ms are of a loudness of their own, with noise in it.
  private func cell(at index: Int) -> UInt8 {
    audio(call: number + 5000, at: index / (format.rate / 100))
  }

  private func mulaw(at index: Int) -> UInt8 {
    let noise = audio(call: number, at: index) & 0xf
    guard isSpeaking else { return 0xf0 | noise }
    let cell = cell(at: index)
    return ~(cell & 0x80 | (4 + cell % 3) << 4 | noise)
  }

  private func linear(at index: Int) -> Int16 {
    let noise = Int16(audio(call: number, at: index))
    guard isSpeaking else { return noise / 2 }
    let cell = cell(at: index)
    let level = Int16(2000 + Int(cell & 7) * 1500)
    return cell & 0x80 == 0 ? level + noise : -level - noise
  }

  /// Which utterance this place is in; nil: it is quiet there.
  func utterance(at place: Int) -> Int? { utterances.firstIndex { $0.contains(place) } }

  // MARK: Leaving

  /// `how`: as the carrier does that has transferred the call.
  func leave(_ how: Talker.Leaving? = nil) {
    guard isTalking, !plan.stays else { return }
    hasLeft = true
    leftAt = world.now
    switch how ?? plan.leaving {
    case .stop: send("{\"event\":\"stop\",\"streamSid\":\"MZ\(number)\"}")
    case .close: wire?.send(socket.close(1000))
    case .end: wire?.end(byReset: false)
    case .reset:
      wire?.end(byReset: true)
      isDone = true
    case .vanish:
      wire?.isSilent = true
      isDone = true
    }
  }

  // MARK: Listening

  func departed(_ bytes: [UInt8], at now: Instant) {
    for text in leavingFrames.take(bytes) {
      if text.starts(with: "{\"event\":\"media\"".utf8),
        let bytes = payload(of: text, behind: "\"payload\":\"")
      {
        book.agentSounds(decoded(mulaw: bytes))
        arriving.append(.audio([(-1, bytes.count)]))
      } else if let start = place(behind: "\"mark\":{\"name\":\"", in: text) {
        let end = text[start...].firstIndex(of: 0x22) ?? text.count
        arriving.append(.mark(String(decoding: text[start..<end], as: UTF8.self)))
      } else if place(behind: "\"clear\"", in: text) != nil {
        arriving.append(.clear)
      } else {
        arriving.append(.other)
      }
    }
  }

  func received(_ bytes: [UInt8], at now: Instant) {
    if isOpen { return take(bytes) }
    guard let rest = head.rest(of: bytes) else { return }
    guard head.status == "HTTP/1.1 101" else {
      refusedWith = head.status
      isDone = true
      return
    }
    begin()
    take(rest)
  }

  private func take(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      switch message {
      case .text: hear()
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        isDone = true
        world.marks.insert("closed \(code)")
        wire?.send(socket.close(1000))
        wire?.end(byReset: false)
      case .binary, .failed: world.fail("a broken frame to caller \(number)")
      }
    }
  }

  private func hear() {
    guard !arriving.isEmpty else { return world.fail("caller \(number): a message from nowhere") }
    switch arriving.removeFirst() {
    case .audio(let stretches):
      for (item, count) in stretches { player.take(count, of: item, at: world.now) }
    case .mark(let name): mark(name)
    case .clear:
      player.clear(at: world.now)
      for name in marks.forget() { echo(name) }
    case .other: break
    }
  }

  private func mark(_ name: String) {
    let epoch = marks.add(name)
    world.schedule(max(world.now, player.time(of: player.end))) { [weak self] in
      guard let self, marks.isWaiting(since: epoch) else { return }
      marks.removeFirst()
      echo(name)
    }
  }

  private func echo(_ name: String) {
    guard isTalking else { return }
    send("{\"event\":\"mark\",\"streamSid\":\"MZ\(number)\",\"mark\":{\"name\":\"\(name)\"}}")
  }

  func gone(byReset: Bool, at now: Instant) { isDone = true }
}
