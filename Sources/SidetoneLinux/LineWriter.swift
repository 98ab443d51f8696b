// Lines for people leave through a bounded ring and a thread of their own, so that a terminal or a
// pipe that does not take them stalls no call. The loop puts lines in, the thread writes them:
// transcripts to standard output, logs to standard error. A line that finds the ring full is
// dropped and counted, and the count is told when there is room again.
//
//     the loop: put  ->  [ length, stream | text | length, stream | text | ... ]  ->  the thread
//
// Two counters run for ever: `written` belongs to the loop, `read` to the thread.

import CLinux
import Glibc
import Sidetone
import Synchronization

@safe package final class LineWriter: @unchecked Sendable {
  package static let lineBytesMax = 4096
  package static let capacityBytes = 1 << 18
  private static let headerBytes = 4

  private let ring: UnsafeMutableRawPointer
  private let capacity: Int
  private let written = Atomic<Int>(0)
  private let read = Atomic<Int>(0)
  private let dropped = Atomic<Int>(0)
  private let isClosed = Atomic<Bool>(false)
  private let isDone = Atomic<Bool>(false)
  /// Wakes the thread.
  private let bell: Int32
  private let transcripts: Int32
  private let logs: Int32

  package init(capacity: Int = capacityBytes, transcripts: Int32 = 1, logs: Int32 = 2) throws(Errno)
  {
    precondition(capacity >= 2 * Self.lineBytesMax)
    self.capacity = capacity
    self.transcripts = transcripts
    self.logs = logs
    bell = Int32(try attempt { Int(cl_counter_create(true)) })
    unsafe ring = .allocate(byteCount: capacity, alignment: 64)
    unsafe ring.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
    startThread()
  }

  /// Lines that found the ring full, ever.
  package var droppedCount: Int { dropped.load(ordering: .relaxed) }

  /// Puts a line in, newline included; never waits. `ring` the bell afterwards, once for many.
  func put(_ text: Bytes, to stream: Line.Stream) {
    let length = min(text.count, Self.lineBytesMax)
    let start = written.load(ordering: .relaxed)
    let free = capacity - (start - read.load(ordering: .acquiring))
    guard Self.headerBytes + length <= free else {
      dropped.add(1, ordering: .relaxed)
      return
    }
    var header = UInt32(length) << 1 | (stream == .log ? 1 : 0)
    unsafe copyIn(&header, Self.headerBytes, at: start)
    unsafe copyIn(text.base, length, at: start + Self.headerBytes)
    written.store(start + Self.headerBytes + length, ordering: .releasing)
  }

  /// A log line of the machine's own.
  func log(_ text: String) {
    Array((text + "\n").utf8).withBytes { put($0, to: .log) }
    wake()
  }

  func wake() { _ = cl_counter_add(bell) }

  /// Lets the thread write what is left, and waits for it, but no longer than that.
  package func close(waitingMilliseconds limit: Int = 1000) {
    isClosed.store(true, ordering: .releasing)
    wake()
    for _ in 0..<limit where !isDone.load(ordering: .acquiring) { usleep(1000) }
  }

  // MARK: The thread

  private func startThread() {
    var thread = pthread_t()
    let result = unsafe pthread_create(
      &thread, nil,
      { raw in
        let lines = unsafe Unmanaged<LineWriter>.fromOpaque(raw!).takeRetainedValue()
        lines.runThread()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(result == 0, "a thread can be started")
    _ = pthread_detach(thread)
  }

  private func runThread() {
    var blocked = sigset_t()
    unsafe sigfillset(&blocked)
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
    let line = Buffer(count: Self.lineBytesMax)
    var told = 0
    while true {
      let isLast = isClosed.load(ordering: .acquiring)
      while let (length, stream) = takeOldest(into: line.bytes) {
        write(line.bytes.prefix(length), to: stream == .log ? logs : transcripts)
      }
      let lost = droppedCount
      if lost > told {
        let note = Array("\(lost - told) lines were dropped: the output did not take them\n".utf8)
        told = lost
        note.withBytes { write($0, to: logs) }
      }
      if isLast { break }
      _ = cl_counter_take(bell)
    }
    isDone.store(true, ordering: .releasing)
  }

  private func takeOldest(into place: Bytes) -> (Int, Line.Stream)? {
    let start = read.load(ordering: .relaxed)
    guard written.load(ordering: .acquiring) > start else { return nil }
    var header: UInt32 = 0
    unsafe copyOut(&header, Self.headerBytes, at: start)
    let length = Int(header >> 1)
    unsafe copyOut(place.prefix(length).base, length, at: start + Self.headerBytes)
    read.store(start + Self.headerBytes + length, ordering: .releasing)
    return (length, header & 1 == 1 ? .log : .transcript)
  }

  /// Writes all of it, however long the reader takes; gives up when nobody will ever read it.
  private func write(_ bytes: Bytes, to descriptor: Int32) {
    var rest = bytes
    while !rest.isEmpty {
      switch perform({ unsafe cl_write(descriptor, rest.base, rest.count) }) {
      case .done(let count): rest = rest.dropping(count)
      case .wouldBlock: _ = cl_wait_writable(descriptor)
      case .failed: return
      }
    }
  }

  // MARK: The ring

  private func copyIn(_ source: UnsafeRawPointer, _ count: Int, at position: Int) {
    let place = position % capacity
    let first = min(count, capacity - place)
    unsafe (ring + place).copyMemory(from: source, byteCount: first)
    unsafe ring.copyMemory(from: source + first, byteCount: count - first)
  }

  private func copyOut(_ target: UnsafeMutableRawPointer, _ count: Int, at position: Int) {
    let place = position % capacity
    let first = min(count, capacity - place)
    unsafe target.copyMemory(from: ring + place, byteCount: first)
    unsafe (target + first).copyMemory(from: ring, byteCount: count - first)
  }

  deinit {
    unsafe ring.deallocate()
    _ = cl_close(bell)
  }
}
