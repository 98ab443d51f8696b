// Who speaks, and what the model is owed: every state with every input, and orders of events around
// an interruption.

import Testing

@testable import Sidetone

struct DialogueTests {
  private typealias State = Dialogue.State

  enum Input: CaseIterable {
    case began, sound, interrupted, said, callerDone, ended, failed, keyPressed, asked, tooEarly
    case later, sessionBegan, sessionEnded, closed
  }

  private static let named = Upstream.openai.voice
  private static let nameless = Upstream.gemini.voice

  /// A dialogue with its clock and the name of the model's present answer.
  private final class Bench {
    var dialogue: Dialogue
    var now = Instant.zero
    private var response = 0
    let hasNames: Bool
    private(set) var wishes: [Dialogue.Wish] = []

    init(_ voice: Upstream.Voice? = named) {
      dialogue = Dialogue(voice)
      hasNames = voice?.hasItems == true
    }

    var name: Bytes { hasNames ? kept("r\(response)") : .empty }

    func apply(_ input: Input) {
      switch input {
      case .began:
        response += 1
        if hasNames { dialogue.answerBegan(name) }
      case .sound: _ = hear()
      case .interrupted: dialogue.interrupted(at: now)
      case .said: dialogue.callerSaid()
      case .callerDone: dialogue.callerEnded(at: now)
      case .ended: _ = end()
      case .failed: _ = end(.failed, passesAfter: .seconds(1))
      case .keyPressed: _ = dialogue.press(0x35, at: now)
      case .asked:
        while let wish = dialogue.nextWish(at: now) { wishes.append(wish) }
      case .tooEarly: dialogue.askedTooEarly(at: now)
      case .later:
        now = now + .seconds(1)
        _ = dialogue.expired(at: now)
      case .sessionBegan: dialogue.sessionBegan(greets: true, at: now)
      case .sessionEnded: dialogue.sessionEnded(at: now)
      case .closed: dialogue.close()
      }
    }

    func apply(_ inputs: [Input]) {
      for input in inputs { apply(input) }
    }

    func hear(_ name: Bytes? = nil) -> Bool {
      dialogue.came(name ?? self.name, isSound: true, at: now) == .heard
    }

    func end(
      _ how: Upstream.Ending.How = .whole, passesAfter: Instant.Span? = nil
    ) -> Dialogue.Ended {
      var ending = Upstream.Ending(how)
      ending.passesAfter = passesAfter
      return dialogue.answerEnded(name, ending, at: now)
    }

    /// What is wished for now, and in the seconds that follow.
    func wishes(seconds: Int = 0) -> [Dialogue.Wish] {
      wishes = []
      apply(.asked)
      for _ in 0..<seconds { apply([.later, .asked]) }
      return wishes
    }
  }

  private func bench(_ inputs: [Input] = [], _ voice: Upstream.Voice? = named) -> Bench {
    let bench = Bench(voice)
    bench.apply(inputs)
    return bench
  }

  // MARK: Keys

  @Test func `keys are told together after a pause, and then answered`() {
    let bench = bench([.keyPressed, .keyPressed])
    #expect(bench.wishes() == [])
    bench.apply([.later, .asked])
    var keys = Writer(kept(count: 32))
    bench.dialogue.writeKeys(&keys)
    #expect(bench.wishes(seconds: 3) == [] && keys.written.equals("55"))
    guard case .answerAwaited(to: .keys, _) = bench.dialogue.state else {
      Issue.record("\(bench.dialogue.state)")
      return
    }
  }

  @Test func `the end key is no pause`() {
    let bench = bench([.keyPressed])
    _ = bench.dialogue.press(Dialogue.endKey, at: bench.now)
    #expect(bench.wishes() == [.tellKeys, .respond])
  }

  @Test(
    arguments: [[.began], [.began, .sound], [.callerDone], [.callerDone, .began]] as [[Input]])
  func `a key while an answer is open is told and answered when that is over`(before: [Input]) {
    let bench = bench(before + [.keyPressed])
    #expect(bench.wishes(seconds: 2) == [])
    if before.last == .callerDone { bench.apply(.began) }
    bench.apply(.ended)
    #expect(bench.wishes() == [.tellKeys, .respond])
  }

