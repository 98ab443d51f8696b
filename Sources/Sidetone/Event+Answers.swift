// How long a caller waits for what a model does: for its sessions, and for each stage of an answer,
// from the end of what the caller said to the moment at which the caller begins to hear it.

extension Event {
  /// When each stage was reached; `never`: it was not, or nobody knows.
  package struct AnswerTimes: BitwiseCopyable, Equatable, Sendable {
    /// The caller had said what is answered: as the model says, or by our ear.
    package var callerEnded = Instant.never
    /// We asked for it, or the model said that it begins.
    package var asked = Instant.never
    /// Its first sentence was there, where another one speaks than thinks.
    package var thought = Instant.never
    /// Its first sound came; was put into the caller's connection; began to be heard.
    package var came = Instant.never
    package var sent = Instant.never
    package var heard = Instant.never

    /// How long the caller, the model and the relay took; nil where that is not known.
    package var untilAsked: Instant.Span? { span(from: callerEnded, to: asked) }
    package var untilCame: Instant.Span? { span(from: asked, to: came) }
    package var untilSent: Instant.Span? { span(from: came, to: sent) }
    /// How much of `untilCame` whoever thinks and whoever speaks took.
    package var untilThought: Instant.Span? { span(from: asked, to: thought) }
    package var untilSpoken: Instant.Span? { span(from: thought, to: came) }
    /// How long the caller heard nothing.
    package var untilHeard: Instant.Span? { span(from: callerEnded, to: heard) }

    private func span(from: Instant, to: Instant) -> Instant.Span? {
      from == .never || to == .never || to < from ? nil : to - from
    }
  }

  /// How long the sessions of a call took to be ready, from their dialling, in milliseconds.
  package struct ReadyTimes: BitwiseCopyable, Equatable, Sendable {
    /// Negative: there was none.
    private var firstMilliseconds: Int32 = -1
    private var worstMilliseconds: Int32 = -1

    /// The first one's; the longest of those behind it. Nil where there was none.
    package var first: Int? { firstMilliseconds < 0 ? nil : Int(firstMilliseconds) }
    package var laterWorst: Int? { worstMilliseconds < 0 ? nil : Int(worstMilliseconds) }

    /// Another session took so long.
    mutating func add(_ milliseconds: Int32) {
      if firstMilliseconds < 0 {
        firstMilliseconds = milliseconds
      } else {
        worstMilliseconds = max(worstMilliseconds, milliseconds)
      }
    }
  }
}
