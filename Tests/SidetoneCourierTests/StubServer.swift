// A server on a loopback port that answers each request as a test says, also in all the ways in
// which a server should not; and the loop that drives a client in a test.

import CLinux
import Foundation
import Glibc
import Sidetone
import Synchronization

@testable import SidetoneCourier

final class StubServer: Sendable {
  struct Request: Sendable {
    let head: String
    let body: [UInt8]

    /// The value of a header; nil without it.
    func header(_ name: String) -> String? {
      for line in head.split(separator: "\r\n").dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2, parts[0].lowercased() == name.lowercased() {
          return parts[1].trimmingCharacters(in: .whitespaces)
        }
      }
      return nil
    }
  }

  enum Answer: Sendable {
    case status(Int, headers: [String] = [], body: String = "")
    /// These bytes, and then the end of the stream.
    case bytes([UInt8])
    /// One byte each 20 ms.
    case slowly([UInt8])
    /// These, each so many milliseconds after the one before, and then the end of the stream.
    case pieces([[UInt8]], milliseconds: UInt32)
    /// These bytes over and over, for as long as the client takes them.
    case endlessly([UInt8], head: [UInt8])
    /// Nothing, for as long as the client stays.
    case hang
    /// The connection is reset at once.
    case reset
  }

  let port: UInt16
  private let listener: Int32
  private let answer: @Sendable (Int, Request) -> Answer
  private let seen = Mutex<[Request]>([])
  private let open = Mutex<Set<Int32>>([])
  private let accepted = Atomic<Int>(0)
  private let sent = Atomic<Int>(0)
  private let isStopped = Atomic<Bool>(false)

  var requests: [Request] { seen.withLock { $0 } }
  var connections: Int { accepted.load(ordering: .relaxed) }
  /// How much of what is sent endlessly has been taken.
  var bytesTaken: Int { sent.load(ordering: .relaxed) }

  /// `answer` is told the number of the request, from 0.
  init(_ answer: @escaping @Sendable (Int, Request) -> Answer) {
    self.answer = answer
    var address = cl_address(high: 0, low: 0xffff_7f00_0001, port: 0)
    listener = cl_listen(&address, 128, false, false)
    precondition(listener >= 0)
    port = UInt16(cl_bound_port(listener))
    _ = fcntl(listener, F_SETFL, 0)
    Thread { [self] in acceptAll() }.start()
  }

  convenience init(always answer: Answer) { self.init { _, _ in answer } }

  /// Ends every connection; the port is refused from now on.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    shutdown(listener, Int32(SHUT_RDWR))
    open.withLock { for descriptor in $0 { shutdown(descriptor, Int32(SHUT_RDWR)) } }
  }

  func url(_ path: String = "/hook") -> HTTPURL {
    guard let url = try? HTTPURL("http://127.0.0.1:\(port)\(path)") else {
      preconditionFailure("loopback may be plain")
    }
    return url
  }

  private func acceptAll() {
    while !isStopped.load(ordering: .relaxed) {
      let descriptor = accept(listener, nil, nil)
      guard descriptor >= 0 else { break }
      accepted.add(1, ordering: .relaxed)
      _ = open.withLock { $0.insert(descriptor) }
      Thread { [self] in
        serve(descriptor)
        _ = open.withLock { $0.remove(descriptor) }
        close(descriptor)
      }.start()
    }
    close(listener)
  }

  private func serve(_ descriptor: Int32) {
    var rest: [UInt8] = []
    while let request = read(descriptor, &rest) {
      let number = seen.withLock { seen in
        seen.append(request)
        return seen.count - 1
      }
      switch answer(number, request) {
      case .status(let status, let headers, let body):
        let head = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.utf8.count)"] + headers
        send(descriptor, Array((head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8))
      case .bytes(let bytes):
        send(descriptor, bytes)
        return
      case .slowly(let bytes):
        for byte in bytes {
          guard send(descriptor, [byte]) else { return }
          usleep(20_000)
        }
      case .pieces(let pieces, let milliseconds):
        for piece in pieces {
          guard send(descriptor, piece) else { return }
          usleep(milliseconds * 1000)
        }
        return
      case .endlessly(let bytes, let head):
        guard send(descriptor, head) else { return }
        while send(descriptor, bytes) { sent.add(bytes.count, ordering: .relaxed) }
        return
      case .hang:
        var byte: UInt8 = 0
        while recv(descriptor, &byte, 1, 0) > 0 {}
        return
      case .reset:
        cl_set_abortive(descriptor)
        return
      }
    }
  }

  /// The next request; nil where the stream ends.
  private func read(_ descriptor: Int32, _ rest: inout [UInt8]) -> Request? {
    let end = Array("\r\n\r\n".utf8)
    func more() -> Bool {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count > 0 { rest += buffer.prefix(count) }
      return count > 0
    }
    while rest.firstRange(of: end) == nil { guard more() else { return nil } }
    guard let range = rest.firstRange(of: end) else { return nil }
    let head = String(decoding: rest[..<range.lowerBound], as: UTF8.self)
    rest.removeFirst(range.upperBound)
    let length = Request(head: head, body: []).header("Content-Length").flatMap(Int.init) ?? 0
    while rest.count < length { guard more() else { return nil } }
    defer { rest.removeFirst(length) }
    return Request(head: head, body: Array(rest.prefix(length)))
  }

  @discardableResult private func send(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }
}

/// Waits for a descriptor as the courier's loop does.
func wait(for descriptor: Int32, milliseconds: Int) {
  var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  poll(&one, 1, Int32(milliseconds))
}

extension HTTPClient {
  /// Runs until so many requests have ended, or ten seconds have passed; in the order in which they
  /// ended.
  func run(untilEnded count: Int = 1) -> [Ended] {
    var all: [Ended] = []
    let end = cl_monotonic() + 10_000_000_000
    while all.count < count, cl_monotonic() < end {
      wait(for: descriptor, milliseconds: min(waitMilliseconds ?? 1000, 1000))
      all += advance()
    }
    return all
  }

  /// One request from its beginning to its end; nil where it takes longer than ten seconds.
  func result(of request: HTTPRequest) -> HTTPResult? {
    _ = begin(request)
    return run().first?.result
  }
}

extension HTTPResult {
  var answer: HTTPAnswer? { try? get() }
  var failure: HTTPFailure.Kind? {
    guard case .failure(let failure) = self else { return nil }
    return failure.kind
  }
}
