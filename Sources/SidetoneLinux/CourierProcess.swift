// The courier, which delivers what the journal holds, is a process of its own: what it does may be
// slow, and its end ends no call. It is started here, and again when it has ended, after a pause
// that doubles while it does not last. Its words come over a pair of sockets, one message each.
//
//     resting ──due──▶ running ──its socket ends──▶ resting (1, 2, 4 … 30 s)
//        │                │
//        │                ├─ renew ──▶ going ──it ends, or takes too long──▶ resting (0 s)
//        └──── leave ─────┴──▶ left        it delivers what it can, and ends by itself
//
// One that is to read other settings is told that nothing more comes, as at the end of a run, and
// the next is started behind it. What lies in the journal and in the spool waits that long.
//
// A process is waited for when its socket has ended, and again before the next is started: one that
// still lives then is ended, since it would keep the next one out.

import CLinux
import Glibc
import Sidetone

package struct CourierProcess {
  private enum State {
    /// `process`: the last one, where it has not been waited for; else 0.
    case resting(until: Instant, process: Int32)
    case running(process: Int32, socket: Int32, since: Instant)
    /// The next one is to take its place; `until`: it may take so long to go.
    case going(process: Int32, socket: Int32, until: Instant)
    case left
  }

  /// What it is started with: the program, then its words.
  private let words: [String]
  private var state = State.resting(until: .zero, process: 0)
  private var pause = leastPause

  private static let leastPause = Instant.Span.seconds(1)
  private static let longestPause = Instant.Span.seconds(30)
  /// One that has lasted so long did not fail at its start.
  private static let wellAfter = Instant.Span.seconds(60)
  /// How long one that goes may still deliver.
  private static let patience = Instant.Span.seconds(2)
  /// The number of its socket, in it.
  package static let descriptor: Int32 = 3

  init(words: [String]) { self.words = words }

  var socket: Int32? {
    switch state {
    case .running(_, let socket, _), .going(_, let socket, _): socket
    case .resting, .left: nil
    }
  }

  /// When it is to be started, or ended since the next one is to be; `never` while it runs.
  var dueTime: Instant {
    switch state {
    case .resting(let until, _), .going(_, _, let until): until
    case .running, .left: .never
    }
  }

  /// It goes because it was told to.
  var isGoing: Bool {
    if case .going = state { true } else { false }
  }

  /// Starts it, or ends the last one, or one that takes too long to go, which is to be waited for;
  /// why that cannot be, or nil.
  mutating func start(at now: Instant) -> Errno? {
    if case .going(let process, let socket, _) = state {
      // Its socket ends with it.
      _ = cl_end(process)
      state = .going(process: process, socket: socket, until: .never)
      return nil
    }
    if case .resting(_, let process) = state, process > 0, cl_ended(process) == -Self.isRunning {
      _ = cl_end(process)
      rest(at: now, process)
      return nil
    }
    var ends: [Int32] = [-1, -1]
    do throws(Errno) {
      _ = try attempt { unsafe Int(cl_pair_create(&ends)) }
      defer { _ = cl_close(ends[1]) }
      let process = try Self.spawn(words, ends[1], as: Self.descriptor)
      state = .running(process: process, socket: ends[0], since: now)
      return nil
    } catch {
      if ends[0] >= 0 { _ = cl_close(ends[0]) }
      rest(at: now, 0)
      return error
    }
  }

  /// `socket` is the process's `descriptor`.
  fileprivate static func spawn(
    _ words: [String], _ socket: Int32, as descriptor: Int32
  ) throws(Errno) -> Int32 {
    let copies = unsafe words.map { unsafe strdup($0) }
    defer { for index in unsafe copies.indices { unsafe free(copies[index]) } }
    let list = unsafe copies.map { unsafe UnsafePointer<CChar>($0) } + [nil]
    let result = unsafe list.withUnsafeBufferPointer {
      unsafe cl_spawn($0.baseAddress!, socket, descriptor)
    }
    return Int32(try attempt { Int(result) })
  }

  /// It is to read the settings anew: the next one does, as soon as this one has gone.
  mutating func renew(at now: Instant) {
    switch state {
    case .running(let process, let socket, _):
      tellLast(socket)
      state = .going(process: process, socket: socket, until: now + Self.patience)
    case .resting(_, let process): state = .resting(until: now, process: process)
    case .going, .left: break
    }
  }

  /// Nothing more comes.
  private func tellLast(_ socket: Int32) {
    _ = Array("drain".utf8).withBytes { text in
      unsafe cl_write(socket, text.base, text.count)
    }
  }

  /// Its socket has ended: how it has, in words.
  mutating func ended(at now: Instant) -> String {
    if case .going(let process, let socket, _) = state {
      _ = cl_close(socket)
      let isThere = cl_ended(process) == -Self.isRunning
      pause = Self.leastPause
      state = .resting(until: now, process: isThere ? process : 0)
      return "it was told to go"
    }
    guard case .running(let process, let socket, let since) = state else { return "" }
    _ = cl_close(socket)
    if now - since >= Self.wellAfter { pause = Self.leastPause }
    let status = cl_ended(process)
    rest(at: now, status == -Self.isRunning ? process : 0)
    if status < 0 { return "its socket ended" }
    let signal = status & 0x7f
    return signal == 0
      ? "it ended with status \(status >> 8 & 0xff)" : "it was ended by signal \(signal)"
  }

  /// EAGAIN, as `cl_ended` has it.
  fileprivate static let isRunning: Int64 = 11

  private mutating func rest(at now: Instant, _ process: Int32) {
    state = .resting(until: now + pause, process: process)
    pause = min(pause + pause, Self.longestPause)
  }

  /// It is not started again. One that runs is told that nothing more comes.
  mutating func leave() -> Int32? {
    defer { state = .left }
    guard let socket else { return nil }
    tellLast(socket)
    return socket
  }
}

/// Runs a process beside this one, with the same standard error, and waits for its end: for threads
/// that may wait. Why it did not run to its end, or nil; how that end was is its own to say.
package func runBeside(_ words: [String]) -> String? {
  let process: Int32
  do throws(Errno) {
    process = try CourierProcess.spawn(words, STDERR_FILENO, as: STDERR_FILENO)
  } catch {
    return "its process cannot be started: \(error)"
  }
  while true {
    let status = cl_ended(process)
    if status == -CourierProcess.isRunning {
      usleep(20_000)
      continue
    }
    let signal = status < 0 ? 0 : status & 0x7f
    return signal == 0 ? nil : "its process was ended by signal \(signal)"
  }
}
