// The lab's loop: descriptors that are waited for with epoll, and things to do at a moment. One
// thread, no allocation rules: the lab is a tool beside the relay and must only be on time.

import CLinux
import Glibc

protocol Pollable: AnyObject {
  var descriptor: Int32 { get }
  var wantsRead: Bool { get }
  var wantsWrite: Bool { get }
  /// Something wanted is possible, or the descriptor broke.
  func isReady(broken: Bool)
}

final class Loop {
  private var watched: [Int32: (pollable: any Pollable, events: UInt32?)] = [:]
  private let epoll = cl_epoll_create()
  private var ready = [epoll_event](repeating: epoll_event(), count: 256)
  private var timers: [(at: Double, number: Int, action: () -> Void)] = []
  private var timersMade = 0
  private var isStopped = false

  /// Seconds on the monotonic clock.
  static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  func watch(_ pollable: some Pollable) { watched[pollable.descriptor] = (pollable, nil) }

  /// Call before the descriptor is closed.
  func forget(_ pollable: some Pollable) {
    guard let entry = watched.removeValue(forKey: pollable.descriptor) else { return }
    if entry.events != nil { _ = cl_epoll_set(epoll, EPOLL_CTL_DEL, pollable.descriptor, 0, 0) }
  }

  /// Does `action` at `time` of the monotonic clock; the number answered can cancel it.
  @discardableResult func at(_ time: Double, _ action: @escaping () -> Void) -> Int {
    timersMade += 1
    timers.append((time, timersMade, action))
    return timersMade
  }

  @discardableResult func after(_ seconds: Double, _ action: @escaping () -> Void) -> Int {
    at(Self.now + seconds, action)
  }

  func cancel(_ number: Int?) { timers.removeAll { $0.number == number } }

  /// Ends `run` after this turn.
  func stop() { isStopped = true }

  /// Turns until `stop`.
  func run() {
    isStopped = false
    while !isStopped { turn() }
  }

  private func turn() {
    for (descriptor, entry) in watched { tell(descriptor, entry.pollable, entry.events) }
    let wait = max(0, min(timers.map(\.at).min() ?? .infinity, Self.now + 60) - Self.now)
    let count = cl_epoll_wait(epoll, &ready, Int32(ready.count), Int64(wait * 1e9))
    for event in ready.prefix(Int(max(0, count))) {
      let isBroken = event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
      watched[Int32(event.data.u64)]?.pollable.isReady(broken: isBroken)
    }
    let now = Self.now
    let due = timers.filter { $0.at <= now }.sorted { ($0.at, $0.number) < ($1.at, $1.number) }
    for timer in due {
      // One timer may cancel the next.
      guard let index = timers.firstIndex(where: { $0.number == timer.number }) else { continue }
      timers.remove(at: index)
      timer.action()
    }
  }
}

extension Loop {
  /// Lets epoll know what a descriptor waits for, where that has changed.
  private func tell(_ descriptor: Int32, _ pollable: any Pollable, _ before: UInt32?) {
    let events =
      (pollable.wantsRead ? EPOLLIN.rawValue : 0) | (pollable.wantsWrite ? EPOLLOUT.rawValue : 0)
    guard events != before else { return }
    let operation = before == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
    _ = cl_epoll_set(epoll, operation, descriptor, events, UInt64(descriptor))
    watched[descriptor]?.events = events
  }
}

/// Waits for connections on a loopback port.
final class Listener: Pollable {
  let descriptor: Int32
  /// The port that was given, or that the kernel chose where 0 was asked for.
  let port: UInt16
  let wantsRead = true
  let wantsWrite = false
  private let loop: Loop
  private let accepted: (Stream) -> Void

  init(port: UInt16, on loop: Loop, _ accepted: @escaping (Stream) -> Void) throws(Failure) {
    let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var one: Int32 = 1
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        let code = bind(made, raw, length)
        if code == 0 { getsockname(made, raw, &length) }
        return code
      }
    }
    guard code == 0, listen(made, 1024) == 0 else {
      throw Failure("port \(port) cannot be listened on: \(String(cString: strerror(errno)))")
    }
    _ = fcntl(made, F_SETFL, O_NONBLOCK)
    _ = fcntl(made, F_SETFD, FD_CLOEXEC)
    descriptor = made
    self.port = UInt16(bigEndian: address.sin_port)
    self.loop = loop
    self.accepted = accepted
    loop.watch(self)
  }

  func isReady(broken: Bool) {
    while true {
      let peer = accept(descriptor, nil, nil)
      if peer < 0 { return }
      accepted(Stream(accepted: peer, on: loop))
    }
  }
}
