// What must be true of a request to the chat of a cascade:
//
// - it holds every utterance that was written down and every item that was heard, once, in their
// order; of an item that was interrupted no more than was heard, of one that nobody heard nothing;
// - messages of tools follow the calls that they answer, each is one, and none is missing;
// - what a function has answered is told, once;
// - it ends with something that can be answered.

import Sidetone
import TestSupport

/// One message of a request.
struct ChatMessage {
  let role: String
  let content: String
  /// Ids of what it calls; the id of the call that it answers.
  let calls: [String]
  let answers: String?

  static func all(in body: [UInt8]) -> [ChatMessage]? {
    var body = body
    return body.withMutableBytes { body in
      guard JSON.isValid(body), let list = JSON.find("messages", in: body) else { return nil }
      var messages: [ChatMessage] = []
      var elements = JSON.Elements(of: list, in: body)
      while let element = elements.next() { messages.append(ChatMessage(element, in: body)) }
      return messages
    }
  }

  private init(_ message: JSON.Value, in body: Bytes) {
    func text(_ name: StaticString, _ parent: JSON.Value) -> String? {
      JSON.find(name, in: body, under: parent).map {
        String(decoding: body[$0.range].array, as: UTF8.self)
      }
    }
    role = text("role", message) ?? ""
    content = text("content", message) ?? ""
    answers = text("tool_call_id", message)
    var ids: [String] = []
    if let list = JSON.find("tool_calls", in: body, under: message) {
      var elements = JSON.Elements(of: list, in: body)
      while let call = elements.next() { ids.append(text("id", call) ?? "") }
    }
    calls = ids
  }

  var bytes: [UInt8] { Array(content.utf8) }
}

extension AgentThought {
  func asked(_ told: [ChatMessage]) {
    let messages = spoil(told)
    if messages.first?.role != "system" { book.fail("a request without instructions") }
    let isCut = messages.contains { $0.content.contains("What was said before is left out") }
    checkCalls(messages)
    checkUtterances(messages, isCut)
    checkItems(messages, isCut)
    checkFunctions(messages, isCut)
    if messages.last?.role == "assistant" {
      book.fail("a request that asks for nothing: \(messages.map(\.content))")
    }
    let isPushed = messages.last?.content == "(Go on.)"
    if isPushed, !mayRepeat, !hasMoved { book.fail("asked to go on, which nobody wanted") }
    mayRepeat = false
    hasMoved = false
  }

  private func checkCalls(_ messages: [ChatMessage]) {
    var open: [String] = []
    for message in messages {
      switch message.role {
      case "tool":
        guard let id = message.answers, open.contains(id) else {
          return book.fail("an answer to \(message.answers ?? "?"), which is not open")
        }
        open.removeAll { $0 == id }
      case "assistant", "user", "system":
        if !open.isEmpty { return book.fail("calls \(open) are not answered in a request") }
        open = message.calls
      default: return book.fail("a message of \(message.role)")
      }
    }
    if !open.isEmpty { book.fail("calls \(open) are not answered in a request") }
  }

  private func told(_ kind: StaticString, by role: String, in messages: [ChatMessage]) -> [Int] {
    messages.filter { $0.role == role }.flatMap { AgentWords.all(kind, in: $0.bytes) }
  }

  private func checkUtterances(_ messages: [ChatMessage], _ isCut: Bool) {
    let told = told("uttr", by: "user", in: messages)
    if zip(told, told.dropFirst()).contains(where: { $0 >= $1 }) {
      book.fail("utterances \(told) are asked out of order, or twice")
    }
    let missing = Set(wordsAt.keys).subtracting(doubtful).subtracting(told)
    if !missing.isEmpty, !isCut { book.fail("utterances \(missing.sorted()) are not asked") }
  }

  private func checkItems(_ messages: [ChatMessage], _ isCut: Bool) {
    let items = told("answ", by: "assistant", in: messages)
    if zip(items, items.dropFirst()).contains(where: { $0 >= $1 }) {
      book.fail("items \(items) are told out of order, or twice")
    }
    if !isCut, !wasCut {
      let missing = book.known.items.subtracting(items)
      if !missing.isEmpty { book.fail("items \(missing.sorted()) are not told") }
    }
    for message in messages where message.role == "assistant" {
      guard let item = AgentWords.first("answ", in: message.bytes), let text = texts[item] else {
        continue
      }
      if !text.read.hasPrefix(message.content) {
        book.fail("item \(item) is told as \(message.content), which was \(text.read)")
      }
      let heard = book.items[item]
      guard heard.isVoid else { continue }
      if heard.departed == 0 { book.fail("item \(item) is told, which nobody heard") }
      let most = text.read.utf8.count * (heard.departed + 400) / max(heard.handed, 1)
      if message.content.utf8.count > most {
        book.fail("of item \(item) too much is told: \(message.content), of \(text.read)")
      }
    }
  }

  // MARK: Functions

  private func checkFunctions(_ messages: [ChatMessage], _ isCut: Bool) {
    for message in messages {
      guard let id = message.answers else { continue }
      guard let function = book.functions.last(where: { $0.id == id }) else {
        book.fail("an answer to \(id), which nobody called")
        continue
      }
      // A round is repeated until its answer is over.
      guard function.answers == 0, let session = function.session else { continue }
      // What is longer than a request can hold is told as that.
      if place(behind: "too long to be told", in: message.bytes) != nil {
        settle(function)
      } else {
        book.answered(id, message.bytes, to: session)
      }
    }
    for name in ["status", "slow", "transfer", "bye"] { checkHistory(of: name, messages, isCut) }
    for function in book.functions where function.isOpen && function.told != nil && !isCut {
      book.fail("\(function.name) \(function.id) has answered, which is not told")
    }
  }

  /// Whatever a function has answered stands in the history as well; what its session was not told
  /// does only there.
  private func checkHistory(of name: String, _ messages: [ChatMessage], _ isCut: Bool) {
    let begin = "The function \(name) has answered: "
    let lines = messages.filter { $0.role == "user" && $0.content.hasPrefix(begin) }
    let words = lines.flatMap { AgentWords.all("tok", in: $0.bytes) }
    if Set(words).count < words.count { book.fail("\(name)'s answers \(words) are told twice") }
    func known(_ isMeant: (AgentFunction) -> Bool) -> AgentFunction? {
      book.functions.first { $0.name == name && $0.isOpen && isMeant($0) }
    }
    for word in words { settle(known { $0.told == .word("tok\(word)x") }) }
    let isPlain = { (function: AgentFunction) in
      if case .word = function.told { false } else { true }
    }
    let failures = lines.count - words.count
    while book.functions.count(where: { Self.isKept($0, name) && isPlain($0) }) < failures,
      let late = known({ $0.told == .failure }) ?? known(isPlain)
    {
      settle(late)
    }
    // Refusals that bring nobody anything are not kept.
    let count = book.functions.count { Self.isKept($0, name) }
    if lines.count > count { book.fail("\(lines.count) answers of \(name), of \(count)") }
    if lines.count < count, !isCut, !wasCut {
      book.fail("\(lines.count) answers of \(name) are told, of \(count)")
    }
  }

  private static func isKept(_ function: AgentFunction, _ name: String) -> Bool {
    function.name == name && function.kind != .senseless && function.answers > 0
  }

  /// Words alone tell what it has come to.
  private func settle(_ function: AgentFunction?) {
    guard let function else { return }
    hasMoved = true
    function.answers = 1
    world.marks.insert("answered late")
  }
}
