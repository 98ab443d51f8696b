// The real thing: a process that writes a journal is killed in the middle of it, and what it had
// said to be synced is there, once, whatever it was doing. SIDETONE_KILLS: how often; 20 without.

import CLinux
import Foundation
import Sidetone
import Testing

@testable import SidetoneRecords

struct KillTests {
  private static var kills: Int {
    ProcessInfo.processInfo.environment["SIDETONE_KILLS"].flatMap(Int.init) ?? 20
  }

  @Test func `what was synced survives a kill, and nothing is there twice`() throws {
    let scratch = Scratch()
    var random = Random(seed: [UInt8](repeating: 9, count: 32))
    var entries = 0
    for kill in 1...Self.kills {
      let instance = "\(kill)-1"
      let lines = try Self.runAndKill(
        in: scratch.path, instance, after: Int(random.next() % 60), random.next() % 400)
      #expect(JournalReader.writer(of: scratch.journal(instance)) == .dead)
      var reader = JournalReader(directory: scratch.journal(instance))
      let items = reader.rest()
      let numbers = items.numbers
      #expect(numbers == Array(1...max(numbers.count, 1)).prefix(numbers.count).map { $0 })
      #expect(items.damagedBytes == [])
      #expect(items.missing == 0)
      let synced = Self.last("synced", of: lines)
      #expect(numbers.count >= synced)
      entries += numbers.count
      try FileManager.default.removeItem(atPath: scratch.journal(instance))
    }
    #expect(entries > Self.kills * 16)
  }

  /// Nothing but a wait: what was put is in the file long before it is synced.
  @Test func `what is older than the wait for a sync survives a kill`() throws {
    let scratch = Scratch()
    let keeper = try Self.start(in: scratch.path, "1-1")
    let pipe = try #require(keeper.standardOutput as? Pipe)
    var seen: [UInt8] = []
    while !String(decoding: seen, as: UTF8.self).contains("put 320\n") {
      seen += [UInt8](pipe.fileHandleForReading.availableData)
    }
    usleep(100_000)
    kill(keeper.processIdentifier, SIGKILL)
    keeper.waitUntilExit()
    var reader = JournalReader(directory: scratch.journal())
    #expect(reader.rest().numbers.count >= 320)
  }

  private static func start(in directory: String, _ instance: String) throws -> Process {
    let program: URL = try #require(helper)
    let process = Process()
    process.executableURL = program
    process.arguments = [directory, instance]
    process.standardOutput = Pipe()
    try process.run()
    return process
  }

  /// Kills it once so many lines came, and so many microseconds are over.
  private static func runAndKill(
    in directory: String, _ instance: String, after lines: Int, _ microseconds: UInt32
  ) throws -> [Substring] {
    let process = try start(in: directory, instance)
    let pipe = try #require(process.standardOutput as? Pipe)
    var bytes: [UInt8] = []
    while bytes.count(where: { $0 == 0x0a }) <= lines {
      let more = pipe.fileHandleForReading.availableData
      if more.isEmpty { break }
      bytes += [UInt8](more)
    }
    usleep(microseconds)
    kill(process.processIdentifier, SIGKILL)
    bytes += [UInt8](pipe.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
  }

  /// The number in the last line of that kind; 0 where there is none.
  private static func last(_ word: String, of lines: [Substring]) -> Int {
    lines.last { $0.hasPrefix("\(word) ") }.flatMap { Int($0.dropFirst(word.count + 1)) } ?? 0
  }

  /// Built beside the tests.
  private static var helper: URL? {
    let here = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let places = [here, here.deletingLastPathComponent(), Bundle.main.bundleURL]
    return places.map { $0.appendingPathComponent("JournalKeeper") }.first {
      FileManager.default.isExecutableFile(atPath: $0.path)
    }
  }
}
