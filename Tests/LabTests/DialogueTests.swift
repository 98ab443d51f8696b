// A caller speaks in turn, interrupts where it is told to, and comes to an end with anybody.

import Testing

@testable import LabKit

/// Steps a dialogue in hundredths of a second; `sounds` says when the other side is heard, and
/// every turn lasts a second. Answers what the caller did and when.
private func play(
  _ dialogue: Dialogue, seconds: Double, sounds: (Double, [Double]) -> Bool
) -> [(step: Dialogue.Step, at: Double)] {
  var dialogue = dialogue
  var steps: [(Dialogue.Step, Double)] = []
  var ends: [Double] = []
  for tick in 0...Int(seconds * 100) {
    let now = Double(tick) / 100
    if let end = ends.last, now >= end { dialogue.finish(at: now) }
    if sounds(now, ends) { dialogue.hear(at: now) }
    if let step = dialogue.step(at: now) {
      steps.append((step, now))
      if case .begin = step { ends.append(now + 1) }
    }
  }
  return steps
}

@Suite struct DialogueTurns {
  private func dialogue(turns: Int, interruption: Double? = nil) -> Dialogue {
    Dialogue(
      turns: turns, silence: 1, patience: 5,
      interruption: interruption.map { Dialogue.Interruption(turn: turns - 1, after: $0) }, at: 0)
  }

  @Test func `the caller speaks when the other side has finished`() {
    // A greeting until 3, and an answer of two seconds, half a second after each turn.
    let steps = play(dialogue(turns: 2), seconds: 30) { now, ends in
      now <= 3 || ends.contains { now >= $0 + 0.5 && now <= $0 + 2.5 }
    }
    #expect(steps.map(\.step) == [.begin(turn: 0), .begin(turn: 1), .hangUp])
    #expect(abs(steps[0].at - 4) < 0.02)
    #expect(abs(steps[1].at - (5 + 2.5 + 1)) < 0.03)
  }

  @Test func `a pause within an answer is no end`() {
    let steps = play(dialogue(turns: 1), seconds: 10) { now, _ in
      now <= 1 || (now >= 1.8 && now <= 3)
    }
    #expect(abs((steps.first?.at ?? 0) - 4) < 0.02)
  }

  @Test func `a silent other side is waited for and then left`() {
    let steps = play(dialogue(turns: 2), seconds: 30) { _, _ in false }
    #expect(steps.map(\.step) == [.begin(turn: 0), .begin(turn: 1), .hangUp])
    #expect(abs(steps[1].at - 7) < 0.03 && abs(steps[2].at - 13) < 0.05)
  }

  @Test func `only the turn that is to interrupt does`() {
    // Answers of ten seconds, at once; the greeting ends at 3.
    let steps = play(dialogue(turns: 2, interruption: 0.5), seconds: 40) { now, ends in
      now <= 3 || ends.first.map { now >= $0 && now <= $0 + 10 } ?? false
    }
    #expect(abs(steps[0].at - 4) < 0.02)
    #expect(abs(steps[1].at - 5.5) < 0.03)
  }

  @Test func `an answer that is over before its interruption is not interrupted`() {
    // Looked at between the end and the moment of the interruption, and only after both.
    for look in [1.3, 4] {
      var dialogue = dialogue(turns: 1, interruption: 3)
      dialogue.hear(at: 0.2)
      #expect(dialogue.step(at: 1.1) == nil)
      #expect(dialogue.step(at: look) == .begin(turn: 0))
      #expect(!dialogue.isInterrupting)
    }
  }

  @Test func `everything is said only when the last turn is over`() {
    var dialogue = dialogue(turns: 1)
    #expect(!dialogue.isComplete)
    _ = dialogue.step(at: 2)
    #expect(!dialogue.isComplete)
    dialogue.finish(at: 3)
    #expect(dialogue.isComplete)
  }
}
