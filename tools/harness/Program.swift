// A child process with its output kept in a file, for everything that measures the daemon from
// outside: the gates and the benchmarks.

import Foundation

package final class Program {
  package let process = Process()
  private let output = FileManager.default.temporaryDirectory
    .appendingPathComponent("sidetone-output-\(UUID().uuidString)")

  /// The first word is a path, or a name that is looked up as a shell does.
  package init(_ command: [String], settings: [String: String] = [:]) throws(HarnessError) {
    _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    var environment = ProcessInfo.processInfo.environment
    environment["SWIFT_BACKTRACE"] = "enable=no"
    process.environment = environment.merging(settings) { $1 }
    do {
      let handle = try FileHandle(forWritingTo: output)
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = handle
      process.standardError = handle
      try process.run()
    } catch {
      throw HarnessError("\(command[0]) cannot be started: \(error)")
    }
  }

  deinit {
    end()
    try? FileManager.default.removeItem(at: output)
  }

  package var identifier: Int32 { process.processIdentifier }
  package var isRunning: Bool { process.isRunning }

  package var text: String {
    String(decoding: (try? Data(contentsOf: output)) ?? Data(), as: UTF8.self)
  }

  /// Its last words.
  package var tail: String { String(text.suffix(1_000)) }

  /// Runs to its end by itself; its exit status. `env` answers 127 for what cannot be found.
  @discardableResult
  package func finish() -> Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Ends it: a relay drains at the first SIGTERM and goes at the second. What does not go by
  /// itself is killed.
  package func end() {
    guard process.isRunning else { return }
    process.terminate()
    process.terminate()
    let deadline = Date(timeIntervalSinceNow: 5)
    while process.isRunning, Date() < deadline { usleep(10_000) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  /// Runs a command to its end.
  package static func run(
    _ command: [String], settings: [String: String] = [:]
  ) -> (status: Int32, text: String) {
    do throws(HarnessError) {
      let program = try Program(command, settings: settings)
      return (program.finish(), program.text)
    } catch {
      return (127, error.description)
    }
  }

  package static func isFound(_ program: String) -> Bool {
    run(["sh", "-c", "command -v \(program)"]).status == 0
  }
}

/// Why something could not be measured, as a sentence.
package struct HarnessError: Error, CustomStringConvertible {
  package var description: String
  package init(_ words: String) { description = words }
}
