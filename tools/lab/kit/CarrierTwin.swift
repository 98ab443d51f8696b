// What carriers do with a call when their REST APIs are asked to, without the carrier: transfers
// and keys, as Twilio's "Call resource" and Telnyx's "Call Control" pages have them. Pure: requests
// in, reactions out, and what becomes of the call.

package struct CarrierTwin: Sendable {
  package enum Manner: String, Sendable { case twilio, telnyx }

  package struct Request: Sendable {
    package var isPost: Bool
    package var target: String
    package var authorization: String
    package var contentType: String
    package var body: [UInt8]

    package init(
      isPost: Bool = true, target: String, authorization: String, contentType: String, body: [UInt8]
    ) {
      self.isPost = isPost
      self.target = target
      self.authorization = authorization
      self.contentType = contentType
      self.body = body
    }
  }

  package enum Deed: Equatable, Sendable {
    /// The stream ends, and the caller is connected there; what is said to it before.
    case transfer(to: String, saying: String)
    case press(String)
  }

  package struct Taken: Sendable {
    package let line: String
    package let reaction: Reaction
    /// Nil: the carrier did nothing.
    package let deed: Deed?
  }

  private let manner: Manner
  private let callID: String
  /// The auth token, or the API key; "" for any.
  private let key: String
  private var faults: FaultSchedule

  package init(
    _ manner: Manner, of callID: String, key: String = "", faults: FaultSchedule = FaultSchedule()
  ) {
    self.manner = manner
    self.callID = callID
    self.key = key
    self.faults = faults
  }

  package mutating func take(_ request: Request) -> Taken {
    do throws(Refusal) {
      let deed = manner == .twilio ? try twilio(request) : try telnyx(request)
      let answer: JSON =
        manner == .twilio
        ? ["sid": .string(callID), "status": "in-progress"] : ["data": ["result": "ok"]]
      let reaction = faults.next().reaction(WebAnswer(200, answer))
      let isDone = reaction.status == 200
      return Taken(
        line: "REST: \(deed.text), \(reaction.text)", reaction: reaction, deed: isDone ? deed : nil)
    } catch {
      let body: JSON =
        manner == .twilio
        ? [
          "code": .number(Double(error.code)), "message": .string(error.words),
          "status": .number(Double(error.status)),
        ]
        : ["errors": [["code": .string("\(error.code)"), "title": .string(error.words)]]]
      return Taken(
        line: "REST: \(error.words), answered \(error.status)",
        reaction: .answer(WebAnswer(error.status, body)), deed: nil)
    }
  }

  private struct Refusal: Error {
    let status: Int
    let code: Int
    let words: String
  }

  // MARK: Twilio

  private static let twimlCharactersMax = 4000

  private func twilio(_ request: Request) throws(Refusal) -> Deed {
    let parts = request.target.split(separator: "/", omittingEmptySubsequences: false).map(
      String.init)
    guard request.isPost, parts.count == 6, parts[1] == "2010-04-01", parts[2] == "Accounts",
      parts[4] == "Calls", parts[5].hasSuffix(".json")
    else { throw Refusal(status: 404, code: 20404, words: "no such resource") }
    guard let proof = basic(request.authorization), proof.user == parts[3],
      key.isEmpty || proof.password == key
    else { throw Refusal(status: 401, code: 20003, words: "Authenticate") }
    guard parts[5] == callID + ".json" else {
      throw Refusal(status: 404, code: 20404, words: "no such call")
    }
    guard request.contentType == "application/x-www-form-urlencoded",
      let twiml = form(request.body)["Twiml"], twiml.count <= Self.twimlCharactersMax,
      let deed = Self.deed(of: twiml)
    else { throw Refusal(status: 400, code: 21218, words: "Invalid TwiML") }
    return deed
  }

  private func basic(_ header: String) -> (user: String, password: String)? {
    guard header.hasPrefix("Basic "), let bytes = Base64Text.decode(String(header.dropFirst(6)))
    else { return nil }
    let halves = String(decoding: bytes, as: UTF8.self).split(separator: ":", maxSplits: 1)
    return halves.count == 2 ? (String(halves[0]), String(halves[1])) : nil
  }

  private func form(_ body: [UInt8]) -> [String: String] {
    var fields: [String: String] = [:]
    for pair in String(decoding: body, as: UTF8.self).split(separator: "&") {
      let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
      if halves.count == 2 { fields[Self.decoded(halves[0])] = Self.decoded(halves[1]) }
    }
    return fields
  }

  private static func decoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// `<Response>`, perhaps `<Say>`, then `<Dial>` with a number or a `<Sip>`, and nothing else.
  private static func deed(of twiml: String) -> Deed? {
    guard var inner = inside("Response", of: twiml[...]) else { return nil }
    var said = ""
    if inner.hasPrefix("<Say>") {
      guard let end = inner.firstRange(of: "</Say>"),
        let text = plain(inner[..<end.lowerBound].dropFirst(5))
      else { return nil }
      said = text
      inner = inner[end.upperBound...]
    }
    guard let dialled = inside("Dial", of: inner) else { return nil }
    let address = inside("Sip", of: dialled) ?? inside("Number", of: dialled) ?? dialled
    return plain(address).flatMap { $0.isEmpty ? nil : .transfer(to: $0, saying: said) }
  }

  private static func inside(_ name: String, of text: Substring) -> Substring? {
    guard text.hasPrefix("<\(name)>"), text.hasSuffix("</\(name)>") else { return nil }
    return text.dropFirst(name.count + 2).dropLast(name.count + 3)
  }

  /// Nil where it has an element or an entity that is none.
  private static func plain(_ text: Substring) -> String? {
    guard !text.contains("<"), !text.contains(">") else { return nil }
    let entities = ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"]
    var parts = text.split(separator: "&", omittingEmptySubsequences: false)[...]
    var plain = String(parts.removeFirst())
    for part in parts {
      guard let end = part.firstIndex(of: ";"), let sign = entities[String(part[..<end])] else {
        return nil
      }
      plain += sign + part[part.index(after: end)...]
    }
    return plain
  }

  // MARK: Telnyx

  private func telnyx(_ request: Request) throws(Refusal) -> Deed {
    let parts = request.target.split(separator: "/", omittingEmptySubsequences: false).map(
      String.init)
    guard request.isPost, parts.count == 6, parts[1] == "v2", parts[2] == "calls",
      parts[4] == "actions"
    else { throw Refusal(status: 404, code: 10005, words: "Resource not found") }
    guard request.authorization.hasPrefix("Bearer "),
      key.isEmpty || request.authorization == "Bearer \(key)"
    else { throw Refusal(status: 401, code: 10009, words: "Authentication failed") }
    guard Self.decoded(parts[3]) == callID else {
      throw Refusal(status: 404, code: 90015, words: "Invalid Call Control ID")
    }
    let body = JSON(request.body)
    if parts[5] == "transfer", let to = body?["to"]?.string, !to.isEmpty {
      return .transfer(to: to, saying: "")
    }
    if parts[5] == "send_dtmf", let digits = body?["digits"]?.string,
      !digits.isEmpty, digits.allSatisfy({ "0123456789ABCD*#wW".contains($0) })
    {
      return .press(digits)
    }
    throw Refusal(status: 422, code: 10015, words: "Bad Request")
  }
}

extension CarrierTwin.Deed {
  /// What a person reads of it.
  package var text: String {
    switch self {
    case .transfer(let address, ""): "transfer to \(address)"
    case .transfer(let address, let text): "says \"\(text)\", transfer to \(address)"
    case .press(let digits): "presses \(digits)"
    }
  }
}
