// The life of a call as a table: every state and every input, every way out, every deadline.

import Testing

@testable import Sidetone

struct LifeTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  // MARK: The table

  private enum Input: CaseIterable {
    case started, opened, progressed, drained, lost, refused, finished, done, abandoned, expired
  }

  /// What each state answers to each input at its deadline; what is not named answers `nothing`.
  private static let answers: [(state: String, input: Input, action: Life.Action, next: String)] = [
    ("arriving", .started, .dial, "dialling"),
    ("arriving", .done, .end, "over"),
    ("arriving", .abandoned, .end, "over"),
    ("arriving", .expired, .end, "over"),
    ("dialling", .opened, .flow, "talking"),
    ("dialling", .lost, .rest, "resting"),
    ("dialling", .refused, .end, "over"),
    ("dialling", .done, .nothing, "closing(dialling)"),
    ("dialling", .abandoned, .end, "over"),
    ("resting", .done, .nothing, "closing(resting)"),
    ("resting", .abandoned, .end, "over"),
    ("resting", .expired, .dial, "dialling"),
    ("talking", .lost, .rest, "resting"),
    ("talking", .refused, .end, "over"),
    ("talking", .done, .flow, "closing(sending)"),
    ("talking", .abandoned, .end, "over"),
    ("closing(dialling)", .opened, .flow, "closing(sending)"),
    ("closing(dialling)", .lost, .rest, "closing(resting)"),
    ("closing(dialling)", .refused, .end, "over"),
    ("closing(dialling)", .finished, .end, "over"),
    ("closing(dialling)", .abandoned, .end, "over"),
    ("closing(dialling)", .expired, .end, "over"),
    ("closing(resting)", .finished, .end, "over"),
    ("closing(resting)", .abandoned, .end, "over"),
    ("closing(resting)", .expired, .end, "over"),
    ("closing(sending)", .drained, .finish, "closing(waiting)"),
    ("closing(sending)", .lost, .rest, "closing(resting)"),
    ("closing(sending)", .refused, .end, "over"),
    ("closing(sending)", .finished, .end, "over"),
    ("closing(sending)", .abandoned, .end, "over"),
    ("closing(sending)", .expired, .end, "over"),
    ("closing(waiting)", .lost, .rest, "closing(resting)"),
    ("closing(waiting)", .refused, .end, "over"),
    ("closing(waiting)", .finished, .end, "over"),
    ("closing(waiting)", .abandoned, .end, "over"),
    ("closing(waiting)", .expired, .end, "over"),
  ]

  @Test("Every state answers every input as the table says")
  func table() {
    for state in Self.states.keys.sorted() {
      for input in Input.allCases where isPossible(input, in: state) {
        var life = reach(state)
        let named = Self.answers.first { $0.state == state && $0.input == input }
        let action = apply(input, to: &life)
        #expect(action == named?.action ?? .nothing, "\(input) in \(state)")
        #expect(name(life.state) == named?.next ?? state, "\(input) in \(state)")
        if state != "over" {
          #expect((life.state == .over) == (action == .end), "\(input) in \(state)")
        }
      }
    }
  }

  // MARK: The end

  @Test("Whatever happens, a call is over exactly once, and stays so", arguments: 1...200)
  func overOnce(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var life = Life(limits: Limits(), at: start)
    var ends = 0
    for _ in 0..<200 {
      let input = Input.allCases.randomElement(using: &dice)!
      guard isPossible(input, in: name(life.state)) else { continue }
      if apply(input, to: &life) == .end { ends += 1 }
      #expect((life.state == .over) == (ends == 1))
    }
    #expect(ends == 1)
    #expect(life.wakeTime == .never && life.isClosing)
  }

  @Test("The first cause stays, whatever comes after it")
  func firstCause() {
    var life = reach("talking")
    _ = life.callerDone(.stopped, at: start)
    _ = life.callerDone(.left, at: start)
    _ = life.upstreamLost(retry: false, pause: .zero, cause: .upstreamKey, at: start)
    #expect(life.state == .over && life.cause == .stopped)
  }

  @Test("A caller who says nothing sensible is let go after the time for it")
  func arriving() {
    var life = Life(limits: Limits(), at: start)
    #expect(life.wakeTime == start + .seconds(5))
    #expect(life.expired(at: start + .milliseconds(4999)) == .nothing)
    #expect(life.expired(at: start + .seconds(5)) == .end)
    #expect(life.cause == .unrecognised)
  }

  @Test("Closing has one deadline, however often its upstream is dialled again")
  func closingDeadline() {
    var life = reach("talking")
    _ = life.callerDone(.stopped, at: start)
    var now = start
    for _ in 0..<3 {
      #expect(
        life.upstreamLost(retry: true, pause: .zero, cause: .upstreamLost, at: now) == .rest)
      now = life.wakeTime
      #expect(life.expired(at: now) == .dial && life.state == .closing(.dialling))
      #expect(life.wakeTime == start + .seconds(5))
      #expect(life.opened() == .flow)
    }
    #expect(life.expired(at: start + .seconds(5)) == .end)
  }

  @Test("A pause that would outlast the deadline of closing is not begun")
  func closingPause() {
    var life = reach("closing(sending)")
    #expect(
      life.upstreamLost(retry: true, pause: .seconds(5), cause: .upstreamBusy, at: start) == .end)
  }

  // MARK: Again

  @Test("The pause doubles, to a bound; after the last attempt the call ends with the loss")
  func backoff() {
    var life = reach("dialling")
    var now = start
    var pauses: [Int] = []
    while life.upstreamLost(retry: true, pause: .zero, cause: .upstreamLost, at: now) == .rest {
      pauses.append((life.wakeTime - now).milliseconds)
      now = life.wakeTime
      #expect(life.expired(at: now) == .dial)
    }
    #expect(pauses == [100, 200, 400, 800, 1600, 3200])
    #expect(life.state == .over && life.cause == .upstreamLost)
  }

  @Test("The pause that an upstream asks for is kept where it is the longer one")
  func askedPause() {
    var life = reach("dialling")
    _ = life.upstreamLost(retry: true, pause: .seconds(7), cause: .upstreamBusy, at: start)
    #expect(life.wakeTime == start + .seconds(7))
    #expect(life.expired(at: start + .milliseconds(6999)) == .nothing)
  }

  @Test("Results start the count anew; an open socket alone does not")
  func progress() {
    var life = reach("talking")
    func lose() -> Int {
      _ = life.upstreamLost(retry: true, pause: .zero, cause: .upstreamLost, at: start)
      let pause = (life.wakeTime - start).milliseconds
      _ = life.expired(at: life.wakeTime)
      _ = life.opened()
      return pause
    }
    #expect([lose(), lose(), lose()] == [100, 200, 400])
    life.progressed()
    #expect(lose() == 100)
  }

  // MARK: Getting there

  private static let states: [String: [Input]] = [
    "arriving": [],
    "dialling": [.started],
    "resting": [.started, .lost],
    "talking": [.started, .opened],
    "closing(dialling)": [.started, .done],
    "closing(resting)": [.started, .lost, .done],
    "closing(sending)": [.started, .opened, .done],
    "closing(waiting)": [.started, .opened, .done, .drained],
    "over": [.done],
  ]

  private func reach(_ state: String) -> Life {
    var life = Life(limits: Limits(), at: start)
    for input in Self.states[state]! { _ = apply(input, to: &life) }
    #expect(name(life.state) == state)
    return life
  }

  /// Only what was dialled can open: the relay has no other connection to tell of.
  private func isPossible(_ input: Input, in state: String) -> Bool {
    input != .opened || state == "dialling" || state == "closing(dialling)"
  }

  private func apply(_ input: Input, to life: inout Life) -> Life.Action {
    switch input {
    case .started: return life.started()
    case .opened: return life.opened()
    case .progressed:
      life.progressed()
      return .nothing
    case .drained: return life.drained()
    case .lost:
      return life.upstreamLost(retry: true, pause: .zero, cause: .upstreamLost, at: start)
    case .refused:
      return life.upstreamLost(retry: false, pause: .zero, cause: .upstreamKey, at: start)
    case .finished: return life.upstreamFinished()
    case .done: return life.callerDone(.stopped, at: start)
    case .abandoned: return life.abandoned()
    case .expired: return life.expired(at: start + .seconds(60))
    }
  }

  private func name(_ state: Life.State) -> String {
    if case .closing(let finish) = state { return "closing(\(finish))" }
    return "\(state)"
  }
}
