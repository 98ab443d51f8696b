// Every frame.
//
// The two clocks: the monotonic one that the engine lives by, and the wall clock for what people
// read.

import CLinux
import Sidetone

enum Clock {
  static var now: Instant { Instant(nanoseconds: cl_monotonic()) }
  /// What this thread has worked.
  static var threadTime: Instant.Span { Instant.Span(nanoseconds: cl_thread_time()) }
  /// May end early, when a signal comes.
  static func sleep(until time: Instant) { cl_sleep_until(time.nanoseconds) }
  static var wall: WallTime { WallTime(nanoseconds: cl_wall()) }
}
