// What the courier's loop waits for, as the kernel has it: descriptors and times, directories that
// change, signals.

import CLinux
import Glibc

/// Until one of them is ready, or the time (Unix milliseconds; nil: never) has come.
func waitFor(_ awaited: [Awaited], until time: Int64?) {
  var polled = awaited.filter { $0.descriptor >= 0 }.map { one in
    pollfd(
      fd: one.descriptor,
      events: Int16((one.toRead ? POLLIN : 0) | (one.toWrite ? POLLOUT : 0)), revents: 0)
  }
  // A clock that is set may have any time; it is looked at again in a minute.
  let milliseconds = time.map { max(0, min($0 &- CourierLoop.now, 60_000)) } ?? -1
  _ = unsafe poll(&polled, nfds_t(polled.count), Int32(milliseconds))
}

/// What the kernel tells of directories: names that come, files that grow.
final class DirectoryWatch {
  let descriptor = cl_watcher_create()
  private var watches: [String: Int32] = [:]
  /// Where names are read to.
  private lazy var space = [UInt8](repeating: 0, count: 1 << 16)

  func has(_ path: String) -> Bool { watches[path] != nil }

  /// False where the kernel has no watch left.
  func add(_ path: String) -> Bool {
    let watch = unsafe cl_watch(descriptor, path)
    if watch >= 0 { watches[path] = watch }
    return watch >= 0
  }

  /// Lets go of all others.
  func keep(_ paths: [String]) {
    for (path, watch) in watches where !paths.contains(path) {
      _ = cl_unwatch(descriptor, watch)
      watches[path] = nil
    }
  }

  /// Whether something has happened since the last time.
  func clear() -> Bool { cl_watcher_clear(descriptor) > 0 }

  /// Names that were moved to what is watched since the last time.
  func names() -> [String] {
    let count = space.withMutableBytes { bytes in
      unsafe cl_watcher_names(
        descriptor, bytes.base.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return space[..<max(count, 0)].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  deinit { if descriptor >= 0 { _ = cl_close(descriptor) } }
}

/// SIGTERM and SIGINT, where they are for the courier: a relay that has started it says itself when
/// it is over, and a signal to all of its group is not meant.
final class CourierSignals {
  let counter: Int32
  private let areObeyed: Bool

  init(areObeyed: Bool) {
    self.areObeyed = areObeyed
    counter = cl_counter_create(false)
    _ = cl_signals_to(counter)
  }

  /// Whether one has come since the last time.
  func take() -> Bool {
    let count = cl_counter_take(counter)
    return count > 0 && count & 0xffff_ffff > 0 && areObeyed
  }

  deinit { _ = cl_close(counter) }
}
