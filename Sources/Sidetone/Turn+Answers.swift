// How long callers waited for models, of all calls since the start.

package struct AnswerHistograms: Sendable {
  /// From the end of what the caller said to the request for an answer.
  package private(set) var asked = LatencyHistogram()
  /// From there to its first sound, and from there to the caller's connection.
  package private(set) var came = LatencyHistogram()
  package private(set) var sent = LatencyHistogram()
  /// Where another one speaks than thinks: from asking to the first sentence, from there to sound.
  package private(set) var thought = LatencyHistogram()
  package private(set) var spoken = LatencyHistogram()
  /// From the end of what the caller said to what it hears.
  package private(set) var heard = LatencyHistogram()
  /// From dialling a session to its being ready.
  package private(set) var ready = LatencyHistogram()

  package init() {}

  /// Of an answer each span of which both ends are known.
  package mutating func record(_ times: Event.AnswerTimes) {
    if let span = times.untilAsked { asked.record(span) }
    if let span = times.untilCame { came.record(span) }
    if let span = times.untilSent { sent.record(span) }
    if let span = times.untilThought { thought.record(span) }
    if let span = times.untilSpoken { spoken.record(span) }
    if let span = times.untilHeard { heard.record(span) }
  }

  mutating func sessionReady(after span: Instant.Span) { ready.record(span) }
}
