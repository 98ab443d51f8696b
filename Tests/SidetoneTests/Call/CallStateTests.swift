// The states of a call as a table: every state and every input, every way out, every deadline.

import Testing

@testable import Sidetone

struct CallStateTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  // MARK: The table

  private enum Input: CaseIterable {
    case started, opened, drained, lost, nextLost, refused, finished, changeDue, changeGivenUp
    case leftInSilence, played, done, abandoned, expired
  }

  /// What each state answers to each input at its deadline; what is not named answers `nothing`.
  private static let answers:
    [(state: String, input: Input, action: CallState.Action, next: String)] = [
      ("arriving", .started, .dial, "dialling"),
      ("arriving", .done, .end, "over"),
      ("arriving", .abandoned, .end, "over"),
      ("arriving", .expired, .end, "over"),
      ("dialling", .opened, .flow, "talking"),
      ("dialling", .lost, .rest, "resting"),
      ("dialling", .nextLost, .rest, "resting"),
      ("dialling", .refused, .play, "closing(playing)"),
      ("dialling", .leftInSilence, .end, "over"),
      ("dialling", .done, .nothing, "closing(dialling)"),
      ("dialling", .abandoned, .end, "over"),
      ("resting", .done, .nothing, "closing(resting)"),
      ("resting", .abandoned, .end, "over"),
      ("resting", .expired, .dial, "dialling"),
      ("resting", .leftInSilence, .end, "over"),
      ("talking", .lost, .rest, "resting"),
      ("talking", .nextLost, .rest, "resting"),
      ("talking", .refused, .play, "closing(playing)"),
      ("talking", .changeDue, .dial, "changing"),
      ("talking", .done, .flow, "closing(sending)"),
      ("talking", .abandoned, .end, "over"),
      ("changing", .opened, .flow, "talking"),
      ("changing", .lost, .nothing, "dialling"),
      ("changing", .refused, .nothing, "dialling"),
      ("changing", .nextLost, .nothing, "talking"),
      ("changing", .changeGivenUp, .nothing, "talking"),
      ("changing", .done, .flow, "closing(sending)"),
      ("changing", .abandoned, .end, "over"),
      ("closing(dialling)", .opened, .flow, "closing(sending)"),
      ("closing(dialling)", .lost, .rest, "closing(resting)"),
      ("closing(dialling)", .nextLost, .rest, "closing(resting)"),
      ("closing(dialling)", .refused, .end, "over"),
      ("closing(dialling)", .finished, .end, "over"),
      ("closing(dialling)", .abandoned, .end, "over"),
      ("closing(dialling)", .expired, .end, "over"),
      ("closing(resting)", .finished, .end, "over"),
      ("closing(resting)", .abandoned, .end, "over"),
      ("closing(resting)", .expired, .end, "over"),
      ("closing(sending)", .drained, .finish, "closing(waiting)"),
      ("closing(sending)", .lost, .rest, "closing(resting)"),
      ("closing(sending)", .nextLost, .rest, "closing(resting)"),
      ("closing(sending)", .refused, .end, "over"),
      ("closing(sending)", .finished, .end, "over"),
      ("closing(sending)", .abandoned, .end, "over"),
      ("closing(sending)", .expired, .end, "over"),
      ("closing(waiting)", .lost, .rest, "closing(resting)"),
      ("closing(waiting)", .nextLost, .rest, "closing(resting)"),
      ("closing(waiting)", .refused, .end, "over"),
      ("closing(waiting)", .finished, .end, "over"),
      ("closing(waiting)", .abandoned, .end, "over"),
      ("closing(waiting)", .expired, .end, "over"),
      ("closing(playing)", .played, .end, "over"),
      ("closing(playing)", .finished, .end, "over"),
      ("closing(playing)", .done, .end, "over"),
      ("closing(playing)", .abandoned, .end, "over"),
      ("closing(playing)", .expired, .end, "over"),
    ]

  @Test func `every state answers every input as the table says`() {
    for state in Self.states.keys.sorted() {
      for input in Input.allCases where isPossible(input, in: state) {
        var call = reach(state)
        let named = Self.answers.first { $0.state == state && $0.input == input }
        let action = apply(input, to: &call)
        #expect(action == named?.action ?? .nothing, "\(input) in \(state)")
        #expect(name(call.state) == named?.next ?? state, "\(input) in \(state)")
        if state != "over" {
          #expect((call.state == .over) == (action == .end), "\(input) in \(state)")
        }
      }
    }
  }

  // MARK: A carrier's word

  @Test func `a call that was given up waits for its carrier, and goes on saying goodbye`() {
    var call = reach("closing(playing)")
    let cause = call.cause
    call.awaitCarrier()
    #expect(call.wakeTime == .never && call.isAwaitingCarrier)
    #expect(call.carrierDeclined(at: start) == .play && call.wakeTime > start)
    #expect(call.cause == cause && !call.isAwaitingCarrier)
    #expect(call.carrierDeclined(at: start) == .nothing)
    #expect(call.played() == .end)
  }

  @Test func `one whose stream ends while its carrier is asked is over in time`() {
    var call = reach("closing(playing)")
    call.awaitCarrier()
    #expect(call.callerDone(.stopped, at: start) == .nothing && call.wakeTime > start)
    #expect(call.transferred(within: .seconds(30), at: start) == .nothing)
    #expect(call.cause == .transferred && call.wakeTime < start + .seconds(30))
    #expect(call.expired(at: call.wakeTime) == .end)
  }

  // MARK: The end

  @Test(arguments: 1...200)
  func `whatever happens, a call is over exactly once, and stays so`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var call = CallState(limits: Limits(), at: start)
    var ends = 0
    for _ in 0..<200 {
      let input = Input.allCases.randomElement(using: &dice)!
      guard isPossible(input, in: name(call.state)) else { continue }
      if apply(input, to: &call) == .end { ends += 1 }
      #expect((call.state == .over) == (ends == 1))
    }
    #expect(ends == 1)
    #expect(call.wakeTime == .never && call.isClosing)
  }

  @Test func `the first cause stays, whatever comes after it`() {
    var call = reach("talking")
    _ = call.callerDone(.stopped, at: start)
    _ = call.callerDone(.left, at: start)
    _ = call.upstreamLost(loss(retry: false, .upstreamKey), at: start)
    #expect(call.state == .over && call.cause == .stopped)
  }

  @Test func `a caller who says nothing sensible is let go after the time for it`() {
    var call = CallState(limits: Limits(), at: start)
    #expect(call.wakeTime == start + .seconds(5))
    #expect(call.expired(at: start + .milliseconds(4999)) == .nothing)
    #expect(call.expired(at: start + .seconds(5)) == .end)
    #expect(call.cause == .unrecognised)
  }

  @Test func `closing has one deadline, however often its upstream is dialled again`() {
    var call = reach("talking")
    _ = call.callerDone(.stopped, at: start)
    var now = start
    for _ in 0..<3 {
      #expect(call.upstreamLost(loss(), at: now) == .rest)
      now = call.wakeTime
      #expect(call.expired(at: now) == .dial && call.state == .closing(.dialling))
      #expect(call.wakeTime == start + .seconds(5))
      #expect(call.opened() == .flow)
    }
    #expect(call.expired(at: start + .seconds(5)) == .end)
  }

  @Test func `a pause that would outlast the deadline of closing is not begun`() {
    var call = reach("closing(sending)")
    #expect(call.upstreamLost(loss(.next, pause: .seconds(5)), at: start) == .end)
  }

  // MARK: Again

  @Test func `the pause doubles, to a bound; after the last attempt the call ends with the loss`() {
    var call = reach("dialling")
    var now = start
    var pauses: [Int] = []
    while call.upstreamLost(loss(.next), at: now) == .rest {
      pauses.append((call.wakeTime - now).milliseconds)
      now = call.wakeTime
      #expect(call.expired(at: now) == .dial)
    }
    #expect(pauses == [100, 200, 400, 800, 1600, 3200])
    #expect(call.state == .closing(.playing) && call.cause == .upstreamLost)
  }

  @Test func `the pause that an upstream asks for is kept where it is the longer one`() {
    var call = reach("dialling")
    _ = call.upstreamLost(loss(.next, pause: .seconds(7)), at: start)
    #expect(call.wakeTime == start + .seconds(7))
    #expect(call.expired(at: start + .milliseconds(6999)) == .nothing)
  }

  /// Loses the session, and has another: the pause in between, in milliseconds; nil: it is over.
  private func lose(_ loss: UpstreamLeg.Loss, _ call: inout CallState) -> Int? {
    guard call.upstreamLost(loss, at: start) == .rest else { return nil }
    let pause = (call.wakeTime - start).milliseconds
    _ = call.expired(at: call.wakeTime)
    _ = call.opened()
    return pause
  }

  @Test func `only a session that lived starts the count anew, one that worked does not`() {
    var call = reach("talking")
    #expect(lose(loss(life: .worked), &call) == 0)
    #expect(lose(loss(life: .worked), &call) == 200)
    #expect(lose(loss(), &call) == 400)
    #expect(lose(loss(life: .lived), &call) == 0)
    for pause in [200, 400, 800, 1600, 3200] {
      #expect(lose(loss(life: .worked), &call) == pause)
    }
    #expect(lose(loss(life: .worked), &call) == nil)
  }

  @Test func `only the first attempt is made at once, and only behind a session that worked`() {
    var call = reach("talking")
    #expect(lose(loss(), &call) == 100)
    #expect(lose(loss(life: .worked), &call) == 200)
    var other = reach("talking")
    #expect(lose(loss(pause: .seconds(1), life: .worked), &other) == 1000)
    var third = reach("talking")
    #expect(third.upstreamLost(loss(life: .worked), at: start) == .rest)
    #expect(third.wakeTime == start && third.expired(at: start) == .dial)
    #expect(third.isDialledInTurn)
    #expect(lose(loss(.next), &third) == 200)
  }

  @Test func `one that worked is followed by another whatever the row says, once`() {
    var call = reach("talking")
    #expect(lose(loss(retry: false, life: .worked), &call) == 0)
    #expect(lose(loss(retry: false, life: .worked), &call) == nil)
    var other = reach("talking")
    #expect(lose(loss(retry: false), &other) == nil)
  }

  @Test func `what should have resumed it is used once, then it is tried without`() {
    var call = reach("talking")
    #expect(lose(loss(retry: false, life: .worked), &call) == 0)
    #expect(lose(loss(retry: false, life: .worked, isHandleDropped: true), &call) == 200)
    #expect(lose(loss(retry: false, life: .worked), &call) == nil)
  }

  @Test func `an attempt that would come too late for a caller who hears nothing is not made`() {
    var call = reach("dialling")
    let latest = start + .seconds(8)
    #expect(
      call.upstreamLost(loss(.next, pause: .seconds(60)), latest: latest, at: start) == .play)
    #expect(call.state == .closing(.playing))
    #expect(call.played() == .end && call.cause == .upstreamLost)
  }

  @Test func `what was said is played to its end, but not for ever`() {
    var call = reach("closing(playing)")
    #expect(call.wakeTime == start + .seconds(125))
    #expect(call.expired(at: start + .seconds(124)) == .nothing)
    #expect(call.callerDone(.stopped, at: start) == .end && call.cause == .upstreamKey)
  }

  // MARK: Getting there

  private static let states: [String: [Input]] = [
    "arriving": [],
    "dialling": [.started],
    "resting": [.started, .lost],
    "talking": [.started, .opened],
    "changing": [.started, .opened, .changeDue],
    "closing(dialling)": [.started, .done],
    "closing(resting)": [.started, .lost, .done],
    "closing(sending)": [.started, .opened, .done],
    "closing(waiting)": [.started, .opened, .done, .drained],
    "closing(playing)": [.started, .opened, .refused],
    "over": [.done],
  ]

  private func reach(_ state: String) -> CallState {
    var call = CallState(limits: Limits(), at: start)
    for input in Self.states[state]! { _ = apply(input, to: &call) }
    #expect(name(call.state) == state)
    return call
  }

  /// Only what was dialled can open: the relay has no other connection to tell of.
  private func isPossible(_ input: Input, in state: String) -> Bool {
    input != .opened || ["dialling", "changing", "closing(dialling)"].contains(state)
  }

  private func apply(_ input: Input, to call: inout CallState) -> CallState.Action {
    switch input {
    case .started: return call.started()
    case .opened: return call.opened()
    case .drained: return call.drained()
    case .lost: return call.upstreamLost(loss(), at: start)
    case .nextLost: return call.upstreamLost(loss(.next), at: start)
    case .refused: return call.upstreamLost(loss(retry: false, .upstreamKey), at: start)
    case .changeDue: return call.changeDue()
    case .changeGivenUp:
      call.changeGivenUp()
      return .nothing
    case .leftInSilence: return call.leftInSilence(.upstreamLost, owesGoodbye: false, at: start)
    case .played: return call.played()
    case .finished: return call.upstreamFinished()
    case .done: return call.callerDone(.stopped, at: start)
    case .abandoned: return call.abandoned()
    case .expired: return call.expired(at: start + .seconds(200))
    }
  }

  private func loss(
    _ which: UpstreamLeg.Loss.Which = .session, retry: Bool = true, _ cause: Cause = .upstreamLost,
    pause: Instant.Span = .zero, life: UpstreamLeg.Life = .none, isHandleDropped: Bool = false
  ) -> UpstreamLeg.Loss {
    UpstreamLeg.Loss(
      which, Upstream.Verdict(retry: retry, cause: cause, code: "", sentence: ""), pause: pause,
      life: life, isHandleDropped: isHandleDropped)
  }

  private func name(_ state: CallState.State) -> String {
    if case .closing(let finish) = state { return "closing(\(finish))" }
    return "\(state)"
  }
}
