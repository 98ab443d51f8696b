// The word between the relay and its courier, over a real pair of sockets.

import Foundation
import Glibc
import Testing

@testable import SidetoneCourier

/// The relay's end.
private final class RelayEnd {
  private(set) var descriptor: Int32
  let other: Int32

  init() {
    var pair: [Int32] = [0, 0]
    precondition(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
    // Other tests start processes too, and none of them shall hold this end open.
    _ = fcntl(pair[0], F_SETFD, FD_CLOEXEC)
    (descriptor, other) = (pair[0], pair[1])
  }

  func read() -> [String] {
    var all: [String] = []
    var space = [UInt8](repeating: 0, count: 10_000)
    while true {
      let count = recv(descriptor, &space, space.count, Int32(MSG_DONTWAIT))
      if count <= 0 { return all }
      all.append(String(decoding: space[..<count], as: UTF8.self))
    }
  }

  func say(_ text: String) { send(descriptor, text, text.utf8.count, 0) }
  func end() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }
  deinit { end() }
}

/// A courier that a relay has started.
private final class StartedCourier {
  let relay = RelayEnd()
  let identifier: pid_t

  init(_ folder: Folder) throws {
    let runner = try #require(Bundle.main.executableURL).deletingLastPathComponent()
      .appending(path: "CourierRunner").path
    let words = [runner, folder.path, "word", "\(relay.other)"]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    // It has its own end of the pair alone, so that it learns of the relay's end.
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addclose(&actions, relay.descriptor)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var started: pid_t = 0
    #expect(posix_spawn(&started, runner, &actions, nil, &arguments, environ) == 0)
    identifier = started
    close(relay.other)
  }

  func status() -> Int32 {
    var status: Int32 = 0
    waitpid(identifier, &status, 0)
    return status
  }

  /// All that it says until it says this.
  func read(until prefix: String) -> [String] {
    var said: [String] = []
    for _ in 0..<4000 {
      said += relay.read()
      if said.contains(where: { $0.hasPrefix(prefix) }) { return said }
      usleep(5000)
    }
    return said
  }
}

@Suite struct StartedCourierTests {
  private let folder = Folder()

  @Test func `it files a call, says so, and ends when the relay has it drained`() throws {
    let courier = try StartedCourier(folder)
    try journal(folder, [started(), ended()])
    let said = courier.read(until: "filed ")
    #expect(said.contains("filed \(key(1)) call_TEST-001_1750000000000_transcript.json"))
    #expect(folder.names("calls").count == 1)
    courier.relay.say("drain")
    #expect(courier.status() == 0)
  }

  @Test func `a signal to the relay's group is not meant for it`() throws {
    let courier = try StartedCourier(folder)
    _ = courier.read(until: "status ")
    kill(courier.identifier, SIGTERM)
    try journal(folder, [started(), ended()])
    #expect(courier.read(until: "filed ").contains { $0.hasPrefix("filed ") })
    courier.relay.say("drain")
    #expect(courier.status() == 0)
  }

  @Test func `when the relay is gone it delivers what there is and ends`() throws {
    let courier = try StartedCourier(folder)
    _ = courier.read(until: "status ")
    let relay = try Relay(folder, "1750000000000-1", [started(), spoken("so far")])
    relay.die()
    courier.relay.end()
    #expect(courier.status() == 0)
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    #expect(file["cause"]?["word"] == "killed")
  }

  @Test func `a relay whose journal is let go after its socket has ended is waited for`() throws {
    let courier = try StartedCourier(folder)
    _ = courier.read(until: "status ")
    let relay = try Relay(folder, "1750000000000-1", [started(), spoken("so far")])
    courier.relay.end()
    usleep(100_000)
    relay.die()
    #expect(courier.status() == 0)
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    #expect(file["cause"]?["word"] == "killed")
  }

  @Test func `a journal that another relay holds keeps it for a moment only`() throws {
    let courier = try StartedCourier(folder)
    let other = try Relay(folder, "1750000000000-2", [started()])
    defer { other.die() }
    courier.relay.end()
    #expect(courier.status() == 0)
    #expect(folder.names("calls").isEmpty)
  }

