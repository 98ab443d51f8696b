// What an upstream's leg knows of functions: how their calls are read, and where answers to them
// are put into words.

extension UpstreamLeg {
  /// How its model's calls of functions are read; nil: it knows none.
  var functions: Upstream.Functions? { Upstream.all[row].voice?.functions }

  /// What the model may call, on this route.
  func preparedFunctions(_ store: Store) -> [PreparedFunction] {
    preparedRoute(store).functions
  }

  /// Where a command is put into words: what a function has answered may be long, and lies in front
  /// of them.
  func room(for command: Upstream.Command, _ store: Store) -> Bytes {
    switch command {
    case .answer, .lateAnswer: store.functionText.dropping(Limits.functionDraftBytes)
    default: store.scratch
    }
  }
}
