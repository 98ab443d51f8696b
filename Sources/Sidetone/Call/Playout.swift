// Every frame.
//
// When what the agent says goes to its caller, and how much of it has been heard. All in samples of
// the call, counted from its first; time is an input, and the clock is absolute: a position is
// computed from the moment at which a spurt of speech began, never summed up from pauses, so
// nothing drifts, and a late turn of the loop only means that more is due.
//
//        heard            played by our clock         sent                    lead's end
//   ───────┴───────────────────┴───────────────────────┴────────────────────────┴─────
//                              └──────── ahead ────────┘
//
// 1. A spurt begins when the carrier's buffer is empty by our clock: its first piece goes at once,
//    and the clock is set by it. A carrier that has run dry, whoever was late, begins a new spurt:
//    nothing is ever played faster in order to catch up.
// 2. Inside a spurt a piece goes as soon as `ahead` leaves room for it below the lead.
// 3. Less than a whole piece waits for more of it, as long as the carrier has a piece to play and
//    more is likely to come: where nothing has come for a moment it goes like a whole one.
// 4. Carriers with marks say what they have played. The first piece behind a pause is short and is
//    marked, so that their delay is known from then on; between marks the clock counts on.
// 5. Some carriers never send marks back, or stop: once that is learnt the clock counts alone,
//    until a mark comes again.

package struct Playout: BitwiseCopyable, Sendable {
  private static let firstPieceMilliseconds = 20
  private static let markEveryMilliseconds = 400
  private static let marksMax = 16
  private static let pauseMax = Instant.Span.milliseconds(10)
  /// So long after its time a mark is no longer waited for; and so long where none has ever come.
  private static let patience = Instant.Span.seconds(2)
  private static let firstPatience = Instant.Span.seconds(1)
  /// How long what was sent may be on its way.
  private static let way = Instant.Span.milliseconds(250)
  /// How much later than a moment it is looked at, so that it has passed.
  private static let look = Instant.Span.milliseconds(1)

  private var rate = 8000
  private var lead = 0
  package private(set) var piece = 0
  private var firstPiece = 0
  package private(set) var least = 0

  /// What the carrier does with marks.
  private enum Marks: BitwiseCopyable {
    /// It takes none.
    case none
    /// It is not known yet whether it sends them back.
    case untried
    case sentBack, lost
  }

  /// Samples sent since the call began.
  package private(set) var sent = 0
  /// The clock of this spurt: the sample `spurt` was played at `spurtAt`; `never` where none is.
  private var spurt = 0
  private var spurtAt = Instant.never

  /// How often what was sent has been declared void; a mark from before that says nothing.
  package private(set) var epoch = 0
  /// Positions behind which a mark was sent that has not come back, oldest first.
  private var marks = InlineArray<16, Int>(repeating: 0)
  /// When each of them should have been played, by the clock of its spurt.
  private var marksDue = InlineArray<16, Instant>(repeating: .never)
  private var marksSent = 0
  private var marksSeen = 0
  private var markedTo = 0
  /// How long the carrier had nothing to play since the last mark.
  private var paused = Instant.Span.zero
  /// The same before what was sent last.
  package private(set) var wasDryFor = Instant.Span.zero
  /// The carrier said at `heardAt` that it had played up to `heardTo`.
  private var heardTo = 0
  private var heardAt = Instant.never
  /// Something was sent since the last `clear`.
  package private(set) var hasSent = false
  private var answers = Marks.none

  package init() {}

  /// `rate`: samples a second of what the carrier is sent.
  package init(_ pacing: Carrier.Pacing, rate: Int) {
    self.rate = rate
    piece = rate &* pacing.pieceMilliseconds / 1000
    lead = max(rate &* pacing.leadMilliseconds / 1000, piece)
    firstPiece = min(piece, rate &* Self.firstPieceMilliseconds / 1000)
    least = rate &* pacing.leastMilliseconds / 1000
    answers = pacing.hasMarks ? .untried : .none
  }

  private var hasMarks: Bool {
    @inline(__always) get { if case .none = answers { false } else { true } }
  }
}

// MARK: The clock

