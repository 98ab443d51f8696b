// The programs that are compared: the floor, its peers, the relay. Each listens on a port of its
// own and dials a twin on another, so all of them stand at once and are loaded in turn. The one
// under load runs on the first processor that we may use, the load on the last, both in real time
// where the system lets us: then what else the machine does disturbs neither.

import Foundation
import Harness

final class Opponent {
  let name: String
  let calls: Calls
  let port: UInt16
  let twinPort: UInt16
  private let program: Program

  init(
    _ name: String, _ calls: Calls, _ command: [String], settings: [String: String] = [:],
    port: UInt16, twinPort: UInt16
  ) throws(BenchFailure) {
    self.name = name
    self.calls = calls
    self.port = port
    self.twinPort = twinPort
    program = try Programs.start(command, settings: settings, on: Programs.processors.first)
  }

  var identifier: Int32 { program.identifier }

  func stop() { program.end() }

  /// Runs one load. Nil, and a line with what it said, where it could not be carried out.
  func load(calls count: Int, seconds: Int, _ more: [String] = []) -> LoadReport? {
    let command = calls.load(
      build: Programs.folder, port: port, twinPort: twinPort, relay: identifier,
      ["--calls", String(count), "--seconds", String(seconds)] + more)
    let output = Program.run(Programs.pinned(command, on: Programs.processors.last))
    let report = LoadReport(output.text)
    if report == nil { print("\(name): \(output.text)") }
    return report
  }
}

extension Opponent {
  static func floor(_ calls: Calls) throws(BenchFailure) -> Opponent {
    let sources = ["floor", "tls", "two-way"].map { "Benchmarks/floor/\($0).c" }
    guard FileManager.default.fileExists(atPath: sources[0]) else {
      throw .impossible("run this from the top of the repository: there is no \(sources[0]) here")
    }
    let program = Programs.folder + "/floor"
    let compiler = Program.isFound("cc") ? "cc" : "clang"
    let built = Program.run(
      [compiler, "-O2"] + sources + ["-o", program, "-lssl", "-lcrypto"])
    guard built.status == 0 else { throw .impossible("the floor does not build:\n\(built.text)") }
    let (port, twinPort) = (Loopback.freePort(), Loopback.freePort())
    let kind = calls.isTwoWay ? "two-way" : calls.kind == .rawDeepgram ? "raw" : "one-way"
    var command = [program, String(port), String(twinPort), kind]
    if let certificate = calls.certificate { command += [certificate.path, certificate.keyPath] }
    return try Opponent("floor", calls, command, port: port, twinPort: twinPort)
  }

  /// Nil, and a line that says so, where Node or its `ws` is not installed.
  static func node(_ calls: Calls) throws(BenchFailure) -> Opponent? {
    let modules = ProcessInfo.processInfo.environment["NODE_PATH"] ?? "/usr/share/nodejs"
    let probe = Program.run(["node", "-e", "require('ws')"], settings: ["NODE_PATH": modules])
    guard probe.status == 0 else {
      print("node is skipped: it wants node and its package ws (Debian: node-ws)")
      return nil
    }
    let (port, twinPort) = (Loopback.freePort(), Loopback.freePort())
    let settings = [
      "PORT": String(port), "DEEPGRAM_URL": "ws://127.0.0.1:\(twinPort)/v1/listen",
      "NODE_PATH": modules,
    ]
    return try Opponent(
      "node", calls, ["node", "Benchmarks/peers/relay.mjs"], settings: settings, port: port,
      twinPort: twinPort)
  }

  /// The relay, with room for so many two-way calls: their memory is taken at start.
  static func relay(
    _ calls: Calls, twoWayCallsMax: Int = 300, program: String? = nil,
    settings more: [String: String] = [:]
  ) throws(BenchFailure) -> Opponent {
    let program = program ?? Programs.folder + "/sidetone"
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw .impossible("there is no \(program): build it first")
    }
    let (port, twinPort) = (Loopback.freePort(), Loopback.freePort())
    var settings = calls.settings(port: port, twinPort: twinPort)
    settings["SIDETONE_LIMITS_CALLS_MAX"] = "4000"
    if calls.isTwoWay { settings["SIDETONE_LIMITS_TWO_WAY_CALLS_MAX"] = String(twoWayCallsMax) }
    return try Opponent(
      "relay", calls, [program, "serve"], settings: settings.merging(more) { $1 }, port: port,
      twinPort: twinPort)
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
  static let isRealTime = Program.run(realTime + ["true"]).status == 0

  /// The command on one processor, before other work, and gone when we are gone.
  static func pinned(_ command: [String], on processor: Int?) -> [String] {
    var whole = ["setpriv", "--pdeathsig", "KILL"] + command
    if isRealTime { whole = realTime + whole }
    if let processor, processors.count > 1 { whole = ["taskset", "-c", String(processor)] + whole }
    return whole
  }

  static func start(
    _ command: [String], settings: [String: String] = [:], on processor: Int?
  ) throws(BenchFailure) -> Program {
    do throws(HarnessError) {
      return try Program(pinned(command, on: processor), settings: settings)
    } catch {
      throw .impossible(error.description)
    }
  }
}