  @Test func `beside another courier it tells its relay what that one files, then takes over`()
    throws
  {
    let first = try StartedCourier(folder)
    _ = first.read(until: "status ")
    let second = try StartedCourier(folder)
    // It makes the directory that it watches.
    for _ in 0..<4000 where !folder.names("").contains("calls") { usleep(5000) }
    usleep(100_000)
    try journal(folder, as: "1750000000000-2", [started("B", of: 2), ended(of: 2)])
    let filed = second.read(until: "filed \(key(2))")
    #expect(filed.contains("filed \(key(2)) call_B_1750000000000_transcript.json"))
    first.relay.say("drain")
    #expect(first.status() == 0)
    try journal(folder, as: "1750000000000-3", [started("C", of: 3), ended(of: 3)])
    #expect(second.read(until: "filed \(key(3))").contains { $0.hasPrefix("filed \(key(3))") })
    second.relay.end()
    #expect(second.status() == 0)
  }

  @Test func `one that stands by goes when its relay does`() throws {
    let first = try StartedCourier(folder)
    _ = first.read(until: "status ")
    for end in [{ $0.say("drain") }, { $0.end() }] as [(RelayEnd) -> Void] {
      let second = try StartedCourier(folder)
      usleep(100_000)
      end(second.relay)
      #expect(second.status() == 0)
    }
    first.relay.say("drain")
    #expect(first.status() == 0)
  }

  @Test func `it waits for the courier of the relay before`() throws {
    let first = try StartedCourier(folder)
    _ = first.read(until: "status ")
    let second = try StartedCourier(folder)
    usleep(300_000)
    first.relay.say("drain")
    #expect(first.status() == 0)
    #expect(second.read(until: "status ").last?.hasPrefix("status ") ?? false)
    second.relay.say("drain")
    #expect(second.status() == 0)
  }
}

@Suite struct WordTests {
  private let relay = RelayEnd()

  @Test func `a call that is filed is told with the name of its transcript, then how it goes`()
    throws
  {
    let folder = Folder()
    try journal(folder, [started(), ended()])
    let word = RelayWord(relay.other)
    let files = RecordFiles(directory: folder.path, files: FileSystem())
    let courier = try Courier(
      directory: folder.path, destinations: [files], word: word, at: start)
    try courier.run()
    #expect(
      relay.read() == [
        "filed \(key(1)) call_TEST-001_1750000000000_transcript.json",
        "status pending=0 oldest_seconds=0 delivered=1 failed=0 dropped=0 hooks_off=0",
      ])
  }

  @Test func `a call that cannot be filed is told at once, with the reason`() throws {
    let folder = Folder()
    folder.put("", "transcripts")
    try journal(folder, [started(), ended()])
    let word = RelayWord(relay.other)
    let files = RecordFiles(directory: folder.path, files: FileSystem())
    let courier = try Courier(
      directory: folder.path, destinations: [files], word: word, at: start)
    try courier.run(at: start)
    let said = relay.read()
    #expect(said.contains { $0.hasPrefix("unfiled \(key(1)) cannot ") })
    #expect(said.contains { $0.hasPrefix("log warning delivery_failed files did not take") })
  }

  @Test func `no message is longer than 4 KiB, has half a character, or a control character`() {
    let word = RelayWord(relay.other)
    word.log(.error, "x", "a\nb\u{1b}[31m\u{85}" + String(repeating: "é", count: 5000))
    let said = relay.read()
    #expect(said.count == 1)
    #expect(said[0].utf8.count <= RelayWord.bytesMax)
    #expect(said[0].hasPrefix("log error x a\\u000ab\\u001b[31m\\u0085é"))
    #expect(said[0].hasSuffix("é"))
  }

  @Test func `the relay's words are heard, and its end`() {
    let relay = RelayEnd()
    let word = RelayWord(relay.other)
    relay.say("something of a later version")
    relay.say("drain")
    #expect(word.receive() == [.drain])
    #expect(word.receive() == [])
    relay.end()
    #expect(word.receive() == [.end])
    #expect(word.descriptor == nil)
  }

  @Test func `the relay's end is told once though it was met while something was said`() {
    let relay = RelayEnd()
    let word = RelayWord(relay.other)
    relay.end()
    word.filed(key(1), "t")
    #expect(word.descriptor == nil)
    #expect(word.receive() == [.end])
    #expect(word.receive() == [])
  }

  @Test func `a relay that does not read loses lines of the log, never a call that is filed`() {
    let word = RelayWord(relay.other)
    for number in 0..<10_000 { word.log(.info, "x", "\(number)") }
    for number in 1...50 { word.filed(key(number), "t") }
    var said = relay.read()
    while word.hasWaiting {
      word.flush()
      said += relay.read()
    }
    #expect(said.filter { $0.hasPrefix("filed ") }.count == 50)
    #expect(word.droppedCount > 0)
    #expect(said.count == 10_050 - word.droppedCount)
  }
}
