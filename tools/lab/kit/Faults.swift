// How a web server of the lab goes wrong, request by request, by order: a schedule such as
// `500*3,429:2,hang,ok*5`. What a server does with one request is a `Reaction`; the kit decides it,
// the lab's sockets do it.

/// What one request meets.
package enum Fault: Equatable, Sendable {
  /// What it should be.
  case none
  /// This status in place of an answer; with the seconds of its Retry-After, where it has one.
  case status(Int, retryAfter: Int?)
  /// No answer for as long as the client stays.
  case hang
  /// The connection is broken once the request was read.
  case drop
  /// The answer that it should be, so much later.
  case slow(milliseconds: Int)
  /// 307 to another address.
  case redirect(to: String)
  /// A chat endpoint only: an answer with 200 that is wrong inside.
  case flaw(ChatFlaw)
}

/// How an answer of a language model is wrong.
package enum ChatFlaw: String, CaseIterable, Sendable {
  case prose, fenced, refusal, huge, broken
  case wrongShape = "wrong-shape"
  case cutOff = "cut-off"
  case notJSON = "not-json"
}

package struct WebAnswer: Equatable, Sendable {
  package var status: Int
  /// Whole lines without their ends; length and type of the body are not among them.
  package var headers: [String] = []
  package var type = "application/json"
  package var body: [UInt8] = []

  package init(_ status: Int, _ body: JSON, headers: [String] = []) {
    self.status = status
    self.headers = headers
    self.body = Array((body.text + "\n").utf8)
  }

  package init(_ status: Int, type: String, text: String) {
    self.status = status
    self.type = type
    body = Array(text.utf8)
  }
}

package enum Reaction: Equatable, Sendable {
  case answer(WebAnswer, afterMilliseconds: Int = 0)
  case stream(WebStream)
  case hang
  case drop

  /// The status that the client will see; nil: none.
  package var status: Int? {
    switch self {
    case .answer(let answer, _): answer.status
    case .stream: 200
    case .hang, .drop: nil
    }
  }

  /// What a person reads of it.
  package var text: String {
    switch self {
    case .answer(let answer, 0): "answered \(answer.status)"
    case .answer(let answer, let late): "answered \(answer.status) after \(late) ms"
    case .stream: "streamed"
    case .hang: "left hanging"
    case .drop: "dropped"
    }
  }
}

extension Fault {
  /// What happens to a request that would have this answer; a flaw is inside of the answer.
  func reaction(_ answer: WebAnswer) -> Reaction {
    switch self {
    case .none, .flaw: return .answer(answer)
    case .hang: return .hang
    case .drop: return .drop
    case .slow(let milliseconds): return .answer(answer, afterMilliseconds: milliseconds)
    case .redirect(let address):
      return .answer(
        WebAnswer(307, ["redirect": .string(address)], headers: ["Location: \(address)"]))
    case .status(let status, let seconds):
      let message = "The schedule of faults says \(status)."
      let body: JSON = ["error": ["message": .string(message), "type": "fault", "code": nil]]
      let headers = seconds.map { ["Retry-After: \($0)"] } ?? []
      return .answer(WebAnswer(status, body, headers: headers))
    }
  }
}

package struct FaultSchedule: Equatable, Sendable {
  /// A sentence that begins with the item that could not be read.
  package struct Unreadable: Error, Equatable { package let sentence: String }

  package static let help = """
      ok                 what it should be
      STATUS, STATUS:N   this status, 200 to 599; with Retry-After: N seconds
      hang               no answer for as long as the client stays
      drop               break the connection once the request was read
      slow:MS            what it should be, MS milliseconds later
      redirect:URL       307 to that address
      again              at the end: begin anew; without it all that follows is ok
      …*N                N times, for example 500*3
    """
  package static let flawsHelp = """
      prose              an answer in words
      fenced             the right answer, with words and a fence of ``` around it
      wrong-shape        JSON that does not fit the schema
      refusal            the model would not
      cut-off            half of the answer, stopped at a bound of its length
      huge               an answer of 10 MB
      not-json           a page of HTML with 200
      broken             break the connection; in a stream in the middle of it
    """

  private struct Item: Equatable {
    let fault: Fault
    let count: Int
  }

  private var items: [Item] = []
  private var isCyclic = false
  private var place = 0
  private var used = 0

  /// No faults.
  package init() {}

  /// - Parameter flaws: whether the words of `ChatFlaw` mean something here.
  package init(_ list: String, flaws: Bool = false) throws(Unreadable) {
    let words = list.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for (index, word) in words.enumerated() {
      if word == "again" {
        guard index == words.count - 1, !items.isEmpty else {
          throw Unreadable(sentence: "again stands at the end, behind what is done again")
        }
        isCyclic = true
      } else {
        items.append(try Self.item(word, flaws: flaws))
      }
    }
  }

  /// What the next request meets.
  package mutating func next() -> Fault {
    guard place < items.count else { return .none }
    let item = items[place]
    used += 1
    if used == item.count {
      used = 0
      place += 1
      if isCyclic && place == items.count { place = 0 }
    }
    return item.fault
  }

  private static func item(_ word: String, flaws: Bool) throws(Unreadable) -> Item {
    guard let star = word.lastIndex(of: "*") else {
      return Item(fault: try fault(word, flaws: flaws), count: 1)
    }
    guard let count = Int(word[word.index(after: star)...]), (1...1_000_000).contains(count) else {
      throw Unreadable(sentence: "\(word): how often is a number from 1 to 1000000")
    }
    return Item(fault: try fault(String(word[..<star]), flaws: flaws), count: count)
  }

  private static func fault(_ word: String, flaws: Bool) throws(Unreadable) -> Fault {
    let halves = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let value = halves.count == 2 ? halves[1] : nil
    let known =
      "it is ok, a status, hang, drop, slow:MS, redirect:URL, again"
      + (flaws ? ", " + ChatFlaw.allCases.map(\.rawValue).joined(separator: ", ") : "")
    switch (halves[0], value) {
    case ("ok", nil): return .none
    case ("hang", nil): return .hang
    case ("drop", nil): return .drop
    case ("slow", let text):
      guard let late = text.flatMap({ Int($0) }), (0...3_600_000).contains(late) else {
        throw Unreadable(sentence: "\(word): slow wants milliseconds, such as slow:200")
      }
      return .slow(milliseconds: late)
    case ("redirect", let address):
      guard let address, address.hasPrefix("http://") || address.hasPrefix("https://"),
        address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
      else {
        throw Unreadable(
          sentence: "\(word): redirect wants an address, such as redirect:http://127.0.0.1:1/")
      }
      return .redirect(to: address)
    case (let text, let wait):
      if flaws, wait == nil, let flaw = ChatFlaw(rawValue: text) { return .flaw(flaw) }
      guard let status = Int(text) else {
        throw Unreadable(sentence: "\(word.isEmpty ? "an empty item" : word) is no fault: \(known)")
      }
      guard (200...599).contains(status) else {
        throw Unreadable(sentence: "\(word): a status is a number from 200 to 599")
      }
      guard let wait else { return .status(status, retryAfter: nil) }
      guard let seconds = Int(wait), (0...86_400).contains(seconds) else {
        throw Unreadable(sentence: "\(word): Retry-After is a number of seconds from 0 to 86400")
      }
      return .status(status, retryAfter: seconds)
    }
  }
}
