// Every frame.
//
// What the caller has said and nobody has answered yet, as far as loudness tells: where in the
// audio it began, and when a voice was last heard. It says from where on audio is kept for a
// session that has to hear it again.
//
//                 begin                         lastVoice                        + patience
//   ──(silence)────┴──────────(voice)──────────────┴──────────────────────────────────┴────
//                  └─────────── is kept ─────────────────────────────────────────▶ until it is
//                                                                                  answered
//
// 1. It begins a little before the first loud frame, so that no first sound is lost.
// 2. It is answered when the agent begins to speak behind it. What the agent says while the caller
//    still speaks answers something else, unless that began long ago: behind a steady noise no
//    caller ever seems to be silent.
// 3. Noise is never answered: it is given up after a while.

package struct Unanswered: BitwiseCopyable, Sendable {
  /// What is kept in front of the first loud frame.
  package static let leadMilliseconds = 300
  /// An agent does not answer sooner than that behind the last word.
  package static let answerGap = Instant.Span.milliseconds(150)

  /// Where it began, in bytes of the call; `max` where nothing is unanswered.
  package private(set) var begin = Int.max
  private var firstVoice = Instant.never
  private var lastVoice = Instant.never
  private var patience = Instant.Span.never

  package init() {}

  /// `patience`: so long after the last word an answer is waited for.
  package init(patience: Instant.Span) { self.patience = patience }

  /// There is something to be answered.
  package var isThere: Bool { @inline(__always) get { begin != .max } }
  /// When its first voice was heard; `never` where nothing is unanswered.
  package var since: Instant { isThere ? firstVoice : .never }

  /// When a voice was last heard of it; `never`. A noise without end counts for so long, nil: as
  /// long as an answer is waited for.
  @_noAllocation func lastHeard(upTo span: Instant.Span?) -> Instant {
    isThere ? min(lastVoice, firstVoice + (span ?? patience)) : .never
  }

  /// A loud frame, of audio of which so much would be kept before it.
  @_noAllocation package mutating func heardVoice(at place: Int, _ now: Instant) {
    if !isThere { firstVoice = now }
    begin = min(begin, place)
    lastVoice = now
  }

  /// The agent begins to speak. When a voice was last heard of what it answers; `never` where it
  /// answers nothing, or that is still being said.
  @_noAllocation @discardableResult package mutating func agentBegan(at now: Instant) -> Instant {
    guard isThere else { return .never }
    let isSaid = lastVoice + Self.answerGap <= now
    if isSaid || firstVoice + patience <= now { begin = .max }
    return isSaid ? lastVoice : .never
  }

  /// Nobody will answer it. True: there was something.
  @_noAllocation package mutating func giveUp(at now: Instant) -> Bool {
    guard isThere, giveUpTime <= now else { return false }
    begin = .max
    return true
  }

  package var giveUpTime: Instant { isThere ? lastVoice + patience : .never }
}
