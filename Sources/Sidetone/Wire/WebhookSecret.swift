// What webhooks are signed with (Standard Webhooks 1.0): who reads the settings and who signs judge
// a secret alike.

package struct WebhookSecret: Equatable, Sendable {
  /// Why a text is no secret, in a sentence that begins behind its name; the text is not in it.
  package struct Mistake: Error, Equatable { package let sentence: String }

  package static let bytesMin = 24
  package static let bytesMax = 64

  package let key: [UInt8]

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
}
