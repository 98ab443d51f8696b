// Handshakes, off the loop. A handshake is arithmetic: a quarter of a millisecond with a key on a
// curve, six and more with RSA of 4096 bits, and whoever connects decides when. So the loop does
// none of it. It lends a connection to a helper for one step (one recv, OpenSSL's part, one send),
// and goes on when the step comes back:
//
//     the loop: wants (dials | hellos) -> lent -> a helper: one step -> made -> the loop: finish
//
// Our own dials go before strangers' hellos: a running call may wait for one. A helper gives way
// to the loop wherever they share a processor.
//
// Who touches what. While a connection is lent, its SSL object, its BIO, its descriptor and what is
// held of its bytes belong to the helper; the loop neither reads, frees, closes nor watches them,
// even where the socket's slot is given up meanwhile: the step that comes back for a slot that is
// gone is buried then. Each side has a window and a channel of its own (TLS), to which the BIO is
// turned by whoever takes the connection. `state` is all that both touch, under its lock, which
// also orders everything else. Shared beneath are the contexts (OpenSSL locks them, TLSContexts the
// sessions) and the memory (TLSMemory has a lock); OpenSSL keeps errors and chance per thread.

import CLinux
import Glibc
import Sidetone
import Synchronization

@safe final class HandshakePool: @unchecked Sendable {
  /// One connection on loan, and how its step came out.
  struct Step: BitwiseCopyable {
    let id: SlotID
    let descriptor: Int32
    var link: TLSLink
    var outcome = TLSOutcome.wouldBlock
  }

  /// Steps that are lent at once: few, so that a dial need not wait behind many hellos.
  private static let stepsMax = 4
  private static let threadsMax = 2

  @safe private struct State: @unchecked Sendable {
    var lent: [Step] = []
    var made: [Step] = []
    var isClosed = false
  }
  private let state = Mutex(State())
  /// Wakes a helper for each step; tells the loop of those that were made.
  private let work: Int32
  let news: Int32
  private var threads: [pthread_t] = []

  // What only the loop touches.
  private var dials: SlotQueue
  private var hellos: SlotQueue
  private var outstanding = 0
  /// Whether steps were left for the next turn.
  var hasMore = false

  /// `capacity`: of the sockets' table.
  init(capacity: Int, _ tls: TLS) throws(Errno) {
    dials = SlotQueue(capacity: capacity)
    hellos = SlotQueue(capacity: capacity)
    work = Int32(try attempt { Int(cl_semaphore_create()) })
    news = Int32(try attempt { Int(cl_counter_create(false)) })
    state.withLock {
      $0.lent.reserveCapacity(Self.stepsMax)
      $0.made.reserveCapacity(Self.stepsMax)
    }
    for _ in 0..<max(1, min(Self.threadsMax, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) - 1)) {
      threads.append(startThread(TLS(besides: tls)))
    }
  }

  deinit {
    dials.deallocate()
    hellos.deallocate()
    _ = cl_close(work)
    _ = cl_close(news)
  }

  /// Waits for the steps that have begun, a few milliseconds; none begins after it. Nothing of
  /// OpenSSL runs beside the loop then, so that the process can be left.
  func close() {
    state.withLock { $0.isClosed = true }
    for _ in threads { _ = cl_counter_add(work) }
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  // MARK: The loop's side

  /// The socket's handshake has something to do; once, however often it is said.
  func push(_ index: Int, isDialled: Bool) {
    if isDialled { dials.push(index) } else { hellos.push(index) }
  }

  /// Whether there is anything for the loop to do or to wait for.
  var isBusy: Bool { hasMore || outstanding > 0 || dials.count > 0 || hellos.count > 0 }
  /// Hellos, and other steps of those who came, that wait to be lent.
  var waiting: Int { hellos.count }

  /// The socket whose turn it is to be lent; nil where enough are.
  func nextToLend() -> Int? {
    guard outstanding < Self.stepsMax else { return nil }
    return dials.pop() ?? hellos.pop()
  }

  func lend(_ step: Step) {
    outstanding += 1
    state.withLock { $0.lent.append(step) }
    _ = cl_counter_add(work)
  }

  /// A step that was made, the oldest first.
  func takeBack() -> Step? {
    guard outstanding > 0 else { return nil }
    let step = state.withLock { $0.made.isEmpty ? nil : $0.made.removeFirst() }
    if step != nil { outstanding -= 1 }
    return step
  }

  /// There are news: forgotten before the steps are taken, so that none that comes meanwhile is.
  func hear() { _ = cl_counter_take(news) }

  // MARK: The helpers' side

  /// What a thread begins with.
  private final class Helper {
    let pool: HandshakePool
    let tls: TLS
    init(_ pool: HandshakePool, _ tls: TLS) {
      self.pool = pool
      self.tls = tls
    }
  }

  private func startThread(_ tls: TLS) -> pthread_t {
    var thread = pthread_t()
    let result = unsafe pthread_create(
      &thread, nil,
      { raw in
        let helper = unsafe Unmanaged<Helper>.fromOpaque(raw!).takeRetainedValue()
        helper.pool.runThread(helper.tls)
        return nil
      }, Unmanaged.passRetained(Helper(self, tls)).toOpaque())
    precondition(result == 0, "a thread can be started")
    return thread
  }

  private func runThread(_ tls: TLS) {
    var blocked = sigset_t()
    unsafe sigfillset(&blocked)
    unsafe pthread_sigmask(SIG_BLOCK, &blocked, nil)
    cl_give_way()
    while true {
      _ = cl_counter_take(work)
      let (isClosed, next) = state.withLock { state -> (Bool, Step?) in
        if state.isClosed { return (true, nil) }
        return (false, state.lent.isEmpty ? nil : state.lent.removeFirst())
      }
      if isClosed { return }
      guard var step = next else { continue }
      tls.adopt(&step.link, as: .helper)
      step.outcome = tls.shakeHands(&step.link, on: step.descriptor)
      state.withLock { $0.made.append(step) }
      _ = cl_counter_add(news)
    }
  }
}
