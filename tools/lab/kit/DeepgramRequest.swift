// What a client asks of Deepgram's /v1/listen, read from path, query and key as strictly as can be:
// a parameter that does not exist, or has no sense, is a mistake of the relay and must show.

package struct DeepgramRequest: Equatable, Sendable {
  package enum Encoding: String, Sendable { case linear16, mulaw, alaw }

  package var model = ""
  package var encoding = Encoding.linear16
  package var rate = 8000
  package var channels = 1
  /// Each channel by itself; otherwise they are mixed.
  package var isMultichannel = false
  package var interimResults = false
  package var punctuates = false
  package var reportsSpeech = false
  /// Milliseconds of silence that end an utterance; nil: never.
  package var endpointing: Int? = 10
  package var utteranceEnd: Int?
  package var tags: [String] = []
  package var key = ""

  /// How many transcripts run side by side.
  package var streams: Int { isMultichannel ? channels : 1 }
  /// Bytes of one sample on all channels.
  package var frameBytes: Int { (encoding == .linear16 ? 2 : 1) * channels }
}

/// An answer in place of 101, in Deepgram's words.
package struct DeepgramRefusal: Error, Equatable, Sendable {
  package let status: Int
  package let code: String
  package let message: String
  package var retryAfterSeconds: Int?

  package func body(requestID: String) -> String {
    let name = status == 503 ? "error_code" : "err_code"
    return "{\"\(name)\":\(JSON.quote(code)),\"err_msg\":\(JSON.quote(message)),"
      + "\"request_id\":\"\(requestID)\"}"
  }

  package static func badParameter(_ message: String) -> DeepgramRefusal {
    DeepgramRefusal(status: 400, code: "INVALID_QUERY_PARAMETER", message: message)
  }

  /// What the service says with this status, and when it may be asked again.
  package static func standard(_ status: Int, retryAfter seconds: Int?) -> DeepgramRefusal {
    var refusal = standard(status)
    refusal.retryAfterSeconds = seconds ?? refusal.retryAfterSeconds
    return refusal
  }

  /// What the service says with this status.
  package static func standard(_ status: Int) -> DeepgramRefusal {
    switch status {
    case 401: DeepgramRefusal(status: 401, code: "INVALID_AUTH", message: "Invalid credentials.")
    case 402:
      DeepgramRefusal(
        status: 402, code: "ASR_PAYMENT_REQUIRED", message: "Project has no credit left.")
    case 403:
      DeepgramRefusal(
        status: 403, code: "INSUFFICIENT_PERMISSIONS",
        message: "Project does not have access to the requested model.")
    case 429:
      DeepgramRefusal(
        status: 429, code: "TOO_MANY_REQUESTS",
        message: "Too many requests. Please try again later", retryAfterSeconds: 1)
    case 503:
      DeepgramRefusal(
        status: 503, code: "Service Unavailable", message: "Try again later.",
        retryAfterSeconds: 1)
    default: DeepgramRefusal(status: status, code: "Bad Request", message: "Bad Request")
    }
  }
}

extension DeepgramRequest {
  private static let plainParameters: Set<String> = [
    "version", "language", "language_hint", "smart_format", "numerals", "dictation",
    "profanity_filter", "detect_entities", "diarize", "diarize_model", "keywords", "keyterm",
    "search", "replace", "redact", "extra", "mip_opt_out",
  ]
  private static let models: Set<String> = [
    "nova-3", "nova-2", "nova", "enhanced", "base", "meeting", "phonecall", "finance",
    "conversationalai", "voicemail", "video", "custom",
  ]

  /// Reads the target of the request (path and query) and the value of `Authorization`.
  package init(target: String, authorization: String) throws(DeepgramRefusal) {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts[0] == "/v1/listen" else {
      throw DeepgramRefusal(status: 404, code: "NOT_FOUND", message: "No such path: \(parts[0])")
    }
    let scheme = authorization.split(separator: " ", maxSplits: 1)
    guard scheme.count == 2, ["token", "bearer"].contains(scheme[0].lowercased()) else {
      throw .standard(401)
    }
    key = String(scheme[1])
    var isEncoded = false
    var hasRate = false
    for pair in parts.count > 1 ? parts[1].split(separator: "&") : [] {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = Self.decoded(halves[0])
      let value = halves.count > 1 ? Self.decoded(halves[1]) : ""
      isEncoded = isEncoded || name == "encoding"
      hasRate = hasRate || name == "sample_rate"
      try set(name, value)
    }
    guard !model.isEmpty else { throw .badParameter("model is missing") }
    guard isEncoded, hasRate else {
      throw .badParameter("raw audio needs both encoding and sample_rate")
    }
    if utteranceEnd != nil && !interimResults {
      throw .badParameter("utterance_end_ms needs interim_results=true")
    }
  }

  private mutating func set(_ name: String, _ value: String) throws(DeepgramRefusal) {
    switch name {
    case "model":
      let family = Self.models.filter { value == $0 || value.hasPrefix($0 + "-") }
      guard !family.isEmpty else { throw .badParameter("no such model: \(value)") }
      model = value
    case "encoding":
      guard let known = Encoding(rawValue: value) else {
        throw .badParameter("encoding \(value): this twin hears linear16, mulaw and alaw")
      }
      encoding = known
    case "sample_rate": rate = try Self.number(name, value, 4000...48000)
    case "channels": channels = try Self.number(name, value, 1...20)
    case "multichannel": isMultichannel = try Self.truth(name, value)
    case "interim_results": interimResults = try Self.truth(name, value)
    case "punctuate": punctuates = try Self.truth(name, value)
    case "vad_events": reportsSpeech = try Self.truth(name, value)
    case "endpointing":
      endpointing = value == "false" ? nil : try Self.number(name, value, 0...60_000)
    case "utterance_end_ms": utteranceEnd = try Self.number(name, value, 1000...60_000)
    case "tag": tags.append(value)
    case "callback", "callback_method":
      throw .badParameter("\(name) would send the results elsewhere")
    default:
      guard Self.plainParameters.contains(name) else {
        throw .badParameter("no such parameter: \(name)")
      }
      guard !value.isEmpty else { throw .badParameter("\(name) has no value") }
      if name == "smart_format" { punctuates = try Self.truth(name, value) || punctuates }
    }
  }

  private static func truth(_ name: String, _ value: String) throws(DeepgramRefusal) -> Bool {
    guard value == "true" || value == "false" else {
      throw .badParameter("\(name) is true or false, not \(value)")
    }
    return value == "true"
  }

  private static func number(
    _ name: String, _ value: String, _ range: ClosedRange<Int>
  ) throws(DeepgramRefusal) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw .badParameter(
        "\(name) is a number from \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
    return number
  }

  /// `%41` is an A and `+` is a space.
  package static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = String(decoding: rest.prefix(2), as: UTF8.self)
      if byte == UInt8(ascii: "%"), digits.count == 2, let code = UInt8(digits, radix: 16) {
        bytes.append(code)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
