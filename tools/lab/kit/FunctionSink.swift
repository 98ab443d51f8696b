// A server that a relay's functions call: checks who asks, shows what was asked, and answers what
// it was told to, or what it was asked with. Pure: requests and the time in, reactions out.

package struct FunctionSink: Sendable {
  package struct Settings: Sendable {
    /// Any of them may have signed; none: signatures are not looked at.
    package var secrets: [HookSecret] = []
    /// What functions of these names are answered.
    package var answers: [String: JSON] = [:]
    package var faults = FaultSchedule()

    package init() {}
  }

  package struct Taken: Sendable {
    package let line: String
    package let reaction: Reaction
  }

  private var settings: Settings
  private var seen: Set<String> = []
  package private(set) var requests = 0
  package private(set) var repeated = 0
  package private(set) var unproven = 0

  package init(_ settings: Settings) { self.settings = settings }

  /// - Parameter now: Unix milliseconds.
  package mutating func take(_ delivery: HookSink.Delivery, at now: Int64) -> Taken {
    requests += 1
    let proof = HookSink.proof(of: delivery, by: settings.secrets, at: now)
    guard proof.isGood else {
      unproven += 1
      return Taken(
        line: "\(proof.rawValue), answered 401",
        reaction: .answer(WebAnswer(401, ["error": "the signature is not good"])))
    }
    guard let call = JSON(delivery.body), let name = call["function"]?.string else {
      return Taken(
        line: "no call of a function, answered 400",
        reaction: .answer(WebAnswer(400, ["error": "no call of a function"])))
    }
    let id = call["id"]?.string ?? ""
    let isRepeated = !seen.insert("\(call["call_id"]?.string ?? "") \(id)").inserted
    if isRepeated { repeated += 1 }
    let arguments = call["arguments"] ?? .null
    let answer = settings.answers[name] ?? ["ok": true, "arguments": arguments]
    let reaction = settings.faults.next().reaction(WebAnswer(200, answer))
    return Taken(
      line: "\(call["call_id"]?.string ?? "-") \(name) \(id) \(arguments.text) \(proof.rawValue), "
        + reaction.text + (isRepeated ? ", ASKED BEFORE" : ""),
      reaction: reaction)
  }

  package var summary: String {
    "\(requests) calls of functions, \(repeated) asked before, \(unproven) with a bad signature"
  }
}
