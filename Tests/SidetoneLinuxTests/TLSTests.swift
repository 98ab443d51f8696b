// Both roles of our TLS talking to each other over loopback sockets, step by step.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct TLSTests {
  let certificates = Certificates.shared

  @Test func `both roles shake hands and carry bytes`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .done)
    let text = Array("the caller's first words".utf8)
    pair.send(text, from: pair.client)
    #expect(pair.receive(text.count, at: pair.server) == text)
    pair.send(text, from: pair.server)
    #expect(pair.receive(text.count, at: pair.client) == text)
  }

  @Test func `an address is looked for among the addresses`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "127.0.0.1")
    #expect(pair.shakeHands() == .done)
  }

  @Test func `a certificate for another name is refused`() throws {
    let pair = try Pair(certificates.other, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .failed(.certificateRefused))
  }

  @Test func `an expired certificate is refused`() throws {
    let pair = try Pair(certificates.expired, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .failed(.certificateRefused))
  }

  @Test func `an unknown authority is refused`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.stranger, host: "localhost")
    #expect(pair.shakeHands() == .failed(.certificateRefused))
  }

  @Test func `the next connection resumes the session of the last`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .done)
    // The ticket comes with the first bytes after the handshake.
    pair.send([1], from: pair.server)
    #expect(pair.receive(1, at: pair.client) == [1])
    #expect(!pair.clientTLS.isResumed(pair.client.link))
    try pair.reconnect()
    #expect(pair.shakeHands() == .done)
    #expect(pair.clientTLS.isResumed(pair.client.link))
  }

  @Test func `a full socket keeps the rest of a record and loses nothing`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .done)
    let sent = (0..<15_000).flatMap {
      [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 271)
    }
    var written = 0
    var received: [UInt8] = []
    var wasFull = false
    while received.count < sent.count {
      while written < sent.count {
        let place = sent[written..<min(written + 16_384, sent.count)]
        guard let count = pair.write(Array(place), from: pair.client) else {
          wasFull = true
          break
        }
        written += count
      }
      let some = pair.read(at: pair.server)
      received += some
    }
    #expect(wasFull)
    #expect(received == sent)
  }

  @Test func `close notify ends the stream`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    #expect(pair.shakeHands() == .done)
    pair.clientTLS.begin(pair.client.descriptor, reads: 0)
    pair.clientTLS.shutDown(pair.client.link)
    _ = pair.clientTLS.flush(&pair.client.link, to: pair.client.descriptor)
    #expect(pair.waitForEnd(at: pair.server))
  }

  @Test func `rubbish instead of a handshake fails`() throws {
    let pair = try Pair(certificates.good, trusting: certificates.authority, host: "localhost")
    let rubbish = Array("GET / HTTP/1.1\r\n\r\n".utf8)
    rubbish.withBytes { _ = SocketCall.write(pair.client.descriptor, $0) }
    var result = Pair.Result.pending
    _ = becomesTrue {
      result = pair.step(pair.server)
      return result != .pending
    }
    #expect(result == .failed(.tlsFailed))
  }

  @Test func `a missing or wrong file is named`() {
    let good = certificates.good
    let wrong: [(certificate: String, key: String, named: String)] = [
      ("/nowhere/chain.pem", good.key, "/nowhere/chain.pem: No such file or directory"),
      (good.certificate, "/nowhere/key.pem", "/nowhere/key.pem: No such file or directory"),
      (good.certificate, certificates.other.key, "\(certificates.other.key): key values mismatch"),
    ]
    for (certificate, key, text) in wrong {
      var config = Config()
      config.listeners[0].certificate = certificate
      config.listeners[0].key = key
      // What was not made yet when the file is refused must not be given back either.
      config.upstreams = [Config.Upstream(), Config.Upstream()]
      do throws(StartError) {
        _ = try TLS(config: config)
        Issue.record("these files are of no use: \(text)")
      } catch {
        #expect(error.description == text)
      }
    }
  }
}

/// A client and a server of ours, joined by a loopback connection.
final class Pair {
  /// One end.
  final class End {
    let tls: TLS
    let descriptor: Int32
    var link: TLSLink
    init(_ tls: TLS, _ descriptor: Int32, _ link: TLSLink?) throws {
      self.tls = tls
      self.descriptor = descriptor
      self.link = try #require(link)
    }
    deinit {
      tls.free(link)
      _ = cl_close(descriptor)
    }
  }

