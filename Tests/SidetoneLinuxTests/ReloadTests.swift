// Settings that are read anew under a running machine: beside its turns, and never half.

import Foundation
import Synchronization
import Testing

@testable import Sidetone
@testable import SidetoneLinux

/// What is read next, and how often it was.
private final class Shelf: Sendable {
  struct State {
    var next: Reread
    var begun = 0
    var readings = 0
    var taken = 0
  }
  let state: Mutex<State>
  /// Readers wait for it where a test holds them back.
  let gate = DispatchSemaphore(value: 0)
  let isGated: Bool

  init(_ config: Config, isGated: Bool = false) {
    self.isGated = isGated
    state = Mutex(State(next: .settings(config, changes: [], taken: {})))
  }

  func put(_ config: Config, changes: [Config.Change] = []) {
    state.withLock {
      $0.next = .settings(config, changes: changes) { [self] in state.withLock { $0.taken += 1 } }
    }
  }

  func put(mistakes: [String]) { state.withLock { $0.next = .mistakes(mistakes) } }

  @Sendable func read() -> Reread {
    state.withLock { $0.begun += 1 }
    if isGated { gate.wait() }
    return state.withLock {
      $0.readings += 1
      return $0.next
    }
  }

  var taken: Int { state.withLock { $0.taken } }
  var begun: Int { state.withLock { $0.begun } }
  var readings: Int { state.withLock { $0.readings } }
}

struct ReloadTests {
  let certificates = Certificates.shared

  /// A frame of a raw caller.
  private func audio(_ byte: UInt8) -> [UInt8] { Array(repeating: byte, count: 160) }

