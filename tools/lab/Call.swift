// The verb `call`: a caller in the manner of a carrier. It says texts as tones or plays files,
// prints what comes back, and ends by itself whatever the other side does.

import Glibc
import LabKit

struct CallPlan {
  enum Manner: String, CaseIterable {
    case twilio, telnyx, ucid, raw

    /// Whether such a caller expects an answer where nothing else is said.
    var isTwoWay: Bool { self == .telnyx || self == .ucid }
    var frameSeconds: Double { self == .ucid ? 0.01 : 0.02 }
  }

  enum Turn {
    case say(Recording, label: String)
    case press(String)

    static func say(_ text: String) -> Turn {
      .say(Recording(rate: Tones.sampleRate, channels: [Tones.encode(text)]), label: text)
    }
  }

  var manner: Manner
  var target: Target
  var turns: [Turn]
  var headers: [String] = []
  var trust = TLS.Trust.system
  var parameters: [Parameter] = []
  var frameSeconds: Double
  var speed = 1.0
  var heardPath: String?
  // Telnyx: the formats of both directions, and whether chunks come as a network may deliver them.
  var uplink = WireFormat.telephone
  var downlink = WireFormat.telephone
  var isShuffled = false
  var isKooKoo = false
  // Two-way calls, in seconds.
  var isTwoWay: Bool
  var silence = 1.0
  var patience = 10.0
  /// The last thing that is said begins so long after the other side's audio began to play.
  var interruption: Double?
  var delay = 0.0
  var limit = 120.0
  /// What the carrier does when its REST API is asked to; nil: nobody can ask it.
  var orders: Orders?

  struct Orders {
    var port: UInt16
    /// "": any will do.
    var key: String
    var faults: FaultSchedule
  }

  init(_ manner: Manner, to target: Target, turns: [Turn]) {
    self.manner = manner
    self.target = target
    self.turns = turns
    isTwoWay = manner.isTwoWay
    frameSeconds = manner.frameSeconds
  }

  func wire() throws(Failure) -> any Wire {
    switch manner {
    case .twilio: TwilioWire(parameters: parameters)
    case .telnyx:
      TelnyxWire(
        uplink: uplink, downlink: downlink, parameters: parameters, isShuffled: isShuffled)
    case .ucid:
      UcidWire(isKooKoo: isKooKoo, parameters: parameters, begunAt: Int(time(nil)) * 1000)
    case .raw: try RawWire(WireFormat(of: target))
    }
  }

  func dialogue(at now: Double) -> Dialogue {
    let last = turns.lastIndex { if case .say = $0 { true } else { false } }
    let interrupting = interruption.map { Dialogue.Interruption(turn: last ?? 0, after: $0) }
    return Dialogue(
      turns: turns.count, silence: silence, patience: patience, interruption: interrupting, at: now)
  }

  private func place() throws(Failure) -> Int32 {
    let loop = Loop()
    let call: any Call = try isTwoWay ? TwoWayCall(self, on: loop) : OneWayCall(self, on: loop)
    loop.run()
    call.report()
    if let heardPath, let sound = call.sound {
      try File.write(sound.wav, to: heardPath)
      let seconds = Double(sound.channels[0].count) / Double(sound.rate)
      Console.say("heard \(seconds) s of audio, written to \(heardPath)")
    }
    if let problem = call.problem { throw Failure(problem) }
    return 0
  }
}

/// What the two kinds of call have in common.
protocol Call: AnyObject {
  /// What was heard; nil where nothing came.
  var sound: Recording? { get }
  /// What went wrong, once the call is over.
  var problem: String? { get }
  /// Says how the call went.
  func report()
}

// MARK: The command line

