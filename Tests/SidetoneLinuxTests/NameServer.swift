// A name server on a loopback port that knows one answer for every name: some IPv4 addresses, or
// that there is no such name. Where it is held, it says nothing until it is released.

import CLinux
import Foundation
import Glibc
import Synchronization

final class NameServer: @unchecked Sendable {
  let name: String
  private let descriptor: Int32
  private let addresses: [UInt32]
  private let ttl: UInt32
  private let asked = Atomic<Int>(0)
  private let isHeld: Atomic<Bool>
  private let isStopped = Atomic<Bool>(false)
  private let stopped = DispatchSemaphore(value: 0)

  /// Questions for IPv4 addresses so far.
  var questions: Int { asked.load(ordering: .relaxed) }

  init(addresses: [UInt32], ttl: UInt32, isHeld: Bool = false) throws {
    self.addresses = addresses
    self.ttl = ttl
    self.isHeld = Atomic(isHeld)
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    self.descriptor = descriptor
    var patience = timeval(tv_sec: 0, tv_usec: 20_000)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        bind(descriptor, raw, length) == 0 && getsockname(descriptor, raw, &length) == 0
      }
    }
    guard bound else { throw CocoaError(.fileReadUnknown) }
    name = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    let thread = Thread { [self] in answerAll() }
    thread.start()
  }

  /// Answers from now on, first what was asked already.
  func release() { isHeld.store(false, ordering: .relaxed) }

  /// Closes the port: questions are refused from now on.
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    stopped.wait()
  }

  private func answerAll() {
    var buffer = [UInt8](repeating: 0, count: 512)
    while !isStopped.load(ordering: .relaxed) {
      var peer = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let count = withUnsafeMutablePointer(to: &peer) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
        }
      }
      guard count > 12 else { continue }
      while isHeld.load(ordering: .relaxed), !isStopped.load(ordering: .relaxed) { usleep(1000) }
      let reply = answer(to: Array(buffer.prefix(count)))
      _ = withUnsafeMutablePointer(to: &peer) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(descriptor, reply, reply.count, 0, $0, length)
        }
      }
    }
    close(descriptor)
    stopped.signal()
  }

  /// RFC 1035 §4: the header, the question, and an answer for each address.
  private func answer(to question: [UInt8]) -> [UInt8] {
    var end = 12
    while question[end] != 0 { end += Int(question[end]) + 1 }
    end += 5
    let type = question[end - 3]
    if type == 1 { asked.add(1, ordering: .relaxed) }
    let answers = type == 1 ? addresses : []
    let code: UInt8 = addresses.isEmpty ? 3 : 0
    var reply = Array(question[0..<2])
    reply += [0x81, 0x80 | code, 0, 1, 0, UInt8(answers.count), 0, 0, 0, 0]
    reply += question[12..<end]
    for address in answers {
      reply += [0xc0, 12, 0, 1, 0, 1]
      reply += withUnsafeBytes(of: ttl.bigEndian, Array.init)
      reply += [0, 4]
      reply += withUnsafeBytes(of: address.bigEndian, Array.init)
    }
    return reply
  }
}
