// What came of a call of a function, in the words that a model is told.

extension PreparedFunction.Action {
  /// What it means where whoever was asked says no.
  var refusal: StaticString {
    switch self {
    case .transfer, .sendDigits: "the carrier refused"
    case .post, .hangUp, .collectDigits, .served: "its server refused"
    }
  }

  /// The carrier is asked.
  var isOrder: Bool { done != nil }

  /// What the model is told where the carrier says yes, whatever else it says; nil: what a server
  /// has answered.
  var done: StaticString? {
    switch self {
    case .transfer: "{\"status\":\"transferred\"}"
    case .sendDigits: "{\"status\":\"sent\"}"
    case .post, .hangUp, .collectDigits, .served: nil
    }
  }
}

extension FetchFailure {
  /// The server cannot have had it, and the same call may fare better.
  var isUnsent: Bool {
    switch self {
    case .full, .noName, .noRoute: true
    case .late, .lost, .broken, .noTrust, .unsendable: false
    }
  }

  /// The same call may fare better.
  var isRetryable: Bool {
    switch self {
    case .full, .late, .lost, .noName, .noRoute, .broken: true
    case .noTrust, .unsendable: false
    }
  }
}

extension Writer {
  /// What a server has answered, as a JSON object with something in it: some models call again
  /// where an answer says nothing.
  mutating func write(functionAnswer body: Bytes) {
    if JSON.isValid(body), let value = JSON.whole(of: body) {
      var members = JSON.Members(of: value, in: body)
      if members.next() != nil { return write(body[value.range]) }
      if value.kind == .object { return write("{\"status\":\"done\"}") }
      write("{\"result\":")
      if value.kind == .string { write("\"") }
      write(body[value.range])
      if value.kind == .string { write("\"") }
      return write("}")
    }
    if body.isEmpty { return write("{\"status\":\"done\"}") }
    write("{\"result\":\"")
    write(json: body)
    write("\"}")
  }

  mutating func write(
    functionError complaint: PreparedFunction.Complaint, status: Int = 0, isRetryable: Bool
  ) {
    write("{\"error\":\"")
    write(json: complaint.sentence)
    if let (place, end) = complaint.misfit {
      write(place.isEmpty ? ": the object" : ": `")
      write(place)
      write(place.isEmpty ? " " : "` ")
      write(json: end)
    }
    if status > 0 {
      write(" with ")
      write(decimal: status)
    }
    write(isRetryable ? "\",\"retryable\":true}" : "\",\"retryable\":false}")
  }
}
