// The verb `demo`: a caller and the twin of its upstream in one process, on one clock, with a relay
// between them. The bytes of the call are matched by their place in the stream, so the time that
// each frame took through the relay is known, and so is whether it came through unchanged.

import LabKit

final class Demo {
  static let verb = Verb(
    name: "demo", usage: "--relay URL --twin-port N [options]",
    summary: "one call through a relay, and what the relay added to each frame",
    description: """
      Starts the twin of Deepgram on 127.0.0.1:N, places one call as Twilio does to the relay, which
      must be set to use that twin (DEEPGRAM_URL=ws://127.0.0.1:N/v1/listen), and prints the words
      that the twin heard and how long the frames were under way. Waits up to 10 s for the relay to
      listen.
      """,
    options: [
      Option("relay", "URL", "where to call, for example ws://127.0.0.1:8080/media"),
      Option("twin-port", "N", "where the relay finds its upstream"),
      Option("say", "TEXT", "what the caller says"),
      Option("stay", "keep the twin up after the call, until it is stopped"),
    ],
    run: { arguments throws(Failure) in try Demo(arguments).run(stays: arguments.has("stay")) })

  private static let relaySeconds = 10.0

  private let loop = Loop()
  private let plan: CallPlan
  private let twin: DeepgramServer
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

  private init(_ arguments: Arguments) throws(Failure) {
    guard let url = arguments.text("relay"), let port = try arguments.port("twin-port") else {
      throw Failure.misuse("both --relay and --twin-port are needed")
    }
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    let text = arguments.text("say") ?? CallPlan.defaultText
    plan = CallPlan(.twilio, to: try Target(url), turns: [.say(text)])
    var settings = DeepgramServer.Settings()
    settings.port = port
    twin = try DeepgramServer(settings, on: loop)
  }

  private func run(stays: Bool) throws(Failure) -> Int32 {
    twin.sessionOpened = { [self] in openedAt = Loop.now }
    twin.audioArrived = { [self] bytes, now in arrived(bytes, at: now) }
    twin.sessionEnded = { [self] heard in
      words += heard
      isSessionOver = true
      if isCallOver { loop.stop() }
    }
    try waitForRelay()
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
    report(callSid: caller.leg.callID)
    // The next calls are not measured.
    twin.audioArrived = { _, _ in }
    twin.sessionEnded = { _ in }
    if stays { loop.run() }
    return received == audio ? 0 : 1
  }

  /// Connects and goes away again until somebody listens.
  private func waitForRelay() throws(Failure) {
    let deadline = Loop.now + Self.relaySeconds
    var isThere = false
    while !isThere {
      guard Loop.now < deadline else {
        throw Failure("no relay at \(plan.target.host):\(plan.target.port)")
      }
      var plain = plan.target
      plain.isTLS = false
      if let probe = try? Stream(to: plain, on: loop, trust: .system) {
        probe.opened = { [loop] in
          isThere = true
          probe.close()
          loop.stop()
        }
        probe.ended = { [loop] _ in loop.after(0.02) { loop.stop() } }
        loop.run()
      } else {
        loop.after(0.02) { [loop] in loop.stop() }
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
    if framesWhileDialling > 0 {
      Console.say("\(framesWhileDialling) frames were kept while the upstream was dialled")
    }
  }
}
