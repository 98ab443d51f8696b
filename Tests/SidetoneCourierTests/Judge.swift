// Python libraries that others wrote, as judges. They lie in the environment that
// `tools/checks/python` makes; without it the tests that ask them are skipped, and say so.

import Foundation
import Glibc

enum Judge {
  private static let python: String = {
    let place = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return place.appending(path: ".build/venv/bin/python").path
  }()

  /// Whether the environment has this module.
  static func has(_ module: String) -> Bool {
    FileManager.default.isExecutableFile(atPath: python)
      && run("import \(module)", input: "").status == 0
  }

  /// Runs a program; what it printed and its exit status.
  static func run(_ program: String, input: String) -> (output: String, status: Int32) {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", program]
    process.standardOutput = output
    do {
      try Data(input.utf8).write(to: file)
      process.standardInput = try FileHandle(forReadingFrom: file)
      try process.run()
    } catch {
      return ("\(error)", -1)
    }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, process.terminationStatus)
  }
}