extension CallPlan {
  static let verb = Verb(
    name: "call", usage: "--as twilio|telnyx|ucid|raw [options] URL",
    summary: "a caller: says texts or plays files, prints what it heard",
    description: """
      Places one call to a relay and behaves as that carrier does: audio on an absolute schedule,
      the carrier's messages around it, and a proper goodbye. In a two-way call what comes back is
      played in real time by a buffer like the carrier's, and the words are heard in what was
      played. Exit code 0 when the call went well, 1 with the cause when it did not, 2 for a mistake
      on the command line.

          sidetone-lab call --as twilio --say "hello world" ws://127.0.0.1:8080/media
          sidetone-lab call --as ucid --say "how are you" --say "stop there" --interrupt 1 \\
              ws://127.0.0.1:8080/ws
          sidetone-lab call --as raw --say "hello world" \\
              'ws://127.0.0.1:8080/ws/transcribe?sample_rate=8000&encoding=linear16'
      """,
    options: [
      Option(
        "as", "MANNER",
        "twilio: JSON messages with 8 kHz µ-law, as Media Streams sends them\n"
          + "telnyx: JSON messages with the codecs that --encoding and --back name\n"
          + "ucid: JSON arrays of 80 samples every 10 ms, as Ozonetel sends them\n"
          + "raw: binary audio in the format that the URL's query states\n"
          + "(encoding, sample_rate, channels; 8 kHz PCM without it)"),
      Option(
        "say", "TEXT",
        "say this as tones (the lab's twins hear the words); the default.\n"
          + "Several are said in turn, each when the other side has finished", isRepeated: true),
      Option(
        "wav", "FILE", "play this: PCM, µ-law or A-law, mono or stereo, any rate",
        isRepeated: true),
      Option("dtmf", "DIGITS", "press these keys when everything is said (twilio, telnyx)"),
      Option("header", "LINE", "add 'Name: value' to the handshake", isRepeated: true),
      Option(
        "parameter", "NAME=VALUE", "send this as a custom parameter of the call", isRepeated: true),
      Option("out", "FILE", "write what was heard to a WAV file"),
      Option("frame-ms", "N", "audio in each message, 1 to 1000 ms (20; ucid 10)"),
      Option("speed", "X", "one-way: so many times faster than real time, 0.1 to 1000 (1)"),
      Option("two-way", "twilio, raw: stay up and talk; telnyx and ucid always do"),
      Option("silence", "S", "two-way: the other side has finished after so many seconds (1)"),
      Option("patience", "S", "two-way: go on when no answer has come for so many seconds (10)"),
      Option("limit", "S", "two-way: hang up after so many seconds (120)"),
      Option(
        "interrupt", "S",
        "two-way: what is said last begins so many seconds after the\n"
          + "other side's audio began to play"),
      Option("delay-ms", "N", "two-way: the carrier plays a stretch of audio so much later (0)"),
      Option("encoding", "NAME", "telnyx: the caller's codec: PCMU, PCMA or L16 (PCMU)"),
      Option("back", "NAME", "telnyx: the codec that the relay is to send (as --encoding)"),
      Option("rate", "N", "telnyx: the rate of L16, 8000 or 16000 (16000)"),
      Option("big-endian", "telnyx: L16 with the high byte first"),
      Option("shuffle", "telnyx: some chunks come out of order, some twice"),
      Option("kookoo", "ucid: with the fields and the habits of KooKoo"),
      Option(
        "rest", "PORT",
        "two-way, twilio and telnyx: the carrier's REST API on 127.0.0.1:PORT, 0 for\n"
          + "any; when it is asked to transfer the call, the stream ends"),
      Option("rest-key", "KEY", "what it wants to be asked with: the auth token, or the API key"),
      .faults,
      Option("insecure", "wss: accept any certificate"),
      Option("ca", "FILE", "wss: trust the authorities in this PEM file"),
    ],
    run: { arguments throws(Failure) in try CallPlan(arguments).place() })

  static let defaultText = "hello this is sidetone calling"

  init(_ arguments: Arguments) throws(Failure) {
    guard let manner = Manner(rawValue: arguments.text("as") ?? "") else {
      let names = Manner.allCases.map(\.rawValue).joined(separator: ", ")
      throw Failure.misuse("--as is missing or unknown: \(names) are the manners")
    }
    self.init(
      manner, to: try Target(arguments.only("the URL to call")), turns: try Self.turns(arguments))
    headers = arguments.all("header")
    for header in headers where !header.contains(":") || header.utf8.contains(where: { $0 < 0x20 })
    {
      throw Failure.misuse("--header \(header): 'Name: value' is wanted")
    }
    if arguments.has("insecure") { trust = .anybody }
    if let path = arguments.text("ca") { trust = .file(path) }
    frameSeconds = try arguments.number("frame-ms", 1...1000).map { $0 / 1000 } ?? frameSeconds
    heardPath = arguments.text("out")
    try readCarrier(arguments)
    try readConversation(arguments)
  }

