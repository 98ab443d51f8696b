// Starts the daemon and the lab's load on free loopback ports, and ends what it started. The load
// brings its own twin of the upstream, on the port that the relay was told. It speaks without TLS;
// where a gate wants TLS, `stunnel` stands on both sides of the relay.

import Foundation

final class House {
  let build: String
  /// Whether the upstream talks back.
  let isTwoWay: Bool
  var directions: Int { isTwoWay ? 2 : 1 }
  private let folder: URL
  private var programs: [Program] = []
  private let twinPort = freePort()
  /// Where callers connect: the relay, or what stands before it.
  private var callerPort: UInt16 = 0

  init(build: String, isTwoWay: Bool) throws {
    self.build = build
    self.isTwoWay = isTwoWay
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("sidetone-gates-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func startRelay(isTLS: Bool, settings more: [String: String] = [:]) throws -> Program {
    let port = freePort()
    callerPort = port
    var settings = [
      "SIDETONE_LISTEN_ADDRESS": "127.0.0.1:\(port)",
      "DEEPGRAM_URL": "ws://127.0.0.1:\(twinPort)/v1/listen",
      "DEEPGRAM_API_KEY": "test",
      "OPENAI_REALTIME_URL": "ws://127.0.0.1:\(twinPort)/v1/realtime",
      // All callers come from one address here, and all at once.
      "SIDETONE_LIMITS_CALLS_PER_SECOND_PER_ADDRESS": "1000000",
      "SIDETONE_LIMITS_HANDSHAKES_PER_ADDRESS_MAX": "1000",
    ]
    // A key is what makes the relay take at start what calls that talk back need.
    if isTwoWay { settings["OPENAI_API_KEY"] = "test" }
    if isTLS { settings.merge(try wrapInTLS(relayPort: port)) { $1 } }
    settings.merge(more) { $1 }
    let relay = try start(["\(build)/sidetone", "serve"], settings: settings)
    let deadline = Date(timeIntervalSinceNow: 10)
    while !isListening(port) {
      guard relay.process.isRunning, Date() < deadline else {
        throw Unmeasured("the relay does not listen: \(relay.tail)")
      }
      usleep(20_000)
    }
    return relay
  }

  func startLoad(_ arguments: [String], on relay: Program) throws -> Load {
    let path = isTwoWay ? "/ws" : "/media"
    let command = [
      "\(build)/sidetone-lab", "load", "--relay", "ws://127.0.0.1:\(callerPort)\(path)",
      "--twin-port", "\(twinPort)", "--pid", "\(relay.process.processIdentifier)", "--json",
    ]
    let kind = isTwoWay ? ["--two-way"] : []
    return Load(program: try start(command + kind + arguments), relay: relay)
  }

  func endAll() {
    for program in programs.reversed() { program.end() }
    programs = []
  }

  private func start(_ command: [String], settings: [String: String] = [:]) throws -> Program {
    let output = folder.appendingPathComponent("output-\(programs.count)")
    let program = try Program(command, settings: settings, output: output)
    programs.append(program)
    return program
  }

  /// Puts a TLS client before the relay and a TLS server behind it; returns the relay's settings.
  private func wrapInTLS(relayPort: UInt16) throws -> [String: String] {
    let (certificate, key) = ("\(folder.path)/certificate.pem", "\(folder.path)/key.pem")
    let maker = try start([
      "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
      "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
    ])
    maker.process.waitUntilExit()
    callerPort = freePort()
    let secretPort = freePort()
    let tunnels = """
      foreground = yes
      debug = err
      [callers]
      client = yes
      accept = 127.0.0.1:\(callerPort)
      connect = 127.0.0.1:\(relayPort)
      [upstream]
      accept = 127.0.0.1:\(secretPort)
      connect = 127.0.0.1:\(twinPort)
      cert = \(certificate)
      key = \(key)
      """
    let file = folder.appendingPathComponent("tunnels")
    try tunnels.write(to: file, atomically: true, encoding: .utf8)
    _ = try start(["/usr/bin/stunnel", file.path])
    return [
      "SIDETONE_LISTEN_CERTIFICATE": certificate, "SIDETONE_LISTEN_KEY": key,
      "DEEPGRAM_URL": "wss://127.0.0.1:\(secretPort)/v1/listen",
      "SIDETONE_UPSTREAMS_DEEPGRAM_CA_FILE": certificate,
      "OPENAI_REALTIME_URL": "wss://127.0.0.1:\(secretPort)/v1/realtime",
      "SIDETONE_UPSTREAMS_OPENAI_CA_FILE": certificate,
    ]
  }
}

/// A load under way.
struct Load {
  var program: Program
  var relay: Program

  /// What it found, once it is over; throws where a frame or a call was lost.
  @discardableResult
  func report() throws -> Report {
    program.process.waitUntilExit()
    let answer = try? JSONSerialization.jsonObject(with: Data(program.text.utf8))
    guard let sections = answer as? [String: Any] else {
      throw Unmeasured("the load says: \(program.tail)\nthe relay says: \(relay.tail)")
    }
    if program.process.terminationStatus != 0 {
      throw Unmeasured("frames or calls were lost: \(program.tail)\nthe relay says: \(relay.tail)")
    }
    return Report(sections: sections)
  }
}

struct Report {
  var sections: [String: Any]

  func number(_ section: String, _ name: String) throws -> Double {
    guard let row = sections[section] as? [String: Any], let value = row[name] as? NSNumber else {
      throw Unmeasured("the load does not report \(section) \(name)")
    }
    return value.doubleValue
  }
}

/// A child process with its output kept in a file.
final class Program {
  let process = Process()
  private let output: URL

  init(_ command: [String], settings: [String: String] = [:], output: URL) throws {
    self.output = output
    _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    let handle = try FileHandle(forWritingTo: output)
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = Array(command.dropFirst())
    var environment = ProcessInfo.processInfo.environment
    environment["SWIFT_BACKTRACE"] = "enable=no"
    process.environment = environment.merging(settings) { $1 }
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
  }

  var text: String {
    String(decoding: (try? Data(contentsOf: output)) ?? Data(), as: UTF8.self)
  }

  /// Its last words.
  var tail: String { String(text.suffix(1_000)) }

  func end() {
    guard process.isRunning else { return }
    process.terminate()
    let deadline = Date(timeIntervalSinceNow: 5)
    while process.isRunning, Date() < deadline { usleep(20_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }
}

/// A port of loopback that nobody has; the kernel does not hand it out again soon.
private func freePort() -> UInt16 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = loopback(0)
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      _ = bind(descriptor, $0, size)
      _ = getsockname(descriptor, $0, &size)
    }
  }
  return UInt16(bigEndian: address.sin_port)
}

private func isListening(_ port: UInt16) -> Bool {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = loopback(port)
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
  }
}

private func loopback(_ port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}
