// What a hook decides: when an event goes, when it goes again, and when no more. The time is the
// test's.

import Sidetone
import Testing

@testable import SidetoneCourier

func event(_ row: Int64, call: String = "c", attempts: Int = 0) -> OutgoingEvent {
  OutgoingEvent(
    row: row, id: "\(call)-\(row)", kind: .final, call: call, at: 1_700_000_000_000,
    body: Array(#"{"text":"words"}"#.utf8), attempts: attempts)
}

func status(_ status: Int, retryAfter: String = "", redirect: String = "") -> HTTPResult {
  var answer = HTTPAnswer(status: status)
  answer.retryAfter = retryAfter
  answer.redirect = redirect
  return .success(answer)
}

/// As `#require`, for what changes something.
func given<Value>(_ value: Value?) throws -> Value { try #require(value) }

let noAnswer = HTTPResult.failure(HTTPFailure(.noRoute, "connection refused"))

extension Verdict {
  /// When it is to come again.
  var time: Int64? {
    guard case .again(let time, _) = self else { return nil }
    return time
  }
  var reason: String? {
    switch self {
    case .delivered: nil
    case .again(_, let reason), .givenUp(let reason), .off(let reason): reason
    }
  }
}

struct WebhookTests {
  private let now: Int64 = 1_764_000_000_000

  private func hook(requestsMax: Int = 8) throws -> Webhook {
    let secret = try WebhookSecret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    var config = WebhookConfig(
      url: try HTTPURL("https://hooks.test/path/that/is/secret"), secrets: [secret],
      events: [.final, .ended])
    config.requestsMax = requestsMax
    return Webhook(config, random: Random(seed: [7]))
  }

  /// One attempt of an event from its beginning to its verdict.
  private func attempt(
    _ hook: inout Webhook, _ event: OutgoingEvent, _ result: HTTPResult, at time: Int64
  ) throws -> Verdict {
    _ = try given(hook.begin(event, at: time))
    return try given(hook.finished(event.row, result, at: time))
  }

  @Test func `every answer of 2xx is a delivery`() throws {
    var hook = try hook()
    for code in 200..<300 {
      #expect(try attempt(&hook, event(1), status(code), at: now) == .delivered)
    }
  }

  @Test func `a request has the same id each time and the time of its own attempt`() throws {
    var hook = try hook()
    func header(_ name: String, _ request: HTTPRequest) -> String? {
      request.headers.first { $0.name == name }?.value
    }
    let first = try given(hook.begin(event(1), at: now))
    _ = hook.finished(1, status(500), at: now)
    let second = try given(hook.begin(event(1, attempts: 1), at: now + 61_999))
    #expect(header("webhook-id", first) == "c-1" && header("webhook-id", second) == "c-1")
    #expect(header("Idempotency-Key", second) == "c-1")
    #expect(header("webhook-timestamp", first) == "1764000000")
    #expect(header("webhook-timestamp", second) == "1764000061")
    #expect(header("webhook-signature", first) != header("webhook-signature", second))
    #expect(first.body == second.body)
    #expect(
      String(decoding: first.body, as: UTF8.self)
        == #"{"type":"transcript.final","timestamp":"2023-11-14T22:13:20.000Z","#
        + #""data":{"text":"words"}}"#)
  }

  @Test func `of a call one event is under way and of a hook as many as it may`() throws {
    var hook = try hook(requestsMax: 3)
    #expect(hook.begin(event(1, call: "a"), at: now) != nil)
    #expect(hook.begin(event(2, call: "a"), at: now) == nil)
    #expect(hook.begin(event(3, call: "b"), at: now) != nil)
    #expect(hook.room(at: now) == 1)
    #expect(hook.begin(event(4, call: "d"), at: now) != nil)
    #expect(hook.begin(event(5, call: "e"), at: now) == nil)
    #expect(hook.finished(1, status(200), at: now) == .delivered)
    #expect(hook.finished(1, status(200), at: now) == nil)
    #expect(hook.begin(event(2, call: "a"), at: now) != nil)
  }

  @Test func `waits double from a second to an hour and differ by chance`() throws {
    var hook = try hook()
    var waits: Set<Int64> = []
    for attempts in 0..<40 {
      let verdict = try attempt(&hook, event(1, attempts: attempts), status(500), at: now)
      let wait = try #require(verdict.time) - now
      let whole: Int64 = min(3_600_000, 1000 << Int64(min(attempts, 20)))
      #expect((whole * 3 / 4...whole).contains(wait), "\(attempts): \(wait)")
      waits.insert(wait)
    }
    #expect(waits.count > 30)
  }

  @Test func `what the server asks for is heeded up to a day`() throws {
    for (value, least, most) in [
      ("120", 120_000, 120_000), ("0", 750, 1000), ("never", 750, 1000),
      ("99999999999", 86_400_000, 86_400_000), ("Mon, 24 Nov 2025 16:02:00 GMT", 120_000, 120_000),
    ] as [(String, Int64, Int64)] {
      for code in [429, 503, 500, 302] {
        var hook = try hook()
        let verdict = try attempt(&hook, event(1), status(code, retryAfter: value), at: now)
        let wait = try #require(verdict.time) - now
        #expect((least...most).contains(wait), "\(code) \(value): \(wait)")
      }
    }
  }

  @Test func `a server that refuses one thing gets all others`() throws {
    for code in [300, 302, 400, 401, 403, 404, 405, 413, 422, 500, 501, 505] {
      var hook = try hook()
      #expect(try attempt(&hook, event(1, call: "a"), status(code), at: now).time != nil)
      #expect(hook.room(at: now) == 8, "\(code)")
    }
  }

  @Test func `a server that does not answer is left alone and then asked once`() throws {
    for result in [noAnswer, status(429), status(502), status(503), status(504), status(408)] {
      var hook = try hook()
      let again = try given(try attempt(&hook, event(1, call: "a"), result, at: now).time)
      #expect(hook.room(at: now) == 0)
      let end = try given(hook.wakeTime(at: now))
      #expect(end <= again && end > now && end <= now + 1000)
      #expect(hook.room(at: end) == 1)
      // Somebody finds out; nobody else goes until then.
      #expect(hook.begin(event(2, call: "b"), at: end) != nil)
      #expect(hook.room(at: end) == 0)
      #expect(hook.finished(2, status(404), at: end)?.time != nil)
      #expect(hook.room(at: end) == 8)
    }
  }

  @Test func `requests that fail together are one failure`() throws {
    var hook = try hook()
    for row: Int64 in 0..<8 { #expect(hook.begin(event(row, call: "\(row)"), at: now) != nil) }
    for row: Int64 in 0..<8 { _ = hook.finished(row, noAnswer, at: now + row) }
    #expect(try given(hook.wakeTime(at: now)) <= now + 8 + 1000)
  }

  @Test func `a dead server costs one request in an hour in the end`() throws {
    var hook = try hook()
    var time = now
    var requests = 0
    while time < now + 7 * 86_400_000 {
      #expect(hook.room(at: time) == (requests == 0 ? 8 : 1))
      // Another call's event each time: one that was not tried yet.
      let row = Int64(requests)
      let verdict = try attempt(&hook, event(row, call: "\(row)"), noAnswer, at: time)
      #expect(verdict.time != nil)
      requests += 1
      time = try given(hook.wakeTime(at: time))
    }
    #expect((168...250).contains(requests))
  }

  @Test func `410 turns the hook off for what is under way too`() throws {
    var hook = try hook()
    for row in 1...4 { #expect(hook.begin(event(Int64(row), call: "\(row)"), at: now) != nil) }
    let off = try given(hook.finished(1, status(410), at: now))
    #expect(
      off == .off(reason: "hooks.test answered 410: the receiver wants no more, the hook is off"))
    #expect(hook.finished(2, status(200), at: now) == .delivered)
    #expect(hook.finished(3, status(500), at: now) == off)
    #expect(hook.finished(4, noAnswer, at: now) == off)
    #expect(hook.room(at: now + 86_400_000) == 0)
    #expect(hook.begin(event(5), at: now) == nil)
    #expect(hook.wakeTime(at: now) == nil)
  }

  @Test func `an answer of 2xx that breaks off is a delivery, another one is none`() throws {
    var hook = try hook()
    func broken(_ status: Int) -> HTTPResult {
      .failure(HTTPFailure(.broken, "the transfer was closed", status: status))
    }
    #expect(try attempt(&hook, event(1), broken(200), at: now) == .delivered)
    #expect(try attempt(&hook, event(2), broken(500), at: now).time != nil)
  }

  @Test func `a hook that a person turns on is told again at once`() throws {
    var hook = try hook()
    _ = try attempt(&hook, event(1), status(410), at: now)
    #expect(hook.room(at: now) == 0)
    hook.turnOn()
    #expect(hook.room(at: now) == 8)
    #expect(try attempt(&hook, event(2), status(200), at: now) == .delivered)
  }

  @Test func `a redirect is named and the path of the hook is not`() throws {
    var hook = try hook()
    let result = status(307, redirect: "https://elsewhere.test/x")
    let reason = try given(try attempt(&hook, event(1), result, at: now).reason)
    #expect(reason.contains("hooks.test answered 307, a redirect to https://elsewhere.test/x"))
    #expect(!reason.contains("secret"))
  }

  @Test func `what is refused for three days is given up`() throws {
    var hook = try hook()
    var time = now
    var attempts = 0
    var verdict = Verdict.delivered
    while attempts < 200 {
      verdict = try attempt(&hook, event(1, attempts: attempts), status(422), at: time)
      attempts += 1
      guard let next = verdict.time else { break }
      time = next
    }
    #expect((84...115).contains(attempts))
    #expect(verdict == .givenUp(reason: "hooks.test answered 422, \(attempts) times"))
    #expect((72...76).contains((time - now) / 3_600_000))
  }

  @Test func `what nobody answered for weeks is not given up at the first refusal`() throws {
    var hook = try hook()
    #expect(try attempt(&hook, event(1), status(200), at: now) == .delivered)
    var time = now + 80 * 3_600_000
    for attempts in 0..<500 {
      let verdict = try attempt(&hook, event(2, attempts: attempts), noAnswer, at: time)
      time = try #require(verdict.time)
    }
    let refused = try attempt(&hook, event(2, attempts: 500), status(500), at: time)
    #expect(refused.time != nil)
    let later = time + Webhook.refusedMillisecondsMin
    let last = try attempt(&hook, event(2, attempts: 570), status(500), at: later)
    #expect(last == .givenUp(reason: "hooks.test answered 500, 571 times"))
  }

  @Test func `a clock that is set back by years makes no wait longer than a day`() throws {
    var hook = try hook()
    _ = try attempt(&hook, event(1), noAnswer, at: now)
    let earlier: Int64 = 1_000_000_000_000
    #expect(hook.room(at: earlier) == 0)
    #expect(try given(hook.wakeTime(at: earlier)) <= earlier + 86_400_000)
    #expect(hook.room(at: earlier + 86_400_000) == 1)
  }
}
