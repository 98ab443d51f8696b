// What a language model finds in the words of a call. Pure: events, answers and the time in;
// requests and what became of events out. Times are Unix milliseconds.
//
// Theory. An event of the spool becomes a job: the end of a call asks for all fields, a final line
// for those that are looked for while calls run. A job is one conversation with the model:
//
//     waiting ──▶ asked ──▶ the answer fits the schema: done
//        ▲          ├─ its shape is wrong ──▶ asked once more, with what is wrong
//        │          └─ the server does not take `response_format` ──▶ asked in a lower form
//        └─ the call was asked about less than `intervalMilliseconds` ago (only while it runs)
//
// What fails goes back to the spool, to come again later, or is given up:
// - no answer, 408, 425, 429, 502, 503 and 504, never: all rest until one request finds out
//   (Backoff.swift);
// - 401, 404, 500 and others that say nothing about the request, after a day (35 attempts);
// - an answer of the wrong shape, a refusal, an answer that was cut off, after 3 attempts;
// - a request that the server cannot take at all (400, 413, 422), at once.
//
// While a call runs, only what changed is told. What was told is forgotten with the process: then
// each field is told once more.

import Sidetone

package struct Extraction: Sendable {
  package static let attemptsMax = 35
  package static let attemptsOfModelMax = 3
  package static let jobsMax = 64
  package static let requestsMax = 8
  package static let intervalMilliseconds: Int64 = 3000

  /// A request and the row of the event that it is for.
  package struct Asked: Sendable {
    package let row: Int64
    package let request: HTTPRequest
  }

  private struct Job {
    let event: OutgoingEvent
    let fields: Set<String>
    var messages: [ChatMessage]
    var form: ChatEndpoint.Form
    var isRepair = false
    /// When it may be asked.
    var from: Int64
    /// Since it was asked; nil while it waits.
    var round: Int?
    /// Of a call that has ended: what was found while it ran.
    var told: [String: JSONTree] = [:]

    var isLive: Bool { event.kind != .ended }
  }

  /// A call that runs, and what was told of it.
  private struct Running {
    var lines = 0
    var askedAt: Int64 = 0
    var told: [String: JSONTree] = [:]
  }

  private let schema: ExtractionSchema
  private let live: Set<String>
  private var endpoint: ChatEndpoint
  private let asked: AskedSchema
  private let askedLive: AskedSchema
  private var jobs: [Int64: Job] = [:]
  private var calls: [String: Running] = [:]
  private var rest = ServerRest()
  private var random: Random

  /// - Parameter live: fields to look for while calls run.
  package init(
    _ endpoint: ChatEndpoint, _ schema: ExtractionSchema, live: [String], random: Random
  ) throws(CourierMistake) {
    if let strange = live.first(where: { !schema.fields.contains($0) }) {
      let known = schema.fields.joined(separator: ", ")
      throw CourierMistake(
        sentence: "`live` names \"\(printable(strange))\", which is no field of the schema; there "
          + "are \(printable(known))")
    }
    self.endpoint = endpoint
    self.schema = schema
    self.live = Set(live)
    self.random = random
    asked = schema.asked(for: Set(schema.fields))
    askedLive = schema.asked(for: self.live)
  }

  /// The host that is asked.
  package var place: String { endpoint.url.place }

  package func wants(_ kind: EventKind) -> Bool {
    kind == .ended || kind == .final && !live.isEmpty
  }

  private var underWay: Int { jobs.values.count { $0.round != nil } }

  /// How many events may be handed in now.
  package mutating func room(at now: Int64) -> Int {
    guard rest.isResting else { return Self.jobsMax - jobs.count }
    return jobs.isEmpty && rest.end(at: now) == nil ? 1 : 0
  }

  /// When a request may be ready without anything else happening; nil: no such time is known.
  package mutating func wakeTime(at now: Int64) -> Int64? {
    if let end = rest.end(at: now) { return end }
    guard rest.room(underWay: underWay, max: Self.requestsMax, at: now) > 0 else { return nil }
    return jobs.values.filter { $0.round == nil }.map(\.from).min()
  }

  // MARK: Asking

  /// Takes an event with the transcript of its call up to now. What can be said at once comes back.
  package mutating func begin(
    _ event: OutgoingEvent, _ transcript: JSONTree, at now: Int64
  ) -> Finished? {
    guard case .list(let lines)? = transcript["conversation"] else {
      let reason = "the call's transcript could not be read"
      let time = retryTime(of: event, at: now)
      return Finished(row: event.row, verdict: .again(at: time, reason: reason))
    }
    guard event.kind == .ended else { return beginLive(event, lines, at: now) }
    let told = calls.removeValue(forKey: event.call)?.told ?? [:]
    if lines.isEmpty { return nothingSaid(event) }
    add(event, lines, Set(schema.fields), asked, from: now)
    jobs[event.row]?.told = told
    return nil
  }

  private mutating func beginLive(
    _ event: OutgoingEvent, _ lines: [JSONTree], at now: Int64
  ) -> Finished? {
    var call = calls[event.call] ?? Running()
    // What is new since was in the transcript with which the model was asked.
    guard lines.count > call.lines else { return Finished(row: event.row, verdict: .delivered) }
    // A clock that is set back must not hold anything up.
    let from = min(call.askedAt + Self.intervalMilliseconds, now + Self.intervalMilliseconds)
    call.lines = lines.count
    call.askedAt = max(from, now)
    calls[event.call] = call
    add(event, lines, live, askedLive, from: call.askedAt)
    return nil
  }

  private mutating func add(
    _ event: OutgoingEvent, _ lines: [JSONTree], _ fields: Set<String>, _ asked: AskedSchema,
    from: Int64
  ) {
    let messages = ExtractionPrompt.messages(lines, asked, form: endpoint.form)
    jobs[event.row] = Job(
      event: event, fields: fields, messages: messages, form: endpoint.form, from: from)
  }

  private func nothingSaid(_ event: OutgoingEvent) -> Finished {
    let reason = JSONTree.text("nothing was said in this call")
    let extracted = Extracted(
      fields: .object(schema.fields.map { JSONTree.Member($0, .null) }),
      reasons: .object(schema.fields.map { JSONTree.Member($0, reason) }), isFinal: true)
    return Finished(row: event.row, verdict: .delivered, extracted: extracted)
  }

  /// A request that may go now.
  package mutating func next(at now: Int64) -> Asked? {
    guard rest.room(underWay: underWay, max: Self.requestsMax, at: now) > 0 else { return nil }
    let waiting = jobs.values.filter { $0.round == nil && $0.from <= now }
    guard
      let row = waiting.min(by: { ($0.from, $0.event.row) < ($1.from, $1.event.row) })?.event.row,
      let job = jobs[row]
    else { return nil }
    jobs[row]?.round = rest.round
    let request = endpoint.request(
      job.messages, schema: job.isLive ? askedLive : asked, form: job.form,
      totalMilliseconds: job.isLive ? 30_000 : 120_000)
    return Asked(row: row, request: request)
  }

  // MARK: Answers

  /// What becomes of the event of that row, whose request has ended; nil: it is asked again, or is
  /// not under way.
  package mutating func finished(_ row: Int64, _ result: HTTPResult, at now: Int64) -> Finished? {
    guard var job = jobs.removeValue(forKey: row), let round = job.round else { return nil }
    job.round = nil
    job.from = now
    switch result {
    case .failure(let failure):
      let reason = "\(endpoint.url.place) gave no answer: \(failure.sentence)"
      return unanswered(job, round, asked: nil, reason, at: now)
    case .success(let answer) where answer.isBusy:
      let asked = HTTPRetryAfter.milliseconds(answer.retryAfter, at: now)
      return unanswered(job, round, asked: asked, reason(answer), at: now)
    case .success(let answer):
      rest.answered(at: now)
      return answer.status == 200 ? replied(job, answer, at: now) : refused(job, answer, at: now)
    }
  }

  private mutating func unanswered(
    _ job: Job, _ round: Int, asked: Int64?, _ reason: String, at now: Int64
  ) -> Finished {
    let end = rest.failed(round: round, asked: asked, at: now, random: &random)
    forget(job)
    let time = max(end, retryTime(of: job.event, at: now))
    return Finished(row: job.event.row, verdict: .again(at: time, reason: reason))
  }

  private mutating func refused(_ job: Job, _ answer: HTTPAnswer, at now: Int64) -> Finished? {
    if let form = endpoint.formAfter(answer, to: job.form) {
      var job = job
      job.form = form
      let asked = job.isLive ? askedLive : asked
      job.messages[0] = ExtractionPrompt.system(asked, form: form)
      jobs[job.event.row] = job
      return nil
    }
    let isHopeless = [400, 413, 422].contains(answer.status)
    return failed(job, reason(answer), attemptsMax: isHopeless ? 1 : Self.attemptsMax, at: now)
  }

  private mutating func replied(_ job: Job, _ answer: HTTPAnswer, at now: Int64) -> Finished? {
    func failed(_ reason: String) -> Finished {
      let most = Self.attemptsOfModelMax
      return self.failed(job, "\(endpoint.url.place): \(reason)", attemptsMax: most, at: now)
    }
    switch ChatReply(answer) {
    case .refused(let words): return failed("the model refused: \(words)")
    case .cutOff: return failed("the model's answer was cut off at its bound of length")
    case .failed(let words): return failed("the server says: \(words)")
    case .unreadable(let sentence): return failed(sentence)
    case .content(let text):
      endpoint.took(job.form)
      let object = ChatReply.object(in: text)
      let complaints =
        object.map { schema.complaints(about: $0, fields: job.fields) }
        ?? [.wrong("the answer is no JSON object")]
      if let object, complaints.isEmpty { return done(job, object) }
      if !job.isRepair {
        var job = job
        job.isRepair = true
        job.messages += ExtractionPrompt.repair(text, complaints.map(\.sentence))
        jobs[job.event.row] = job
        return nil
      }
      // What the model left out twice it does not know.
      if let object, complaints.allSatisfy(\.isFieldMissing) { return done(job, object) }
      let first = complaints[0].sentence
      return failed("the answer has the wrong shape, also when asked again: \(first)")
    }
  }

  private mutating func failed(
    _ job: Job, _ reason: String, attemptsMax: Int, at now: Int64
  ) -> Finished {
    forget(job)
    // While a call runs there will be other lines, and its end.
    let isOver = job.isLive || job.event.attempts + 1 >= attemptsMax
    if isOver {
      return Finished(
        row: job.event.row, verdict: .givenUp(reason: reason),
        extracted: job.isLive ? nil : foundLive(job, reason))
    }
    let time = retryTime(of: job.event, at: now)
    return Finished(row: job.event.row, verdict: .again(at: time, reason: reason))
  }

  /// What was found while the call ran, where it cannot be looked at as a whole; nil: nothing was.
  private func foundLive(_ job: Job, _ reason: String) -> Extracted? {
    guard job.told.values.contains(where: { !$0.isNull }) else { return nil }
    let fields = schema.fields.map { JSONTree.Member($0, job.told[$0] ?? .null) }
    let reasons = fields.filter(\.value.isNull).map { JSONTree.Member($0.name, .text(reason)) }
    return Extracted(fields: .object(fields), reasons: .object(reasons), isFinal: true)
  }

  private mutating func retryTime(of event: OutgoingEvent, at now: Int64) -> Int64 {
    now + Backoff.milliseconds(after: event.attempts + 1, random: &random)
  }

  /// What the model was to be asked is not answered: the same lines are to be asked about again.
  private mutating func forget(_ job: Job) {
    if job.isLive {
      calls[job.event.call]?.lines = 0
    } else if !job.told.isEmpty {
      calls[job.event.call] = Running(told: job.told)
    }
  }

  private func reason(_ answer: HTTPAnswer) -> String {
    if !answer.redirect.isEmpty {
      return "\(endpoint.url.place) answered \(answer.status), a redirect to \(answer.redirect), "
        + "which is not followed"
    }
    let body = JSONTree(answer.body)
    let words = body?["error"]?["message"]?.string ?? body?["message"]?.string ?? ""
    let said = "\(endpoint.url.place) answered \(answer.status)"
    return words.isEmpty ? said : "\(said): \(printable(words))"
  }

  // MARK: Results

  private mutating func done(_ job: Job, _ object: JSONTree) -> Finished {
    var fields: [JSONTree.Member] = []
    var reasons: [JSONTree.Member] = []
    for name in schema.fields where job.fields.contains(name) {
      let value = object[name] ?? .null
      if job.isLive, !isNews(name, value, of: job.event.call) { continue }
      fields.append(JSONTree.Member(name, value))
      if value.isNull { reasons.append(JSONTree.Member(name, .text(whyNull(name, object)))) }
    }
    // What the schema allows beside its own fields.
    if !job.isLive {
      let own = Set(schema.fields + ["reasons"])
      fields += object.members.filter { !own.contains($0.name) }
    }
    let isNews = !job.isLive || !fields.isEmpty
    let extracted = Extracted(
      fields: .object(fields), reasons: .object(reasons), isFinal: !job.isLive)
    return Finished(
      row: job.event.row, verdict: .delivered, extracted: isNews ? extracted : nil)
  }

  /// Whether a field is another one than was told; remembers it.
  private mutating func isNews(_ name: String, _ value: JSONTree, of call: String) -> Bool {
    let told = calls[call]?.told[name] ?? .null
    calls[call]?.told[name] = value
    return !told.isSame(as: value)
  }

  private func whyNull(_ name: String, _ object: JSONTree) -> String {
    if let reason = object["reasons"]?[name]?.string, !reason.isEmpty { return printable(reason) }
    return object[name] == nil
      ? "the model left it out" : "the model found nothing, and gave no reason"
  }
}
