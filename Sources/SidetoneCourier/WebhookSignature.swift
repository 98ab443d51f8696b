// Signatures of Standard Webhooks 1.0: `v1,` and the base64 of an HMAC-SHA256 over
// `id.timestamp.body`, one for each secret, separated by spaces, so that a receiver accepts the old
// secret and the new one while they are exchanged.

import Sidetone

package struct WebhookSecret: Equatable, Sendable {
  /// Why a text is no secret, in a sentence that begins behind its name; the text is not in it.
  package struct Mistake: Error, Equatable { package let sentence: String }

  package static let bytesMin = 24
  package static let bytesMax = 64

  private let key: [UInt8]

  /// `whsec_` and base64, whose padding may be missing; the prefix may too.
  package init(_ text: String) throws(Mistake) {
    if text.hasPrefix("whsk_") || text.hasPrefix("whpk_") {
      throw Mistake(sentence: "is a key pair's: what signs here is a shared secret, whsec_…")
    }
    let digits = text.hasPrefix("whsec_") ? text.dropFirst(6) : Substring(text)
    guard let key = Self.decode(Array(digits.utf8)) else {
      throw Mistake(sentence: "is not `whsec_` and base64 behind it")
    }
    guard (Self.bytesMin...Self.bytesMax).contains(key.count) else {
      throw Mistake(
        sentence: "holds \(key.count) bytes; a secret has \(Self.bytesMin) to \(Self.bytesMax), "
          + "for example: echo whsec_$(openssl rand -base64 32)")
    }
    self.key = key
  }

  private static func decode(_ text: [UInt8]) -> [UInt8]? {
    text.withBytes { source in
      guard let count = Base64.decodedCount(of: source), count > 0 else { return nil }
      var key = [UInt8](repeating: 0, count: count)
      return key.withMutableBytes { Base64.decode(source, into: $0) } == count ? key : nil
    }
  }

  /// `v1,…` over these bytes.
  fileprivate func signature(of signed: [UInt8]) -> String {
    Bytes.withTemporary(Digest.sha256Bytes + 64) { room in
      let digest = room.prefix(Digest.sha256Bytes)
      key.withBytes { key in
        signed.withBytes { Digest.hmacSHA256(key: key, $0, into: digest) }
      }
      let text = room.dropping(Digest.sha256Bytes)
      return "v1," + text.prefix(Base64.encode(digest, into: text)).string
    }
  }
}

package enum WebhookSignature {
  /// The header `webhook-signature`.
  ///
  /// - Parameter id: the event's, the same for each attempt; without a dot, since dots separate
  ///   what is signed.
  /// - Parameter timestamp: this attempt's, in Unix seconds.
  package static func header(
    id: String, timestamp: Int64, body: [UInt8], secrets: [WebhookSecret]
  ) -> String {
    precondition(!id.utf8.contains(UInt8(ascii: ".")), "our ids have no dot")
    let signed = Array("\(id).\(timestamp).".utf8) + body
    return secrets.map { $0.signature(of: signed) }.joined(separator: " ")
  }
}
