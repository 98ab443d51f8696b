// Strangers at real sockets: silent, with half a hello, from many addresses of this machine. Who
// has something to show is served meanwhile.

import CLinux
import Foundation
import Glibc
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct CrowdTests {
  /// A connection from 127.0.1.`number`, so that not all of them are of one address.
  private static func stranger(_ number: Int, to port: UInt16, saying bytes: [UInt8] = []) -> Peer {
    var own = sockaddr_in()
    own.sin_family = sa_family_t(AF_INET)
    own.sin_addr.s_addr = (0x7f00_0100 + UInt32(number)).bigEndian
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    withUnsafePointer(to: &own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    let peer = Peer(adopting: descriptor)
    own.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    own.sin_port = port.bigEndian
    withUnsafePointer(to: &own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if !bytes.isEmpty { peer.send(bytes) }
    return peer
  }

  private static func config(isTLS: Bool) -> Config {
    var config = Config.small()
    config.limits.otherLinksMax = 64
    if isTLS {
      config.listeners[0].certificate = Certificates.shared.good.certificate
      config.listeners[0].key = Certificates.shared.good.key
    }
    return config
  }

  /// The beginning of a record with a hello (RFC 8446 §5.1), and of a request.
  private static let halves: [[UInt8]] = [[], [0x16, 0x03, 0x01, 0x02], Array("GET /hea".utf8)]

  @Test(arguments: [true, false], [0, 1, 2])
  func `strangers who show nothing keep nobody out`(isTLS: Bool, half: Int) throws {
    let running = try Running(Self.config(isTLS: isTLS))
    defer { running.stop() }
    var strangers: [Peer] = []
    for round in 0..<4 {
      for number in 0..<100 {
        strangers.append(
          Self.stranger(round * 20 + number % 50, to: running.port, saying: Self.halves[half]))
      }
      if isTLS {
        let peer = try SecurePeer(
          port: running.port, trusting: Certificates.shared.authority)
        peer.send(MachineTests.health)
        #expect(peer.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
      } else {
        let peer = Peer(port: running.port)
        peer.send(MachineTests.health)
        #expect(peer.readHead().hasPrefix("HTTP/1.1 200 "))
        let caller = Peer(port: running.port)
        #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
      }
    }
    // The first of them have given way, and were told as far as that can be.
    let last = String(decoding: try #require(strangers[0].readToEnd()), as: UTF8.self)
    if !isTLS { #expect(last.hasPrefix("HTTP/1.1 ")) }
    strangers = []
    running.stop()
    #expect(running.machine.relay.linksInUse == 0 && running.machine.shaking == 0)
  }

  @Test(arguments: [true, false])
  func `a connection that says nothing is let go after two seconds`(isTLS: Bool) throws {
    var config = Self.config(isTLS: isTLS)
    config.limits.firstByteSeconds = 2
    let running = try Running(config)
    defer { running.stop() }
    let begin = Clock.now
    let silent = Self.stranger(1, to: running.port)
    let last = String(decoding: try #require(silent.readToEnd()), as: UTF8.self)
    #expect(isTLS ? last.isEmpty : last.hasPrefix("HTTP/1.1 408 "))
    #expect((Clock.now - begin).milliseconds >= 1900)
  }
}
