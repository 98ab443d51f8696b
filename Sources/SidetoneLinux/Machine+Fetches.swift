// HTTP requests that the engine has made for it: once a turn its messages go to the fetcher, a
// process beside this one, and what that answers goes to the engine. What is asked and answered is
// the engine's to know.

import CLinux
import Glibc
import Sidetone

/// The machine's end of the fetcher.
final class FetchKeeper {
  var process: CourierProcess
  /// A message on its way to it, and how much of the place that is; 0: there is none.
  let outgoing = Buffer(count: Relay.fetchBytesMax)
  var outgoingCount = 0
  /// Whether its socket had no room for that.
  var isFull = false
  let incoming = Buffer(count: Relay.fetchBytesMax)

  /// - Parameter words: what it is started with, the program first.
  init(words: [String]) { process = CourierProcess(words: words) }

  /// It is not started again.
  func leave() {
    if let socket = process.leave() { _ = cl_close(socket) }
  }
}

extension Machine {
  /// When the fetcher is to be started.
  var fetcherDue: Instant { fetcher?.process.dueTime ?? .never }

  func startFetcher(_ fetcher: FetchKeeper) {
    if let error = fetcher.process.start(at: now) {
      relay.log(.error, "fetcher_not_started", "\(error.text); it is tried again", at: now)
    } else if let socket = fetcher.process.socket {
      fetcher.isFull = false
      poller.register(socket, for: .readable, as: Source(.fetcher))
      relay.fetcherStarted()
    }
  }

  /// Messages of this turn go to the fetcher.
  func forwardFetches(_ fetcher: FetchKeeper) {
    if now >= fetcherDue { startFetcher(fetcher) }
    while !fetcher.isFull, let socket = fetcher.process.socket {
      if fetcher.outgoingCount == 0 {
        guard let count = relay.takeFetch(into: fetcher.outgoing.bytes) else { return }
        fetcher.outgoingCount = count
      }
      switch SocketCall.write(socket, fetcher.outgoing.bytes.prefix(fetcher.outgoingCount)) {
      case .wouldBlock:
        fetcher.isFull = true
        poller.modify(socket, for: [.readable, .writable], as: Source(.fetcher))
      // Where it is gone, its end comes as well.
      case .done, .failed: fetcher.outgoingCount = 0
      }
    }
  }

  /// The fetcher has said something, takes more, or is gone.
  func fetcherIsReady(_ ready: Readiness) {
    guard let fetcher, let socket = fetcher.process.socket else { return }
    if fetcher.isFull, ready.contains(.writable) {
      fetcher.isFull = false
      poller.modify(socket, for: .readable, as: Source(.fetcher))
    }
    for _ in 0..<Self.answersPerTurnMax {
      switch SocketCall.read(socket, into: fetcher.incoming.bytes) {
      case .done(let count) where count > 0:
        relay.fetcherSaid(fetcher.incoming.bytes.prefix(count), at: now)
      case .done, .failed: return fetcherEnded(fetcher, socket)
      case .wouldBlock: return
      }
    }
  }

  private static let answersPerTurnMax = 4

  private func fetcherEnded(_ fetcher: FetchKeeper, _ socket: Int32) {
    poller.remove(socket)
    fetcher.outgoingCount = 0
    let how = fetcher.process.ended(at: now)
    relay.log(
      .warning, "fetcher_lost",
      "the process that makes HTTP requests is gone: \(how). What was asked of it has failed; it "
        + "is started again", at: now)
    relay.fetcherLost(at: now)
  }
}
