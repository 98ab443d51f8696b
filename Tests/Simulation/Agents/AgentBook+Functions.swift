// The calls of functions in one call's book: what came of each, and what the model was told of it.

import Sidetone

/// A model has called a function, and the relay has read that.
final class AgentFunction {
  enum Kind {
    /// Its server is asked.
    case post
    case hangUp
    case transfer
    /// It is refused at once.
    case senseless
  }

  let kind: Kind
  let id: String
  let name: String
  weak var session: AgentSession?
  let calledAt: Instant
  /// How often a model was told what came of it.
  var answers = 0
  var isCancelled = false
  var wasSpokenOver = false
  /// When its server, or the carrier, was asked.
  var askedAt = Instant.never
  var wasAsked: Bool { askedAt != .never }
  /// What the relay was told first of it: a word of the answer, or that there is none.
  var told: Told?

  enum Told: Equatable {
    case word(String)
    case failure
  }

  init(_ kind: Kind, id: String, name: String, by session: AgentSession, at now: Instant) {
    self.kind = kind
    self.id = id
    self.name = name
    self.session = session
    calledAt = now
  }

  var isOpen: Bool { answers == 0 && !isCancelled }
  /// By then it has been answered, whatever becomes of it.
  var due: Instant {
    switch kind {
    case .post: calledAt + .seconds(9)
    case .hangUp, .transfer: calledAt + .seconds(25)
    case .senseless: calledAt
    }
  }
}

extension AgentBook {
  /// The relay reads a call. One of which it knows the id from this session is none.
  func called(_ kind: AgentFunction.Kind, id: String, name: String, by session: AgentSession) {
    guard !functions.contains(where: { $0.session === session && $0.id == id }) else {
      world.marks.insert("called twice")
      return
    }
    functions.append(AgentFunction(kind, id: id, name: name, by: session, at: world.now))
    if kind != .senseless { agentBegan() }
    world.marks.insert("called \(kind)")
  }

  /// The relay reads that calls are not wanted any more.
  func cancelled(_ id: String, by session: AgentSession) {
    guard let function = functions.last(where: { $0.session === session && $0.id == id }),
      function.isOpen
    else { return }
    function.isCancelled = true
    world.marks.insert("cancelled")
  }

  /// What was asked for and has not been answered is lost.
  func fetcherDied() {
    for function in functions where function.isOpen && function.told == nil && function.wasAsked {
      function.told = .failure
    }
  }

  // MARK: What models are told

  /// The session that has called is told what came of it.
  func answered(_ id: String, _ text: [UInt8], to session: AgentSession) {
    guard let function = functions.last(where: { $0.session === session && $0.id == id }) else {
      return fail("an answer to \(id), which this session has not called")
    }
    settle(function, text)
  }

  /// A session is told in words of what another one has called.
  func answeredLate(_ name: String, _ text: [UInt8]) {
    let word = Self.word(in: text)
    func isMeant(_ function: AgentFunction, _ told: AgentFunction.Told?) -> Bool {
      function.name == name && function.isOpen && function.told == told
    }
    let function =
      if let word {
        functions.first { isMeant($0, .word(word)) }
      } else {
        functions.first { isMeant($0, .failure) } ?? functions.first { isMeant($0, nil) }
      }
    guard let function else { return fail("a late answer to \(name) that nobody waits for") }
    world.marks.insert("answered late")
    settle(function, text)
  }

  private func settle(_ function: AgentFunction, _ text: [UInt8]) {
    function.answers += 1
    if function.answers > 1 { fail("\(function.name) \(function.id) is answered twice") }
    if function.isCancelled { fail("\(function.name) \(function.id) was cancelled, and answered") }
    if let word = Self.word(in: text) {
      if function.told != .word(word) {
        fail("\(function.name) \(function.id) is answered with \(word) of another")
      }
    } else if place(behind: "error", in: text) == nil {
      fail("\(function.name) \(function.id) is answered with nothing")
    } else if case .word(let word) = function.told {
      fail("\(function.name) \(function.id) has answered \(word), of which no model is told")
    }
  }

  /// The word by which an answer is known again.
  static func word(in text: [UInt8]) -> String? {
    if let number = AgentWords.first("tok", in: text) { return "tok\(number)x" }
    let isDone = place(behind: "status", in: text) != nil
    return isDone && place(behind: "transferred", in: text) != nil ? "transferred" : nil
  }

  // MARK: At the end

  /// Each is answered once, where a session stood that could be told.
  func checkFunctions() {
    for function in functions where function.isOpen {
      // The end of the call was what it asked for, or its carrier's answer.
      if cause == "hung_up" || cause == "transferred" { continue }
      // A cascade is told with its next request.
      let span = Instant.Span.milliseconds(thought == nil ? 1500 : 15_000)
      let wasTold = sessions.contains {
        $0.stood(from: function.due, for: span, until: caller.leftAt)
      }
      if thought?.wasTroubled(in: function.calledAt..<function.due + span) == true { continue }
      if wasTold { fail("\(function.name) \(function.id) has no answer") }
    }
  }
}

/// Words by which what was said is known again: a kind, a number, and an x.
enum AgentWords {
  static func all(_ kind: StaticString, in text: [UInt8]) -> [Int] {
    var found: [Int] = []
    var rest = text
    while let start = place(behind: kind, in: rest) {
      rest.removeFirst(start)
      let digits = rest.prefix { $0 &- 0x30 <= 9 }
      if !digits.isEmpty, rest.dropFirst(digits.count).first == UInt8(ascii: "x") {
        found.append(Int(String(decoding: digits, as: UTF8.self)) ?? 0)
      }
    }
    return found
  }

  static func first(_ kind: StaticString, in text: [UInt8]) -> Int? { all(kind, in: text).first }
}
