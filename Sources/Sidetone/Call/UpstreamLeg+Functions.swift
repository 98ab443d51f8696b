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
    case .answer, .lateAnswer:
      preparedFunctions(store).isEmpty
        ? store.scratch : store.functionText.dropping(Limits.functionDraftBytes)
    default: store.scratch
    }
  }
}

extension FunctionCalls {
  /// Of functions that others have told the model of there are none here: it goes on without them.
  static func declineOthers(
    _ news: Upstream.Event, _ message: Bytes, on upstream: inout UpstreamLeg, as name: Name,
    _ store: Store, _ turn: inout Turn
  ) {
    guard news.callsFunctions, upstream.preparedFunctions(store).isEmpty,
      let reading = upstream.functions, reading.others == .unknown
    else { return }
    var place = 0
    while let call = reading.call(message, place) {
      if place == 0 {
        let type = JSON.find("type", in: message)?.range ?? 0..<0
        upstream.warn(
          Upstream.Complaint(code: type, message: call.name, scope: .side), message, as: name,
          store, &turn)
      }
      upstream.command(
        .answer(id: message[call.id], function: message[call.name], declined.bytes), as: name,
        store, &turn)
      place &+= 1
    }
  }

  private static let declined: StaticString =
    "{\"error\":\"This function is not offered. Go on without it.\",\"retryable\":false}"
}