extension Playout {
  /// The sample that is being played by our clock, at most `sent`.
  @inline(__always) package func played(at now: Instant) -> Int {
    spurtAt == .never ? sent : min(sent, spurt &+ samples(in: now - spurtAt))
  }

  /// How many of `waiting` samples may go now as one message; 0: none yet, see `time`. Less than a
  /// piece waits for more of it until `patience`. `isLast`: no more will follow, so even less than
  /// the least goes, to be filled up with silence.
  @inline(__always) package func due(
    _ waiting: Int, isLast: Bool, patience: Instant = .never, at now: Instant
  ) -> Int {
    guard waiting > 0 else { return 0 }
    let ahead = sent &- played(at: now)
    if waiting < least { return isLast && ahead &+ least <= lead ? waiting : 0 }
    if ahead == 0 { return min(waiting, hasMarks ? firstPiece : piece) }
    if waiting >= piece { return ahead &+ piece <= lead ? piece : 0 }
    guard isLast || ahead < piece || now >= patience else { return 0 }
    return ahead &+ waiting <= lead ? waiting : 0
  }

  /// When `due` will have something to say though nothing more comes; `never` where nothing waits.
  @inline(__always) package func time(
    _ waiting: Int, isLast: Bool, patience: Instant = .never
  ) -> Instant {
    guard waiting > 0, spurtAt != .never else { return .never }
    let ahead: Int
    if waiting < least {
      guard isLast else { return .never }
      ahead = lead &- least
    } else if waiting >= piece {
      ahead = lead &- piece
    } else if isLast {
      ahead = lead &- waiting
    } else {
      return min(moment(ahead: piece &- 1), max(patience, moment(ahead: lead &- waiting)))
    }
    return moment(ahead: ahead)
  }

  /// When no more than so many samples will be ahead of what is played.
  @inline(__always) private func moment(ahead: Int) -> Instant {
    spurtAt + span(of: max(0, sent &- ahead &- spurt))
  }

  /// That many samples went to the carrier. Says whether a mark shall follow.
  @_noAllocation package mutating func send(_ count: Int, isEnd: Bool, at now: Instant) -> Bool {
    var isMarked = isEnd
    wasDryFor = .zero
    if played(at: now) == sent {
      if spurtAt != .never { wasDryFor = now - (spurtAt + span(of: sent &- spurt)) }
      isMarked = isMarked || isMarkWanted()
      // A carrier with a delay may still be playing what we count as played: its marks go on to say
      // how far it is, where they can be waited for.
      if isOverdue(at: now) {
        answers = .lost
        marksSeen = marksSent
      }
      spurt = sent
      spurtAt = now
    }
    sent &+= count
    hasSent = true
    guard hasMarks, marksSent &- marksSeen < Self.marksMax else { return false }
    let gap = rate &* Self.markEveryMilliseconds / 1000
    guard isMarked || sent &- markedTo >= gap else { return false }
    paused = .zero
    markedTo = sent
    marks[marksSent & 15] = sent
    marksDue[marksSent & 15] = spurtAt + span(of: sent &- spurt)
    marksSent &+= 1
    return true
  }

  /// Whether the carrier was dry for so long, in all since the last mark, that its position has to
  /// be asked for again. Speech in real time leaves it dry for a moment with every piece.
  private mutating func isMarkWanted() -> Bool {
    guard spurtAt != .never else { return true }
    paused = paused + wasDryFor
    return paused > Self.pauseMax
  }

  /// What was sent and not yet played is void: the carrier is told so in this turn.
  @_noAllocation package mutating func clear(at now: Instant) {
    if isOverdue(at: now) { answers = .lost }
    epoch &+= 1
    marksSeen = marksSent
    spurtAt = .never
    heardAt = .never
    heardTo = sent
    paused = .zero
    hasSent = false
  }

  private func samples(in span: Instant.Span) -> Int {
    let nanoseconds = max(0, Int(span.nanoseconds))
    return nanoseconds / 1_000_000_000 &* rate
      &+ nanoseconds % 1_000_000_000 &* rate / 1_000_000_000
  }

