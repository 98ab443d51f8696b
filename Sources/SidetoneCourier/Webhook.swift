// One webhook: which events go to it when, and what becomes of them. Pure: events, answers, the
// time and chance in; requests and verdicts out. Times are Unix milliseconds.
//
// Theory. An event is handed in when it is due (`begin`), becomes one request, and comes out with a
// verdict (`finished`). Between two attempts it lies in the spool: this holds only what is under
// way, so a hook that is down costs no memory. The spool keeps two promises: of a call it hands in
// only the oldest unfinished event, and among those that are due first the one that was due first.
// With that, the events of a call arrive in their order, one at a time.
//
//     open     at most `requestsMax` under way, one of each call
//     resting  the server did not answer, or answered 408, 425, 429, 502, 503 or 504: nothing goes
//              until the rest ends, then one request finds out (Backoff.swift)
//     off      it answered 410: nothing goes any more
//
// 2xx is delivered; any other answer is a failure and is tried again, as Standard Webhooks
// recommend, 3xx included, since a redirect is never followed. What the server itself refuses is
// given up after 84 attempts, the last 72 of them an hour apart, and not in the 72 hours behind an
// outage; what it did not answer, never: that is for the spool's bound to decide. The id is the
// same for each attempt, so a receiver knows what it has already.

import Sidetone

package struct WebhookConfig: Sendable {
  package let url: HTTPURL
  /// All of them sign, so that one can be exchanged for the other.
  package let secrets: [WebhookSecret]
  package let events: Set<EventKind>
  package var requestsMax = 8
  package var connectMilliseconds = 10_000
  package var totalMilliseconds = 30_000

  package init(url: HTTPURL, secrets: [WebhookSecret], events: Set<EventKind>) {
    self.url = url
    self.secrets = secrets
    self.events = events
  }
}

package struct Webhook: Sendable {
  /// Attempts after which an event that the server refuses is given up: the first twelve waits are
  /// 68 minutes together.
  package static let attemptsMax = 84
  package static let refusedMillisecondsMin: Int64 = 72 * 3_600_000

  private struct UnderWay {
    let event: OutgoingEvent
    let round: Int
  }

  package let config: WebhookConfig
  private var underWay: [Int64: UnderWay] = [:]
  private var calls: Set<String> = []
  private var rest = ServerRest()
  private var offReason: String?
  private var random: Random

  package init(_ config: WebhookConfig, random: Random) {
    self.config = config
    self.random = random
  }

  /// A person wants it to be told again, though its server had asked for an end (410).
  package mutating func turnOn() {
    offReason = nil
    rest = ServerRest()
  }

  /// How many events may be handed in now.
  package mutating func room(at now: Int64) -> Int {
    guard offReason == nil else { return 0 }
    return rest.room(underWay: underWay.count, max: config.requestsMax, at: now)
  }

  /// When there may be room again without any answer; nil: no such time is known.
  package mutating func wakeTime(at now: Int64) -> Int64? {
    offReason == nil ? rest.end(at: now) : nil
  }

  /// The request for a due event; nil where there is no room, or its call has one under way.
  package mutating func begin(_ event: OutgoingEvent, at now: Int64) -> HTTPRequest? {
    guard room(at: now) > 0, underWay[event.row] == nil, calls.insert(event.call).inserted else {
      return nil
    }
    underWay[event.row] = UnderWay(event: event, round: rest.round)
    return request(event, at: now)
  }

  private func request(_ event: OutgoingEvent, at now: Int64) -> HTTPRequest {
    var request = HTTPRequest(to: config.url)
    request.body = WebhookBody.bytes(of: event)
    request.connectMilliseconds = config.connectMilliseconds
    request.totalMilliseconds = config.totalMilliseconds
    // Of what a receiver answers only the status counts.
    request.answerBytesMax = 4096
    request.add("Content-Type", "application/json")
    request.add("Idempotency-Key", event.id)
    request.add("webhook-id", event.id)
    request.add("webhook-timestamp", "\(now / 1000)")
    if !config.secrets.isEmpty {
      let signature = WebhookSignature.header(
        id: event.id, timestamp: now / 1000, body: request.body, secrets: config.secrets)
      request.add("webhook-signature", signature)
    }
    return request
  }

  /// What becomes of the event of that row, whose request has ended; nil for one that is not under
  /// way.
  package mutating func finished(_ row: Int64, _ result: HTTPResult, at now: Int64) -> Verdict? {
    guard let sent = underWay.removeValue(forKey: row) else { return nil }
    calls.remove(sent.event.call)
    let answer: HTTPAnswer
    switch result {
    case .failure(let failure) where (200..<300).contains(failure.status):
      // It has said that it took the event; what else it wanted to say nobody reads.
      answer = HTTPAnswer(status: failure.status)
    case .failure(let failure):
      let reason = "\(config.url.place) gave no answer: \(failure.sentence)"
      return unanswered(sent, asked: nil, reason, at: now)
    case .success(let whole): answer = whole
    }
    if (200..<300).contains(answer.status) {
      rest.answered(at: now)
      return .delivered
    }
    let reason = reason(answer)
    let asked = HTTPRetryAfter.milliseconds(answer.retryAfter, at: now)
    if answer.isBusy { return unanswered(sent, asked: asked, reason, at: now) }
    rest.answered(at: now)
    if answer.status == 410 { offReason = reason }
    return refused(sent.event, asked: asked, reason, at: now)
  }

  private mutating func unanswered(
    _ sent: UnderWay, asked: Int64?, _ reason: String, at now: Int64
  ) -> Verdict {
    if let offReason { return .off(reason: offReason) }
    let end = rest.failed(round: sent.round, asked: asked, at: now, random: &random)
    let wait = Backoff.milliseconds(
      after: sent.event.attempts + 1, asked: asked, random: &random)
    return .again(at: max(end, now + wait), reason: reason)
  }

  private mutating func refused(
    _ event: OutgoingEvent, asked: Int64?, _ reason: String, at now: Int64
  ) -> Verdict {
    if let offReason { return .off(reason: offReason) }
    let attempts = event.attempts + 1
    if attempts >= Self.attemptsMax, rest.upMilliseconds(at: now) >= Self.refusedMillisecondsMin {
      return .givenUp(reason: "\(reason), \(attempts) times")
    }
    let wait = Backoff.milliseconds(after: attempts, asked: asked, random: &random)
    return .again(at: now + wait, reason: reason)
  }

  private func reason(_ answer: HTTPAnswer) -> String {
    let said = "\(config.url.place) answered \(answer.status)"
    switch answer.status {
    case 300..<400 where !answer.redirect.isEmpty:
      return "\(said), a redirect to \(answer.redirect), which is not followed: "
        + "write that address into the hook's `url` if it is meant"
    case 410: return "\(said): the receiver wants no more, the hook is off"
    default: return said
    }
  }
}

extension HTTPAnswer {
  /// The server, or what stands before it, asks for rest: it says nothing about the request.
  var isBusy: Bool { [408, 425, 429, 502, 503, 504].contains(status) }
}
