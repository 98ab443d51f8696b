// The machine with the real engine, over loopback sockets.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct MachineTests {
  static let health = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

  // MARK: Listening

  @Test func `answers on the port that it reports`() throws {
    let running = try Running(.small())
    defer { running.stop() }
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `a port in use is named`() throws {
    let acceptor = Acceptor()
    var config = Config.small()
    config.listeners[0].port = acceptor.port
    do throws(StartError) {
      _ = try Machine(config: config, catchesSignals: false)
      Issue.record("the port belongs to somebody else")
    } catch {
      #expect(
        error.description
          == "cannot listen on 127.0.0.1:\(acceptor.port): Address already in use")
    }
  }

  @Test func `waits for descriptors instead of refusing`() throws {
    let running = try Running(.small()) { cl_force(CL_ACCEPT, 24, 0, 3) }
    defer { running.stop() }
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `trouble with descriptors is one line of the log, and JSON where the log is`() throws {
    let log = Pipe()
    let nowhere = open("/dev/null", O_WRONLY)
    let lines = try LineWriter(
      transcripts: nowhere, logs: log.fileHandleForWriting.fileDescriptor)
    var config = Config.small()
    config.logsJSON = true
    let running = try Running(config, lines: lines) { cl_force(CL_ACCEPT, 24, 0, 5) }
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
    running.stop()
    try log.fileHandleForWriting.close()
    let text = log.fileHandleForReading.readDataToEndOfFile().split(separator: 10)
    let events = try text.map {
      try #require(try JSONSerialization.jsonObject(with: $0) as? [String: Any])["event"] as? String
    }
    #expect(events.filter { $0 == "connections_wait" }.count == 1)
  }

  @Test func `lines that nobody takes are counted, and told of where somebody reads`() throws {
    let log = Pipe()
    let full = open("/dev/full", O_WRONLY)
    let lines = try LineWriter(transcripts: full, logs: log.fileHandleForWriting.fileDescriptor)
    Array("said\n".utf8).withBytes { lines.put($0, to: .transcript) }
    lines.wake()
    let running = try Running(.small(), lines: lines)
    var metrics = ""
    let isCounted = becomesTrue {
      let peer = Peer(port: running.port)
      peer.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      metrics = peer.readToEnd().map { String(decoding: $0, as: UTF8.self) } ?? ""
      return metrics.contains("sidetone_lines_dropped_total 1\n")
    }
    #expect(isCounted)
    #expect(metrics.contains("sidetone_transcript_lines_dropped_total 1\n"))
    running.stop()
    try log.fileHandleForWriting.close()
    let text = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(text.contains("WARNING: lines_dropped: 1 lines of the transcript and 0 of the log"))
  }

  // MARK: Frames

  @Test func `echoes every byte in order`() throws {
    let running = try Running(.small())
    defer { running.stop() }
    Self.checkEcho(Peer(port: running.port), messages: 200)
  }

  @Test(arguments: [CL_RECV, CL_SEND, CL_EPOLL_WAIT], [4, 11] as [Int32])
  func `survives interrupted and unready calls`(_ call: cl_call, _ error: Int32) throws {
    let running = try Running(.small()) { cl_force(call, error, 1, 5) }
    defer { running.stop() }
    Self.checkEcho(Peer(port: running.port), messages: 20)
  }

  @Test func `serves where the kernel takes milliseconds`() throws {
    let running = try Running(.small()) { cl_force(CL_EPOLL_WAIT, 38, 1, .max) }
    defer { running.stop() }
    Self.checkEcho(Peer(port: running.port), messages: 20)
  }

  @Test func `stops with a sentence where it cannot wait`() throws {
    let log = Pipe()
    let writing = log.fileHandleForWriting.fileDescriptor
    let lines = try LineWriter(transcripts: writing, logs: writing)
    let running = try Running(.small(), lines: lines) {
      cl_force(CL_EPOLL_WAIT, 38, 1, .max)
      cl_force(CL_EPOLL_WAIT_COARSE, 22, 0, .max)
    }
    // It wakes up once.
    withExtendedLifetime(Peer(port: running.port)) { #expect(running.waitForEnd() == 1) }
    try log.fileHandleForWriting.close()
    let text = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let sentences = text.split(separator: "\n").filter { $0.contains("cannot_wait") }
    #expect(sentences.count == 1)
    #expect(sentences[0].hasSuffix("ERROR: cannot_wait: cannot wait for events: Invalid argument"))
  }

  @Test func `echoes with turns kept apart`() throws {
    let running = try Running(
      .small(), turnGap: TurnGap(microseconds: 2000, framesPerSecondMin: 0))
    defer { running.stop() }
    Self.checkEcho(Peer(port: running.port), messages: 100)
    #expect(running.machine.turnGap.isOn)
  }

  /// Of many tries one must end well before the gap does, or the gap held it up.
  @Test func `what is due is not held up by the gap`() throws {
    let nowhere = open("/dev/null", O_WRONLY)
    let machine = try Machine(
      config: .small(), lines: LineWriter(transcripts: nowhere, logs: nowhere),
      catchesSignals: false)
    machine.turnGap = TurnGap(microseconds: 1_000_000, framesPerSecondMin: 0)
    var shortest = Instant.Span.never
    for _ in 0..<20 {
      let begin = Clock.now
      machine.acceptTime = begin + .milliseconds(1)
      machine.turn()
      #expect(machine.acceptTime == .never)
      shortest = min(shortest, Clock.now - begin)
    }
    #expect(shortest < .milliseconds(500))
  }

  static func checkEcho(_ peer: Peer, messages: Int) {
    #expect(peer.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
    checkFrames(peer, messages: messages)
  }

  static func checkFrames(_ peer: Peer, messages: Int) {
    for number in 0..<messages {
      let payload = (0..<160).map { UInt8(truncatingIfNeeded: $0 &+ number) }
      peer.sendMessage(payload)
      guard peer.readAudio(payload.count) == payload else {
        Issue.record("message \(number) came back changed")
        return
      }
    }
  }

  // MARK: Endings

  @Test func `last bytes reach a peer that sent more than was read`() throws {
    let running = try Running(.small(), lingerSpan: .seconds(patienceSeconds))
    defer { running.stop() }
    for _ in 0..<20 {
      let peer = Peer(port: running.port)
      peer.send("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      for _ in 0..<8 { peer.send([UInt8](repeating: 120, count: 8192)) }
      let answer = try #require(peer.readToEnd(), "a reset destroyed the answer")
      #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 4"))
    }
  }

  @Test func `a peer that ended its side still gets its answer`() throws {
    let running = try Running(.small())
    defer { running.stop() }
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    shutdown(peer.descriptor, Int32(SHUT_WR))
    let answer = try #require(peer.readToEnd())
    #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `every socket comes home`() throws {
    let running = try Running(.small())
    for number in 0..<60 {
      let peer = Peer(port: running.port)
      if number % 3 == 0 { cl_set_abortive(peer.descriptor) }
      if number % 2 == 0 { #expect(peer.upgrade("/echo").hasPrefix("HTTP/1.1 101 ")) }
    }
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
    running.stop()
    #expect(running.machine.lingering == 0)
    #expect(running.machine.shaking == 0)
  }

  @Test func `the first signal drains and the second ends`() throws {
    let running = try Running(.small())
    let caller = Peer(port: running.port)
    #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
    running.interrupt()
    let peer = Peer(port: running.port)
    peer.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
    #expect(peer.readHead().hasPrefix("HTTP/1.1 404 "))
    running.interrupt()
    #expect(running.waitForEnd() == 0)
  }

  @Test func `a drain without calls ends`() throws {
    let running = try Running(.small())
    running.interrupt()
    #expect(running.waitForEnd() == 0)
  }

  // MARK: Dialling

  @Test func `dials the next address when the first is dead`() throws {
    let server = try NameServer(addresses: [0x7f00_0002, 0x7f00_0001], ttl: 60)
    let upstream = Acceptor()
    let config = Config.small(dialling: .init(host: "speech.test", port: upstream.port))
    let running = try Running(config, nameServers: server.name)
    defer { running.stop() }
    for _ in 0..<2 {
      let caller = Peer(port: running.port)
      #expect(caller.upgrade("/ws/transcribe").hasPrefix("HTTP/1.1 101 "))
      let dialled = try #require(upstream.accept())
      #expect(dialled.readHead().hasPrefix("GET /v1/listen"))
    }
  }

  @Test func `a slow name server delays nobody else`() throws {
    let server = try NameServer(addresses: [0x7f00_0001], ttl: 60, isHeld: true)
    let upstream = Acceptor()
    let config = Config.small(dialling: .init(host: "speech.test", port: upstream.port))
    let running = try Running(config, nameServers: server.name)
    defer { running.stop() }
    let caller = Peer(port: running.port)
    #expect(caller.upgrade("/ws/transcribe").hasPrefix("HTTP/1.1 101 "))
    let peer = Peer(port: running.port)
    peer.send(Self.health)
    #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
    // The answer was there before the name was.
    var poll = pollfd(fd: upstream.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(Glibc.poll(&poll, 1, 0) == 0)
    server.release()
    #expect(try #require(upstream.accept()).readHead().hasPrefix("GET /v1/listen"))
  }

  // MARK: TLS

  @Test func `serves and dials through TLS`() throws {
    let certificates = Certificates.shared
    var serving = Config()
    serving.listeners[0].certificate = certificates.good.certificate
    serving.listeners[0].key = certificates.good.key
    let upstream = Acceptor()
    var config = Config.small(
      dialling: .init(
        host: "localhost", port: upstream.port, isTLS: true, caFile: certificates.authority))
    config.listeners[0].certificate = certificates.good.certificate
    config.listeners[0].key = certificates.good.key
    let running = try Running(config)
    defer { running.stop() }

    let caller = try SecurePeer(port: running.port, trusting: certificates.authority)
    caller.send(
      "GET /ws/transcribe HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    #expect(caller.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 101 "))
    let dialled = try SecurePeer(accepting: try #require(upstream.accept()), serving)
    #expect(dialled.read(until: "\r\n\r\n").hasPrefix("GET /v1/listen"))
  }

  @Test func `a silent peer loses its handshake at the deadline`() throws {
    var config = Config.small()
    config.limits.handshakeSeconds = 1
    config.listeners[0].certificate = Certificates.shared.good.certificate
    config.listeners[0].key = Certificates.shared.good.key
    let running = try Running(config)
    defer { running.stop() }
    #expect(Peer(port: running.port).readToEnd() == [])
  }
}

/// A peer that speaks TLS with our own steps, patiently.
final class SecurePeer {
  private let tls: TLS
  private let peer: Peer
  private var link: TLSLink

  init(port: UInt16, trusting authority: String) throws {
    var config = Config()
    var upstream = Config.Upstream()
    upstream.endpoint = .init(host: "localhost", port: port, isTLS: true, caFile: authority)
    config.upstreams = [upstream]
    tls = try TLS(config: config)
    peer = Peer(port: port)
    link = try #require(tls.connect(to: 0))
    try shakeHands()
  }

  init(accepting peer: Peer, _ config: Config) throws {
    tls = try TLS(config: config)
    self.peer = peer
    link = try #require(tls.accept(on: 0))
    try shakeHands()
  }

  deinit { tls.free(link) }

  private func shakeHands() throws {
    for _ in 0..<20 {
      tls.begin(peer.descriptor, reads: 0)
      _ = tls.handshake(link)
      _ = tls.flush(&link, to: peer.descriptor)
      tls.begin(peer.descriptor, reads: 1)
      let outcome = tls.handshake(link)
      _ = tls.flush(&link, to: peer.descriptor)
      if case .done = outcome { return }
      if case .failed = outcome { break }
    }
    throw Errno.connectionRefused
  }

  func send(_ text: String) {
    tls.begin(peer.descriptor, reads: 0)
    Array(text.utf8).withBytes { _ = tls.write(link, $0) }
    _ = tls.flush(&link, to: peer.descriptor)
  }

  /// Has something written that is answered, and reads once; false: the other side is gone.
  func step(_ write: (TLSLink) -> Void) -> Bool {
    tls.begin(peer.descriptor, reads: 0)
    write(link)
    if case .failed = tls.flush(&link, to: peer.descriptor) { return false }
    tls.begin(peer.descriptor, reads: 1)
    let place = Buffer(count: 256)
    let outcome = tls.read(link, into: place.bytes)
    _ = tls.flush(&link, to: peer.descriptor)
    switch outcome {
    case .done, .wouldBlock: return true
    case .ended, .failed: return false
    }
  }

  func read(until mark: String) -> String {
    let place = Buffer(count: 16_384)
    var text = ""
    for _ in 0..<20 where !text.contains(mark) {
      tls.begin(peer.descriptor, reads: 1)
      if case .done(let count) = tls.read(link, into: place.bytes) {
        text += place.bytes.prefix(count).string
      }
      _ = tls.flush(&link, to: peer.descriptor)
    }
    return text
  }
}
