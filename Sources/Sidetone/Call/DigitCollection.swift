// Keys that a model has asked for: they are gathered, and it is told of them once, as what its
// function has answered, instead of key by key.
//
//     called ──▶ open ──▶ over    as many as were wanted, the end key, or a pause
//
// A pause is counted from the last key, or from where the caller has heard what was said. Keys that
// nobody had been told of when it began belong to it: callers type ahead.

struct DigitCollection: BitwiseCopyable {
  private(set) var isOpen = false
  /// Its call of a function.
  private(set) var place = 0
  private var wanted = 0
  /// 0: none ends it.
  private var endKey = UInt8(0)
  private var pause = Instant.Span.zero
  private var digits = InlineArray<32, UInt8>(repeating: 0)
  private var count = 0
  private var lastAt = Instant.zero
  /// Since when nothing is to be heard; `never` while something is.
  private var quietAt = Instant.never

  private static let digitsMax = 32
  private static let pauseSecondsMax = 30
  private static let pauseSeconds = 5
  private static let standardEndKey = UInt8(ascii: "#")

  private enum End { case count, endKey, pause }

  /// When the pause has lasted long enough; `never` where it has not begun.
  var dueTime: Instant {
    isOpen && quietAt != .never ? max(quietAt, lastAt) + pause : .never
  }
}

extension DigitCollection {
  /// The model has called for it; `arguments` are a JSON object. Why it cannot be had, or nil.
  static func begin(
    _ place: Int, _ arguments: Bytes, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> StaticString? {
    if call.functions.digits.isOpen { return "keys are being collected already" }
    var collection = DigitCollection()
    (collection.isOpen, collection.place, collection.lastAt) = (true, place, turn.now)
    if let complaint = collection.take(arguments) { return complaint }
    call.functions.digits = collection
    call.functions.wait()
    while call.functions.digits.isOpen, let key = call.conversation.takeKey() {
      take(key, in: &call, store, &turn)
    }
    return nil
  }

  /// What is asked for; why that makes no sense, or nil.
  private mutating func take(_ arguments: Bytes) -> StaticString? {
    func number(_ name: StaticString, upTo most: Int, orElse standard: Int? = nil) -> Int? {
      guard let value = JSON.find(name, in: arguments) else { return standard }
      guard value.kind == .number, let number = JSON.integer(value, in: arguments) else {
        return nil
      }
      return (1...most).contains(number) ? number : nil
    }
    guard let wanted = number("count", upTo: Self.digitsMax) else {
      return "`count` must be a whole number from 1 to 32"
    }
    self.wanted = wanted
    guard
      let seconds = number("pause_seconds", upTo: Self.pauseSecondsMax, orElse: Self.pauseSeconds)
    else { return "`pause_seconds` must be a whole number from 1 to 30" }
    pause = .seconds(seconds)
    endKey = Self.standardEndKey
    guard let key = JSON.find("end_key", in: arguments) else { return nil }
    endKey = 0
    if key.kind == .string, key.range.isEmpty { return nil }
    guard case .digit(let pressed) = Carrier.key(key, in: arguments) else {
      return "`end_key` must be one key, or nothing"
    }
    endKey = pressed
    return nil
  }

  /// A key was pressed: it is collected, or the model is told of it like of any other.
  static func press(_ key: UInt8, in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.functions.isOn, call.functions.digits.isOpen else {
      return call.conversation.press(key, &turn)
    }
    let place = call.functions.digits.place
    take(key, in: &call, store, &turn)
    if !call.functions.digits.isOpen { FunctionCalls.moved(by: place, in: &call, store, &turn) }
  }

  private static func take(
    _ key: UInt8, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    call.conversation.dialogue.callerDoes()
    if key == call.functions.digits.endKey {
      finish(.endKey, in: &call, store, &turn)
    } else if call.functions.digits.add(key, at: turn.now) {
      finish(.count, in: &call, store, &turn)
    }
  }

  /// Whether it is one of as many as are wanted, the last.
  private mutating func add(_ key: UInt8, at now: Instant) -> Bool {
    digits[count] = key
    count &+= 1
    lastAt = now
    return count == wanted
  }

  /// Time has passed, or what was said has been heard.
  static func finishWhenDue(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.functions.digits.isOpen, !call.state.isClosing else { return }
    call.conversation.retire(&call.record, at: turn.now)
    let isQuiet = call.conversation.isQuiet && !call.conversation.isAnswerOpen
    call.functions.digits.notice(isQuiet: isQuiet, at: turn.now)
    guard call.functions.digits.dueTime <= turn.now else { return }
    let place = call.functions.digits.place
    finish(.pause, in: &call, store, &turn)
    FunctionCalls.moved(by: place, in: &call, store, &turn)
  }

  private mutating func notice(isQuiet: Bool, at now: Instant) {
    if !isQuiet { quietAt = .never } else if quietAt == .never { quietAt = now }
  }

  private static func finish(
    _ end: End, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let collection = call.functions.digits
    call.functions.digits = DigitCollection()
    call.functions.waitNoMore()
    var answer = Writer(store.functionText.prefix(Limits.functionDraftBytes))
    answer.write("{\"digits\":\"")
    for index in 0..<collection.count { answer.write(byte: collection.digits[index]) }
    answer.write("\",\"ended_by\":\"")
    switch end {
    case .count: answer.write("count")
    case .endKey: answer.write("end_key")
    case .pause: answer.write("pause")
    }
    answer.write("\"}")
    FunctionCalls.deliver(answer.written, collection.place, in: &call, store, &turn)
    FunctionCalls.end(collection.place, .answered, "", in: &call, store, &turn)
  }

  /// The model does not want them any more: they are keys like any others.
  static func giveBack(in call: inout Call, _ turn: inout Turn) {
    let collection = call.functions.digits
    call.functions.digits = DigitCollection()
    call.functions.waitNoMore()
    for index in 0..<collection.count {
      call.conversation.press(collection.digits[index], &turn)
    }
  }
}
