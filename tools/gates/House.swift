// Starts the daemon and the lab's load on free loopback ports, and ends what it started. The load
// brings its own twin of the upstream, on the port that the relay was told.

import Foundation
import Harness

final class House {
  let build: String
  let calls: Calls
  /// What is written down of the calls; nil: nothing.
  let records: Records?
  private var programs: [Program] = []
  private var port: UInt16 = 0
  private let twinPort = Loopback.freePort()

  init(build: String, calls: Calls, records: Records? = nil) {
    self.build = build
    self.calls = calls
    self.records = records
  }

  /// The daemon, or another program that runs it, listening within so many seconds.
  func startRelay(
    _ settings: [String: String] = [:], command: [String]? = nil, seconds: Double = 10
  ) throws(HarnessError) -> Program {
    port = Loopback.freePort()
    let all = calls.settings(port: port, twinPort: twinPort).merging(settings) { $1 }
    let serve = ["\(build)/sidetone", "serve"] + (records?.arguments ?? [])
    let relay = try start(command ?? serve, settings: all)
    let deadline = Date(timeIntervalSinceNow: seconds)
    while !Loopback.isListening(port) {
      guard relay.isRunning, Date() < deadline else {
        throw HarnessError("the relay does not listen: \(relay.tail)")
      }
      usleep(20_000)
    }
    return relay
  }

  func startLoad(_ arguments: [String], on relay: Program) throws(HarnessError) -> Load {
    let command = calls.load(
      build: build, port: port, twinPort: twinPort, relay: relay.identifier, arguments)
    return Load(program: try start(command), relay: relay)
  }

  func endAll() {
    for program in programs.reversed() { program.end() }
    programs = []
  }

  private func start(
    _ command: [String], settings: [String: String] = [:]
  ) throws(HarnessError) -> Program {
    let program = try Program(command, settings: settings)
    programs.append(program)
    return program
  }
}

/// A load under way.
struct Load {
  var program: Program
  var relay: Program

  /// What it found, once it is over; throws where a frame or a call was lost.
  @discardableResult
  func report() throws(HarnessError) -> LoadReport {
    let status = program.finish()
    guard let report = LoadReport(program.text) else {
      throw HarnessError("the load says: \(program.tail)\nthe relay says: \(relay.tail)")
    }
    if status != 0 {
      throw HarnessError(
        "frames or calls were lost: \(program.tail)\nthe relay says: \(relay.tail)")
    }
    return report
  }
}
