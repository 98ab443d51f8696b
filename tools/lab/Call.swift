// The verb `call`: a caller in the manner of a carrier. It says a text as tones or plays a file,
// prints what comes back, and ends by itself whatever the other side does.

import LabKit

struct CallPlan {
  enum Manner: String { case twilio, raw }

  var manner: Manner
  var target: Target
  var headers: [String] = []
  var trust = TLS.Trust.system
  var sound: Recording
  var frameSeconds = 0.02
  var speed = 1.0
  var heardPath: String?
}

extension CallPlan {
  static let verb = Verb(
    name: "call", usage: "--as twilio|raw [options] URL",
    summary: "a caller: says a text or plays a file, prints what came back",
    description: """
      Places one call to a relay and behaves as that carrier does: audio every 20 ms on an absolute
      schedule, the carrier's messages around it, and a proper goodbye. Exit code 0 when the call
      went well, 1 with the cause when it did not, 2 for a mistake on the command line.

          sidetone-lab call --as twilio --say "hello world" ws://127.0.0.1:8080/media
          sidetone-lab call --as raw --say "hello world" \\
              'ws://127.0.0.1:8080/ws/transcribe?sample_rate=8000&encoding=linear16'
      """,
    options: [
      Option(
        "as", "MANNER",
        "twilio: JSON messages with 8 kHz µ-law, as Media Streams sends them\n"
          + "raw: binary audio in the format that the URL's query states\n"
          + "(encoding, sample_rate, channels; 8 kHz PCM without it)"),
      Option("say", "TEXT", "say this as tones (the lab's twins hear the words); the default"),
      Option("wav", "FILE", "play this: PCM, µ-law or A-law, mono or stereo, any rate"),
      Option("header", "LINE", "add 'Name: value' to the handshake", isRepeated: true),
      Option("out", "FILE", "write what was heard to a WAV file"),
      Option("frame-ms", "N", "audio in each message, 1 to 1000 ms (20)"),
      Option("speed", "X", "so many times faster than real time, 0.1 to 1000 (1)"),
      Option("insecure", "wss: accept any certificate"),
      Option("ca", "FILE", "wss: trust the authorities in this PEM file"),
    ],
    run: { arguments throws(Failure) in try CallPlan(arguments).place() })

  static let defaultText = "hello this is sidetone calling"

  init(_ arguments: Arguments) throws(Failure) {
    guard let manner = Manner(rawValue: arguments.text("as") ?? "") else {
      throw Failure.misuse("--as is missing or unknown: twilio and raw are the manners")
    }
    self.manner = manner
    target = try Target(arguments.only("the URL to call"))
    headers = arguments.all("header")
    for header in headers where !header.contains(":") || header.utf8.contains(where: { $0 < 0x20 })
    {
      throw Failure.misuse("--header \(header): 'Name: value' is wanted")
    }
    if arguments.has("insecure") { trust = .anybody }
    if let path = arguments.text("ca") { trust = .file(path) }
    if let path = arguments.text("wav") {
      guard !arguments.has("say") else { throw Failure.misuse("either --say or --wav") }
      do {
        sound = try Recording(wav: File.read(path))
      } catch let error as Recording.Unreadable {
        throw Failure("\(path): \(error.reason)")
      } catch let error as Failure {
        throw error
      } catch {
        throw Failure("\(path) cannot be read")
      }
    } else {
      sound = Recording(
        rate: Tones.sampleRate, channels: [Tones.encode(arguments.text("say") ?? Self.defaultText)])
    }
    frameSeconds = try (arguments.number("frame-ms", 1...1000) ?? 20) / 1000
    speed = try arguments.number("speed", 0.1...1000) ?? 1
    heardPath = arguments.text("out")
  }

  private func place() throws(Failure) -> Int32 {
    let loop = Loop()
    let caller: any Caller =
      switch manner {
      case .twilio: try TwilioCaller(self, on: loop)
      case .raw: try RawCaller(self, on: loop)
      }
    loop.run()
    if let heardPath, !caller.heard.isEmpty {
      try File.write(caller.format.decode(caller.heard).wav, to: heardPath)
      let seconds = Double(caller.heard.count) / Double(caller.format.bytesPerSecond)
      Console.say("heard \(seconds) s of audio, written to \(heardPath)")
    }
    if let problem = caller.problem { throw Failure(problem) }
    return 0
  }
}

/// What the two manners of calling have in common.
protocol Caller: AnyObject {
  var format: WireFormat { get }
  /// The audio that came back, in the format of the call.
  var heard: [UInt8] { get }
  /// What went wrong, once the call is over.
  var problem: String? { get }
}

extension Caller {
  /// Nothing on the other side may keep a caller waiting for ever: neither for the handshake, nor
  /// by taking its audio too slowly.
  func watch(
    _ peer: Peer, _ plan: CallPlan, on loop: Loop, giveUp: @escaping (String) -> Void
  ) {
    loop.after(15) { if !peer.hasOpened { giveUp("no answer to the handshake within 15 s") } }
    let seconds = Double(plan.sound.channels[0].count) / Double(plan.sound.rate)
    loop.after(30 + seconds + seconds / plan.speed) {
      giveUp("the other side did not take the audio in time")
    }
  }
}

extension Peer.End {
  /// Why this end is no good end of a call; nil where it is one.
  var problem: String? {
    switch self {
    case .close(1000, _), .close(1005, _): nil
    case .close(let code, let reason): "the relay closed with \(code) \(reason)"
    case .refused(let status, let body): "the relay refused the call: \(status)\n\(body)"
    case .broken(let reason): reason
    }
  }
}
