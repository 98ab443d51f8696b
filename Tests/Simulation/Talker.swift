// A caller of the simulation who talks with a voice model: a carrier's two-way stream with its
// play-out buffer. What it is sent is judged in Talker+Listening.

import Sidetone
import TestSupport

final class Talker: Peer {
  enum Carrier: CaseIterable { case twilio, telnyx, ucid }

  enum Leaving: CaseIterable {
    /// A stop message, then waits for our Close.
    case stop
    /// A Close frame, then waits for the answer.
    case close
    /// End of stream, still reading.
    case end
    case reset
    /// Falls silent for ever.
    case vanish
  }

  struct Plan {
    var carrier = Carrier.twilio
    var path = "/talk/exact"
    var leaving = Leaving.stop
    /// When it leaves, counted from its start; nil: when it is told to.
    var leavesAfter: Instant.Span?
    /// It leaves when all has been said and played.
    var leavesAtEnd = false
    /// Of its play-out buffer.
    var delay = Instant.Span.zero
    /// In millionths.
    var drift = 0
    /// It sends audio all the time, from so long after its start on; `never`: it says nothing.
    var talksAfter = Instant.Span.zero
    /// Messages of audio that overtake each other or come twice.
    var shuffles = false
    /// How many keys it presses.
    var keys = 0
    /// From the webhook.
    var token: String?
  }

  weak var wire: Wire?
  let world: World
  let number: Int
  let plan: Plan
  let sound: Sound
  private let spelling: Spelling

  private var head = Head()
  private var socket = Socket(isClient: true)
  private(set) var isOpen = false
  private(set) var isDone = false
  private(set) var hasLeft = false
  private(set) var closeCode: UInt16?
  private(set) var refusedWith: String?
  private(set) var startedAt = Instant.never
  private var chunk = 0
  private var heldMessage: [UInt8]?

  // What it says.
  private(set) var spoken = 0
  /// Bytes of its own G.711 that have left for a model, and when each session of it began.
  var uplink = 0
  var sessions = 0
  /// When a session last stood, or something was last played.
  var servedAt = Instant.zero
  /// A session stood for it when it was last looked at.
  var stood = false
  var keysPressed: [UInt8] = []
  private var pressedAt = Instant.never
  /// It left before it was clear that no more keys would come.
  private(set) var leftWhilePressing = false
  var keysTold = 0

  // What is said to it.
  var items: [Item] = []
  /// What is still to be said; then, that nothing is.
  var script: [Turn] = []
  var isScriptOver = false
  /// Where the next sample that leaves for it should come from.
  var cursor = 0
  /// The next message was under way when the interruption came.
  var isExempt = false
  var isClearOwed = false
  var leaving = LeavingFrames()
  /// What its carrier plays, and what one without delay or drift would.
  var player: Player
  var shadow = Player()
  /// The most that waited there, in samples.
  var mostAhead = 0
  private(set) var mostWaiting = 0
  var cleared = 0
  private(set) var marksEchoed = 0

  init(world: World, number: Int, plan: Plan) {
    self.world = world
    self.number = number
    self.plan = plan
    let isG711 = plan.path == "/talk/exact" || plan.path == "/talk/phone"
    sound = isG711 && plan.carrier != .ucid ? .exact : .level
    player = Player(delay: plan.delay, drift: plan.drift)
    spelling = Spelling(seed: world.seed &* 31 &+ UInt64(number))
  }

  var frameSamples: Int { plan.carrier == .ucid ? 80 : 160 }

  func start() {
    guard world.connect(self) else {
      refusedWith = "no link"
      isDone = true
      return
    }
    wire?.send(Frames.handshake("\(plan.path)?model=c\(number)"))
  }

  private func send(_ text: String) { wire?.send(socket.frame(.text, Array(text.utf8))) }

  // MARK: Talking

  private func begin() {
    isOpen = true
    startedAt = world.now
    if !spelling.isPlain { world.marks.insert("a spelling of its own") }
    let parameters = plan.token.map { "{\"token\":\"\($0)\"}" } ?? "{}"
    switch plan.carrier {
    case .twilio:
      send("{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}")
      send(
        """
        {"event":"start","sequenceNumber":"1","streamSid":"MZ\(number)","start":{"streamSid":\
        "MZ\(number)","callSid":"CA\(number)","tracks":["inbound"],"customParameters":\
        \(parameters),"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
        """)
    case .telnyx:
      send("{\"event\":\"connected\",\"version\":\"1.0.0\"}")
      send(
        """
        {"event":"start","sequence_number":"1","stream_id":"s\(number)","start":\
        {"call_control_id":"CA\(number)","custom_parameters":\(parameters),"media_format":\
        {"encoding":"PCMU","sample_rate":8000,"channels":1}}}
        """)
    case .ucid: send("{\"event\":\"start\",\"type\":\"text\",\"ucid\":\"CA\(number)\"}")
    }
    if plan.talksAfter != .never {
      world.schedule(world.now + plan.talksAfter) { [weak self] in self?.tick() }
    }
    for _ in 0..<plan.keys {
      world.schedule(world.now + .milliseconds(world.dice.below(15_000))) { [weak self] in
        self?.press()
      }
    }
    if let after = plan.leavesAfter {
      world.schedule(world.now + after) { [weak self] in self?.leave() }
    }
  }

