// Call tokens: one use, 120 s, one route, and nothing that is held is ever lost.
import Testing

@testable import Sidetone

struct CallTokensTests {
  private var random = Random(seed: [7])
  private var tokens = CallTokens(capacity: 3)
  private let start = Instant(nanoseconds: 5)

  private mutating func issue(
    _ bot: Int, route: Int = 4, at now: Instant? = nil
  ) -> (text: Bytes, displaced: Int?) {
    let held = CallTokens.Held(route: route, bot: bot, choices: Chain(), call: .none)
    let (waiting, displaced) = tokens.issue(held, random: &random, at: now ?? start)
    return (written { waiting.token.write(into: &$0) }, displaced?.bot)
  }

  @Test mutating func `a token opens its route once`() {
    let token = issue(1).text
    #expect(token.count == CallTokens.textBytes && tokens.count == 1)
    #expect(tokens.claim(token, route: 5, at: start) == nil)
    #expect(tokens.claim(token, route: 4, at: start)?.bot == 1)
    #expect(tokens.claim(token, route: 4, at: start) == nil)
    #expect(tokens.count == 0 && tokens.nextExpiry == .never)
  }

  @Test mutating func `what nobody has issued opens nothing`() {
    _ = issue(1)
    let zeros = String(repeating: "0", count: 32)
    for text in ["", "0", zeros, zeros + "0", String(repeating: "g", count: 32)] {
      #expect(tokens.claim(kept(text), route: 4, at: start) == nil)
      #expect(tokens.claim(kept(text), route: 0, at: start) == nil)
    }
    #expect(tokens.count == 1)
  }

  @Test mutating func `every digit of a token counts`() {
    let token = issue(1).text
    for index in 0..<token.count {
      let other = kept(token.array)
      other[index] = other[index] == 0x30 ? 0x31 : 0x30
      #expect(tokens.claim(other, route: 4, at: start) == nil)
    }
    #expect(tokens.claim(token, route: 4, at: start) != nil)
  }

  @Test mutating func `an expired token opens nothing and gives back what it holds`() {
    let early = issue(1).text
    let later = start + .seconds(1)
    let late = issue(2, at: later).text
    let end = start + CallTokens.life
    #expect(tokens.nextExpiry == end)
    #expect(tokens.claim(early, route: 4, at: end) == nil)
    #expect(tokens.expired(at: Instant(nanoseconds: end.nanoseconds - 1)) == nil)
    #expect(tokens.expired(at: end)?.bot == 1)
    #expect(tokens.expired(at: end) == nil && tokens.nextExpiry == later + CallTokens.life)
    #expect(tokens.claim(late, route: 4, at: end)?.bot == 2)
  }

  @Test mutating func `a full table lets the oldest go`() {
    let all = (0..<3).map { issue($0, at: start + .seconds($0)) }
    #expect(all.allSatisfy { $0.displaced == nil })
    let fourth = issue(3, at: start + .seconds(3))
    #expect(fourth.displaced == 0 && tokens.count == 3)
    #expect(tokens.claim(all[0].text, route: 4, at: start) == nil)
    #expect(tokens.claim(all[1].text, route: 4, at: start) != nil)
    #expect(issue(4, at: start + .seconds(4)).displaced == nil)
    #expect(tokens.remove()?.bot == 2 && tokens.remove()?.bot == 3 && tokens.remove()?.bot == 4)
    #expect(tokens.remove() == nil && tokens.nextExpiry == .never)
  }

  @Test mutating func `tokens differ`() {
    tokens = CallTokens(capacity: 1000)
    let all = Set((0..<1000).map { issue($0).text.string })
    #expect(all.count == 1000)
  }
}