  enum Result: Equatable {
    case done, pending
    case failed(LinkFailure)
  }

  let serverTLS: TLS
  let clientTLS: TLS
  private(set) var server: End
  private(set) var client: End

  init(_ files: (certificate: String, key: String), trusting authority: String, host: String)
    throws
  {
    var serving = Config()
    serving.listeners[0].certificate = files.certificate
    serving.listeners[0].key = files.key
    var dialling = Config()
    var upstream = Config.Upstream()
    upstream.endpoint.host = host
    upstream.endpoint.caFile = authority
    dialling.upstreams = [upstream]
    serverTLS = try TLS(config: serving)
    clientTLS = try TLS(config: dialling)
    (server, client) = try Self.connect(serverTLS, clientTLS)
  }

  func reconnect() throws { (server, client) = try Self.connect(serverTLS, clientTLS) }

  private static func connect(_ serving: TLS, _ dialling: TLS) throws -> (End, End) {
    var address = cl_address(Address(ipv4: 0x7f00_0001, port: 0))
    let listener = cl_listen(&address, 1, false, false)
    defer { _ = cl_close(listener) }
    address.port = UInt16(cl_bound_port(listener))
    guard case .done(let near) = SocketCall.connect(to: Address(address)) else {
      throw Errno.connectionRefused
    }
    var peer = Address.none
    while true {
      if case .done(let far) = SocketCall.accept(on: listener, peer: &peer) {
        return (
          try End(serving, Int32(far), serving.accept(on: 0)),
          try End(dialling, Int32(near), dialling.connect(to: 0))
        )
      }
    }
  }

  /// One step of one end's handshake.
  func step(_ end: End) -> Result {
    end.tls.begin(end.descriptor, reads: 1)
    let outcome = end.tls.handshake(end.link)
    _ = end.tls.flush(&end.link, to: end.descriptor)
    switch outcome {
    case .done: return .done
    case .failed(let failure): return .failed(failure)
    case .ended: return .failed(.reset)
    case .wouldBlock: return .pending
    }
  }

  /// Both handshakes to their ends; how the client's came out.
  func shakeHands() -> Result {
    let limit = Clock.now + .seconds(patienceSeconds)
    var results = (client: Result.pending, server: Result.pending)
    while Clock.now < limit {
      if results.client == .pending { results.client = step(client) }
      if results.server == .pending { results.server = step(server) }
      if case .failed = results.client { return results.client }
      if results.client == .done && results.server == .done { return .done }
    }
    return .pending
  }

  /// Seals and sends; nil while the socket is full.
  func write(_ bytes: [UInt8], from end: End) -> Int? {
    end.tls.begin(end.descriptor, reads: 0)
    guard case .done = end.tls.flush(&end.link, to: end.descriptor) else { return nil }
    return bytes.withBytes { place in
      guard case .done(let count) = end.tls.write(end.link, place) else { return nil }
      _ = end.tls.flush(&end.link, to: end.descriptor)
      return count
    }
  }

  func send(_ bytes: [UInt8], from end: End) { #expect(write(bytes, from: end) == bytes.count) }

  /// What can be had without waiting. Sends what is held at the other end first.
  func read(at end: End) -> [UInt8] {
    let other = end === server ? client : server
    other.tls.begin(other.descriptor, reads: 0)
    _ = other.tls.flush(&other.link, to: other.descriptor)
    let place = Buffer(count: 32_768)
    var all: [UInt8] = []
    end.tls.begin(end.descriptor, reads: 4)
    repeat {
      guard case .done(let count) = end.tls.read(end.link, into: place.bytes) else { break }
      all += place.bytes.prefix(count).array
    } while end.tls.hasMore(end.link)
    _ = end.tls.flush(&end.link, to: end.descriptor)
    return all
  }

  func receive(_ count: Int, at end: End) -> [UInt8] {
    let limit = Clock.now + .seconds(patienceSeconds)
    var all: [UInt8] = []
    while all.count < count && Clock.now < limit { all += read(at: end) }
    return all
  }

  func waitForEnd(at end: End) -> Bool {
    let limit = Clock.now + .seconds(patienceSeconds)
    let place = Buffer(count: 64)
    while Clock.now < limit {
      end.tls.begin(end.descriptor, reads: 1)
      if case .ended = end.tls.read(end.link, into: place.bytes) { return true }
    }
    return false
  }
}
