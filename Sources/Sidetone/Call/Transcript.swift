// What is said in a call as words: a line for each thing that either side says, in the order in
// which it was said. A line is whole when its words are, or when they are no longer waited for; it
// is shown when all lines before it are. What becomes of it (the terminal, the caller, later a
// record) is the call's business.
//
//     oldest                                           newest
//   [caller: whole] [agent: whole] [caller: pieces] [agent: pieces]
//        └── shown ──────┘              └ waited for until its time, then shown as it is
//
// Words are the inside of a JSON string, escapes and all, in blocks of the shared pool.

package struct Transcript: BitwiseCopyable, Sendable {
  package enum Speaker: Equatable, BitwiseCopyable, Sendable { case caller, agent }

  /// One line.
  package struct Line: BitwiseCopyable, Sendable {
    package var speaker = Speaker.caller
    /// What it belongs to; empty where that has no name.
    var item = Name()
    /// There was no room for more.
    package var isCut = false
    /// Which language its words are in, of those that are kept, from 1; 0: nobody says.
    fileprivate var language: UInt8 = 0
    var begun = Begun.anyhow
    /// The words of which only a part was heard were shown before, in a line of their own.
    fileprivate(set) var wereSaid = false
    package var words = Chain()
    /// When it was begun.
    package var since = Instant.zero
    /// Its words are no longer waited for from then on; `zero`: it is whole.
    var until = Instant.never
    package var heard = Heard.whole
    /// How many milliseconds after it was begun words came last.
    fileprivate var wordsAfter: UInt32 = 0

    /// When words came last.
    var wordsAt: Instant { since + .milliseconds(Int(wordsAfter)) }
  }

  /// Words without a name that come while no answer is open are late, or a little early: nobody
  /// says which, so how soon the next answer begins does.
  enum Begun: BitwiseCopyable, Sendable { case anyhow, early }

  /// How much of what a line says was heard, in milliseconds.
  package enum Heard: BitwiseCopyable, Sendable {
    case whole
    case part(heard: Int, generated: Int)
  }

  /// What lies where only calls that talk have memory. Without it there are no lines.
  package struct Memory: BitwiseCopyable, Sendable {
    fileprivate var lines = InlineArray<16, Line>(repeating: Line())
    /// Items of the agent of which the whole words were shown.
    fileprivate var shown = InlineArray<4, Name>(repeating: Name())
    /// Whether the words of what the agent said last without a name were shown.
    fileprivate var hasShownNameless = false
    /// What the caller said last, by the hashes of its items.
    fileprivate var speech = InlineArray<3, Speech>(repeating: Speech())
    /// The languages in which something was said last.
    fileprivate var languages = InlineArray<3, LanguageTag>(repeating: LanguageTag())
    /// What was shown, for sessions that are to go on with it.
    fileprivate var history = HistoryRing()
  }

  /// Milliseconds of the call; negative where they are not known.
  fileprivate struct Speech: BitwiseCopyable {
    var item: UInt64 = 0
    var start: Int32 = -1
    var end: Int32 = -1
  }

  private static let capacity = 16
  private let memory: Lent<Memory>
  private var count = 0
  private var shownCount = 0
  private var speechCount: UInt32 = 0
  private var languageCount: UInt32 = 0
  private var transcription = Transcription.off

  /// So long behind the end of its turn, or of what it says, the words of a line may come.
  private static let patience = Instant.Span.seconds(1)
  private static let callersPatience = Instant.Span.seconds(3)

  /// Whether the session writes down what the caller says, and how much of it is still to come.
  private enum Transcription: BitwiseCopyable {
    case off
    case on(owed: Int)
  }

  init() { memory = Lent() }

  /// A session that was there before the caller has said already whether it transcribes.
  init(after other: Transcript, in memory: Bytes) {
    self.memory = Lent(Memory(), in: memory)
    transcription = other.transcription
  }

  mutating func release(to pool: BlockPool) {
    for index in 0..<count { self[index].words.clear(in: pool) }
    count = 0
  }

  /// Whether there is memory for any line.
  var isThere: Bool { memory.isThere }

  /// What was shown of the call so far; without memory it stays empty.
  var history: HistoryRing {
    get { memory.isThere ? memory.value.history : HistoryRing() }
    set { if memory.isThere { memory.value.history = newValue } }
  }

  private subscript(index: Int) -> Line {
    get { memory.value.lines[index] }
    nonmutating _modify { yield &memory.value.lines[index] }
  }

  // MARK: What is owed

  /// The session says whether it will transcribe.
  mutating func sessionBegan(transcribes: Bool) {
    transcription = transcribes ? .on(owed: 0) : .off
  }

  /// Nothing is awaited of this session (any more).
  mutating func forgetOwed() {
    if case .on = transcription { transcription = .on(owed: 0) }
  }

  /// Stretches of speech that were heard (1), or whose words have come or will not (-1).
  mutating func owe(_ more: Int) {
    if case .on(let owed) = transcription { transcription = .on(owed: max(0, owed &+ more)) }
  }

  /// Words of the caller are still to come.
  var isOwedWords: Bool {
    if case .on(let owed) = transcription { return owed > 0 }
    return false
  }

  // MARK: Lines

  /// The line of this item, which is begun where there is none. Where there are too many none is:
  /// the last one says that something is missing.
  private mutating func line(of item: Bytes, by speaker: Speaker, at now: Instant) -> Int? {
    index(of: item, by: speaker) ?? begin(Name(item) ?? Name(), by: speaker, at: now)
  }

  private mutating func begin(_ item: Name, by speaker: Speaker, at now: Instant) -> Int? {
    guard !isFull else {
      self[count &- 1].isCut = true
      return nil
    }
    self[count] = Line()
    self[count].speaker = speaker
    self[count].item = item
    self[count].since = now
    count &+= 1
    return count &- 1
  }

  private func index(of item: Bytes, by speaker: Speaker) -> Int? {
    var index = count
    while index > 0 {
      index &-= 1
      guard self[index].speaker == speaker, self[index].item.equals(item) else { continue }
      // Without a name it goes on while its turn does, and for a moment: the caller's if nobody
      // spoke since.
      let until = self[index].until
      let isLate = until > .zero && (speaker == .agent || index == count &- 1)
      if !item.isEmpty || until == .never || isLate { return index }
    }
    return nil
  }

  private var isFull: Bool { count == Self.capacity }

  /// The agent begins to say this: what the caller has said is said, and so is what came before of
  /// the agent's without a name.
  mutating func agentBegins(_ item: Bytes, at now: Instant) {
    for index in 0..<count {
      let line = self[index]
      switch line.speaker {
      case .caller:
        self[index].until = min(line.until, isOwedWords ? now + Self.callersPatience : .zero)
      case .agent where !line.item.isEmpty: break
      case .agent where line.begun == .early && line.until > now:
        self[index].begun = .anyhow
        self[index].until = .never
      case .agent: if line.until != .never { self[index].until = .zero }
      }
    }
    let before = count
    _ = line(of: item, by: .agent, at: now)
    if item.isEmpty, count > before { memory.value.hasShownNameless = false }
  }

  /// The caller has said this, and its words are to come.
  mutating func callerSaid(_ item: Bytes, at now: Instant) {
    guard !item.isEmpty, case .on = transcription else { return }
    guard let index = line(of: item, by: .caller, at: now) else { return }
    self[index].until = min(self[index].until, now + Self.callersPatience)
  }

  /// Words of a line: more of them, which may need a space in front (`isApart`), or all of them
  /// anew. `isEarly`: no answer is open that they could belong to.
  mutating func gather(
    _ text: Bytes, isWhole: Bool, isApart: Bool = false, of item: Bytes, by speaker: Speaker,
    in language: LanguageTag = LanguageTag(), isEarly: Bool = false, at now: Instant,
    from pool: BlockPool
  ) {
    if isWhole, !item.isEmpty, speaker == .agent, wasShown(item) { return }
    let before = count
    guard let index = line(of: item, by: speaker, at: now) else { return }
    if isEarly, item.isEmpty, index == before {
      self[index].begun = .early
      self[index].until = now + Self.patience
    }
    self[index].wordsAfter = UInt32(clamping: (now - self[index].since).milliseconds)
    if !language.isEmpty { self[index].language = number(of: language) }
    if isWhole {
      self[index].words.clear(in: pool)
      self[index].isCut = false
      self[index].until = .zero
    }
    if isApart, self[index].words.count > 0, self[index].words.count < Limits.wordsBytesMax {
      Bytes.withTemporary(1) { space in
        space[0] = 0x20
        _ = self[index].words.append(space, from: pool)
      }
    }
    let rest = Limits.wordsBytesMax &- self[index].words.count
    let fitting = text.count <= rest ? text.count : JSON.wholePrefix(of: text, upTo: rest)
    let isKept = self[index].words.append(text.prefix(fitting), from: pool)
    if fitting < text.count || !isKept { self[index].isCut = true }
  }

  private func wasShown(_ item: Bytes) -> Bool {
    for index in 0..<min(shownCount, 4) where memory.value.shown[index].equals(item) { return true }
    return false
  }

  private func wasShown(_ item: Name) -> Bool {
    for index in 0..<min(shownCount, 4) where memory.value.shown[index] == item { return true }
    return false
  }

  /// The words of this will not come.
  mutating func end(_ item: Bytes, by speaker: Speaker) {
    if let index = index(of: item, by: speaker) { self[index].until = .zero }
  }

  /// The agent's turn is over: its words may still come, for a moment; the caller's are whole,
  /// where they have no name.
  mutating func turnEnded(at now: Instant) {
    for index in 0..<count {
      let line = self[index]
      switch line.speaker {
      case .caller: if line.item.isEmpty { self[index].until = .zero }
      case .agent: self[index].until = min(line.until, now + Self.patience)
      }
    }
  }

  /// What the caller has said is answered by what is done: without a name it is whole.
  mutating func callerAnswered() {
    for index in 0..<count where self[index].speaker == .caller && self[index].item.isEmpty {
      self[index].until = .zero
    }
  }

  /// Nothing more is waited for of the agent.
  mutating func endAgents() {
    for index in 0..<count where self[index].speaker == .agent { self[index].until = .zero }
  }

  /// What the caller is saying will be written down anew.
  mutating func forgetCallers(in pool: BlockPool) {
    var kept = 0
    for index in 0..<count {
      if self[index].speaker == .caller, self[index].until != .zero {
        self[index].words.clear(in: pool)
        continue
      }
      self[kept] = self[index]
      kept &+= 1
    }
    count = kept
  }

  /// Nothing is waited for any longer.
  mutating func endAll() {
    for index in 0..<count { self[index].until = .zero }
  }

  /// Only so much of this was heard, and no more is said of it.
  mutating func cutOff(_ item: Name, heard: Int, generated: Int, at now: Instant) {
    var index = count &- 1
    while index >= 0 {
      let line = self[index]
      if line.speaker == .agent, line.item == item, case .whole = line.heard { break }
      index &-= 1
    }
    if index < 0 {
      guard let begun = begin(item, by: .agent, at: now) else { return }
      index = begun
      self[index].wereSaid = item.isEmpty ? memory.value.hasShownNameless : wasShown(item)
    }
    self[index].heard = .part(heard: heard, generated: generated)
    self[index].until = .zero
  }

  /// The oldest line, if it can be shown by now: whole, or no longer waited for. Its words are
  /// given back by whoever shows it.
  mutating func next(at now: Instant) -> Line? {
    guard count > 0, self[0].until <= now || isFull else { return nil }
    let line = self[0]
    for index in 1..<max(count, 1) { self[index &- 1] = self[index] }
    count &-= 1
    guard line.speaker == .agent, !line.words.isEmpty else { return line }
    if line.item.isEmpty {
      memory.value.hasShownNameless = true
    } else {
      memory.value.shown[shownCount & 3] = line.item
      shownCount &+= 1
    }
    return line
  }

  /// When the oldest is no longer waited for.
  var wakeTime: Instant { count > 0 ? self[0].until : .never }

  // MARK: Pieces

  /// All of a text in one piece.
  static func whole(_ words: Chain, scratch: Bytes, in pool: BlockPool) -> Bytes {
    guard words.count > 0 else { return .empty }
    return words.whole(words.count, at: words.first(), scratch: scratch, in: pool)
  }

  /// Whether a text is this one.
  static func equals(_ words: Chain, _ text: Bytes, in pool: BlockPool) -> Bool {
    guard words.count == text.count else { return false }
    var cursor = words.first()
    var at = 0
    while at < text.count {
      let run = words.run(at: &cursor, upTo: text.count - at, in: pool)
      guard run.equals(text[at..<at + run.count]) else { return false }
      words.advance(&cursor, by: run.count, in: pool)
      at += run.count
    }
    return true
  }

  /// Where an interrupted text is cut: the share of it that the time is, at the end of a whole
  /// word. Which words were heard is an estimate; nobody says when which was spoken.
  static func cut(_ text: Bytes, heard: Int, of generated: Int) -> Int {
    let share = generated > 0 ? text.count &* min(heard, generated) / generated : 0
    if share >= text.count { return text.count }
    var at = share
    while at > 0, text[at] != 0x20 { at -= 1 }
    return at
  }
}

