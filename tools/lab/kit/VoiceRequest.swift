// What a client asks of a voice model in its handshake: which service, with which key. Of a path
// only the service's own part counts, since clients put bases of their own in front.

package struct VoiceRequest: Equatable, Sendable {
  package enum Service: String, CaseIterable, Sendable { case openai, gemini, agent, speak }

  package let service: Service
  package let key: String
  /// OpenAI's model; Gemini's is in its setup.
  package let model: String
  /// How it is to sound, where the handshake says so.
  package let format: WireFormat
  /// It is a voice whose text goes to one context or another.
  package let hasContexts: Bool
  /// The client asked for the beta interface, which is gone.
  package let isBeta: Bool
  /// The subprotocol to choose; nil: none was offered.
  package let subprotocol: String?

  /// An answer in place of 101.
  package struct Refusal: Error, Equatable, Sendable {
    package let status: Int
    package let message: String
    package let body: String
    /// The seconds of its Retry-After; nil: it has none.
    package var retryAfter: Int?

    init(_ service: Service, _ status: Int, _ message: String) {
      self.status = status
      self.message = message
      let answer: JSON =
        switch service {
        case .openai:
          [
            "error": [
              "message": .string(message), "type": "invalid_request_error", "param": nil,
              "code": status == 401 ? "invalid_api_key" : nil,
            ]
          ]
        case .gemini:
          [
            "error": [
              "code": JSON(status), "message": .string(message),
              "status": .string(Self.names[status] ?? "INVALID_ARGUMENT"),
            ]
          ]
        case .agent, .speak:
          [
            "err_code": .string(status == 401 ? "INVALID_AUTH" : "Bad Request"),
            "err_msg": .string(message), "request_id": "twin",
          ]
        }
      body = answer.text
    }

    private static let names = [
      401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
      429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
    ]
  }

  /// `header` gives the value of a header by its name in small letters, empty where it is absent.
  package init(
    _ service: Service, target: String, header: (StaticString) -> String
  ) throws(Refusal) {
    self.service = service
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let query = Self.query(parts.count > 1 ? parts[1] : "")
    let offered = header("sec-websocket-protocol").split(separator: ",")
      .map { $0.filter { !$0.isWhitespace } }
    let scheme = header("authorization").split(separator: " ", maxSplits: 1).map(String.init)
    let schemes = service == .openai ? ["bearer"] : ["bearer", "token"]
    let bearer =
      scheme.count == 2 && schemes.contains(scheme[0].lowercased()) ? scheme[1] : nil
    model = query["model"] ?? ""
    isBeta = !header("openai-beta").isEmpty
    hasContexts = service == .speak && parts[0].hasSuffix("/multi-stream-input")
    format =
      hasContexts ? try Self.format(ofContexts: query) : try Self.format(service, query)
    subprotocol = offered.first
    switch service {
    case .openai:
      guard parts[0].hasSuffix("/realtime") else { throw Refusal(service, 404, "No such path.") }
      let insecure = "openai-insecure-api-key."
      let browser = offered.first { $0.hasPrefix(insecure) }?.dropFirst(insecure.count)
      key = bearer ?? browser.map(String.init) ?? header("api-key")
      guard !key.isEmpty else { throw Refusal(service, 401, "Missing bearer authentication.") }
      guard !model.isEmpty else { throw Refusal(service, 400, "You must provide a model.") }
    case .gemini:
      guard parts[0].contains("BidiGenerateContent") else {
        throw Refusal(service, 404, "No such path.")
      }
      let named = header("x-goog-api-key")
      key = named.isEmpty ? query["key"] ?? query["access_token"] ?? bearer ?? "" : named
      guard !key.isEmpty else { throw Refusal(service, 403, "The caller has no identity.") }
    case .speak where hasContexts:
      key = header("xi-api-key")
      guard !key.isEmpty else { throw Refusal(service, 401, "Invalid API key.") }
    case .agent, .speak:
      guard parts[0].hasSuffix(service == .agent ? "/agent/converse" : "/speak") else {
        throw Refusal(service, 404, "No such path.")
      }
      let isNamed = ["token", "bearer"].contains(offered.first ?? "") && offered.count == 2
      key = bearer ?? (isNamed ? offered[1] : "")
      guard !key.isEmpty else { throw Refusal(service, 401, "Invalid credentials.") }
    }
  }

  /// What the service says with this status.
  package static func refusal(_ service: Service, _ status: Int) -> Refusal {
    switch status {
    case 401: Refusal(service, 401, "Incorrect API key provided.")
    case 403: Refusal(service, 403, "Permission denied.")
    case 404: Refusal(service, 404, "The model does not exist or you do not have access to it.")
    case 429: Refusal(service, 429, "You exceeded your current quota.")
    case 503: Refusal(service, 503, "The service is overloaded. Try again later.")
    default: Refusal(service, status, "Bad request.")
    }
  }

  private static func format(
    _ service: Service, _ query: [String: String]
  ) throws(Refusal) -> WireFormat {
    guard service == .speak else { return .pcm24 }
    let coding = WireFormat.Coding(rawValue: query["encoding"] ?? "linear16")
    let rates = coding == .linear16 ? [24_000, 8000, 16_000, 32_000, 48_000] : [8000, 16_000]
    guard let coding, let rate = query["sample_rate"].map({ Int($0) }) ?? rates[0],
      rates.contains(rate), query["container"] ?? "none" == "none"
    else { throw Refusal(service, 400, "INVALID_QUERY_PARAMETER") }
    return WireFormat(coding, rate: rate)
  }

  private static func format(
    ofContexts query: [String: String]
  ) throws(Refusal) -> WireFormat {
    switch query["output_format"] ?? "" {
    case "ulaw_8000": return .telephone
    case "alaw_8000": return WireFormat(.alaw)
    case "pcm_8000": return .pcm(8000)
    case "pcm_16000": return .pcm(16_000)
    case "pcm_24000": return .pcm(24_000)
    case let other: throw Refusal(.speak, 400, "The twin speaks no \(other).")
    }
  }

  private static func query(_ text: Substring) -> [String: String] {
    var values: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      values[DeepgramRequest.decoded(halves[0])] =
        halves.count > 1 ? DeepgramRequest.decoded(halves[1]) : ""
    }
    return values
  }
}
