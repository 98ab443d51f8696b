// What the pages say of how long callers waited for models.

extension Pages {
  /// From a twentieth of a second to ten: what a caller notices, in microseconds.
  private static let waitBounds: [Int] = [
    50_000, 100_000, 200_000, 300_000, 500_000, 700_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000,
    5_000_000, 10_000_000,
  ]

  func writeMetrics(_ answers: AnswerHistograms, _ out: inout Writer) {
    func waits(_ name: StaticString, _ help: StaticString, _ times: LatencyHistogram) {
      write(times, name, help, upTo: Self.waitBounds, &out)
    }
    waits(
      "sidetone_upstream_ready_seconds", "From dialling a session to its being ready.",
      answers.ready)
    waits(
      "sidetone_answer_asked_seconds", "From the end of a caller's words to asking for an answer.",
      answers.asked)
    waits(
      "sidetone_answer_first_byte_seconds", "From there to its first audio.", answers.came)
    waits(
      "sidetone_answer_thought_seconds", "Of cascades: from there to its first sentence.",
      answers.thought)
    waits(
      "sidetone_answer_spoken_seconds", "Of cascades: from its first sentence to its first audio.",
      answers.spoken)
    // The relay's own share: as fine as the delay of a frame.
    write(
      answers.sent, "sidetone_answer_sent_seconds", "From there to the caller's connection.", &out)
    waits(
      "sidetone_answer_heard_seconds", "From the end of a caller's words to hearing the answer.",
      answers.heard)
  }
}
