// Starts the daemon and the lab's load on free loopback ports, and ends what it started. The load
// brings its own twin of the upstream, on the port that the relay was told.

import Foundation

final class House {
  let build: String
  private var programs: [Program] = []
  private var twinPort: UInt16 = 0

  init(build: String) { self.build = build }

  /// Runs `measure` once all calls talk, then ends everything; the load itself must find no loss.
  func underLoad<Result>(
    calls: Int, seconds: Int, isTLS: Bool, counter: Counter?, measure: (Relay) throws -> Result
  ) throws -> Result {
    let relay = try startRelay(isTLS: isTLS, counter: counter)
    defer { endAll() }
    let load = try load(["--calls", "\(calls)", "--seconds", "\(seconds)"], relay: relay)
    try relay.waitForConnections(calls)
    sleep(2)
    let result = try measure(relay)
    try load.waitSuccess()
    return result
  }

  func startRelay(isTLS: Bool, counter: Counter?) throws -> Relay {
    let port = freePort()
    twinPort = freePort()
    var settings = [
      "SIDETONE_LISTEN_ADDRESS": "127.0.0.1:\(port)",
      "DEEPGRAM_URL": "ws\(isTLS ? "s" : "")://127.0.0.1:\(twinPort)/v1/listen",
      "DEEPGRAM_API_KEY": "test",
      "SIDETONE_LIMITS_CALLS_MAX": "1000",
    ]
    if let counter { settings.merge(counter.settings) { $1 } }
    let program = try Program(["\(build)/sidetone", "serve"], settings: settings)
    programs.append(program)
    let relay = Relay(process: program.process.processIdentifier, port: port)
    try relay.waitForConnections(0)
    return relay
  }

  @discardableResult
  func load(_ arguments: [String], relay: Relay) throws -> Program {
    let url = "ws://127.0.0.1:\(relay.port)/media-stream"
    let program = try Program(
      ["\(build)/sidetone-lab", "load", "--twin-port", "\(twinPort)"] + arguments + [url])
    programs.append(program)
    return program
  }

  func endAll() {
    for program in programs.reversed() { program.end() }
    programs = []
  }
}

/// A child process with its output kept in a file.
final class Program {
  let process = Process()
  private let output: URL

  init(_ command: [String], settings: [String: String] = [:]) throws {
    let name = "sidetone-gate-\(UUID().uuidString)"
    output = FileManager.default.temporaryDirectory.appendingPathComponent(name)
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

  /// The last line of what it printed, once it ended well.
  @discardableResult
  func waitSuccess() throws -> String {
    process.waitUntilExit()
    let lines = text.split(separator: "\n")
    guard process.terminationStatus == 0 else {
      throw Unmeasured(lines.suffix(8).joined(separator: "\n     "))
    }
    return lines.last.map(String.init) ?? ""
  }

  func end() {
    if process.isRunning {
      process.terminate()
      let deadline = Date(timeIntervalSinceNow: 5)
      while process.isRunning, Date() < deadline { usleep(20_000) }
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(at: output)
  }
}
