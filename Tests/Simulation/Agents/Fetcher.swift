// The process that makes HTTP requests for a relay, played in the clock of the simulation: servers
// that answer soon, late, never, twice, too much or nonsense, carriers that transfer calls or do
// not, and a process that dies in front of any of it and is started again.

import Sidetone
import TestSupport

final class Fetcher {
  private let world: World
  private let callers: () -> [AgentCaller]
  private var taken = 0
  /// Which of its lives it is in; nothing of an earlier one is told.
  private var life = 0
  private var isAlive = false
  /// Requests that were cancelled.
  private var cancelled: Set<Int> = []
  /// It dies in front of so many more things that it does, for so many times.
  private var steps: Int
  private var deaths: Int
  /// Who answers what a cascade asks.
  var chat: AgentChat?
  private let cut = String(repeating: "x", count: 56 * 1024)

  init(_ world: World, deaths: Int, callers: @escaping () -> [AgentCaller]) {
    self.world = world
    self.deaths = deaths
    self.callers = callers
    steps = world.dice.below(12)
    after(.milliseconds(world.dice.percent(80) ? 0 : world.dice.below(10_000))) { [unowned self] in
      start()
    }
    for _ in 0..<deaths where world.dice.percent(30) {
      after(.milliseconds(world.dice.below(40_000))) { [unowned self] in die("at any time") }
    }
  }

  private func after(_ span: Instant.Span, _ run: @escaping () -> Void) {
    world.schedule(world.now + span) { [weak self] in
      if self != nil { run() }
    }
  }

  private func start() {
    isAlive = true
    life += 1
    taken = world.driver.fetches.count
    world.relay.fetcherStarted()
  }

  private func die(_ moment: String) {
    guard isAlive else { return }
    isAlive = false
    world.marks.insert("fetcher died \(moment)")
    for caller in callers() { caller.book.fetcherDied() }
    world.driver.loseFetcher()
    after(.milliseconds(world.dice.below(3000))) { [unowned self] in start() }
  }

  /// False: it dies in front of this.
  private func passes(_ moment: String) -> Bool {
    guard isAlive else { return false }
    guard deaths > 0 else { return true }
    steps -= 1
    guard steps < 0 else { return true }
    deaths -= 1
    steps = world.dice.below(12)
    die(moment)
    return false
  }

  /// At each step: takes what it was asked for.
  func turn() {
    while isAlive, taken < world.driver.fetches.count {
      guard passes("before a request") else { return }
      let message = world.driver.fetches[taken]
      taken += 1
      let words = message.prefix { $0 != "\n" }.split(separator: " ")
      guard words.count >= 2, let id = Int(words[1]) else { continue }
      if words[0] == "cancel" {
        cancelled.insert(id)
      } else {
        fetch(id, String(words.last ?? ""), Array(message.utf8))
      }
    }
  }

  private func fetch(_ id: Int, _ url: String, _ message: [UInt8]) {
    if let chat, url.contains("think.test") { return chat.asked(id, url, message) }
    if url.contains("/calls/") || url.contains("/Calls/") { return order(id, url) }
    guard let start = place(behind: "\"call_id\":\"CA", in: message),
      let number = Int(String(decoding: message[start...].prefix { $0 != 0x22 }, as: UTF8.self)),
      let caller = callers().first(where: { $0.number == number }),
      let place = place(behind: "\"id\":\"", in: message)
    else { return world.fail("a request that is nobody's") }
    let name = String(decoding: message[place...].prefix { $0 != 0x22 }, as: UTF8.self)
    guard
      let function = caller.book.functions.last(where: { $0.id == name && $0.kind == .post })
    else { return world.fail("a request for \(name), which nobody called") }
    if function.wasAsked { caller.book.fail("the server of \(name) is asked twice") }
    function.askedAt = world.now
    answer(id, function)
  }

  // MARK: Servers