// MARK: What is said about words

extension Transcript {
  private static let keptMax = 3

  /// The caller began to say this, or ended, at these times of the call.
  mutating func spoke(_ item: Bytes, _ when: Event.When) {
    guard memory.isThere, !item.isEmpty, let hash = Name(item)?.hash else { return }
    if when.start >= 0 {
      let place = Int(speechCount) % Self.keptMax
      memory.value.speech[place] = Speech(item: hash, start: Int32(clamping: when.start))
      speechCount &+= 1
    } else if let place = speech(of: hash) {
      memory.value.speech[place].end = Int32(clamping: when.end)
    }
  }

  /// When the caller said this, as far as the model has told.
  func spoken(_ item: Name) -> Event.When {
    guard !item.isEmpty, let place = speech(of: item.hash) else { return Event.When() }
    let speech = memory.value.speech[place]
    return Event.When(start: Int(speech.start), end: Int(speech.end))
  }

  /// The latest of that name.
  private func speech(of hash: UInt64) -> Int? {
    let count = Int(speechCount)
    for index in stride(from: count - 1, through: max(0, count - Self.keptMax), by: -1)
    where memory.value.speech[index % Self.keptMax].item == hash {
      return index % Self.keptMax
    }
    return nil
  }

  /// The language of a line's words, as far as the model says.
  func language(of line: Line) -> LanguageTag {
    line.language == 0 ? LanguageTag() : memory.value.languages[Int(line.language) - 1]
  }

  /// The number of a language from 1, under which lines know it.
  private mutating func number(of language: LanguageTag) -> UInt8 {
    for index in 0..<min(Int(languageCount), Self.keptMax)
    where memory.value.languages[index] == language {
      return UInt8(index + 1)
    }
    let place = Int(languageCount) % Self.keptMax
    memory.value.languages[place] = language
    languageCount &+= 1
    return UInt8(place + 1)
  }
}
