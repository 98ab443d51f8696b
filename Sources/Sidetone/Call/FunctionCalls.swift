// The functions that a call's model has called: which, since when, and what is still owed of each.
//
//     called ──▶ running ──▶ over          answered, failed, or cancelled by the model
//                   │  ▲
//                   │  └── refused at once: unknown, arguments without sense, too many
//                   ▼
//                 kept ──▶ over            answered while no session stood: the next one is told
//
// 1. Each is answered once, whatever became of it: a model that waits for an answer says nothing.
// 2. What was called is not called again. When the session is gone, the calls of it are `former`:
//    the next one does not know them, and is told in words what came of them.
// 3. Ids of calls that are over are remembered for a while, since some models say a call twice.

package struct FunctionCalls: BitwiseCopyable, Sendable {
  /// Calls under way at once, those that are kept included.
  static let runningMax = 8
  private static let rowsMax = 16

  fileprivate struct Row: BitwiseCopyable {
    enum Stage: BitwiseCopyable { case over, running, kept }
    var stage = Stage.over
    /// As the model named it; empty where it has not.
    var id = Name()
    /// Which of the route's functions.
    var function = 0
    var calledAt = Instant.zero
    var fetch = Fetches.ID(0)
    /// The session that has called it is gone.
    var isFormer = false
    /// When the caller is told that it takes long; `never`.
    var phraseAt = Instant.never
    /// What the next session is told.
    var answer = Chain()
  }

  package struct Memory: BitwiseCopyable, Sendable {
    fileprivate var rows = InlineArray<16, Row>(repeating: Row())
    fileprivate var hangUp = 0
    fileprivate var handle = Carrier.Handle()
    fileprivate var transfer = Transfer()
    fileprivate var digits = DigitCollection()
    /// Of so many that run the caller may still have to be told.
    fileprivate var phrases = 0
    fileprivate var question = Question()
  }

  /// What the caller said that a function was called for.
  fileprivate struct Question: BitwiseCopyable {
    /// When the caller's words last came.
    var wordsAt = Instant.zero
    /// When it began, where its words have not come; else `never`.
    var unwritten = Instant.never
  }

  private var table = Lent<Memory>()
  private var memory = Int32(-1)
  private var refusals = UInt16(0)
  /// Where the next one that is over is overwritten.
  private var next = UInt8(0)
  private(set) var manner = Manner.on

  /// What follows for the call; `waits`: something of it, when what was said has been heard or time
  /// has passed.
  enum Manner: BitwiseCopyable { case on, waits, hangsUp }

  init() {}

  /// Nil where there is no memory left.
  init?(_ store: Store) {
    guard let memory = store.functionCalls.take() else { return nil }
    self.memory = memory
    table = Lent(Memory(), in: store.functionCalls.bytes(memory))
  }

  mutating func release(_ store: Store) {
    guard memory >= 0 else { return }
    for place in 0..<Self.rowsMax { table.value.rows[place].answer.clear(in: store.pool) }
    table.value.transfer.release(store)
    table = Lent()
    store.functionCalls.give(memory)
    memory = -1
  }

  /// Whether the model was told of functions.
  var isOn: Bool { @inline(__always) get { memory >= 0 } }

  // MARK: What is under way

  /// None is running, and none is kept.
  var isIdle: Bool { !isOn || places.allSatisfy { table.value.rows[$0].stage == .over } }

  /// Somebody is still at work for one.
  var isAtWork: Bool {
    let pressed = isOn && digits.isOpen ? digits.place : -1
    return places.contains { isRunning($0) && $0 != hangUpPlace && $0 != pressed }
  }

  /// How many are running.
  var running: Int { places.count { isRunning($0) } }

  /// As many as may be are under way.
  var isFull: Bool {
    places.count { table.value.rows[$0].stage != .over } >= Self.runningMax
  }

  var places: Range<Int> { 0..<(isOn ? Self.rowsMax : 0) }

  func isRunning(_ place: Int) -> Bool { table.value.rows[place].stage == .running }
  func isKept(_ place: Int) -> Bool { table.value.rows[place].stage == .kept }
  func isFormer(_ place: Int) -> Bool { table.value.rows[place].isFormer }
  func id(of place: Int) -> Name { table.value.rows[place].id }
  func function(of place: Int) -> Int { table.value.rows[place].function }
  func fetch(of place: Int) -> Fetches.ID { table.value.rows[place].fetch }
  func age(of place: Int, at now: Instant) -> Int {
    (now - table.value.rows[place].calledAt).milliseconds
  }

  /// Where the running call with this id is: the session's own, for another one may have named its
  /// call the same. Of an id that it has not called with, a former one's, which it may know if it
  /// was resumed.
  func running(_ id: Bytes) -> Int? {
    let wantsFormer = !knows(id)
    return places.first {
      isRunning($0) && isFormer($0) == wantsFormer && self.id(of: $0).equals(id)
    }
  }

  /// Whether the session has called with this id before.
  func knows(_ id: Bytes) -> Bool {
    places.contains { !isFormer($0) && self.id(of: $0).equals(id) }
  }

  // MARK: What happens to them

  /// A function is called; how it is known from now on. One that is over gives its place.
  mutating func add(_ id: Name, _ function: Int, at now: Instant) -> Int {
    precondition(isOn, "memory was taken for those who may call")
    var place = Int(next)
    while table.value.rows[place].stage != .over { place = (place + 1) % Self.rowsMax }
    next = UInt8((place + 1) % Self.rowsMax)
    table.value.rows[place] = Row(stage: .running, id: id, function: function, calledAt: now)
    return place
  }

  mutating func asked(_ fetch: Fetches.ID, of place: Int) {
    table.value.rows[place].fetch = fetch
  }

  mutating func ended(_ place: Int, _ store: Store) {
    transferEnded(by: place, store)
    let pool = store.pool
    table.value.rows[place].stage = .over
    tellNoMore(of: place)
    table.value.rows[place].answer.clear(in: pool)
  }

  private mutating func transferEnded(by place: Int, _ store: Store) {
    guard transfer.stage != .none, transfer.place == place else { return }
    table.value.transfer.release(store)
    waitNoMore()
  }

  // MARK: Phrases

  /// The caller is told when this takes longer.
  mutating func tellCaller(of place: Int, at time: Instant) {
    table.value.rows[place].phraseAt = time
    table.value.phrases &+= 1
  }

  mutating func tellNoMore(of place: Int) {
    guard table.value.rows[place].phraseAt != .never else { return }
    table.value.rows[place].phraseAt = .never
    table.value.phrases &-= 1
  }

  /// When the caller is told of this one, if nobody is heard; `never`.
  func phraseTime(of place: Int) -> Instant { table.value.rows[place].phraseAt }

  var hasPhraseDue: Bool { @inline(__always) get { isOn && table.value.phrases > 0 } }

  /// No session stands: the next one is told. False where the pool is dry.
  mutating func keep(_ answer: Bytes, of place: Int, _ store: Store) -> Bool {
    guard table.value.rows[place].answer.append(answer, from: store.pool) else { return false }
    table.value.rows[place].stage = .kept
    transferEnded(by: place, store)
    return true
  }

  func answer(of place: Int) -> Chain { table.value.rows[place].answer }

  /// The session is gone, and with it whoever has called.
  mutating func sessionEnded() {
    for place in places { table.value.rows[place].isFormer = true }
  }

  /// The model names its calls anew in each answer: of those that are over no name is known.
  mutating func forgetAnswered() {
    for place in places where table.value.rows[place].stage == .over {
      table.value.rows[place].id = Name()
    }
  }

  /// A call made no sense; true: the first of this call, which is said.
  mutating func refused() -> Bool {
    refusals &+= 1
    return refusals == 1
  }

  /// The call ends when what its model is saying has been heard: this call of a function runs until
  /// then.
  mutating func hangUp(_ place: Int) {
    manner = .hangsUp
    table.value.hangUp = place
  }

  /// Which call of a function that is.
  var hangUpPlace: Int? { isOn && manner == .hangsUp ? table.value.hangUp : nil }

  /// It goes on after all.
  mutating func goOn() {
    manner = transfer.stage == .waiting || digits.isOpen ? .waits : .on
  }

  // MARK: What it was called for

  /// Words of the caller have come.
  mutating func heardCaller(at now: Instant) {
    if isOn { table.value.question = Question(wordsAt: now) }
  }

  /// A function is called for what the caller has said since then.
  mutating func answers(_ since: Instant) {
    if table.value.question.wordsAt < since { table.value.question.unwritten = since }
  }

  /// When what the caller asked began, where nobody has written it down; `never`.
  mutating func takeUnwritten() -> Instant {
    guard isOn else { return .never }
    defer { table.value.question.unwritten = .never }
    return table.value.question.unwritten
  }

  // MARK: What waits

  /// How its carrier knows the call.
  var handle: Carrier.Handle { table.value.handle }
  mutating func know(_ start: Carrier.Start, in message: Bytes, _ store: Store) {
    guard isOn else { return }
    table.value.handle = Carrier.Handle(start, in: message, scratch: store.scratch)
  }

  var transfer: Transfer {
    get { table.value.transfer }
    set { table.value.transfer = newValue }
  }
  var digits: DigitCollection {
    get { table.value.digits }
    set { table.value.digits = newValue }
  }

  /// The call is to be transferred, and nobody has said no.
  var isInTransfer: Bool { isOn && transfer.stage != .none }
  /// The carrier was asked for a transfer, and its word is awaited.
  var isTransferring: Bool { isOn && transfer.stage == .asked }
  func isTransferring(_ place: Int) -> Bool { isTransferring && transfer.place == place }

  /// Keys are collected.
  var isCollecting: Bool { isOn && digits.isOpen }

  /// Something waits until what was said has been heard.
  var waits: Bool { @inline(__always) get { manner == .waits } }

  /// When it is done in any case.
  var dueTime: Instant { waits ? min(transferTime, digits.dueTime) : .never }
  var transferTime: Instant { isOn && transfer.stage == .waiting ? transfer.askBy : .never }

  mutating func wait() { if manner == .on { manner = .waits } }

  /// Unless something else does.
  mutating func waitNoMore() {
    if waits, transfer.stage != .waiting, !digits.isOpen { manner = .on }
  }
}
