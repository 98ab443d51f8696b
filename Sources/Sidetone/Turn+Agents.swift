// Lines about what a voice model says, or does not.

extension Turn {
  mutating func note(_ event: Event.OfAgent, _ call: Name?) {
    switch event {
    case .answerSilent(let answer):
      counters.answersSilent &+= 1
      write(.warning, "answer_silent", call) {
        $0.write("the model's answer brought no sound")
        Self.write(answer, into: &$0)
      }
    case .answerCut(let answer):
      counters.answersCut &+= 1
      write(.warning, "answer_incomplete", call) {
        $0.write("the model stopped in the middle of its answer")
        Self.write(answer, into: &$0)
      }
    case .answerMissing:
      counters.answersMissing &+= 1
      write(.warning, "answer_missing", call) {
        $0.write("the model should long have begun to answer")
      }
    case .speechCut(let milliseconds):
      counters.itemsCut &+= 1
      write(.warning, "speech_cut", call) {
        $0.write("no room for the rest of what the model says, behind ")
        $0.write(decimal: milliseconds)
        $0.write(" ms of it: see limits.playout_milliseconds_max and playout_milliseconds_planned")
      }
    case .function(let function): function.note(of: call, &self)
    case .wordsCut:
      counters.wordsCut &+= 1
      write(.warning, "words_cut", call) {
        $0.write("more words than a line can hold; its rest is not shown")
      }
    case .historyCut(let turns, let isSaid):
      counters.historyCut &+= turns
      guard isSaid else { return }
      write(.info, "history_cut", call) {
        $0.write("the oldest turns would not be told to another session any more; said once a call")
      }
    case .answered(let times): answers.record(times)
    }
  }

  private static func write(_ answer: Event.Answer, into line: inout Writer) {
    if !answer.instead.bytes.isEmpty {
      line.write(", but ")
      line.write(answer.instead)
    }
    for text in [answer.reason, answer.message] where !text.isEmpty {
      line.write(": ")
      line.write(words: text)
    }
    if let milliseconds = answer.repeatsIn {
      line.write("; asked for again in ")
      line.write(decimal: milliseconds)
      line.write(" ms")
    }
  }
}