  private static func turns(_ arguments: Arguments) throws(Failure) -> [Turn] {
    guard !arguments.has("wav") || !arguments.has("say") else {
      throw Failure.misuse("either --say or --wav")
    }
    var turns = arguments.all("say").map { Turn.say($0) }
    for path in arguments.all("wav") { turns.append(.say(try recording(path), label: path)) }
    if let digits = arguments.text("dtmf") {
      guard !digits.isEmpty, digits.allSatisfy({ "0123456789*#".contains($0) }) else {
        throw Failure.misuse("--dtmf \(digits): keys are 0 to 9, * and #")
      }
      turns.append(.press(digits))
    }
    return turns.isEmpty ? [.say(defaultText)] : turns
  }

  private static func recording(_ path: String) throws(Failure) -> Recording {
    let file = try File.read(path)
    do throws(Recording.Unreadable) {
      return try Recording(wav: file)
    } catch {
      throw Failure("\(path): \(error.reason)")
    }
  }

  private mutating func readConversation(_ arguments: Arguments) throws(Failure) {
    isTwoWay = isTwoWay || arguments.has("two-way")
    speed = try arguments.number("speed", 0.1...1000) ?? speed
    silence = try arguments.number("silence", 0.1...60) ?? silence
    patience = try arguments.number("patience", 0.1...600) ?? patience
    limit = try arguments.number("limit", 1...86400) ?? limit
    interruption = try arguments.number("interrupt", 0...600)
    if arguments.has("rest") {
      orders = Orders(
        port: try arguments.port("rest") ?? 0, key: arguments.text("rest-key") ?? "",
        faults: try FaultSchedule(arguments, flaws: false))
    } else if arguments.has("rest-key") || arguments.has("faults") {
      throw Failure.misuse("--rest-key and --faults belong to --rest")
    }
    delay = try arguments.number("delay-ms", 0...5000).map { $0 / 1000 } ?? delay
    if isTwoWay {
      guard speed == 1 else { throw Failure.misuse("--speed: a conversation takes its time") }
      return
    }
    for name in ["silence", "patience", "limit", "interrupt", "delay-ms", "dtmf", "rest"]
    where arguments.has(name) {
      throw Failure.misuse("--\(name) belongs to a two-way call: add --two-way")
    }
  }

  private mutating func readCarrier(_ arguments: Arguments) throws(Failure) {
    let owners: [(String, [Manner])] = [
      ("encoding", [.telnyx]), ("back", [.telnyx]), ("rate", [.telnyx]), ("big-endian", [.telnyx]),
      ("shuffle", [.telnyx]), ("kookoo", [.ucid]), ("dtmf", [.twilio, .telnyx]),
      ("rest", [.twilio, .telnyx]),
      ("parameter", [.twilio, .telnyx] + (arguments.has("kookoo") ? [.ucid] : [])),
    ]
    for (name, manners) in owners where arguments.has(name) && !manners.contains(manner) {
      throw Failure.misuse("a caller of the manner \(manner) has no --\(name)")
    }
    for pair in arguments.all("parameter") {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, !halves[0].isEmpty else {
        throw Failure.misuse("--parameter \(pair): NAME=VALUE is wanted")
      }
      parameters.append(Parameter(name: String(halves[0]), value: String(halves[1])))
    }
    isShuffled = arguments.has("shuffle")
    isKooKoo = arguments.has("kookoo")
    let rate = try arguments.number("rate", 8000...16000) ?? 16000
    guard rate == 8000 || rate == 16000 else { throw Failure.misuse("--rate is 8000 or 16000") }
    func format(_ name: String) throws(Failure) -> WireFormat {
      switch name {
      case "PCMU": WireFormat(.mulaw)
      case "PCMA": WireFormat(.alaw)
      case "L16":
        WireFormat(.linear16, rate: Int(rate), isBigEndian: arguments.has("big-endian"))
      default: throw Failure.misuse("\(name): the lab's codecs are PCMU, PCMA and L16")
      }
    }
    let name = arguments.text("encoding") ?? "PCMU"
    uplink = try format(name)
    downlink = try format(arguments.text("back") ?? name)
  }
}
