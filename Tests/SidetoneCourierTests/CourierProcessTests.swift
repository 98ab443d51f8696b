// A courier as a process of its own: the lock, what it waits for, and SIGKILL while a journal
// grows.

import CLinux
import Foundation
import SidetoneRecords
import Testing

@testable import SidetoneCourier

/// A courier that runs until somebody ends it.
private final class CourierProcess {
  private let process = Process()
  private let output = Pipe()

  init(_ folder: Folder, _ arguments: String...) throws {
    process.executableURL = Bundle.main.executableURL.map {
      $0.deletingLastPathComponent().appending(path: "CourierRunner")
    }
    process.arguments = [folder.path] + arguments
    process.standardError = output
    try process.run()
  }

  var identifier: pid_t { process.processIdentifier }
  func kill() {
    Foundation.kill(identifier, SIGKILL)
    process.waitUntilExit()
  }
  func stop() -> Int32 {
    Foundation.kill(identifier, SIGTERM)
    return status()
  }
  func status() -> Int32 {
    process.waitUntilExit()
    return process.terminationStatus
  }
  var words: String {
    String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  }
}

/// Until it is so, for at most 20 seconds.
private func wait(_ condition: () -> Bool) -> Bool {
  for _ in 0..<4000 {
    if condition() { return true }
    usleep(5000)
  }
  return false
}

@Suite(.serialized) struct CourierProcessTests {
  private let folder = Folder()

  @Test func `the second courier of a directory says so and ends`() throws {
    let first = try CourierProcess(folder)
    #expect(wait { folder.names("").contains("courier.sqlite") })
    let second = try CourierProcess(folder)
    #expect(second.status() == 1)
    #expect(second.words.contains("another courier serves \(folder.path)"))
    #expect(first.stop() == 0)
  }

  @Test func `once delivers what there is and ends`() throws {
    try journal(folder, [started(), spoken("hello"), ended()])
    #expect(try CourierProcess(folder, "once").status() == 0)
    #expect(folder.names("calls").count == 1)
    #expect(try CourierProcess(folder, "once").status() == 0)
  }

  @Test func `where something is left, once says how much`() throws {
    folder.put("", "calls")
    try journal(folder, [started(), ended()])
    let courier = try CourierProcess(folder, "once")
    #expect(courier.status() == 1)
    #expect(courier.words.contains("1 events are left"))
  }

  @Test func `a directory that is a file is a sentence`() throws {
    folder.put("", "journal")
    let courier = try CourierProcess(folder, "once")
    #expect(courier.status() == 1)
    #expect(courier.words.contains("a file stands where a directory belongs"))
  }

  @Test func `what is in the way of a courier may be moved while it waits`() throws {
    folder.put("", "journal")
    let courier = try CourierProcess(folder)
    usleep(300_000)
    try FileManager.default.removeItem(atPath: "\(folder.path)/journal")
    #expect(wait { folder.names("").contains("courier.sqlite") })
    #expect(courier.stop() == 0)
    #expect(courier.words.contains("a file stands where a directory belongs"))
  }

  @Test func `a journal that comes and grows is delivered while the courier runs`() throws {
    let courier = try CourierProcess(folder)
    #expect(wait { folder.names("").contains("courier.sqlite") })
    let relay = try Relay(folder, "1750000000000-1", [started(), ended()])
    #expect(wait { folder.names("calls").count == 1 })
    relay.write([started("B", of: 2), ended(of: 2)])
    #expect(wait { folder.names("calls").count == 2 })
    relay.die()
    #expect(wait { folder.names("journal") == [] })
    #expect(courier.stop() == 0)
  }

  @Test func `killed again and again while a journal grows, it misses nothing and doubles nothing`()
    throws
  {
    let kills = Int(ProcessInfo.processInfo.environment["COURIER_KILLS"] ?? "") ?? 10
    let relay = try Relay(folder)
    var calls = 0
    for _ in 0..<kills {
      let courier = try CourierProcess(folder)
      let end = DispatchTime.now() + .milliseconds(Int.random(in: 0...120))
      while DispatchTime.now() < end {
        calls += 1
        relay.write([
          started("C\(calls)", of: calls), spoken("line \(calls)", of: calls), ended(of: calls),
        ])
      }
      courier.kill()
    }
    relay.die()
    #expect(try CourierProcess(folder, "once").status() == 0)
    let names = folder.names("transcripts").filter { !$0.hasPrefix(".") }
    #expect(names.count == calls)
    #expect(Set(names).count == calls)
    for number in 1...max(calls, 1) {
      let name = "call_C\(number)_1750000000000"
      let lines = folder.tree("transcripts/\(name)_transcript.json")?["conversation"]?.elements
      #expect(lines?.map { $0["text"] } == [.text("line \(number)")])
      #expect(folder.tree("calls/\(name).json")?["cause"]?["word"] == "stopped")
    }
    #expect(folder.names("journal") == [])
  }
}
