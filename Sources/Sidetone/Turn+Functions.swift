// What came of a function that a model has called is counted, and a failure is a line of the log.

extension Event.Function {
  func note(of call: Name?, _ turn: inout Turn) {
    switch outcome {
    case .answered: turn.counters.functionsAnswered &+= 1
    case .failed: turn.counters.functionsFailed &+= 1
    case .cancelled: turn.counters.functionsCancelled &+= 1
    case .refused: turn.counters.functionsRefused &+= 1
    }
    guard isSaid, sentence.utf8CodeUnitCount > 0 else { return }
    turn.write(.warning, "function_failed", call) {
      $0.write(words: name.prefix(JSON.wholePrefix(of: name, upTo: 64)))
      $0.write(" after ")
      $0.write(decimal: milliseconds)
      $0.write(" ms: ")
      $0.write(sentence)
      guard status > 0 else { return }
      $0.write(" with ")
      $0.write(decimal: status)
    }
  }
}
