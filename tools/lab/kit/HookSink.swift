// The receiver of webhooks as Standard Webhooks 1.0 wants one, which keeps an account of what came:
// is each delivery signed, which attempt is it, had it been accepted before, and do the events of a
// call come in their order. Written apart from the courier, which it judges.

package struct HookSecret: Equatable, Sendable {
  package struct Mistake: Error, Equatable { package let sentence: String }

  let key: [UInt8]

  /// `whsec_` and base64, whose padding may be missing.
  package init(_ text: String) throws(Mistake) {
    guard text.hasPrefix("whsec_") else {
      throw Mistake(sentence: "a secret begins with whsec_, and base64 follows")
    }
    let digits = text.dropFirst(6)
    let padding = String(repeating: "=", count: (4 - digits.utf8.count % 4) % 4)
    guard let key = Base64Text.decode(digits + padding), !key.isEmpty else {
      throw Mistake(sentence: "what stands behind whsec_ is not base64")
    }
    self.key = key
  }

  /// What one of the entries of `webhook-signature` is then.
  func signature(id: String, timestamp: String, body: [UInt8]) -> String {
    "v1," + Base64Text.encode(SHA256.hmac(key: key, Array("\(id).\(timestamp).".utf8) + body))
  }
}

package struct HookSink: Sendable {
  /// How far the time of a delivery may be from ours.
  package static let toleranceSeconds: Int64 = 300

  package struct Delivery: Sendable {
    package let id: String
    package let timestamp: String
    package let signatures: String
    package let body: [UInt8]

    /// `header` gives the value of a header by its name in small letters, "" where it is absent.
    package init(header: (String) -> String, body: [UInt8]) {
      id = header("webhook-id")
      timestamp = header("webhook-timestamp")
      signatures = header("webhook-signature")
      self.body = body
    }
  }

  /// What its signature says of a delivery.
  package enum Proof: String, Sendable {
    case signed
    case unchecked
    case unsigned
    case wrong = "BAD SIGNATURE"
    case old = "OLD TIMESTAMP"

    /// A receiver may act on it.
    package var isGood: Bool { self == .signed || self == .unchecked }
  }

  /// What became of one delivery.
  package struct Taken: Sendable {
    package let id: String
    package let type: String
    package let call: String
    /// Which delivery of this id it is, from 1.
    package let attempt: Int
    package let proof: Proof
    /// It had been accepted before.
    package let isDuplicate: Bool
    /// It was accepted behind a later event of its call.
    package let isOutOfOrder: Bool
    package let reaction: Reaction
    let event: JSON

    package var line: String {
      "\(id.isEmpty ? "(no id)" : id) \(type) \(call) attempt \(attempt) \(proof.rawValue), "
        + reaction.text + (isDuplicate ? ", DUPLICATE" : "")
        + (isOutOfOrder ? ", OUT OF ORDER" : "")
    }

    /// The same for programs, with the event itself.
    package func record(at milliseconds: Int64) -> JSON {
      [
        "at": .number(Double(milliseconds)), "id": .string(id), "type": .string(type),
        "call_id": .string(call), "attempt": JSON(attempt),
        "signature": .string(proof == .wrong ? "bad" : proof == .old ? "old" : proof.rawValue),
        "duplicate": .bool(isDuplicate), "out_of_order": .bool(isOutOfOrder),
        "answered": reaction.status.map { JSON($0) } ?? nil, "event": event,
      ]
    }
  }

  private let secrets: [HookSecret]
  private var faults: FaultSchedule
  private var attempts: [String: Int] = [:]
  private var accepted: Set<String> = []
  /// The number of the last event that was accepted, of each series of a call.
  private var last: [String: Int] = [:]

  package private(set) var deliveries = 0
  package private(set) var duplicates = 0
  package private(set) var outOfOrder = 0
  package private(set) var unproven = 0

  /// - Parameter secrets: any of them may have signed; none: signatures are not looked at.
  package init(secrets: [HookSecret], faults: FaultSchedule) {
    self.secrets = secrets
    self.faults = faults
  }

  /// Different events that were accepted.
  package var acceptedCount: Int { accepted.count }

  package mutating func take(_ delivery: Delivery, at now: Int64) -> Taken {
    deliveries += 1
    let event = JSON(delivery.body) ?? .null
    let data = event["data"]
    let call = data?["call_id"]?.string ?? data?["call_key"]?.string ?? "-"
    let attempt = attempts[delivery.id, default: 0] + 1
    attempts[delivery.id] = attempt
    let proof = proof(of: delivery, at: now)
    let reaction = proof.isGood ? faults.next().reaction(Self.thanks) : .answer(Self.unproven)
    if !proof.isGood { unproven += 1 }
    let isDuplicate = accepted.contains(delivery.id)
    if isDuplicate { duplicates += 1 }
    var isLate = false
    if let status = reaction.status, (200..<300).contains(status) {
      if accepted.insert(delivery.id).inserted { isLate = isOvertaken(delivery.id) }
      if isLate { outOfOrder += 1 }
    }
    return Taken(
      id: delivery.id, type: event["type"]?.string ?? "(no type)", call: call, attempt: attempt,
      proof: proof, isDuplicate: isDuplicate, isOutOfOrder: isLate, reaction: reaction, event: event
    )
  }

  private static let thanks = WebAnswer(200, ["ok": true])
  private static let unproven = WebAnswer(401, ["error": ["message": "The signature is not good."]])

  private func proof(of delivery: Delivery, at now: Int64) -> Proof {
    Self.proof(of: delivery, by: secrets, at: now)
  }

  /// - Parameter secrets: any of them may have signed; none: signatures are not looked at.
  static func proof(of delivery: Delivery, by secrets: [HookSecret], at now: Int64) -> Proof {
    if secrets.isEmpty { return .unchecked }
    if delivery.signatures.isEmpty { return .unsigned }
    let given = delivery.signatures.split(separator: " ").map(String.init)
    let isSigned = secrets.contains { secret in
      given.contains(
        secret.signature(id: delivery.id, timestamp: delivery.timestamp, body: delivery.body))
    }
    guard isSigned, let time = Int64(delivery.timestamp) else { return .wrong }
    return abs(now / 1000 - time) <= toleranceSeconds ? .signed : .old
  }

  /// The courier's ids end in the number of the event in its call, or in `x` and a number for what
  /// was extracted. Other senders' ids say nothing.
  private mutating func isOvertaken(_ id: String) -> Bool {
    guard let dash = id.lastIndex(of: "-") else { return false }
    let digits = id[id.index(after: dash)...]
    guard let number = Int(digits.first == "x" ? digits.dropFirst() : digits) else { return false }
    let series = id[..<dash] + (digits.first == "x" ? "x" : "")
    let before = last[String(series), default: 0]
    last[String(series)] = max(before, number)
    return number < before
  }

  package var summary: String {
    "\(deliveries) deliveries, \(attempts.count) ids, \(accepted.count) accepted, "
      + "\(duplicates) duplicates, \(outOfOrder) out of order, \(unproven) with a bad signature"
  }

  package var summaryRecord: JSON {
    [
      "deliveries": JSON(deliveries), "ids": JSON(attempts.count),
      "accepted": JSON(accepted.count), "duplicates": JSON(duplicates),
      "out_of_order": JSON(outOfOrder), "bad_signatures": JSON(unproven),
    ]
  }
}
