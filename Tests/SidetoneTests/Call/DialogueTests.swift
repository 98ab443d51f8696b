// Who speaks, and what the model is owed: every state with every input, as a table.

import Testing

@testable import Sidetone

struct DialogueTests {
  private typealias State = Dialogue.State

  enum Input: CaseIterable {
    case agentBegan, interrupted, turnEnded, keyPressed, asked, sessionBegan, sessionEnded, closed
  }

  private static let named = Upstream.openai.voice
  private static let nameless = Upstream.gemini.voice

  /// Ways to reach each state from the start.
  private static let ways: [[Input]] = [
    [], [.keyPressed], [.interrupted], [.keyPressed, .asked], [.agentBegan],
    [.agentBegan, .keyPressed], [.agentBegan, .interrupted],
    [.agentBegan, .interrupted, .keyPressed], [.closed],
  ]

  private func apply(_ input: Input, to dialogue: inout Dialogue) {
    switch input {
    case .agentBegan: dialogue.agentBegan()
    case .interrupted: dialogue.interrupted()
    case .turnEnded: dialogue.turnEnded()
    case .keyPressed: dialogue.press(0x35)
    case .asked: while dialogue.nextCommand() != nil {}
    case .sessionBegan: _ = dialogue.sessionBegan()
    case .sessionEnded: dialogue.sessionEnded()
    case .closed: dialogue.close()
    }
  }

  private func reach(_ inputs: [Input], _ voice: Upstream.Voice? = named) -> Dialogue {
    var dialogue = Dialogue(voice)
    for input in inputs { apply(input, to: &dialogue) }
    return dialogue
  }

  /// The commands that wait, in one line.
  private func commands(_ dialogue: inout Dialogue) -> String {
    var names: [String] = []
    while let command = dialogue.nextCommand() {
      switch command {
      case .digit(let key): names.append("digit \(key &- 0x30)")
      case .respond: names.append("respond")
      default: names.append("other")
      }
    }
    return names.joined(separator: ", ")
  }

  @Test func `a key is told at once, and answered at once where no turn is open`() {
    var dialogue = reach([.keyPressed])
    #expect(commands(&dialogue) == "digit 5, respond")
    #expect(dialogue.state == .answerAsked)
  }

  @Test func `a key in the agent's turn is answered when that is over`() {
    var dialogue = reach([.agentBegan, .keyPressed])
    #expect(commands(&dialogue) == "digit 5")
    dialogue.turnEnded()
    #expect(commands(&dialogue) == "respond")
    #expect(commands(&dialogue) == "")
  }

  @Test func `keys that are pressed one after the other are answered once`() {
    var dialogue = reach([.agentBegan, .keyPressed, .keyPressed, .keyPressed])
    #expect(commands(&dialogue) == "digit 5, digit 5, digit 5")
    dialogue.turnEnded()
    #expect(commands(&dialogue) == "respond")
  }

  @Test func `an answer that is owed survives the session, and is asked for once`() {
    var dialogue = reach([.agentBegan, .keyPressed, .asked, .sessionEnded])
    #expect(dialogue.state == .quiet(.answer))
    _ = dialogue.sessionBegan()
    #expect(commands(&dialogue) == "respond")
    #expect(commands(&dialogue) == "")
  }

  @Test func `an interruption ends what was owed, but not the keys that were not told`() {
    var dialogue = reach([.agentBegan, .keyPressed, .interrupted])
    #expect(commands(&dialogue) == "digit 5")
    dialogue.turnEnded()
    #expect(commands(&dialogue) == "")
  }

  @Test func `items that have names are void by name, all others until the turn is over`() {
    #expect(!reach([.agentBegan, .interrupted]).isVoid)
    var nameless = reach([.agentBegan, .interrupted], Self.nameless)
    #expect(nameless.isVoid)
    nameless.turnEnded()
    #expect(!nameless.isVoid)
    #expect(!reach([.agentBegan, .interrupted, .sessionEnded], Self.nameless).isVoid)
  }

  @Test func `a call is greeted once`() {
    var dialogue = reach([])
    let first = dialogue.sessionBegan()
    dialogue.sessionEnded()
    let unheard = dialogue.sessionBegan()
    dialogue.agentBegan()
    dialogue.sessionEnded()
    let heard = dialogue.sessionBegan()
    #expect(first && unheard && !heard)
  }

  @Test func `more keys than there is room for are not told`() {
    var dialogue = reach(Array(repeating: .keyPressed, count: 20))
    #expect(commands(&dialogue).split(separator: ",").count == 17)
  }

  @Test func `nothing leaves the last state, and nothing is asked there`() {
    for input in Input.allCases {
      var dialogue = reach([.agentBegan, .keyPressed, .asked, .closed])
      apply(input, to: &dialogue)
      #expect(dialogue.state == .over && dialogue.isVoid)
      #expect(!commands(&dialogue).contains("respond"))
    }
  }

  @Test func `every input is taken in every state, and no turn stays open for ever`() {
    for voice in [Self.named, Self.nameless] {
      for way in Self.ways {
        for first in Input.allCases {
          for second in Input.allCases {
            var dialogue = reach(way + [first, second, .turnEnded, .asked], voice)
            switch dialogue.state {
            case .quiet(.nothing), .answerAsked, .over: break
            default: Issue.record("\(way) \(first) \(second): \(dialogue.state)")
            }
            #expect(commands(&dialogue) == "")
          }
        }
      }
    }
  }
}