  /// How long so many samples last, rounded up.
  private func span(of samples: Int) -> Instant.Span {
    let rest = samples % rate &* 1_000_000_000
    return Instant.Span(
      nanoseconds: Int64(samples / rate &* 1_000_000_000 &+ (rest &+ rate &- 1) / rate))
  }
}

// MARK: What was heard

extension Playout {
  /// The carrier has played up to this position. Of an epoch that is over, or never sent: nothing.
  @_noAllocation package mutating func marked(_ position: Int, epoch: Int, at now: Instant) {
    guard epoch == self.epoch, position <= sent, position > heardTo else { return }
    while marksSeen < marksSent, marks[marksSeen & 15] <= position { marksSeen &+= 1 }
    answers = .sentBack
    heardTo = position
    heardAt = now
  }

  /// Up to where the caller has heard: from the last mark on by the clock, and never past a mark
  /// that is still to come back; by our own clock where there are none.
  @_noAllocation package func heard(at now: Instant) -> Int {
    guard hasMarks else { return played(at: now) }
    guard spurtAt != .never else { return sent }
    let played = played(at: now)
    // Where the carrier ran dry since the mark its clock counts on, but it hears nothing before it
    // is sent.
    let clock = heardAt == .never ? played : min(played, heardTo &+ samples(in: now - heardAt))
    guard marksSeen < marksSent else { return clock }
    if case .lost = answers { return played }
    return isOverdue(at: now) ? played : min(clock, marks[marksSeen & 15])
  }

  /// Whether the carrier may have something left to play. Without marks that is known only by our
  /// clock, and what was sent is still on its way for a while.
  @_noAllocation package func isPlaying(at now: Instant) -> Bool {
    guard spurtAt != .never else { return false }
    if hasMarks, marksSeen == marksSent || !isOverdue(at: now) { return heard(at: now) < sent }
    return now < spurtAt + span(of: sent &- spurt) + Self.way
  }

  /// When the caller will have heard up to this position, if it is not known by `now`: by our own
  /// clock, or at the latest when its mark is no longer waited for.
  @_noAllocation package func heardTime(of position: Int, after now: Instant) -> Instant {
    guard spurtAt != .never else { return .never }
    let played = spurtAt + span(of: max(0, position &- spurt))
    if !hasMarks { return max(played, now + Self.look) }
    if marksSeen == marksSent {
      // Behind the last mark the clock counts on, later than ours by the carrier's delay.
      let rest = span(of: max(0, position &- heardTo))
      let heard = heardAt == .never ? played : max(played, heardAt + rest)
      return max(heard, now + Self.look)
    }
    if played > now { return max(played, now + Self.look) }
    return max(marksDue[marksSeen & 15] + patience, now) + Self.look
  }

  /// When our clock plays the sample at this position, of what was sent last.
  @_noAllocation package func playedTime(of position: Int) -> Instant {
    spurtAt == .never ? .never : spurtAt + span(of: max(0, position &- spurt))
  }

  /// Since when the caller hears the sample at this position, which our clock plays at `played`:
  /// by the mark behind it, where one comes; `never` where that is not known by `now`. `isLast`: no
  /// mark that would say more is waited for. Asked at each mark.
  @_noAllocation package func heardSince(
    _ position: Int, played: Instant, isLast: Bool, at now: Instant
  ) -> Instant {
    if heardTo > position { return max(played, heardAt - span(of: heardTo &- position)) }
    let isOverdue = isOverdue(at: now)
    if marksSeen < marksSent, !isOverdue, !isLast { return .never }
    guard heard(at: now) > position else { return .never }
    if isOverdue || heardAt == .never { return played }
    return max(played, heardAt + span(of: position &- heardTo))
  }

  private var patience: Instant.Span {
    @inline(__always) get {
      switch answers {
      case .none, .untried: Self.firstPatience
      case .sentBack: Self.patience
      case .lost: .zero
      }
    }
  }

  /// A mark should long have come back.
  @_noAllocation private func isOverdue(at now: Instant) -> Bool {
    marksSeen < marksSent && marksDue[marksSeen & 15] + patience < now
  }
}
