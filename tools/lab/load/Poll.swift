// epoll for the load. Level-triggered, so that nothing has to be read to its end at once.

import CLinux
import Glibc

/// What a watched descriptor belongs to.
enum Watched: UInt32 {
  case listener, upstream, caller
}

final class LoadPoll {
  private static let batch = 256
  private let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
  private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: batch)

  init() {
    events.initialize(repeating: epoll_event(), count: Self.batch)
    // Without this the kernel may wake us 50 µs late on purpose; see proc(5).
    let slack = open("/proc/self/timerslack_ns", O_WRONLY | O_CLOEXEC)
    if slack >= 0 {
      _ = write(slack, "1", 1)
      close(slack)
    }
  }

  func add(_ descriptor: Int32, _ kind: Watched, _ index: Int, writable: Bool = false) {
    control(EPOLL_CTL_ADD, descriptor, kind, index, writable)
  }

  func change(_ descriptor: Int32, _ kind: Watched, _ index: Int, writable: Bool) {
    control(EPOLL_CTL_MOD, descriptor, kind, index, writable)
  }

  private func control(
    _ operation: Int32, _ target: Int32, _ kind: Watched, _ index: Int, _ writable: Bool
  ) {
    var event = epoll_event()
    event.events = EPOLLIN.rawValue | (writable ? EPOLLOUT.rawValue : 0)
    event.data.u64 = UInt64(kind.rawValue) << 32 | UInt64(index)
    epoll_ctl(descriptor, operation, target, &event)
  }

  struct Event {
    var kind: Watched
    var index: Int
    var writable: Bool
    var readable: Bool
  }

  /// Waits for at most so many nanoseconds; returns how many events there are.
  func wait(nanoseconds: Int64) -> Int {
    var time = timespec(tv_sec: 0, tv_nsec: Int(max(0, min(nanoseconds, 999_999_999))))
    return Int(max(0, epoll_pwait2(descriptor, events, Int32(Self.batch), &time, nil)))
  }

  subscript(index: Int) -> Event {
    let event = events[index]
    let name = event.data.u64
    let out = EPOLLOUT.rawValue
    return Event(
      kind: Watched(rawValue: UInt32(name >> 32))!, index: Int(name & 0xffff_ffff),
      writable: event.events & out != 0, readable: event.events & ~out != 0)
  }
}
