// Schedules of faults: what the next request of a web server of the lab meets.

import Testing

@testable import LabKit

@Suite struct FaultsTests {
  private func faults(_ list: String, _ count: Int, flaws: Bool = false) throws -> [Fault] {
    var schedule = try FaultSchedule(list, flaws: flaws)
    return (0..<count).map { _ in schedule.next() }
  }

  @Test func `each item is met as often as it says, and then all is well`() throws {
    #expect(
      try faults("500*2,429:2,hang,drop,slow:200,410,redirect:http://x/?a=b,ok*2,503", 12) == [
        .status(500, retryAfter: nil), .status(500, retryAfter: nil), .status(429, retryAfter: 2),
        .hang, .drop, .slow(milliseconds: 200), .status(410, retryAfter: nil),
        .redirect(to: "http://x/?a=b"), .none, .none, .status(503, retryAfter: nil), .none,
      ])
  }

  @Test func `a schedule without faults has none`() {
    var schedule = FaultSchedule()
    #expect(schedule.next() == .none)
  }

  @Test func `again begins anew`() throws {
    let (fault, drop) = (Fault.status(500, retryAfter: nil), Fault.drop)
    #expect(try faults("500,drop*2,again", 7) == [fault, drop, drop, fault, drop, drop, fault])
  }

  @Test(arguments: ChatFlaw.allCases) func `a flaw is known where there are any`(
    flaw: ChatFlaw
  ) throws {
    #expect(try faults("\(flaw.rawValue)*2", 3, flaws: true) == [.flaw(flaw), .flaw(flaw), .none])
    #expect(throws: FaultSchedule.Unreadable.self) { try FaultSchedule(flaw.rawValue) }
  }

  @Test(arguments: [
    ("foo", "foo is no fault"), ("", "an empty item is no fault"), ("ok,,ok", "an empty item"),
    ("500*x", "how often"), ("500*0", "how often"), ("hang*", "how often"),
    ("199", "from 200 to 599"), ("600", "from 200 to 599"), ("-500", "from 200 to 599"),
    ("429:x", "Retry-After"), ("429:-1", "Retry-After"), ("429:", "Retry-After"),
    ("slow", "milliseconds"), ("slow:x", "milliseconds"), ("hang:2", "hang:2 is no fault"),
    ("redirect", "address"), ("redirect:ftp://x", "address"), ("redirect:http://a b", "address"),
    ("again", "at the end"), ("again,ok", "at the end"), ("ok,again,again", "at the end"),
  ]) func `what cannot be read is said`(list: String, words: String) {
    do throws(FaultSchedule.Unreadable) {
      _ = try FaultSchedule(list)
      Issue.record("\(list) was read")
    } catch {
      #expect(error.sentence.contains(words))
    }
  }

  @Test func `a fault becomes what the client sees`() {
    let good = WebAnswer(200, ["ok": true])
    #expect(Fault.none.reaction(good) == .answer(good))
    #expect(Fault.slow(milliseconds: 7).reaction(good) == .answer(good, afterMilliseconds: 7))
    #expect(Fault.hang.reaction(good) == .hang)
    #expect(Fault.drop.reaction(good) == .drop)
    guard case .answer(let busy, 0) = Fault.status(429, retryAfter: 2).reaction(good),
      case .answer(let moved, 0) = Fault.redirect(to: "http://x/").reaction(good)
    else {
      Issue.record("no answer")
      return
    }
    #expect(busy.status == 429 && busy.headers == ["Retry-After: 2"])
    #expect(moved.status == 307 && moved.headers == ["Location: http://x/"])
  }
}
