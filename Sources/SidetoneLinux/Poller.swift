// Every frame.
//
// Which descriptors are ready, by epoll, level-triggered. The rest of the machine knows four verbs,
// `register`, `modify`, `remove` and `wait`, and `Readiness`; how the kernel is asked stays in this
// file, so another driver is another file like it.

import CLinux
import Sidetone

/// What is wanted of a descriptor, and what it is ready for. The bits are the kernel's.
struct Readiness: OptionSet, BitwiseCopyable {
  let rawValue: UInt32

  static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// Wanted beside the others: told of once, then of nothing at all until `modify` asks again.
  static let once = Readiness(rawValue: EPOLLONESHOT.rawValue)
  /// Told of every descriptor, asked for or not.
  static let broken = Readiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}

@safe final class Poller {
  /// Events that one `wait` brings, at most; the others come with the next.
  static let eventsMax = 256

  private let descriptor: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  /// Whether the kernel takes nanoseconds: not before Linux 5.11, not under every seccomp profile,
  /// not in valgrind. Such a one takes milliseconds.
  private(set) var takesNanoseconds = true

  init() throws(Errno) {
    descriptor = Int32(try attempt { Int(cl_epoll_create()) })
    unsafe events = .allocate(capacity: Self.eventsMax)
    unsafe events.initialize(repeating: epoll_event(), count: Self.eventsMax)
  }

  deinit {
    _ = cl_close(descriptor)
    unsafe events.deallocate()
  }

  /// Tells of a descriptor from now on, by the name of `source`. One that is closed needs no
  /// `remove`.
  func register(_ target: Int32, for wanted: Readiness, as source: Source) {
    set(EPOLL_CTL_ADD, target, wanted, source)
  }

  func modify(_ target: Int32, for wanted: Readiness, as source: Source) {
    set(EPOLL_CTL_MOD, target, wanted, source)
  }

  /// For a descriptor that stays open, or that somebody else closes, perhaps before this.
  func remove(_ target: Int32) {
    _ = cl_epoll_set(descriptor, EPOLL_CTL_DEL, target, 0, Source(.signals).rawValue)
  }

  private func set(
    _ operation: Int32, _ target: Int32, _ wanted: Readiness, _ source: Source
  ) {
    let result = cl_epoll_set(descriptor, operation, target, wanted.rawValue, source.rawValue)
    precondition(result == 0, "the descriptor is open and registered once")
  }

  /// Sleeps until something is ready, or so long (`.never`: without end); done with how many events
  /// there are.
  func wait(atMost span: Instant.Span) -> Outcome {
    if takesNanoseconds {
      let nanoseconds = span == .never ? -1 : max(0, span.nanoseconds)
      let outcome = perform {
        unsafe Int(cl_epoll_wait(descriptor, events, Int32(Self.eventsMax), nanoseconds))
      }
      // Old filters say "not permitted" of calls that they do not know.
      guard case .failed(let error) = outcome, error == .notImplemented || error == .notPermitted
      else { return outcome }
      takesNanoseconds = false
    }
    let milliseconds = Self.milliseconds(of: span)
    return perform {
      unsafe Int(
        cl_epoll_wait_coarse(descriptor, events, Int32(Self.eventsMax), milliseconds))
    }
  }

  /// Never less than `span`, or a wait for the last part of a millisecond would be none at all,
  /// over and over; -1 for one without end.
  static func milliseconds(of span: Instant.Span) -> Int32 {
    guard span < .never else { return -1 }
    let whole = max(0, span.nanoseconds) / 1_000_000
    let isMore = span.nanoseconds > whole * 1_000_000
    return Int32(clamping: isMore ? whole + 1 : whole)
  }

  /// An event of the last `wait`.
  @inline(__always) subscript(place: Int) -> (source: Source, readiness: Readiness) {
    precondition(place >= 0 && place < Self.eventsMax)
    let event = unsafe events[place]
    return unsafe (Source(rawValue: event.data.u64), Readiness(rawValue: event.events))
  }
}
