// The files of all kinds of calls, judged by the schemas in docs/schemas with a library of others.

import Foundation
import Testing

@testable import SidetoneCourier

/// The top of the project.
private let top = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path

/// Made by tools/checks/python.
private let python = "\(top)/.build/venv/bin/python"

@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: python))) struct JudgedTests {
  private let folder = Folder()

  private func judge() throws -> (status: Int32, words: String) {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["\(top)/tools/interop/schemas.py", folder.path]
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let words = String(
      decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, words)
  }

  /// What is measured of a side.
  private let side = JSONTree.made([
    "level_dbfs": .number("-23.0"), "clipping": .number("0.000125"), "silence": .number("0.500"),
    "gaps": .made(["count": .integer(1), "total_ms": .integer(1000)]),
  ])

  @Test func `files of every kind of call are as the schemas have it`() throws {
    try journal(
      folder,
      [
        started("WHOLE", of: 1), entry("connected", of: 1, ["milliseconds": .integer(80)]),
        entry(
          "final", of: 1,
          ["text": "a", "confidence": .number("0.5"), "start": .integer(5), "language": "en"]),
        entry("interrupted", of: 1, ["generated": "b c", "heard": "b"]),
        entry("turn", of: 1, ["speech_end": .integer(5), "heard": .integer(905)]),
        entry("connected", of: 1, ["milliseconds": .integer(90)]),
        entry("key", of: 1, ["key": "5"]), entry("barge_in", of: 1),
        entry("lost", of: 1, ["sentence": "gone"]), entry("redial", of: 1),
        entry("fallback", of: 1, ["from": "a", "upstream": "b", "sentence": "gone"]),
        entry("missing", of: 1, ["count": .integer(1), "reason": "r"]),
        entry(
          "ended", of: 1,
          [
            "cause": "stopped", "sentence": "", "milliseconds": .integer(5),
            "caller": .made(["frames": .integer(1)]), "upstream": .made([:]),
            "delays": .made(["frames": .integer(1), "p50_us": .integer(20)]),
            "levels": .made(["caller": side, "agent": .null]), "interruptions": .integer(1),
            "heard_milliseconds": .integer(1), "generated_milliseconds": .integer(2),
            "words": "bye", "request": "r", "new": .list([.integer(1)]),
          ]),
        started("../../x\n", of: 2), ended(of: 2), spoken("no beginning", of: 3), ended(of: 3),
        started("KILLED", of: 4), spoken("c", of: 4, side: "channel 1"),
      ])
    let extraction = Sink("extraction", [.ended])
    extraction.extracts = true
    extraction.answer = { event, _ in
      let found = Extracted(
        fields: .made(["colour": .null]), reasons: .made(["colour": "not said"]), isFinal: true)
      return event.call == key(1)
        ? Finished(row: event.row, verdict: .delivered, extracted: found)
        : Finished(row: event.row, verdict: .givenUp(reason: "no"))
    }
    try courier(folder, [extraction]).run()
    let (status, words) = try judge()
    #expect(status == 0)
    #expect(words == "8 files, 0 mistakes\n")
  }

  @Test func `a field that is left out would be found`() throws {
    folder.put("{\"schema_version\":1,\"call_id\":null}", "calls/call_x_1.json")
    let (status, words) = try judge()
    #expect(status == 1)
    #expect(words.contains("'cause' is a required property"))
  }
}