  var isTalking: Bool { isOpen && !hasLeft && !isDone && wire?.isClosed == false }

  private func tick() {
    guard isTalking else { return }
    let bytes = (spoken..<spoken + frameSamples).map { audio(call: number, at: $0) }
    spoken += frameSamples
    chunk += 1
    let message = media(bytes)
    // The first says where the numbers begin.
    if plan.shuffles, chunk > 1, heldMessage == nil, world.dice.percent(20) {
      heldMessage = message
    } else {
      send(message)
      if plan.shuffles, world.dice.percent(10) { send(message) }
      flush()
    }
    let pause = Instant.Span.milliseconds(frameSamples / 8)
    world.schedule(world.now + pause) { [weak self] in self?.tick() }
  }

  func says(_ bytes: [UInt8], at position: Int) -> Bool {
    bytes.indices.allSatisfy { bytes[$0] == audio(call: number, at: position + $0) }
  }

  private func flush() {
    if let held = heldMessage { wire?.send(held) }
    heldMessage = nil
  }

  private func send(_ message: [UInt8]) { wire?.send(message) }

  private func media(_ bytes: [UInt8]) -> [UInt8] {
    let text: String
    switch plan.carrier {
    case .twilio:
      text = spelling.object([
        ("event", "\"media\""), ("sequenceNumber", "\"\(chunk + 1)\""), ("media", inner(bytes)),
        ("streamSid", "\"MZ\(number)\""),
      ])
    case .telnyx:
      text = spelling.object([
        ("event", "\"media\""), ("sequence_number", "\"\(chunk + 1)\""), ("media", inner(bytes)),
        ("stream_id", "\"s\(number)\""),
      ])
    case .ucid:
      let samples = bytes.map { String(Int($0) * 64) }.joined(separator: ",")
      text = """
        {"event":"media","type":"media","ucid":"CA\(number)","data":{"samples":[\(samples)],\
        "bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":80,"type":"data"}}
        """
    }
    return socket.frame(.text, Array(text.utf8))
  }

  private func inner(_ bytes: [UInt8]) -> String {
    spelling.object([
      ("track", "\"inbound\""), ("chunk", "\"\(chunk)\""), ("timestamp", "\"\(chunk * 20)\""),
      ("payload", "\"\(spelling.audio(bytes))\""),
    ])
  }

  private func press() {
    guard isTalking, plan.carrier != .ucid else { return }
    let key = UInt8(ascii: "0") + UInt8(world.dice.below(10))
    keysPressed.append(key)
    pressedAt = world.now
    send("{\"event\":\"dtmf\",\"dtmf\":{\"digit\":\"\(Character(Unicode.Scalar(key)))\"}}")
  }

  func leave() {
    guard isTalking else { return }
    flush()
    hasLeft = true
    leftWhilePressing = pressedAt != .never && world.now - pressedAt < .milliseconds(1500)
    switch plan.leaving {
    case .stop: send("{\"event\":\"stop\",\"ucid\":\"another\",\"stop\":{}}")
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

  func received(_ bytes: [UInt8], at now: Instant) {
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
      case .text(let text): play(text)
      case .ping(let payload): wire?.send(socket.frame(.pong, payload))
      case .close(let code):
        closeCode = code
        isDone = true
        world.marks.insert("closed \(code)")
        if plan.leaving != .close || !hasLeft { wire?.send(socket.close(1000)) }
        wire?.end(byReset: false)
      case .binary, .failed: world.fail("a broken frame to caller \(number)")
      }
    }
  }

  /// Into the play-out buffer, by what was found out about each message when it left the relay.
  private func play(_ text: [UInt8]) {
    guard !arriving.isEmpty else { return world.fail("caller \(number): a message from nowhere") }
    switch arriving.removeFirst() {
    case .audio(let stretches):
      for (item, count) in stretches { player.take(count, of: item, at: world.now) }
      mostWaiting = max(mostWaiting, player.waiting(at: world.now))
    case .mark(let name): mark(name)
    case .clear:
      player.clear(at: world.now)
      for name in marks.forget() { echo(name) }
    case .other: break
    }
  }
  var arriving: [Sent] = []
  private var marks = WaitingMarks()

  private func mark(_ name: String) {
    let epoch = marks.add(name)
    let position = player.end
    world.schedule(max(world.now, player.time(of: position))) { [weak self] in
      guard let self, marks.isWaiting(since: epoch), isOpen, !isDone else { return }
      if player.position(at: world.now) < position {
        world.fail("caller \(number): the simulated carrier is confused")
      }
      marks.removeFirst()
      echo(name)
    }
  }

  private func echo(_ name: String) {
    guard isTalking else { return }
    marksEchoed += 1
    switch plan.carrier {
    case .twilio:
      send("{\"event\":\"mark\",\"streamSid\":\"MZ\(number)\",\"mark\":{\"name\":\"\(name)\"}}")
    case .telnyx: send("{\"event\":\"mark\",\"mark\":{\"name\":\"\(name)\"}}")
    case .ucid: world.fail("ucid was sent a mark")
    }
  }

  func gone(byReset: Bool, at now: Instant) {
    if !isDone, isOpen { world.fail("caller \(number) (\(plan.leaving)) let go without a Close") }
    isDone = true
  }
}
