// Every frame.
//
// The two clocks: the monotonic one that the engine lives by, and the wall clock for what people
// read.

import CLinux
import Sidetone

enum Clock {
  static var now: Instant { Instant(nanoseconds: cl_monotonic()) }
  static var wall: WallTime { WallTime(nanoseconds: cl_wall()) }
}
