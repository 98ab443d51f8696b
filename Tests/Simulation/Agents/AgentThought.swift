// What is known of one call with a cascade, beside what its book knows: what its ears have said,
// which words the chat has told and which of them the voice, as the relay could know it. What must
// be true of a request stands in AgentThought+Asked.

import Sidetone
import TestSupport

final class AgentThought {
  unowned let book: AgentBook
  var world: World { book.world }

  /// What one answer says; by the number of its item.
  struct Text {
    /// What the relay has read of it, the inside of a JSON string, and what it told the voice.
    var read = ""
    var told = ""
    /// The chat has said all of it.
    var isOver = false
    /// All of it has been spoken, or the session was lost over it.
    var isSpoken = false
    var isLost = false
  }

  private enum Caller { case quiet, speaking, hasSaid }

  private var caller = Caller.quiet
  var texts: [Int: Text] = [:]
  /// When the words of an utterance were read first that stay; not of those that are said again.
  var wordsAt: [Int: Instant] = [:]
  /// Of these it is not known whether they are said again.
  var doubtful: Set<Int> = []
  /// Somebody was let go of for a noise, or a session was lost, since the last request.
  var mayRepeat = true
  /// A request has told of a function that its session had not called, or not in its answer.
  var hasMoved = false
  /// Something was wrong from then to then: no answer can be asked for.
  private var troubles: [Range<Instant>] = []
  /// What was said before an answer that is asked for again may be left out.
  var wasCut = false

  /// What is broken between the relay and what is known of it, so that the checkers must see it.
  enum Plant: CaseIterable {
    case lostWords, doubledWords, lostMessage, doubledMessage, lostAnswer, lostSound, oldSound
  }

  private let plant: Plant?

  init(_ book: AgentBook, plant: Plant?) {
    self.book = book
    self.plant = plant
  }

  /// One message of a long request is lost, or comes twice; or what a function has answered is.
  func spoil(_ messages: [ChatMessage]) -> [ChatMessage] {
    guard let plant, messages.count > 4 else { return messages }
    var messages = messages
    switch plant {
    case .lostMessage: messages.remove(at: 2)
    case .doubledMessage: messages.insert(messages[2], at: 2)
    case .lostAnswer: messages.removeAll { $0.answers != nil }
    case .lostWords, .doubledWords, .lostSound, .oldSound: break
    }
    return messages
  }

  // MARK: What was wrong

  func trouble(for span: Instant.Span) {
    troubles.append(world.now..<world.now + span)
    mayRepeat = true
    book.hasLostSession = true
  }

  func wasTroubled(in range: Range<Instant>) -> Bool { troubles.contains { $0.overlaps(range) } }

  /// Utterances that a line of the log says something of: nobody need answer them.
  private var excused: Set<Int> = []

  func wasGivenUp() {
    for index in book.caller.utterances.indices { excused.insert(index) }
  }

  func read(_ line: String) {
    for word in ["answer_silent", "answer_missing", "answer_incomplete"] where line.contains(word) {
      world.marks.insert(word)
      wasGivenUp()
    }
  }

  func excuses(_ utterance: Int, since end: Instant) -> Bool {
    excused.contains { $0 >= utterance } || wasTroubled(in: end..<end + .seconds(8))
  }

  // MARK: The one that listens

  func sessionBegan() {
    caller = .quiet
  }

  func sessionEnded() {
    caller = .quiet
    mayRepeat = true
    trouble(for: .seconds(8))
    for (item, text) in texts where !text.isSpoken {
      texts[item]?.isSpoken = true
      texts[item]?.isLost = true
      if book.items[item].handed > 0 { continue }
      // The greeting is owed until something of it was heard.
      if item == 0 {
        texts[0] = Text()
        book.owesAnswer = true
      } else {
        book.items[item].isVoid = true
      }
    }
  }

  /// What nobody has answered is heard once more, and written down anew.
  func isSaidAgain() {
    let since = book.unansweredSince + .milliseconds(-500)
    for (utterance, at) in wordsAt where at >= since { doubtful.insert(utterance) }
    wasCut = true
  }

