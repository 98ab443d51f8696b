// Lines for people leave through a bounded ring and a thread of their own for each stream, so that
// a terminal or a pipe that does not take them stalls no call, and silences no other stream. The
// loop puts lines in, the thread writes them: transcripts to standard output, logs to standard
// error. A line that finds its ring full, or whose output is broken, is dropped and counted.
//
//     the loop: put  ->  [ length, stream | text | length, stream | text | ... ]  ->  the thread
//
// Where both streams are one file, such as a terminal, they share a ring: lines keep their order.

import CLinux
import Glibc
import Sidetone
import Synchronization

package final class LineWriter: Sendable {
  /// The longest line, and what the rings take.
  package static let lineBytesMax = 4096
  package static let capacityBytes = 2 * ringBytes
  package static let ringBytes = 1 << 18

  private let transcripts: LineRing
  private let logs: LineRing

  package init(capacity: Int = ringBytes, transcripts: Int32 = 1, logs: Int32 = 2) throws(Errno) {
    self.logs = try LineRing(capacity: capacity, to: logs)
    self.transcripts =
      Self.areOne(transcripts, logs) ? self.logs : try LineRing(capacity: capacity, to: transcripts)
  }

  /// Whether two descriptors lead to one file.
  private static func areOne(_ one: Int32, _ other: Int32) -> Bool {
    var (first, second) = (stat(), stat())
    guard unsafe fstat(one, &first) == 0, unsafe fstat(other, &second) == 0 else { return false }
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino
      && first.st_rdev == second.st_rdev
  }

  private func ring(of stream: Line.Stream) -> LineRing {
    stream == .log ? logs : transcripts
  }

  /// Lines of a stream that were dropped, ever.
  package func droppedCount(of stream: Line.Stream) -> Int { ring(of: stream).dropped(stream) }

  /// Whether a line of the log would be taken now, as far as is known.
  var takesLog: Bool { logs.takesLines }

  /// Puts a line in, newline included; never waits. `wake` afterwards, once for many.
  func put(_ text: Bytes, to stream: Line.Stream) {
    ring(of: stream).put(text.prefix(min(text.count, Self.lineBytesMax)), stream)
  }

  func wake() {
    logs.wake()
    if transcripts !== logs { transcripts.wake() }
  }

  /// Lets the threads write what is left, and waits for them, but no longer than that.
  package func close(waitingMilliseconds limit: Int = 1000) {
    logs.close()
    transcripts.close()
    for _ in 0..<limit where !(logs.isDone && transcripts.isDone) { usleep(1000) }
  }

  deinit {
    logs.close()
    transcripts.close()
  }
}

/// One ring, its thread and its descriptor. Two counters run for ever: `written` belongs to the
/// loop, `read` to the thread.
@safe private final class LineRing: @unchecked Sendable {
  private static let headerBytes = 4

  private let ring: UnsafeMutableRawPointer
  private let capacity: Int
  private let descriptor: Int32
  private let written = Atomic<Int>(0)
  private let read = Atomic<Int>(0)
  private let droppedTranscripts = Atomic<Int>(0)
  private let droppedLogs = Atomic<Int>(0)
  /// The last write failed: nobody reads, or nothing more has room.
  private let isBroken = Atomic<Bool>(false)
  private let isClosed = Atomic<Bool>(false)
  private let isFinished = Atomic<Bool>(false)
  /// Wakes the thread.
  private let waker: Int32

  init(capacity: Int, to descriptor: Int32) throws(Errno) {
    precondition(capacity >= 2 * LineWriter.lineBytesMax)
    self.capacity = capacity
    self.descriptor = descriptor
    waker = Int32(try attempt { Int(cl_counter_create(true)) })
    unsafe ring = .allocate(byteCount: capacity, alignment: 64)
    unsafe ring.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
    startThread()
  }

  func dropped(_ stream: Line.Stream) -> Int {
    switch stream {
    case .log: droppedLogs.load(ordering: .relaxed)
    case .transcript: droppedTranscripts.load(ordering: .relaxed)
    }
  }

  var takesLines: Bool {
    free >= Self.headerBytes + LineWriter.lineBytesMax && !isBroken.load(ordering: .relaxed)
  }

  var isDone: Bool { isFinished.load(ordering: .acquiring) }

  private var free: Int {
    capacity - (written.load(ordering: .relaxed) - read.load(ordering: .acquiring))
  }

  private func drop(_ stream: Line.Stream) {
    switch stream {
    case .log: droppedLogs.add(1, ordering: .relaxed)
    case .transcript: droppedTranscripts.add(1, ordering: .relaxed)
    }
  }

  func put(_ text: Bytes, _ stream: Line.Stream) {
    guard Self.headerBytes + text.count <= free else { return drop(stream) }
    let start = written.load(ordering: .relaxed)
    var header = UInt32(text.count) << 1 | (stream == .log ? 1 : 0)
    unsafe copyIn(&header, Self.headerBytes, at: start)
    unsafe copyIn(text.base, text.count, at: start + Self.headerBytes)
    written.store(start + Self.headerBytes + text.count, ordering: .releasing)
  }

  func wake() { _ = cl_counter_add(waker) }

  func close() {
    isClosed.store(true, ordering: .releasing)
    wake()
  }

  // MARK: The thread

  private func startThread() {
    var thread = pthread_t()
    let result = unsafe pthread_create(
      &thread, nil,
      { raw in
        let ring = unsafe Unmanaged<LineRing>.fromOpaque(raw!).takeRetainedValue()
        ring.runThread()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(result == 0, "a thread can be started")
    _ = pthread_detach(thread)
  }

  private func runThread() {
    var blocked = sigset_t()
    unsafe sigfillset(&blocked)
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
    let line = Buffer(count: LineWriter.lineBytesMax)
    while true {
      let isLast = isClosed.load(ordering: .acquiring)
      while let (length, stream) = takeOldest(into: line.bytes) {
        let isWritten = write(line.bytes.prefix(length))
        isBroken.store(!isWritten, ordering: .relaxed)
        if !isWritten { drop(stream) }
      }
      if isLast { break }
      _ = cl_counter_take(waker)
    }
    isFinished.store(true, ordering: .releasing)
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

  /// Writes all of it, however long the reader takes; false when nobody will ever read it.
  private func write(_ bytes: Bytes) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      switch perform({ unsafe cl_write(descriptor, rest.base, rest.count) }) {
      case .done(let count): rest = rest.dropping(count)
      case .wouldBlock: _ = cl_wait_writable(descriptor)
      case .failed: return false
      }
    }
    return true
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
    _ = cl_close(waker)
  }
}
