// When a model's answers come to be, and come to be heard: the stages of each turn (AnswerTimes).
// It is told what happens; for a frame nothing is looked at but one position, `nextPlace`.
//
//   the caller is silent ──▶ asked ──▶ first byte ──▶ sent ──▶ heard
//                            └──── silent ────┘└──── sounds ────┘└▶ told
//
// 1. The newest answer may be silent; those before it wait to be heard, oldest first. There is room
//    for a few, as a model makes one at a time: the oldest is told early where there is none.
// 2. An answer is told once: when it begins to be heard, or when it never will be. What was not
//    reached then, or is not known, stays `never`.
// 3. When the caller fell silent is what the model says of it; of one that says nothing, when a
//    voice was last heard. It counts for the next answer to words, and once more for the one that
//    is asked for instead of an answer without sound.

package struct AnswerWatch: BitwiseCopyable, Sendable {
  /// What lies where only calls that talk have memory. Without it nothing is watched.
  package struct Memory: BitwiseCopyable, Sendable {
    fileprivate var answers = InlineArray<4, Answer>(repeating: Answer())
    fileprivate var count = Int32(0)
    /// Who keeps whom waiting, and since when the session stands that answers.
    fileprivate var quiet = QuietWatch()
    fileprivate var sessionBegan = Instant.zero
    /// When the caller fell silent, of whom no answer has taken that yet.
    fileprivate var callerEnded = Instant.never
  }

  fileprivate struct Answer: BitwiseCopyable {
    var times = Event.AnswerTimes()
    /// When our clock plays its first sound.
    var played = Instant.never
    private var soundsAt = Int32.max
    /// It answers what the caller said.
    var isToWords = false
    /// The model has said that it begins, or shown it.
    var hasBegun = false

    /// Where its sound begins, in samples of what the caller is sent.
    var place: Int {
      get { soundsAt == .max ? .max : Int(soundsAt) }
      set { soundsAt = Int32(clamping: newValue) }
    }
  }

  private static let capacity = 4
  private let memory: Lent<Memory>
  /// Where the next one begins that has not been sent.
  private(set) var nextPlace = Int.max

  init() { memory = Lent() }
  package init(in memory: Bytes) { self.memory = Lent(Memory(), in: memory) }

  var isEmpty: Bool { @inline(__always) get { count == 0 } }

  var quiet: QuietWatch {
    @inline(__always) get { memory.isThere ? memory.value.quiet : QuietWatch() }
    nonmutating set { if memory.isThere { memory.value.quiet = newValue } }
  }

  /// Since when the session stands that answers.
  var sessionBegan: Instant {
    get { memory.isThere ? memory.value.sessionBegan : .zero }
    nonmutating set { if memory.isThere { memory.value.sessionBegan = newValue } }
  }

  private var count: Int {
    @inline(__always) get { memory.isThere ? Int(memory.value.count) : 0 }
    nonmutating set { memory.value.count = Int32(newValue) }
  }

  private var callerEnded: Instant {
    get { memory.value.callerEnded }
    nonmutating set { memory.value.callerEnded = newValue }
  }

  private subscript(index: Int) -> Answer {
    get { memory.value.answers[index] }
    nonmutating _modify { yield &memory.value.answers[index] }
  }

  private var newest: Int { count &- 1 }
  private var isSilent: Bool { count > 0 && self[newest].place == .max }
}

// MARK: The caller

extension AnswerWatch {
  /// The model says when the caller fell silent.
  mutating func callerEnded(at time: Instant) {
    if memory.isThere { callerEnded = time }
  }

  /// The model does not say; by our ear it was then, `never` where nobody spoke. For the answer
  /// that has just begun to come.
  mutating func callerWasHeard(until time: Instant, at now: Instant) {
    guard count > 0, self[newest].times.came == now, self[newest].isToWords,
      self[newest].times.callerEnded == .never
    else { return }
    self[newest].times.callerEnded = time
  }

  /// The caller speaks: of all that was said nothing more is heard.
  mutating func interrupted(
    _ playout: Playout, of call: CallIdentity, _ turn: inout Turn
  ) {
    guard memory.isThere else { return }
    tellHeard(playout, isLast: true, of: call, &turn)
    callerEnded = .never
  }
}

// MARK: The model

extension AnswerWatch {
  /// One was asked for, and has not begun.
  var isAsked: Bool { isSilent && !self[newest].hasBegun }

