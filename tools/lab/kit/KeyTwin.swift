// A LiteLLM proxy's word on keys (`GET /key/info`), without the proxy: as its versions of 2025 and
// 2026 answer, with a database and without. Pure: requests in, reactions out.

package struct KeyTwin: Sendable {
  /// What the proxy knows of one key.
  package enum Standing: String, CaseIterable, Sendable {
    case good, expired, blocked, spent, forbidden

    /// What a person reads of it.
    package static let help = """
        good               200, active
        expired            401 expired_key
        blocked            200, and revoked
        spent              429 budget_exceeded
        forbidden          403, the key may not ask about itself
      """
  }

  package struct Settings: Sendable {
    package var keys: [String: Standing] = [:]
    /// What the proxy itself is run with; "" for none.
    package var masterKey = ""
    /// Without one it knows its master key alone.
    package var hasDatabase = true
    package var faults = FaultSchedule()

    package init() {}
  }

  package struct Taken: Sendable {
    /// Without the key.
    package let line: String
    package let reaction: Reaction
  }

  private var settings: Settings
  private var requests = 0

  package init(_ settings: Settings) { self.settings = settings }

  /// - Parameter path: with the query, if there is one.
  package mutating func take(isGet: Bool, path: String, authorization: String) -> Taken {
    requests += 1
    let reaction: Reaction
    if !isGet || path.prefix(while: { $0 != "?" }) != "/key/info" {
      reaction = .answer(WebAnswer(404, ["detail": "Not Found"]))
    } else {
      reaction = settings.faults.next().reaction(answer(authorization))
    }
    return Taken(line: "request \(requests) \(reaction.text)", reaction: reaction)
  }

  private func answer(_ authorization: String) -> WebAnswer {
    guard authorization.hasPrefix("Bearer ") else {
      return Self.error(
        401, "auth_error",
        authorization.isEmpty
          ? "Authentication Error, No api key passed in."
          : "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")
    }
    let key = String(authorization.dropFirst(7))
    if !settings.masterKey.isEmpty, key == settings.masterKey {
      // It is known to the proxy by another name, under which no key is stored.
      return settings.hasDatabase
        ? Self.error(404, "not_found_error", "Key not found in database")
        : WebAnswer(500, type: "text/plain", text: "Internal Server Error")
    }
    guard settings.hasDatabase else {
      return Self.error(400, "no_db_connection", "No connected db.")
    }
    switch settings.keys[key] {
    case .good: return Self.info("active")
    case .blocked: return Self.info("revoked")
    case .expired:
      return Self.error(
        401, "expired_key", "Authentication Error - Expired Key. Key Expiry time 2026-01-01")
    case .spent:
      return Self.error(
        429, "budget_exceeded", "Budget has been exceeded! Current cost: 12.5, Max budget: 10.0")
    case .forbidden:
      return Self.error(
        403, "auth_error", "Virtual key is not allowed to call this route. Only allowed to call: []"
      )
    case nil:
      return Self.error(
        401, "token_not_found_in_db",
        "Authentication Error, Invalid proxy server token passed. Received API Key = "
          + "sk-...\(key.suffix(4)), Key Hash (Token) =\(Self.hash(of: key)). Unable to find token "
          + "in cache or `LiteLLM_VerificationTokenTable`")
    }
  }

  private static func hash(of key: String) -> String {
    var hash = SHA256()
    hash.append(Array(key.utf8))
    return hash.hexadecimal
  }

  private static func error(_ status: Int, _ type: String, _ message: String) -> WebAnswer {
    WebAnswer(
      status,
      [
        "error": [
          "message": .string(message), "type": .string(type), "param": nil,
          "code": .string("\(status)"),
        ]
      ])
  }

  private static func info(_ status: String) -> WebAnswer {
    WebAnswer(
      200,
      [
        "key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
        "info": [
          "key_name": "sk-...abcd", "key_alias": "telephony", "spend": 0.12, "expires": nil,
          "models": [], "user_id": "u1", "team_id": nil, "max_budget": nil, "metadata": [:],
          "blocked": .bool(status == "revoked"), "allowed_routes": [], "status": .string(status),
        ],
      ])
  }
}
