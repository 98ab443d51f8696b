// What the outside can see of a process: its allocations, through a counter loaded before libc, and
// its system calls, through `strace`.

import Foundation
import Harness

/// The count of allocations that a process writes while `libAllocationCounter` stands before libc.
final class Counter {
  let settings: [String: String]
  private let place: UnsafeMutablePointer<UInt64>
  private let path: String

  init(library: String) throws(HarnessError) {
    path = NSTemporaryDirectory() + "sidetone-allocations-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: path, contents: Data(count: 4096))
    let file = open(path, O_RDWR)
    let map = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    close(file)
    guard let map, map != MAP_FAILED, FileManager.default.fileExists(atPath: library) else {
      throw HarnessError("\(library) cannot be used")
    }
    place = map.assumingMemoryBound(to: UInt64.self)
    let absolute = URL(fileURLWithPath: library).path
    settings = ["LD_PRELOAD": absolute, "ALLOCATION_COUNTER": path]
  }

  deinit {
    munmap(place, 4096)
    unlink(path)
  }

  /// The first number of the file: allocations so far.
  var allocations: UInt64 { place.pointee }
}

/// Every system call of every thread of a process over some seconds, and exactly how many.
func systemCalls(of process: Int32, seconds: UInt32) throws(HarnessError) -> (
  count: Int, seconds: Double
) {
  let tracer = try Program(["strace", "-c", "-f", "-p", "\(process)"])
  defer { tracer.end() }
  let deadline = Date(timeIntervalSinceNow: 5)
  while !tracer.text.contains(" attached"), Date() < deadline { usleep(5_000) }
  let begin = Date()
  sleep(seconds)
  let elapsed = Date().timeIntervalSince(begin)
  kill(tracer.identifier, SIGINT)
  tracer.finish()
  // The last row of the table: share, seconds, microseconds a call, calls, (errors,) "total".
  let total = tracer.text.split(separator: "\n").last { $0.hasSuffix("total") }
  let words = total?.split(separator: " ") ?? []
  guard words.count >= 4, let count = Int(words[3]) else {
    throw HarnessError("strace says: \(tracer.tail)")
  }
  return (count, elapsed)
}
