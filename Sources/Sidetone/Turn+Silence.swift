// What is counted and said of silence in calls: callers who hear nothing, models and callers who
// say nothing, functions that take long.

extension Event.OfCall {
  /// How such a line is counted and begins; nil: it is about something else.
  var silence: (count: WritableKeyPath<Counters, Int>, level: Log.Level, event: StaticString)? {
    switch self {
    case .deadAir: (\.deadAir, .warning, "dead_air")
    case .hold: (\.holds, .info, "hold")
    case .goodbye: (\.goodbyes, .info, "goodbye")
    case .modelQuiet: (\.modelsQuiet, .warning, "model_quiet")
    case .callerQuiet: (\.reprompts, .info, "caller_quiet")
    case .callerGivenUp: (\.callersGivenUp, .info, "caller_given_up")
    case .modelGivenUp: (\.modelsGivenUp, .error, "model_given_up")
    case .functionPhrase: (\.functionPhrases, .debug, "function_phrase")
    default: nil
    }
  }

  /// What it says.
  func writeSilence(to line: inout Writer) {
    switch self {
    case .deadAir(let seconds, let cause):
      line.write("the caller heard nothing for ")
      line.write(decimal: seconds)
      line.write(" s (limits.dead_air_seconds), and the call ends: ")
      line.write(cause.sentence)
    case .hold: line.write("no session stands: the caller hears the hold line")
    case .goodbye: line.write("the caller hears the goodbye, and the call ends")
    case .modelQuiet(let seconds, let isToldSo):
      line.write("it is the model's turn, and it has said nothing for ")
      line.write(decimal: seconds)
      line.write(" s (model_quiet_seconds)")
      if isToldSo { line.write(": the caller hears the apology") }
    case .callerQuiet(let seconds, let reprompt, let most):
      line.write("the caller has said nothing for ")
      line.write(decimal: seconds)
      line.write(" s (caller_quiet_seconds): the model speaks to it, ")
      line.write(decimal: reprompt)
      line.write(" of ")
      line.write(decimal: most)
    case .callerGivenUp:
      line.write("the caller has said nothing, not even when asked, and the call ends")
    case .modelGivenUp:
      line.write("the model still owes an answer (caller_quiet_seconds), and the call ends")
    case .functionPhrase(let function):
      line.write(function)
      line.write(" takes long: the caller hears its phrase")
    default: break
    }
  }
}
