// Listening sockets that are handed over, and those that two processes share while one follows the
// other.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct ListenersTests {
  /// Somebody else's socket on a free port of this machine.
  private func listener(isShared: Bool = false) -> (descriptor: Int32, port: UInt16) {
    var raw = cl_address(Address(ipv4: 0x7f00_0001, port: 0))
    let descriptor = cl_listen(&raw, 64, false, isShared)
    return (descriptor, UInt16(cl_bound_port(descriptor)))
  }

  private func found(_ descriptor: Int32) throws -> InheritedListeners {
    try .found("\(getpid())", "1", first: descriptor)
  }

  private func isHealthy(port: UInt16) -> Bool {
    let peer = Peer(port: port)
    peer.send(MachineTests.health)
    return peer.readHead().hasPrefix("HTTP/1.1 200 ")
  }

  // MARK: Handed over

  @Test func `a socket that was handed over is served, and lives on when its process goes`() throws
  {
    let (descriptor, port) = listener()
    let kept = dup(descriptor)
    defer { close(kept) }
    let inherited = try found(descriptor)
    #expect(inherited.addresses == ["127.0.0.1:\(port)"])
    let first = try Running(.small(), inherited: inherited)
    #expect(first.port == port && isHealthy(port: port))
    let caller = Peer(port: port)
    #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
    first.interrupt()
    // It is another process's now: who comes meanwhile waits for that one.
    while first.machine.listeners[0].isOpen { usleep(1000) }
    let early = Peer(port: port)
    early.send(MachineTests.health)
    let second = try Running(.small(), inherited: try found(dup(kept)))
    defer { second.stop() }
    #expect(early.readHead().hasPrefix("HTTP/1.1 200 "))
    // The call that runs goes on where it is.
    MachineTests.checkFrames(caller, messages: 5)
    first.stop()
    #expect(isHealthy(port: port))
  }

  @Test func `what was handed over must be a socket that listens, where we are to listen`() throws {
    let pipe = Pipe()
    #expect(throws: StartError.self) { try found(pipe.fileHandleForReading.fileDescriptor) }
    let (descriptor, port) = listener()
    var config = Config.small()
    config.listeners[0].address = "::1"
    do throws(StartError) {
      _ = try Machine(
        config: config, catchesSignals: false,
        inherited: .found("\(getpid())", "1", first: descriptor))
      Issue.record("nobody asked for it")
    } catch {
      #expect(error.description.contains("127.0.0.1:\(port) was handed over"))
    }
    close(descriptor)
  }

  @Test func `sockets for another process are left alone`() throws {
    #expect(try InheritedListeners.found("1", "3").addresses == [])
    #expect(try InheritedListeners.found(nil, nil).addresses == [])
    #expect(try InheritedListeners.found("\(getpid())", "0").addresses == [])
  }

  // MARK: Shared

  @Test func `a successor on the same port takes all who come, and nobody is turned away`() throws {
    var config = Config.small()
    config.sharesPorts = true
    let first = try Running(config)
    config.listeners[0].port = first.port
    let callers = (0..<4).map { _ in Peer(port: first.port) }
    for caller in callers { #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101 ")) }
    let second = try Running(config)
    defer { second.stop() }
    #expect(Machine.listeningCount(second.machine.listeners[0]) == 2)
    first.interrupt()
    for _ in 0..<50 { #expect(isHealthy(port: first.port)) }
    while first.machine.listeners[0].isOpen { usleep(1000) }
    for caller in callers { MachineTests.checkFrames(caller, messages: 5) }
    for _ in 0..<20 { #expect(Peer(port: first.port).upgrade("/echo").hasPrefix("HTTP/1.1 101 ")) }
    first.stop()
    #expect(Machine.listeningCount(second.machine.listeners[0]) == 1)
  }

  @Test func `without a successor the listener stays, and says that it drains`() throws {
    var config = Config.small()
    config.sharesPorts = true
    let running = try Running(config)
    let caller = Peer(port: running.port)
    #expect(caller.upgrade("/echo").hasPrefix("HTTP/1.1 101 "))
    running.interrupt()
    usleep(100_000)
    let peer = Peer(port: running.port)
    peer.send("GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    #expect(peer.readHead().hasPrefix("HTTP/1.1 404 "))
    running.stop()
  }

  @Test func `the kernel's table is read for addresses of both kinds`() {
    for address in [Address(ipv4: 0x7f00_0001, port: 0), Address(high: 0, low: 1, port: 0)] {
      var raw = cl_address(address)
      let descriptor = cl_listen(&raw, 16, false, false)
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      let listener = Machine.Listener(
        address: address.high == 0 && address.low == 1 ? "::1" : "127.0.0.1",
        port: UInt16(cl_bound_port(descriptor)), descriptor: descriptor)
      #expect(Machine.listeningCount(listener) == 1)
    }
  }
}
