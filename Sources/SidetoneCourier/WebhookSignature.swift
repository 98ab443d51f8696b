// Signatures of Standard Webhooks 1.0: `v1,` and the base64 of an HMAC-SHA256 over
// `id.timestamp.body`, one for each secret, separated by spaces, so that a receiver accepts the old
// secret and the new one while they are exchanged.

import Sidetone

extension WebhookSecret {
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
