// The programs that are compared: the floor, its peers, the relay. Each listens on a port of its
// own and dials a twin on another, so all of them stand at once and are loaded in turn. The one
// under load runs on the first processor that we may use, the load on the last, both in real time
// where the system lets us: then what else the machine does disturbs neither.

import Foundation

/// What the calls of a comparison are: a caller who is only heard, or one who is answered too.
enum CallKind {
  case oneWay, twoWay

  /// Where the callers connect.
  var path: String { self == .oneWay ? "/media" : "/ws" }

  var words: String { self == .oneWay ? "one-way" : "two-way" }

  /// What `sidetone-lab load` must be told.
  var options: [String] { self == .oneWay ? [] : ["--two-way"] }
}

final class Opponent {
  let name: String
  let kind: CallKind
  let port: Int
  let twinPort: Int
  private let process: Process

  init(
    _ name: String, _ kind: CallKind, _ command: [String], environment: [String: String] = [:],
    port: Int, twinPort: Int
  ) throws(BenchFailure) {
    self.name = name
    self.kind = kind
    self.port = port
    self.twinPort = twinPort
    process = try Programs.start(
      command, environment: environment, on: Programs.processors.first)
  }

  var identifier: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }

  /// Ends it; a relay that does not go by itself within two seconds is killed.
  func stop() {
    guard process.isRunning else { return }
    process.terminate()
    process.terminate()
    for _ in 0..<100 where process.isRunning { usleep(20_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  deinit { stop() }
}

extension Opponent {
  static func floor(_ kind: CallKind = .oneWay) throws(BenchFailure) -> Opponent {
    let sources = ["Benchmarks/floor/floor.c", "Benchmarks/floor/two-way.c"]
    guard FileManager.default.fileExists(atPath: sources[0]) else {
      throw .impossible("run this from the top of the repository: there is no \(sources[0]) here")
    }
    let program = Programs.folder + "/floor"
    let compiler = Programs.isFound("cc") ? "cc" : "clang"
    let built = Programs.output([compiler, "-O2"] + sources + ["-o", program, "-lcrypto"])
    guard built.status == 0 else { throw .impossible("the floor does not build:\n\(built.text)") }
    let ports = try Programs.freePorts()
    let command = [program, String(ports.0), String(ports.1)]
    return try Opponent(
      "floor", kind, kind == .oneWay ? command : command + ["two-way"], port: ports.0,
      twinPort: ports.1)
  }

  /// Nil, and a line that says so, where Node or its `ws` is not installed.
  static func node() throws(BenchFailure) -> Opponent? {
    let modules = ProcessInfo.processInfo.environment["NODE_PATH"] ?? "/usr/share/nodejs"
    let environment = ["NODE_PATH": modules]
    let probe = Programs.output(["node", "-e", "require('ws')"], environment: environment)
    guard probe.status == 0 else {
      print("node is skipped: it wants node and its package ws (Debian: node-ws)")
      return nil
    }
    let ports = try Programs.freePorts()
    let settings = [
      "PORT": String(ports.0), "DEEPGRAM_URL": "ws://127.0.0.1:\(ports.1)/v1/listen",
    ]
    return try Opponent(
      "node", .oneWay, ["node", "Benchmarks/peers/relay.mjs"],
      environment: environment.merging(settings) { $1 }, port: ports.0, twinPort: ports.1)
  }

  /// The relay, with room for so many two-way calls: their memory is taken at start.
  static func relay(
    _ kind: CallKind = .oneWay, twoWayCallsMax: Int = 300, program: String? = nil,
    environment: [String: String] = [:]
  ) throws(BenchFailure) -> Opponent {
    let program = program ?? Programs.folder + "/sidetone"
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw .impossible("there is no \(program): build it first")
    }
    let ports = try Programs.freePorts()
    var settings = [
      "SIDETONE_LISTEN_ADDRESS": "127.0.0.1:\(ports.0)", "SIDETONE_LIMITS_CALLS_MAX": "4000",
      "SIDETONE_LIMITS_CALLS_PER_SECOND_PER_ADDRESS": "1000000",
    ]
    switch kind {
    case .oneWay:
      settings["DEEPGRAM_URL"] = "ws://127.0.0.1:\(ports.1)/v1/listen"
      settings["DEEPGRAM_API_KEY"] = "test"
    case .twoWay:
      settings["OPENAI_REALTIME_URL"] = "ws://127.0.0.1:\(ports.1)/v1/realtime"
      settings["OPENAI_API_KEY"] = "test"
      settings["SIDETONE_LIMITS_TWO_WAY_CALLS_MAX"] = String(twoWayCallsMax)
    }
    return try Opponent(
      "relay", kind, [program, "serve"], environment: environment.merging(settings) { $1 },
      port: ports.0, twinPort: ports.1)
  }
}

/// Starting other programs, and where on the machine they run.
enum Programs {
  /// Where this program lies, and those it starts.
  static let folder = Bundle.main.executableURL?.deletingLastPathComponent().path ?? "."

  /// The processors that we may use; see proc(5).
  static let processors: [Int] = {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") } ?? ""
    return line.drop { $0 != "\t" }.dropFirst().split(separator: ",").flatMap { range -> [Int] in
      let ends = range.split(separator: "-").compactMap { Int($0) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }()

  /// Runs a command before everything else on the machine. Round robin, because threads of one
  /// program may wait for each other; and a program that never sleeps for 20 s is killed, since it
  /// would take the processor from everybody.
  private static let realTime = ["prlimit", "--rttime=20000000", "chrt", "--rr", "5"]

  /// Whether we may do so.
  static let isRealTime = output(realTime + ["true"]).status == 0

  /// The command on one processor, before other work, and gone when we are gone.
  static func pinned(_ command: [String], on processor: Int?) -> [String] {
    var whole = ["setpriv", "--pdeathsig", "KILL"] + command
    if isRealTime { whole = realTime + whole }
    if let processor, processors.count > 1 { whole = ["taskset", "-c", String(processor)] + whole }
    return whole
  }

  static func start(
    _ command: [String], environment: [String: String], on processor: Int?
  ) throws(BenchFailure) -> Process {
    let process = prepared(pinned(command, on: processor), environment: environment)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch {
      throw .impossible("\(command[0]) cannot be started: \(error)")
    }
    return process
  }

  /// Runs a program to its end. Status 127: it could not be started.
  static func output(
    _ command: [String], environment: [String: String] = [:]
  ) -> (status: Int32, text: String) {
    let process = prepared(command, environment: environment)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    do { try process.run() } catch { return (127, "\(error)") }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }

  static func isFound(_ program: String) -> Bool {
    output(["sh", "-c", "command -v \(program)"]).status == 0
  }

  private static func prepared(_ command: [String], environment: [String: String]) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    return process
  }

  /// Two ports that nobody uses now.
  static func freePorts() throws(BenchFailure) -> (Int, Int) {
    (try freePort(), try freePort())
  }

  private nonisolated(unsafe) static var given: Set<Int> = []

  private static func freePort() throws(BenchFailure) -> Int {
    for _ in 0..<200 {
      let port = Int.random(in: 12_000..<30_000)
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var place = sockaddr_in()
      place.sin_family = sa_family_t(AF_INET)
      place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      place.sin_port = UInt16(port).bigEndian
      let bound = withUnsafePointer(to: &place) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      if bound == 0 && given.insert(port).inserted { return port }
    }
    throw .impossible("no port is free")
  }
}
