// Records of calls in a folder of their own, with a webhook at which nobody listens: so the journal
// is written, files are made, and events wait.

import Foundation
import Harness

final class Records {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("sidetone-records-\(UUID().uuidString)").path

  init() throws(HarnessError) {
    let text = """
      [records]
      directory = "\(folder)/data"
      [[records.webhooks]]
      url = "http://127.0.0.1:\(Loopback.freePort())/"
      secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
      events = ["call.started", "transcript.interim", "transcript.final", "call.ended"]
      """
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try text.write(toFile: "\(folder)/sidetone.toml", atomically: true, encoding: .utf8)
    } catch {
      throw HarnessError("\(folder) cannot be made: \(error)")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// For `serve`.
  var arguments: [String] { ["--config", "\(folder)/sidetone.toml"] }

  /// Throws where no call has its file.
  func check() throws(HarnessError) {
    let deadline = Date(timeIntervalSinceNow: 10)
    while Date() < deadline {
      let files = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/data/calls")
      if files?.contains(where: { $0.hasSuffix(".json") }) ?? false { return }
      usleep(20_000)
    }
    throw HarnessError("no call was written down in \(folder)/data")
  }
}