  @Test func `what the model refuses because an answer is open is asked for behind that`() {
    let bench = bench([.keyPressed, .later, .asked, .tooEarly])
    #expect(bench.wishes(seconds: 3) == [])
    bench.apply(.ended)
    #expect(bench.wishes() == [.respond])
  }

  @Test func `the same where that answer had begun before the refusal came`() {
    let bench = bench([.keyPressed, .later, .asked, .began, .tooEarly, .sound])
    #expect(bench.wishes(seconds: 3) == [])
    bench.apply(.ended)
    #expect(bench.wishes() == [.respond])
  }

  @Test func `an interruption ends what was owed, but not keys that were not told`() {
    let bench = bench([.began, .sound, .keyPressed, .interrupted])
    #expect(bench.wishes() == [.tellKeys])
    bench.apply(.ended)
    #expect(bench.wishes() == [])
  }

  @Test func `a model without names answers what it is told`() {
    let bench = bench([.keyPressed, .later], Self.nameless)
    #expect(bench.wishes() == [.tellKeys])
    #expect(bench.wishes(seconds: 5) == [])
  }

  @Test func `there is room for 32 keys`() {
    let bench = bench(Array(repeating: .keyPressed, count: 32))
    let hasRoom = bench.dialogue.press(0x35, at: bench.now)
    #expect(!hasRoom)
  }

  // MARK: Interruptions

  @Test func `what belongs to a void answer is void, however many came since`() {
    let bench = bench()
    for _ in 0..<20 { bench.apply([.began, .sound, .interrupted, .ended]) }
    for old in 1...20 { #expect(!bench.hear(kept("r\(old)"))) }
    bench.apply(.began)
    #expect(bench.hear())
    #expect(!bench.hear(kept("r1")))
  }

  @Test func `an answer that was interrupted before its first sound is void`() {
    let bench = bench([.callerDone, .began, .interrupted])
    #expect(!bench.hear())
    bench.apply([.ended, .callerDone, .began])
    #expect(bench.hear())
  }

  @Test func `answers that nobody announces are told by their names alone`() {
    let bench = bench()
    #expect(bench.hear(kept("a")))
    bench.apply(.interrupted)
    #expect(!bench.hear(kept("a")) && bench.hear(kept("b")))
  }

  /// What comes between an interruption and the next answer, in every order; each member ends with
  /// a sound that begins later.
  @Test(
    arguments: [
      // Its turn was over already, whether it still plays or not.
      [.sound, .ended, .interrupted], [.sound, .ended, .later, .interrupted],
      [.ended, .interrupted], [.interrupted], [.interrupted, .interrupted],
      // It goes on, and ends, or never does.
      [.sound, .interrupted, .ended], [.sound, .interrupted, .sound, .ended],
      [.sound, .interrupted, .said], [.sound, .interrupted, .sound, .said],
      [.sound, .interrupted, .later], [.sound, .interrupted, .sound, .later],
      [.sound, .interrupted, .interrupted, .later], [.sound, .interrupted, .sound, .later, .said],
      [.sound, .said, .interrupted, .later], [.sound, .interrupted, .sessionEnded],
      [.sound, .interrupted, .ended, .interrupted], [.sound, .interrupted, .later, .sound, .ended],
    ] as [[Input]])
  func `without names nothing that begins after an interruption is void`(before: [Input]) {
    let bench = bench(before, Self.nameless)
    #expect(bench.hear(), "\(before)")
    #expect(bench.hear())
  }

  @Test func `without names what comes at once behind an interruption is late`() {
    let bench = bench([.sound, .interrupted], Self.nameless)
    #expect(!bench.hear())
    bench.now = bench.now + .milliseconds(200)
    #expect(!bench.hear())
    bench.now = bench.now + .milliseconds(200)
    #expect(!bench.hear())
  }

  // MARK: Answers without sound

  @Test func `an answer without sound is one, and one that passes is asked for again`() {
    let bench = bench([.sessionBegan])
    #expect(bench.wishes() == [.greet])
    for _ in 0..<Dialogue.repeatsMax {
      bench.apply(.began)
      #expect(
        bench.end(.failed, passesAfter: .seconds(2))
          == .silent(repeatAt: bench.now + .seconds(2)))
      #expect(bench.wishes(seconds: 1) == [])
      #expect(bench.wishes(seconds: 1) == [.greet])
    }
    bench.apply(.began)
    #expect(bench.end(.failed, passesAfter: .seconds(2)) == .silent(repeatAt: .never))
    #expect(bench.wishes(seconds: 30) == [])
  }