  private func answer(_ id: Int, _ function: AgentFunction) {
    let delay = Instant.Span.milliseconds(
      world.dice.percent(70) ? world.dice.below(400) : world.dice.below(8000))
    let word = "tok\(id)x"
    let good = AgentFunction.Told.word(word)
    switch world.dice.below(14) {
    case 0: world.marks.insert("server hangs")
    case 1:
      say(id, "200 cut\n\n{\"a\":\"\(word)\(cut)\"}", .failure, function, after: delay)
      world.marks.insert("server says 2 MB")
    case 2: say(id, "200 whole\n\n\(word) \u{1}\"\\ \u{fffd}", good, function, after: delay)
    case 3: say(id, "200 whole\n\n{\"a\":\"\(word)\"", good, function, after: delay)
    case 4:
      let status = [301, 404, 429, 500, 503][world.dice.below(5)]
      say(id, "\(status) whole\n\n\(word)", .failure, function, after: delay)
    case 5: fail(id, function, after: delay)
    case 6:
      say(id, "200 whole\n\n{\"a\":\"\(word)\"}", good, function, after: delay)
      say(id, "200 whole\n\n{\"a\":\"tok9\(id)x\"}", .word("tok9\(id)x"), function, after: delay)
      world.marks.insert("server answers twice")
    case 7:
      // Behind every deadline, and mostly behind the call.
      let late = Instant.Span.milliseconds(world.dice.range(8400...60_000))
      say(id, "200 whole\n\n{\"a\":\"\(word)\"}", good, function, after: late)
    case 8:
      let long = String(repeating: "y ", count: world.dice.below(15_000))
      say(id, "200 whole\n\n{\"a\":\"\(word)\(long)\"}", good, function, after: delay)
    default: say(id, "200 whole\n\n{\"a\":\"\(word)\"}", good, function, after: delay)
    }
  }

  private func fail(_ id: Int, _ function: AgentFunction, after delay: Instant.Span) {
    let words = ["full", "late", "no_name", "no_route", "no_trust", "broken", "unsendable", "new"]
    let word = words[world.dice.below(words.count)]
    tell("failed \(id) \(word)\n\n", .failure, function, after: delay)
  }

  private func say(
    _ id: Int, _ answer: String, _ told: AgentFunction.Told, _ function: AgentFunction,
    after delay: Instant.Span
  ) {
    tell("answer \(id) \(answer)", told, function, after: delay)
  }

  private func tell(
    _ text: String, _ told: AgentFunction.Told, _ function: AgentFunction,
    after delay: Instant.Span
  ) {
    say(text, after: delay) { [unowned self] in
      if function.told == nil, function.askedAt + .milliseconds(8500) > world.now {
        function.told = told
      }
    }
  }

  /// `whenSaid`: what is known as soon as it is.
  func say(_ text: String, after delay: Instant.Span, whenSaid: @escaping () -> Void) {
    let mine = life
    after(delay) { [unowned self] in
      guard life == mine, passes("before an answer") else { return }
      whenSaid()
      world.driver.fetcherSays(text)
      _ = passes("behind an answer")
    }
  }

  func isCancelled(_ id: Int) -> Bool { cancelled.contains(id) }

  // MARK: Carriers

  private func order(_ id: Int, _ url: String) {
    guard
      let caller = callers().first(where: {
        url.contains("/CA\($0.number).json") || url.contains("/CA\($0.number)/")
      }),
      let function = caller.book.functions.last(where: { $0.kind == .transfer && $0.isOpen })
    else { return world.fail("a carrier is asked about \(url)") }
    if function.wasAsked { caller.book.fail("the carrier is asked twice") }
    function.askedAt = world.now
    caller.book.wasCarrierAsked = true
    let delay = Instant.Span.milliseconds(world.dice.below(2000))
    switch world.dice.below(6) {
    case 0: world.marks.insert("carrier hangs")
    case 1, 2:
      let status = [400, 401, 404, 422, 429, 500][world.dice.below(6)]
      say(id, "\(status) whole\n\n{}", .failure, function, after: delay)
      world.marks.insert("carrier refuses")
    case 3:
      // The stream ends before its answer is there.
      after(delay) { caller.leave(.stop) }
      say(id, "200 whole\n\n{}", .word("transferred"), function, after: delay + .seconds(1))
    default:
      say(id, "200 whole\n\n{}", .word("transferred"), function, after: delay)
      after(delay + .milliseconds(world.dice.below(3000))) { [unowned self] in
        if function.told == .word("transferred") {
          caller.leave(.stop)
          world.marks.insert("transferred")
        }
      }
    }
  }
}
