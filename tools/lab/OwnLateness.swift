// How late the lab itself was while it measured: on a machine with other work it is not woken when
// it should be, and what it then sees late is not the relay's doing.

final class OwnLateness {
  private static let interval = 0.005
  /// What a machine without other work stays below.
  private static let busyFrom = 0.01

  private let loop: Loop
  private var isRunning = true
  private(set) var worst = 0.0

  init(on loop: Loop) {
    self.loop = loop
    wait()
  }

  func stop() { isRunning = false }

  /// What is to be said about it; nil where the machine had time.
  var sentence: String? {
    guard worst >= Self.busyFrom else { return nil }
    let milliseconds = (worst * 10_000).rounded() / 10
    return "the machine was busy: the lab itself was up to \(milliseconds) ms late, "
      + "and what it saw is late by that at times"
  }

  private func wait() {
    let due = Loop.now + Self.interval
    loop.at(due) { [weak self] in
      guard let self, isRunning else { return }
      worst = max(worst, Loop.now - due)
      wait()
    }
  }
}
