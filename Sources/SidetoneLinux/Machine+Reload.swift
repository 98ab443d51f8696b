// SIGHUP: the settings are read anew. Reading files and certificates takes milliseconds, so a
// thread of its own does it and makes everything ready; the loop exchanges the one for the other
// between two turns. What is wrong leaves everything as it is.
//
//     resting ──SIGHUP──▶ reading ──ready──▶ resting: it counts from now on
//        ▲                  │ └─ SIGHUP: they are read once more behind it
//        └─────refused──────┘
//
// Where the relay drains nobody new comes, and nothing is read.

import CLinux
import Sidetone
import SidetoneRecords
import Synchronization

/// What came of reading the settings anew.
package enum Reread: Sendable {
  /// They may count; `changes`: what differs from those that do, `taken` is told that they do.
  case settings(Config, changes: [Config.Change], taken: @Sendable () -> Void)
  /// Everything that is wrong, as `check` says it.
  case mistakes([String])
}

final class Reloader: Sendable {
  /// Settings that were read and made ready, or why they do not count.
  enum Outcome: Sendable {
    case ready(Successor, TLSReplacement, changes: [Config.Change], taken: @Sendable () -> Void)
    case refused([String])
  }

  private struct State {
    /// Somebody wants them to be read.
    var isAsked = false
    var isReading = false
    var outcome: Outcome?
  }

  private let reread: @Sendable () -> Reread
  private let state = Mutex(State())
  /// Tells the loop of an outcome.
  let news: Int32

  init(_ reread: @escaping @Sendable () -> Reread) throws(Errno) {
    self.reread = reread
    news = Int32(try attempt { Int(cl_counter_create(false)) })
  }

  deinit { _ = cl_close(news) }

  /// They are to be read, once whatever is being read is done with.
  func ask() {
    state.withLock { $0.isAsked = true }
    _ = cl_counter_add(news)
  }

  /// Whether a reading begins now.
  func begins() -> Bool {
    state.withLock { state in
      guard state.isAsked, !state.isReading else { return false }
      (state.isAsked, state.isReading) = (false, true)
      return true
    }
  }

  /// Reads, on a thread of its own; false where none can be had.
  func read(beside inForce: InForce, _ contexts: TLSContexts) -> Bool {
    let hasSystems = contexts.hasSystems
    return startThread { [self] in
      let outcome = make(reread(), inForce, contexts, hasSystems)
      state.withLock { $0.outcome = outcome }
      _ = cl_counter_add(news)
    }
  }

  private func make(
    _ read: Reread, _ inForce: InForce, _ contexts: TLSContexts, _ hasSystems: Bool
  ) -> Outcome {
    switch read {
    case .mistakes(let sentences): return .refused(sentences)
    case .settings(let config, let changes, let taken):
      guard let next = inForce.successor(config) else {
        return .refused([
          "calls still run with more than \(InForce.heldMax) routes of earlier settings"
        ])
      }
      do throws(StartError) {
        let replacement = try contexts.replacement(for: config, hasSystems: hasSystems)
        return .ready(next, replacement, changes: changes, taken: taken)
      } catch {
        return .refused([error.description])
      }
    }
  }

  /// What came of a reading, which is done with then.
  func takeOutcome() -> Outcome? {
    _ = cl_counter_take(news)
    return state.withLock { state in
      guard let outcome = state.outcome else { return nil }
      (state.isReading, state.outcome) = (false, nil)
      return outcome
    }
  }

  /// Waits for a reading that has begun: nothing of OpenSSL runs beside the loop then.
  func close() {
    let isReading = state.withLock { $0.isReading && $0.outcome == nil }
    if isReading { _ = cl_wait_readable(news, 5000) }
  }

  /// No thread could be had.
  func giveUp() { state.withLock { $0.isReading = false } }
}

extension Machine {
  /// The settings were read, or are to be.
  func advanceReload() {
    guard let reloader else { return }
    if let outcome = reloader.takeOutcome() { obey(outcome) }
    guard reloader.begins() else { return }
    if relay.isDraining {
      refuseReload([Self.drains])
    } else if reloader.read(beside: relay.inForce, tls.contexts) {
      return
    } else {
      refuseReload(["there is no thread to read the settings"])
    }
    reloader.giveUp()
  }

  private static let drains = "the relay ends, and takes no new calls"

  private func obey(_ outcome: Reloader.Outcome) {
    switch outcome {
    case .refused(let sentences): refuseReload(sentences)
    case .ready where relay.isDraining: refuseReload([Self.drains])
    case .ready(let next, let replacement, let changes, let taken):
      let warnings = next.config.warnings.filter { !config.warnings.contains($0) }
      follow(next, replacement)
      taken()
      for warning in warnings { relay.answer(.warning, "settings", warning, at: now) }
      tellReloaded(changes, next.shortfalls)
      if changes.contains(where: { $0.name.hasPrefix("records.") && !$0.needsRestart }) {
        renewCourier()
      }
    }
  }

  private func follow(_ next: Successor, _ replacement: TLSReplacement) {
    let hellosPerSecond = config.limits.handshakesPerSecondPerAddress
    config = next.config
    tls.contexts.follow(replacement, config.upstreams, keeps: next.keepsUpstream)
    resolver.follow(config.upstreams, keeps: next.keepsUpstream)
    turnGap = TurnGap(microseconds: config.limits.turnGapMicroseconds)
    if config.limits.handshakesPerSecondPerAddress != hellosPerSecond {
      hellos = RateLimiter(
        addressesPerSecond: config.limits.handshakesPerSecondPerAddress, seed: helloSeed)
    }
    relay.follow(next, at: now)
  }

  private func tellReloaded(_ changes: [Config.Change], _ shortfalls: [String]) {
    for change in changes {
      let what =
        change.needsRestart
        ? "needs a restart; until then what was set at start counts" : "counts from now on"
      relay.answer(
        change.needsRestart ? .warning : .info, "setting_changed", "\(change.name) \(what)",
        at: now)
    }
    for shortfall in shortfalls { relay.answer(.warning, "setting_changed", shortfall, at: now) }
    let waiting = changes.count(where: \.needsRestart)
    let count = changes.count - waiting
    relay.answer(
      .info, "reloaded",
      changes.isEmpty
        ? "the settings are what they were; certificates were read anew"
        : "\(count) \(count == 1 ? "setting counts" : "settings count") from now on, "
          + "\(waiting) \(waiting == 1 ? "needs" : "need") a restart; running calls keep theirs",
      at: now)
  }

  private func refuseReload(_ sentences: [String]) {
    relay.reloadRefused()
    for sentence in sentences { relay.answer(.error, "reload_refused", sentence, at: now) }
    relay.answer(
      .error, "reload_refused", "nothing was changed: the settings from before count", at: now)
  }
}
