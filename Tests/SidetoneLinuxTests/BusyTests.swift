// Peers that have more to say than a call needs, and what others notice of them.

import CLinux
import COpenSSL
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct BusyTests {
  let certificates = Certificates.shared

  @Test func `many shares of one peer come through whole and in order`() throws {
    let running = try Running(.small())
    defer { running.stop() }
    let peer = Peer(port: running.port)
    #expect(peer.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
    let payload = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    peer.sendMessage(payload)
    #expect(peer.readAudio(payload.count) == payload)
  }

  @Test(arguments: [1, 160, 16_000])
  func `records of any size come through whole and in order`(_ size: Int) throws {
    let running = try Running(.secure())
    defer { running.stop() }
    let peer = try SecurePeer(port: running.port, trusting: certificates.authority)
    // A head in records of that size, with a field that fills it up.
    let head = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: "
    let text = head + String(repeating: "x", count: 7000) + "\r\n\r\n"
    for start in stride(from: 0, to: text.utf8.count, by: size) {
      peer.send(String(decoding: text.utf8.dropFirst(start).prefix(size), as: UTF8.self))
    }
    #expect(peer.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
  }

  /// The loop itself, turned by hand: what a flood leaves of a turn.
  @Test func `a turn reads a share of a flood and goes on`() throws {
    let machine = try Machine(config: .small(), lines: .none(), catchesSignals: false)
    let peers = (0..<4).map { _ in Peer(port: machine.listeners[0].port) }
    for peer in peers {
      peer.send(
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    }
    for _ in 0..<10_000 where machine.relay.callsInUse < peers.count { machine.turn() }
    try #require(machine.relay.callsInUse == peers.count)
    for peer in peers { for _ in 0..<4 { peer.sendMessage([UInt8](repeating: 1, count: 30_000)) } }
    let before = machine.relay.totals.bytesIn
    machine.turn()
    let calm = machine.relay.totals.bytesIn - before
    #expect(calm > 0)
    // A share each, and what the time for the busy ones allows.
    #expect(calm <= 4 * 120_000)
    var turns = 1
    while machine.relay.totals.bytesIn - before < 4 * 120_000, turns < 10_000 {
      machine.turn()
      turns += 1
    }
    #expect(machine.relay.totals.bytesIn - before >= 4 * 120_000)
  }

  /// Who was answered and goes on to send is read for the sake of its answer alone.
  @Test func `a turn throws away a share of what comes behind the end`() throws {
    let machine = try Machine(config: .small(), lines: .none(), catchesSignals: false)
    machine.lingerSpan = .seconds(patienceSeconds)
    let peers = (0..<4).map { _ in Peer(port: machine.listeners[0].port) }
    for peer in peers { peer.send("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n") }
    for _ in 0..<1000 where machine.lingering < peers.count { machine.turn() }
    try #require(machine.lingering == peers.count)
    let rest = [UInt8](repeating: 1, count: 30_000)
    for peer in peers { for _ in 0..<4 { peer.send(rest) } }
    let all = machine.unread
    try #require(all > 0)
    machine.turn()
    let left = machine.unread
    #expect(left < all)
    #expect(left >= all - peers.count * Machine.discardBytes)
    for _ in 0..<1000 where machine.unread > 0 { machine.turn() }
    #expect(machine.unread == 0)
    #expect(machine.lingering == peers.count)
  }

  /// The loop stands still while bytes wait: only the kernel's stamps know.
  @Test(arguments: [true, false])
  func `what waits to be read is measured where it is asked for`(isAsked: Bool) throws {
    var config = Config.small()
    config.stampsArrivals = isAsked
    let machine = try Machine(config: config, lines: .none(), catchesSignals: false)
    let port = machine.listeners[0].port
    let (late, punctual) = (Peer(port: port), Peer(port: port))
    for _ in 0..<1000 where machine.sockets.inUse < 2 { machine.turn() }
    try #require(machine.sockets.inUse == 2)
    #expect(try Self.kernelStamps())
    late.send("GET /nothing HTTP/1.1\r\n")
    usleep(30_000)
    for _ in 0..<100 where machine.relay.totals.bytesIn == 0 { machine.turn() }
    punctual.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in 0..<100 where machine.relay.totals.requests == 0 { machine.turn() }
    let page = String(decoding: punctual.readToEnd() ?? [], as: UTF8.self)
    #expect(page.contains("sidetone_arrival_wait_seconds_count") == isAsked)
    guard isAsked else { return }
    let worst = page.split(separator: "\n").first {
      $0.hasPrefix("sidetone_arrival_wait_worst_nanoseconds ")
    }
    let nanoseconds = worst.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
    #expect(nanoseconds >= 30_000_000)
  }

  /// Whether the kernel stamps what comes. It begins to a moment after the first socket has asked
  /// for it; a stamp of before is the time of reading.
  private static func kernelStamps() throws -> Bool {
    let acceptor = Acceptor()
    let sender = Peer(port: acceptor.port)
    let receiver = try #require(acceptor.accept())
    _ = cl_set_stamped(receiver.descriptor)
    return becomesTrue {
      sender.send([1])
      let sent = cl_wall()
      usleep(1000)
      let came = cl_came_at(receiver.descriptor)
      return receiver.read(1) == [1] && came > 0 && came <= sent
    }
  }

  @Test func `who asks for new keys without end is let go, and others notice nothing`() throws {
    let running = try Running(.secure())
    defer { running.stop() }
    let flood = try SecurePeer(port: running.port, trusting: certificates.authority)
    let other = try SecurePeer(port: running.port, trusting: certificates.authority)
    var asked = 0
    while asked < 5000, flood.askForNewKeys() { asked += 1 }
    #expect((400..<5000).contains(asked))
    other.send(MachineTests.health)
    #expect(other.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `a peer that changes its keys without end is let go`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .done)
    #expect(pair.changeKeys(20) == .done)
    #expect(pair.changeKeys(100) == .failed(.reset))
  }
}

extension Machine {
  /// What waits in the kernel on all sockets.
  fileprivate var unread: Int {
    (0..<sockets.capacity).reduce(0) { sum, index in
      var count: Int32 = 0
      if sockets.isInUse(index) { _ = ioctl(sockets[index].descriptor, UInt(FIONREAD), &count) }
      return sum + Int(count)
    }
  }
}

extension SecurePeer {
  /// Changes its keys and asks the other side to do so, and reads the answer; false: it is gone.
  func askForNewKeys() -> Bool {
    step {
      SSL_key_update($0.ssl, SSL_KEY_UPDATE_REQUESTED)
      SSL_do_handshake($0.ssl)
    }
  }
}

extension Pair {
  /// The client changes its keys so often at once and says a byte; done: the server has read it.
  func changeKeys(_ times: Int) -> Result {
    client.tls.begin(client.descriptor, reads: 0)
    for _ in 0..<times {
      SSL_key_update(client.link.ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
      SSL_do_handshake(client.link.ssl)
    }
    [1].withBytes { _ = client.tls.write(client.link, $0) }
    _ = client.tls.flush(&client.link, to: client.descriptor)
    let place = Buffer(count: 64)
    let limit = Clock.now + .seconds(patienceSeconds)
    var result = Result.pending
    while result == .pending, Clock.now < limit {
      server.tls.begin(server.descriptor, reads: 1)
      switch server.tls.read(server.link, into: place.bytes) {
      case .ended: result = .failed(.reset)
      case .failed(let failure): result = .failed(failure)
      case .done: result = .done
      case .wouldBlock: break
      }
      if result == .pending, !server.tls.bears(&server.link) { result = .failed(.tlsFailed) }
    }
    return result
  }
}
