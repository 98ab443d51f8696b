// Handshakes that are made beside the loop: many at once, slow ones, and those that nobody waits
// for any more.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct HandshakePoolTests {
  let certificates = Certificates.shared

  @Test(arguments: [false, true])
  func `many handshakes at once all come to their end`(_ isSlow: Bool) throws {
    let running = try Running(.secure(isSlow: isSlow))
    defer { running.stop() }
    let peers = try (0..<(isSlow ? 6 : 20)).map { _ in
      try SecurePeer(port: running.port, trusting: certificates.authority)
    }
    for peer in peers {
      peer.send(MachineTests.health)
      #expect(peer.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
    }
  }

  @Test func `a peer is served while others say hello and go away`() throws {
    let running = try Running(.secure(isSlow: true))
    defer { running.stop() }
    let caller = try SecurePeer(port: running.port, trusting: certificates.authority)
    for _ in 0..<20 { try Self.greetAndLeave(running.port, certificates.authority) }
    caller.send(MachineTests.health)
    #expect(caller.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `a step whose socket timed out meanwhile is buried when it comes back`() throws {
    let machine = try Machine(
      config: .secure(isSlow: true), lines: .none(), catchesSignals: false)
    let client = try TLS(config: .dialling(machine.listeners[0].port, certificates.authority))
    let peer = Peer(port: machine.listeners[0].port)
    var link = try #require(client.connect(to: 0))
    defer { client.free(link) }
    client.greet(&link, on: peer.descriptor)
    func socket() -> Int? {
      (0..<machine.sockets.capacity).first { machine.sockets.isInUse($0) }
    }
    for _ in 0..<100 where socket().map({ machine.sockets[$0].tls.holder }) != .helper {
      machine.turn()
    }
    let index = try #require(socket())
    #expect(machine.sockets[index].tls.holder == .helper)
    machine.timeOut(index)
    #expect(machine.sockets.inUse == 0)
    #expect(machine.dyingCount == 0)
    // The step comes back as an event.
    for _ in 0..<1000 where machine.handshakes.isBusy { machine.turn() }
    #expect(!machine.handshakes.isBusy)
    #expect(machine.shaking == 0)
    #expect(peer.readToEnd() != nil)
  }

  @Test func `an address that says hello too often is refused and counted`() throws {
    var config = Config.secure()
    config.limits.handshakesPerAddressMax = 4
    config.limits.callsPerSecondPerAddress = 2
    let running = try Running(config)
    // Who goes through with it has paid for it, and may come again at once.
    for _ in 0..<20 {
      _ = try SecurePeer(port: running.port, trusting: certificates.authority)
    }
    for _ in 0..<40 { try Self.greetAndLeave(running.port, certificates.authority) }
    running.stop()
    #expect((1...40).contains(running.machine.relay.totals.handshakesRefused))
  }

  @Test func `a trusted proxy says hello as often as it likes`() throws {
    var config = Config.secure()
    config.limits.handshakesPerAddressMax = 4
    config.limits.callsPerSecondPerAddress = 2
    config.trustedProxies = [
      AddressRange(network: Address(ipv4: 0x7f00_0001, port: 0), prefixBits: 128)
    ]
    let running = try Running(config)
    defer { running.stop() }
    for _ in 0..<20 { _ = try SecurePeer(port: running.port, trusting: certificates.authority) }
  }

  /// A hello, and then a reset.
  private static func greetAndLeave(_ port: UInt16, _ authority: String) throws {
    let tls = try TLS(config: .dialling(port, authority))
    let peer = Peer(port: port)
    var link = try #require(tls.connect(to: 0))
    defer { tls.free(link) }
    tls.greet(&link, on: peer.descriptor)
    cl_set_abortive(peer.descriptor)
  }
}

extension TLS {
  /// Says hello, and waits for no answer.
  fileprivate func greet(_ link: inout TLSLink, on descriptor: Int32) {
    begin(descriptor, reads: 0)
    _ = handshake(link)
    _ = flush(&link, to: descriptor)
  }
}

extension LineWriter {
  /// Lines that nobody reads.
  static func none() throws -> LineWriter {
    let nowhere = open("/dev/null", O_WRONLY)
    return try LineWriter(transcripts: nowhere, logs: nowhere)
  }
}

extension Config {
  /// For a client of the relay on that port.
  static func dialling(_ port: UInt16, _ authority: String) -> Config {
    var config = Config()
    var upstream = Upstream()
    upstream.endpoint = .init(host: "localhost", port: port, isTLS: true, caFile: authority)
    config.upstreams = [upstream]
    return config
  }
}