  private func page(_ path: String, _ running: Running) -> String {
    let peer = Peer(port: running.port)
    peer.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return peer.readToEnd().map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  private func refused(_ count: Int, _ running: Running) -> Bool {
    becomesTrue { page("/metrics", running).contains("sidetone_reloads_refused_total \(count)\n") }
  }

  @Test func `the next call has the new route, and a running one goes on`() throws {
    var config = Config.small()
    let shelf = Shelf(config)
    let running = try Running(config, reread: shelf.read)
    defer { running.stop() }
    let caller = Peer(port: running.port)
    #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101"))
    caller.sendMessage(audio(1))
    #expect(caller.readAudio(160) == audio(1))
    let place = try #require(config.routes.firstIndex { $0.path == "/echo" })
    config.routes[place].path = "/elsewhere"
    shelf.put(config)
    running.machine.interrupter.reload()
    #expect(becomesTrue { shelf.taken == 1 })
    #expect(Peer(port: running.port).upgrade("/elsewhere").hasPrefix("HTTP/1.1 101"))
    #expect(Peer(port: running.port).upgrade("/echo").hasPrefix("HTTP/1.1 404"))
    caller.sendMessage(audio(5))
    #expect(caller.readAudio(160) == audio(5))
  }

  @Test func `mistakes are all told, and nothing is changed`() throws {
    let log = Pipe()
    let nowhere = open("/dev/null", O_WRONLY)
    let lines = try LineWriter(
      transcripts: nowhere, logs: log.fileHandleForWriting.fileDescriptor)
    let shelf = Shelf(.small())
    let running = try Running(.small(), lines: lines, reread: shelf.read)
    shelf.put(mistakes: ["f.toml:1: one is wrong", "f.toml:2: one is wrong"])
    for count in 1...2 {
      running.machine.interrupter.reload()
      #expect(refused(count, running))
    }
    #expect(Peer(port: running.port).upgrade("/echo").hasPrefix("HTTP/1.1 101"))
    running.stop()
    try log.fileHandleForWriting.close()
    let text = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let told = text.split(separator: "\n").filter { $0.contains("reload_refused") }
    #expect(told.count == 6, "\(text)")
    #expect(told.count { $0.contains("f.toml:2: one is wrong") } == 2)
    #expect(told.count { $0.contains("nothing was changed") } == 2)
  }

  @Test func `while settings are read another signal has them read once more, not twice`() throws {
    let shelf = Shelf(.small(), isGated: true)
    shelf.put(.small())
    let running = try Running(.small(), reread: shelf.read)
    defer { running.stop() }
    running.machine.interrupter.reload()
    // The loop goes on meanwhile.
    #expect(becomesTrue { shelf.begun == 1 })
    #expect(page("/health", running).contains("200 OK"))
    for _ in 0..<5 { running.machine.interrupter.reload() }
    #expect(page("/health", running).contains("200 OK"))
    for _ in 0..<8 { shelf.gate.signal() }
    #expect(becomesTrue { shelf.taken == 2 })
    #expect(page("/metrics", running).contains("sidetone_reloads_total 2\n"))
    #expect(shelf.readings == 2)
  }

  @Test func `a relay that drains is given no other settings`() throws {
    let shelf = Shelf(.small(), isGated: true)
    shelf.put(.small())
    let running = try Running(.small(), reread: shelf.read)
    defer { running.stop() }
    let caller = Peer(port: running.port)
    #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101"))
    running.machine.interrupter.reload()
    #expect(becomesTrue { shelf.begun == 1 })
    running.interrupt()
    #expect(becomesTrue { page("/ready", running).contains("503") })
    shelf.gate.signal()
    #expect(refused(1, running))
    running.machine.interrupter.reload()
    #expect(refused(2, running))
    #expect(shelf.taken == 0 && shelf.readings == 1)
    caller.sendMessage(audio(1))
    #expect(caller.readAudio(160) == audio(1))
  }

  // MARK: Certificates

  /// Whose certificate is shown there.
  private func shown(_ port: UInt16) -> String {
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = [
      "-c",
      "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null "
        + "| openssl x509 -noout -subject",
    ]
    let out = Pipe()
    shell.standardOutput = out
    shell.standardError = FileHandle.nullDevice
    try? shell.run()
    let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    shell.waitUntilExit()
    return text
  }

  private func secure(_ pair: (certificate: String, key: String)) -> Config {
    var config = Config.small()
    (config.listeners[0].certificate, config.listeners[0].key) = pair
    return config
  }

  /// A client whose handshake is done and who says nothing yet.
  private func client(_ port: UInt16) throws -> (process: Process, input: Pipe, output: Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(port)"]
    let (input, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // It tells of the certificate once the handshake is done.
    _ = errors.fileHandleForReading.availableData
    return (process, input, output)
  }

  @Test func `the next handshake has the new certificate, and who is there keeps the old`() throws {
    let shelf = Shelf(secure(certificates.good))
    let running = try Running(secure(certificates.good), reread: shelf.read)
    defer { running.stop() }
    #expect(shown(running.port).contains("good"))
    let (process, input, output) = try client(running.port)
    shelf.put(secure(certificates.other))
    running.machine.interrupter.reload()
    #expect(becomesTrue { shelf.taken == 1 })
    #expect(shown(running.port).contains("other"))
    input.fileHandleForWriting.write(Data(MachineTests.health.utf8))
    let answer = output.fileHandleForReading.readDataToEndOfFile()
    #expect(String(decoding: answer, as: UTF8.self).contains("200 OK"))
    process.waitUntilExit()
  }

  @Test func `a certificate that cannot be used leaves the old one, and says why`() throws {
    let log = Pipe()
    let nowhere = open("/dev/null", O_WRONLY)
    let lines = try LineWriter(
      transcripts: nowhere, logs: log.fileHandleForWriting.fileDescriptor)
    let good = certificates.good
    let shelf = Shelf(secure(good))
    let running = try Running(secure(good), lines: lines, reread: shelf.read)
    let wrong: [((certificate: String, key: String), named: String)] = [
      (certificates.expired, "\(certificates.expired.certificate): it has expired"),
      ((good.certificate, certificates.other.key), "key values mismatch"),
      ((good.certificate, "/nowhere/key.pem"), "/nowhere/key.pem: No such file or directory"),
      (("/nowhere/chain.pem", good.key), "/nowhere/chain.pem: No such file or directory"),
    ]
    for (pair, _) in wrong {
      let before = shelf.readings
      shelf.put(secure(pair))
      running.machine.interrupter.reload()
      #expect(becomesTrue { shelf.readings == before + 1 })
      #expect(shown(running.port).contains("good"))
    }
    #expect(shelf.taken == 0)
    running.stop()
    try log.fileHandleForWriting.close()
    let text = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    for (_, named) in wrong { #expect(text.contains(named), "\(text)") }
  }

  @Test func `one that has expired meanwhile does not stand in the way of others`() throws {
    var config = secure(certificates.expired)
    let shelf = Shelf(config)
    let running = try Running(config, reread: shelf.read)
    defer { running.stop() }
    config.limits.pongSeconds = 7
    shelf.put(config)
    running.machine.interrupter.reload()
    #expect(becomesTrue { shelf.taken == 1 })
  }
}