  @Test(arguments: [[.began], [.callerDone], [], [.said], [.interrupted, .ended]] as [[Input]])
  func `a turn that is over and brought nothing is silent`(before: [Input]) {
    for voice in [Self.named, Self.nameless] {
      let bench = bench(before, voice)
      if voice?.hasItems == true, before.first != .began { continue }
      #expect(bench.end(.failed) == .silent(repeatAt: .never), "\(before)")
    }
  }

  @Test(
    arguments: [[.began, .sound], [.began, .interrupted], [.sound, .interrupted]] as [[Input]])
  func `one that was heard or cut off is not`(before: [Input]) {
    for voice in [Self.named, Self.nameless] {
      let bench = bench(before, voice)
      let ended = bench.end(.cancelled)
      #expect(ended == .well)
    }
  }

  @Test func `an answer that never begins is missed, and asked for once more`() {
    let bench = bench([.callerDone])
    #expect(bench.wishes(seconds: 4) == [])
    #expect(bench.wishes(seconds: 1) == [.respond])
    #expect(bench.wishes(seconds: 60) == [])
    #expect(bench.dialogue.isIdle)
  }

  // MARK: Sessions

  @Test func `a call is greeted once`() {
    let bench = bench([.sessionBegan])
    #expect(bench.wishes() == [.greet])
    bench.apply([.began, .sound, .sessionEnded, .sessionBegan])
    #expect(bench.wishes(seconds: 9) == [])
  }

  @Test(arguments: [[], [.began]] as [[Input]])
  func `what brought no sound is owed by the next session`(after: [Input]) {
    for (way, wishes) in [
      ([.sessionBegan, .asked], [.greet]), ([.callerDone], [.respond]),
      ([.keyPressed, .later, .asked], [.tellKeys, .respond]),
    ] as [([Input], [Dialogue.Wish])] {
      let bench = bench(way + after + [.sessionEnded])
      #expect(bench.dialogue.owed != nil && !bench.dialogue.isIdle)
      bench.dialogue.sessionBegan(greets: way[0] == .sessionBegan, at: bench.now)
      #expect(bench.wishes() == wishes)
      bench.apply([.began, .sound, .ended])
      #expect(bench.dialogue.isIdle && bench.dialogue.owed == nil)
    }
  }

  @Test func `a question that is said again is not asked for`() {
    let bench = bench([.callerDone, .sessionEnded])
    bench.dialogue.sessionBegan(greets: false, hearsAgain: true, at: bench.now)
    #expect(bench.wishes(seconds: 3) == [] && !bench.dialogue.isIdle)
  }

  // MARK: Every state

  @Test func `nothing leaves the last state, and nothing is asked there`() {
    for input in Input.allCases {
      let bench = bench([.began, .keyPressed, .asked, .closed])
      bench.apply(input)
      let isHeard = bench.hear()
      #expect(bench.dialogue.state == .over && !isHeard)
      #expect(bench.wishes(seconds: 2) == [])
    }
  }

  @Test func `every input is taken in every state, and no turn stays open for ever`() {
    for voice in [Self.named, Self.nameless] {
      for first in Input.allCases {
        for second in Input.allCases {
          for third in Input.allCases {
            let bench = bench([first, second, third], voice)
            _ = bench.wishes(seconds: 60)
            bench.apply(.ended)
            _ = bench.wishes(seconds: 60)
            switch bench.dialogue.state {
            case .quiet, .over, .callerSpeaking, .agentCutOff: break
            default: Issue.record("\(first) \(second) \(third): \(bench.dialogue.state)")
            }
            #expect(bench.wishes(seconds: 1) == [])
            guard bench.dialogue.state != .over else { continue }
            bench.apply([.interrupted, .later, .began])
            let isHeard = bench.hear()
            #expect(isHeard, "\(first) \(second) \(third)")
          }
        }
      }
    }
  }
}
