// When a caller speaks: after the other side has finished, or in the middle of its answer where
// the caller is to interrupt. Knows neither what is said nor how.
//
//     listening ──── step: .begin ───▶ speaking
//         ▲                               │
//         └────────── finished ───────────┘
//     listening, with no turn left ── step: .hangUp ──▶ over
//
// The other side has finished when it was heard and has been quiet for `silence`. One that is not
// heard at all is waited for: a greeting for `silence`, an answer for `patience`.

package struct Dialogue {
  package enum Step: Equatable {
    case begin(turn: Int)
    case hangUp
  }

  /// A turn that begins so many seconds after the other side's sound did.
  package struct Interruption: Equatable {
    package let turn: Int
    package let after: Double
    package init(turn: Int, after: Double) {
      self.turn = turn
      self.after = after
    }
  }

  private enum Phase { case listening, speaking, over }

  private let turns: Int
  private let silence: Double
  private let patience: Double
  private let interruption: Interruption?
  private var phase = Phase.listening
  private var next = 0
  private var listeningSince: Double
  /// When the other side was first and last heard since then.
  private var heard: ClosedRange<Double>?

  package init(
    turns: Int, silence: Double, patience: Double, interruption: Interruption? = nil, at now: Double
  ) {
    self.turns = turns
    self.silence = silence
    self.patience = patience
    self.interruption = interruption
    listeningSince = now
  }

  /// Whether every turn has been said to its end.
  package var isComplete: Bool { next == turns && phase != .speaking }
  package var isListening: Bool { phase == .listening }
  /// Whether the turn that is being said began before the other side had finished.
  package private(set) var isInterrupting = false

  /// The other side is heard.
  package mutating func hear(at now: Double) {
    guard phase == .listening else { return }
    heard = (heard?.lowerBound ?? now)...now
  }

  /// The last sample of our turn has been said.
  package mutating func finish(at now: Double) {
    guard phase == .speaking else { return }
    phase = .listening
    isInterrupting = false
    listeningSince = now
    heard = nil
  }

  /// What the caller does now; nil: it goes on.
  package mutating func step(at now: Double) -> Step? {
    guard phase == .listening else { return nil }
    let interrupts = isInterruption(at: now)
    guard interrupts || hasFinished(at: now) else { return nil }
    guard next < turns else {
      phase = .over
      return .hangUp
    }
    defer { next += 1 }
    phase = .speaking
    isInterrupting = interrupts
    return .begin(turn: next)
  }

  private func isInterruption(at now: Double) -> Bool {
    guard let interruption, let heard, next == interruption.turn else { return false }
    return now >= heard.lowerBound + interruption.after && !hasFinished(at: now)
  }

  private func hasFinished(at now: Double) -> Bool {
    if let heard { return now - heard.upperBound >= silence }
    return now - listeningSince >= (next == 0 ? silence : patience)
  }
}