  /// Only the first words of the caller interrupt; only what has words is answered.
  func heard(words: Bool, isFinal: Bool = false, ends: Bool = false, _ utterance: Int? = nil) {
    if words, case .quiet = caller {
      caller = .speaking
      mayRepeat = true
      interrupted()
    }
    if words, isFinal { caller = .hasSaid }
    if let utterance, words {
      if wordsAt[utterance] == nil { wordsAt[utterance] = world.now }
      doubtful.remove(utterance)
    }
    if ends { caller = .quiet }
  }

  private func interrupted() {
    for (item, text) in texts where !text.isSpoken {
      texts[item]?.isSpoken = true
      book.items[item].isVoid = true
      world.marks.insert("interrupted")
    }
    book.interrupted()
  }

  // MARK: The chat

  /// The relay reads words of an answer.
  func read(_ words: String, of item: Int) {
    texts[item]?.read += words
    if AgentWords.first("answ", in: Array(texts[item]?.read.utf8 ?? "".utf8)) == item {
      book.wordsRead.insert(item)
    }
  }

  /// All has come that comes of it.
  func chatEnded(_ item: Int) {
    texts[item]?.isOver = true
    if texts[item]?.read.isEmpty == true { texts[item]?.isSpoken = true }
  }

  // MARK: The end

  func check() {
    for (item, text) in texts where text.isOver && !text.isLost && !book.items[item].isVoid {
      let isOld = book.items[item].lastAt + .seconds(20) < book.caller.leftAt
      if isOld, !text.isSpoken, !wasTroubled(in: book.items[item].at..<world.now) {
        book.fail("item \(item) was never spoken to its end: \(text)")
      }
    }
  }

  // MARK: The voice

  /// Words leave for the voice: the next ones of the answer that is under way.
  func wasTold(_ words: [UInt8]) -> Int {
    let text = String(decoding: words, as: UTF8.self)
    if AgentWords.first("answ", in: words) == 0 {
      texts[0]?.read = Self.greeting
      texts[0]?.isOver = true
      book.wordsRead.insert(0)
    }
    guard let item = texts.keys.filter({ texts[$0]?.read.isEmpty == false }).max() else {
      book.fail("the voice is told what nobody has said")
      return 0
    }
    if book.items[item].isVoid { book.fail("the voice is told of item \(item) that is void") }
    if texts[item]?.isSpoken == true { book.fail("the voice is told more of item \(item)") }
    if plant != .lostWords { texts[item]?.told += text }
    if plant == .doubledWords { texts[item]?.told += text }
    let (said, told) = (Self.plain(texts[item]?.read ?? ""), Self.plain(texts[item]?.told ?? ""))
    if !said.hasPrefix(told) {
      book.fail("the voice is told \(told) of item \(item), not \(said)")
    }
    return item
  }

  /// What it may say first is the first of its items.
  func expectGreeting() {
    book.items.append(AgentItem(number: 0, at: world.now))
    texts[0] = Text()
  }

  static let greeting = "answ0x hello, how can I help you?"

  /// Letters and digits alone: what is only for the eye is not spoken.
  static func plain(_ text: String) -> String {
    text.replacing("\\n", with: " ").filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
  }

  /// The relay reads sound.
  func sounded(_ samples: Int, of item: Int) {
    if book.items[item].isVoid {
      world.marks.insert("old sound")
      if plant == .oldSound { book.agentSounds([book.items[item].level]) }
      return
    }
    book.items[item].lastAt = world.now
    book.handed(plant == .lostSound ? samples + 100 : samples, of: item)
  }

  /// It reads that all it has told the voice was said.
  func wasFlushed() {
    for (item, text) in texts where text.isOver && !text.isSpoken {
      texts[item]?.isSpoken = true
      world.marks.insert("spoken")
      if Self.plain(text.read) != Self.plain(text.told) {
        book.fail("item \(item) was spoken without its end: \(text.told), of \(text.read)")
      }
    }
  }
}
