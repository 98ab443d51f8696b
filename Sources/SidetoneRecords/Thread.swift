// Threads beside the relay's, such as those of the journal: they take no signals, and give way.

import CLinux
import Glibc

/// Runs `body` on a thread of its own; false where none can be had.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
  let work = Work(body)
  var thread = pthread_t()
  let argument = unsafe Unmanaged.passRetained(work)
  let result = unsafe pthread_create(
    &thread, nil,
    { raw in
      let work = unsafe Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue()
      var blocked = sigset_t()
      unsafe sigfillset(&blocked)
      unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
      cl_give_way()
      work.body()
      return nil
    }, argument.toOpaque())
  guard result == 0 else {
    unsafe argument.release()
    return false
  }
  _ = pthread_detach(thread)
  return true
}

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// An eventfd, closed with its last owner.
final class Waker: Sendable {
  let descriptor: Int32

  /// Where no descriptor is left the answer is nil.
  init?() {
    descriptor = cl_counter_create(false)
    if descriptor < 0 { return nil }
  }
  deinit { _ = cl_close(descriptor) }

  func wake() { _ = cl_counter_add(descriptor) }

  /// Waits until it is woken, at most so long (negative: without end), and forgets that.
  func wait(milliseconds: Int32) {
    _ = cl_wait_readable(descriptor, milliseconds)
    _ = cl_counter_take(descriptor)
  }
}