  /// We have asked for an answer.
  mutating func asked(isToWords: Bool, of call: CallIdentity, _ turn: inout Turn) {
    open(isToWords, of: call, &turn)
    if count > 0 { self[newest].times.asked = turn.now }
  }

  /// What we asked for last was refused: it is no answer, and asked for again.
  mutating func refused() {
    guard isSilent, !self[newest].hasBegun else { return }
    keepCallerEnd(of: newest)
    count &-= 1
  }

  /// An answer begins. `isSaid`: the model says so, and had it asked of itself where we did not.
  mutating func began(
    isSaid: Bool, isToWords: Bool, of call: CallIdentity, _ turn: inout Turn
  ) {
    if !isSilent || self[newest].hasBegun {
      open(isToWords, of: call, &turn)
      guard count > 0 else { return }
      if isSaid { self[newest].times.asked = turn.now }
    }
    self[newest].hasBegun = true
  }

  /// The first sentence of it is there, which somebody else speaks.
  mutating func thought(at time: Instant) {
    if count > 0, self[newest].times.thought == .never { self[newest].times.thought = time }
  }

  /// Its first sound has come, which will be played there.
  mutating func sounded(
    at place: Int, isToWords: Bool, of call: CallIdentity, _ turn: inout Turn
  ) {
    if !isSilent { began(isSaid: false, isToWords: isToWords, of: call, &turn) }
    guard count > 0 else { return }
    // All of the one before it had no room.
    if count > 1, self[newest &- 1].place == place { tell(newest &- 1, of: call, &turn) }
    self[newest].place = place
    self[newest].times.came = turn.now
    nextPlace = min(nextPlace, place)
  }

  /// Where no sound is awaited any more, a silent answer is over. `isOwed`: another one will be
  /// asked for instead.
  mutating func settle(
    isSoundAwaited: Bool, isOwed: Bool, of call: CallIdentity, _ turn: inout Turn
  ) {
    guard isSilent, !isSoundAwaited else { return }
    if isOwed { keepCallerEnd(of: newest) }
    tell(newest, of: call, &turn)
  }

  private mutating func keepCallerEnd(of index: Int) {
    if self[index].isToWords { callerEnded = self[index].times.callerEnded }
  }

  /// Another answer: what is silent before it stays so.
  private mutating func open(
    _ isToWords: Bool, of call: CallIdentity, _ turn: inout Turn
  ) {
    guard memory.isThere else { return }
    if isSilent { tell(newest, of: call, &turn) }
    if count == Self.capacity { tell(0, of: call, &turn) }
    count &+= 1
    self[newest] = Answer()
    self[newest].isToWords = isToWords
    guard isToWords else { return }
    self[newest].times.callerEnded = callerEnded
    callerEnded = .never
  }
}

// MARK: Its way to the caller

extension AnswerWatch {
  /// What stands at `nextPlace` has been sent.
  @_noAllocation mutating func sent(by playout: Playout, at now: Instant) {
    nextPlace = .max
    for index in 0..<count where self[index].times.sent == .never {
      let place = self[index].place
      if place < playout.sent {
        self[index].times.sent = now
        self[index].played = playout.playedTime(of: place)
      } else {
        nextPlace = min(nextPlace, place)
      }
    }
  }

  /// Tells of those that are heard by now. `isLast`: of all, since what is not heard will not be.
  mutating func tellHeard(
    _ playout: Playout, isLast: Bool, of call: CallIdentity, _ turn: inout Turn
  ) {
    var index = 0
    while index < count {
      let answer = self[index]
      if answer.times.sent != .never {
        self[index].times.heard = playout.heardSince(
          answer.place, played: answer.played, isLast: isLast, at: turn.now)
      }
      if isLast || self[index].times.heard != .never {
        tell(index, of: call, &turn)
      } else {
        index &+= 1
      }
    }
  }

  private mutating func tell(
    _ index: Int, of call: CallIdentity, _ turn: inout Turn
  ) {
    turn.note(.agent(.answered(self[index].times)), of: call)
    count &-= 1
    for next in index..<count { self[next] = self[next &+ 1] }
    nextPlace = .max
    for index in 0..<count where self[index].times.sent == .never {
      nextPlace = min(nextPlace, self[index].place)
    }
  }
}
