// What `sidetone-lab load` was asked to do. Every value is checked here, once, so that the run
// itself has no bad input to answer.

struct LoadOptions {
  /// Whose messages the callers write.
  enum Manner: String { case twilio, raw, ucid }

  /// The relay's IPv4 address in network byte order, its port, and the path to call.
  var address: UInt32 = 0
  var port: UInt16 = 0
  var path = "/media"
  var twinPort: UInt16 = 0
  /// Calls at the same time.
  var calls = 50
  /// Length of the measured part, in seconds; the calls are set up and warmed before it.
  var seconds = 10
  var warmup = 1
  /// Calls one after another instead of long ones; 0 is off.
  var shortCalls = 0
  /// Frames of 20 ms in each short call.
  var frames = 25
  /// The relay's process, whose processor time is read; 0 is none.
  var process: Int32 = 0
  var json = false
  var manner = Manner.twilio
  /// Calls in which the upstream talks back.
  var isTwoWay = false
  /// Frames of audio for each of Deepgram's results.
  var resultFrames = 50
  /// Callers speak TLS; and so does the twin, where it has a certificate.
  var isTLS = false
  var twinCertificate: String?
  var twinKey: String?
  /// Seconds of sound that the upstream sends at once, a second after the last of it was played; 0:
  /// it talks in real time.
  var burst = 0
  /// Milliseconds that the relay may send ahead of what the carrier plays.
  var lead = 200

  static let help = """
    sidetone-lab load --relay ws://127.0.0.1:PORT/media --twin-port N [options]

    Plays many callers and the Deepgram that the relay dials (on 127.0.0.1:N) in one
    process. Every frame of 20 ms says in its audio which one it is and when it was sent, so the
    Deepgram side knows each frame's delay and whether one was lost, doubled, damaged or overtaken.

      --as KIND         whose messages the callers write: twilio; raw (mu-law in binary messages);
                        ucid (arrays of samples, 10 ms each, --two-way only)
      --two-way         the upstream is OpenAI Realtime instead, and talks in PCM of 24 kHz as long
                        as the caller does: frames are known by their sound, on both sides
      --burst S         two-way: the upstream sends S seconds of sound at once and then pauses for
                        one; reports how punctually they came to the caller
      --lead MS         what the relay may send ahead of the carrier's playing (200)
      --calls N         calls at the same time (50)
      --seconds S       length of the measured part (10)
      --warmup S        seconds of talking before it (1)
      --short-calls N   N short calls in all, --calls of them at a time: is anything lost at the
                        start, in the middle or at the end?
      --frames K        frames in each short call (25)
      --result-frames K one-way: frames of audio for each result that the upstream sends (50)
      --twin-certificate FILE, --twin-key FILE
                        the twin speaks TLS with them (PEM); callers do where --relay is a wss://
                        address, and check nobody's certificate
      --pid P           the relay's process: also report its processor time, memory, descriptors
      --json            one JSON object instead of a table

    Point the relay at the twin first: DEEPGRAM_URL=ws://127.0.0.1:N/v1/listen, for two-way calls
    OPENAI_REALTIME_URL=ws://127.0.0.1:N/v1/realtime, and --relay at a path that leads there.
    Delays are taken from the kernel's time stamps on arrival, so a busy generator does not add to
    them; how late the generator itself was is reported too.
    Exit status: 0 all frames arrived once and whole, 1 not so, 2 bad arguments.
    """

  init(arguments: [String]) throws(LoadMistake) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--json" {
        json = true
        continue
      }
      if name == "--two-way" {
        isTwoWay = true
        continue
      }
      guard let value = rest.popFirst() else { throw LoadMistake("\(name) needs a value") }
      switch name {
      case "--relay": try setRelay(value)
      case "--twin-port": twinPort = UInt16(try Self.number(name, value, 1...65_535))
      case "--calls": calls = try Self.number(name, value, 1...20_000)
      case "--seconds": seconds = try Self.number(name, value, 1...3_600)
      case "--warmup": warmup = try Self.number(name, value, 0...60)
      case "--short-calls": shortCalls = try Self.number(name, value, 1...1_000_000)
      case "--frames": frames = try Self.number(name, value, 1...3_000)
      case "--burst": burst = try Self.number(name, value, 1...30)
      case "--result-frames": resultFrames = try Self.number(name, value, 1...3_000)
      case "--as": try setManner(value)
      case "--twin-certificate": twinCertificate = value
      case "--twin-key": twinKey = value
      case "--lead": lead = try Self.number(name, value, 0...2_000)
      case "--pid": process = Int32(try Self.number(name, value, 1...Int(Int32.max)))
      default: throw LoadMistake("unknown option \(name)")
      }
    }
    if port == 0 { throw LoadMistake("--relay is missing") }
    if twinPort == 0 { throw LoadMistake("--twin-port is missing") }
    if shortCalls > 0 { calls = min(calls, shortCalls) }
    if manner == .ucid && !isTwoWay { throw LoadMistake("--as ucid wants --two-way") }
    if manner == .raw && isTwoWay { throw LoadMistake("--as raw is one-way") }
    if (twinCertificate == nil) != (twinKey == nil) {
      throw LoadMistake("--twin-certificate and --twin-key go together")
    }
    if burst > 0 && !isTwoWay { throw LoadMistake("--burst wants --two-way") }
    if burst > 0 && shortCalls > 0 { throw LoadMistake("--burst wants long calls") }
    if isTwoWay && max(calls, shortCalls) > Steps.streams / 2 {
      throw LoadMistake("--two-way has names for \(Steps.streams / 2) calls only")
    }
  }

  private static func number(
    _ name: String, _ value: String, _ allowed: ClosedRange<Int>
  ) throws(LoadMistake) -> Int {
    guard let number = Int(value), allowed.contains(number) else {
      throw LoadMistake(
        "\(name) wants a number from \(allowed.lowerBound) to \(allowed.upperBound)")
    }
    return number
  }

  private mutating func setManner(_ value: String) throws(LoadMistake) {
    guard let known = Manner(rawValue: value) else {
      throw LoadMistake("--as wants twilio, raw or ucid")
    }
    manner = known
  }

  private mutating func setRelay(_ url: String) throws(LoadMistake) {
    let mistake = LoadMistake(
      "--relay wants ws://A.B.C.D:PORT/PATH or wss://A.B.C.D:PORT/PATH, without a name")
    isTLS = url.hasPrefix("wss://")
    guard isTLS || url.hasPrefix("ws://") else { throw mistake }
    let parts = url.dropFirst(isTLS ? 6 : 5).split(separator: "/", maxSplits: 1)
    guard let authority = parts.first?.split(separator: ":"), authority.count == 2,
      let port = UInt16(authority[1]), port > 0
    else { throw mistake }
    let host = authority[0] == "localhost" ? "127.0.0.1" : authority[0]
    let bytes = host.split(separator: ".").compactMap { UInt8($0) }
    guard bytes.count == 4 else { throw mistake }
    address = bytes.enumerated().reduce(0) { $0 | UInt32($1.element) << (8 * $1.offset) }
    self.port = port
    if parts.count == 2 { path = "/" + parts[1] }
  }
}

/// A sentence about what was wrong with the command line, or why the run could not start.
struct LoadMistake: Error {
  let text: String
  init(_ text: String) { self.text = text }
}
