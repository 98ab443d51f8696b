// The verb `demo`: a caller and the twin of its upstream in one process, on one clock, with a relay
// between them; `Conversation` is its two-way half. The bytes of the call are matched by their
// place in the stream, so the time that each frame took through the relay is known, and so is
// whether it came through unchanged.

import LabKit

final class Demo {
  static let verb = Verb(
    name: "demo", usage: "--relay URL --twin-port N [options]",
    summary: "one call through a relay, and what the relay added to each frame",
    description: """
      Starts the twin of Deepgram on 127.0.0.1:N, places one call as Twilio does to the relay, which
      must be set to use that twin (DEEPGRAM_URL=ws://127.0.0.1:N/v1/listen), and prints the words
      that the twin heard and how long the frames were under way. With --as it is a conversation
      with the twin of OpenAI Realtime (OPENAI_REALTIME_URL=ws://127.0.0.1:N/v1/realtime): greeting,
      question, answer, and an answer that is interrupted. Waits up to 10 s for the relay to listen.
      """,
    options: [
      Option("relay", "URL", "where to call, for example ws://127.0.0.1:8080/media"),
      Option("twin-port", "N", "where the relay finds its upstream"),
      Option("as", "MANNER", "hold a conversation, as this carrier: twilio, telnyx or ucid"),
      Option("say", "TEXT", "what the caller says where it is no conversation"),
      Option("stay", "keep the twin up after the call, until it is stopped"),
    ],
    run: { arguments throws(Failure) in
      guard let name = arguments.text("as") else {
        return try Demo(arguments).run(stays: arguments.has("stay"))
      }
      guard let manner = CallPlan.Manner(rawValue: name), manner != .raw else {
        throw Failure.misuse("--as \(name): twilio, telnyx and ucid hold conversations")
      }
      return try converse(manner, arguments)
    })

  private static let relaySeconds = 10.0

  private let loop = Loop()
  private let plan: CallPlan
  private let twin: DeepgramServer
  private let lateness: OwnLateness
  private var audio: [UInt8] = []
  private var frameBytes = 160
  private var sentAt: [Double] = []
  private var latencies: [Double] = []
  private var framesWhileDialling = 0
  private var openedAt = 0.0
  private var received: [UInt8] = []
  private var words: [HeardWord] = []
  private var isCallOver = false
  private var isSessionOver = false

  private static func places(
    _ arguments: Arguments
  ) throws(Failure) -> (relay: Target, twinPort: UInt16) {
    guard let url = arguments.text("relay"), let port = try arguments.port("twin-port") else {
      throw Failure.misuse("both --relay and --twin-port are needed")
    }
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    return (try Target(url), port)
  }

  private static func converse(
    _ manner: CallPlan.Manner, _ arguments: Arguments
  ) throws(Failure) -> Int32 {
    let loop = Loop()
    let (relay, twinPort) = try places(arguments)
    let conversation = try Conversation(manner, to: relay, twinPort: twinPort, on: loop)
    try wait(for: relay, on: loop)
    let code = try conversation.run()
    if arguments.has("stay") { loop.run() }
    return code
  }

  private init(_ arguments: Arguments) throws(Failure) {
    let (relay, twinPort) = try Self.places(arguments)
    plan = CallPlan(
      .twilio, to: relay, turns: [.say(arguments.text("say") ?? CallPlan.defaultText)])
    var settings = DeepgramServer.Settings()
    settings.port = twinPort
    twin = try DeepgramServer(settings, on: loop)
    lateness = OwnLateness(on: loop)
  }

  private func run(stays: Bool) throws(Failure) -> Int32 {
    twin.sessionOpened = { [self] in openedAt = Loop.now }
    twin.audioArrived = { [self] bytes, now in arrived(bytes, at: now) }
    twin.sessionEnded = { [self] heard in
      words += heard
      isSessionOver = true
      if isCallOver { loop.stop() }
    }
    try Self.wait(for: plan.target, on: loop)
    let caller = try OneWayCall(plan, on: loop)
    audio = caller.audio
    frameBytes = caller.frameBytes
    caller.willSend = { [self] _ in sentAt.append(Loop.now) }
    loop.run()
    isCallOver = true
    if let problem = caller.problem { throw Failure(problem) }
    if !isSessionOver {
      let timer = loop.after(3) { [loop] in loop.stop() }
      loop.run()
      loop.cancel(timer)
    }
    lateness.stop()
    report(callSid: caller.leg.callID)
    // The next calls are not measured.
    twin.audioArrived = { _, _ in }
    twin.sessionEnded = { _ in }
    if stays { loop.run() }
    return received == audio ? 0 : 1
  }

  /// Connects and goes away again until somebody listens.
  private static func wait(for relay: Target, on loop: Loop) throws(Failure) {
    let deadline = Loop.now + relaySeconds
    var isThere = false
    while !isThere {
      guard Loop.now < deadline else {
        throw Failure("no relay at \(relay.host):\(relay.port)")
      }
      var plain = relay
      plain.isTLS = false
      if let probe = try? Stream(to: plain, on: loop, trust: .system) {
        probe.opened = {
          isThere = true
          probe.close()
          loop.stop()
        }
        probe.ended = { _ in loop.after(0.02) { loop.stop() } }
        loop.run()
      } else {
        loop.after(0.02) { loop.stop() }
        loop.run()
      }
    }
  }

  private func arrived(_ bytes: [UInt8], at now: Double) {
    let before = received.count / frameBytes
    received += bytes
    for frame in before..<received.count / frameBytes where frame < sentAt.count {
      // What was said before the upstream answered had to wait for it, whatever the relay did.
      if sentAt[frame] < openedAt {
        framesWhileDialling += 1
      } else {
        latencies.append(now - sentAt[frame])
      }
    }
  }

  private func report(callSid: String) {
    Console.say("the upstream heard: \(words.map(\.text).joined(separator: " "))")
    if received == audio {
      Console.say("all \(audio.count) bytes of call \(callSid) arrived, in order and unchanged")
    } else {
      Console.say("\(audio.count) bytes were sent, \(received.count) arrived, and they differ")
    }
    let sorted = latencies.sorted()
    guard let worst = sorted.last else { return Console.say("no frame was timed") }
    func quantile(_ share: Double) -> Double {
      sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }
    func cell(_ seconds: Double) -> String {
      let text = "\(Int((seconds * 1e6).rounded()))"
      return String(repeating: " ", count: max(0, 8 - text.count)) + text
    }
    Console.say(
      """

      what the relay added to each frame, in µs (loopback both ways included)
           p50     p99   worst   frames
      \(cell(quantile(0.5)))\(cell(quantile(0.99)))\(cell(worst))   \(sorted.count)
      """)
    if let sentence = lateness.sentence { Console.say(sentence) }
    if framesWhileDialling > 0 {
      Console.say("\(framesWhileDialling) frames were kept while the upstream was dialled")
    }
  }
}
