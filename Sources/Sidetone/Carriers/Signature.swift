// How a carrier vouches for its requests. A row states where its signature stands, what it covers,
// and how it is judged; what it is judged by (secrets, our own address, room to write) is prepared
// at start and alike for all rows.

extension Carrier {
  package struct Signature: Sendable {
    /// The header in which it stands: in lower case, and as people write it.
    package let header: StaticString
    package let shownHeader: StaticString
    package let covers: Cover
    /// What a request that bears the header is worth.
    package let judge: @Sendable (Request, SignatureKeys) -> Verdict
    /// What operators set, under `[auth]`, so that it is checked.
    package let secret: @Sendable () -> Secret
    /// To whom shows one that does not fit, or was made at another time.
    package let wrong: StaticString
    package let stale: StaticString

    package enum Cover: Sendable {
      /// The URL under which we are called: sockets are signed as webhooks are.
      case url
      /// The bodies of webhooks; sockets are not signed.
      case body
    }

    package enum Verdict: Equatable, Sendable {
      case good
      /// The signature may be good, but it was made too long ago, or too far ahead.
      case stale
      /// It fits the address that the request names, which is none of those that are set.
      case misaddressed(isSecure: Bool)
      case wrong
    }
  }

  /// The setting that holds what a carrier's signatures are checked against; several at once while
  /// one takes the place of another.
  package struct Secret: Sendable {
    /// Its name under `[auth]`, and the variable by which the carrier's own documents call it.
    package var setting: String
    package var variable: String
    /// What it is, in one word: token, key.
    package var word: String
    package var form: Form
    package var help: String
    /// What is said behind the variable where it is listed; empty: nothing.
    package var note = ""

    package enum Form: Sendable {
      /// Text that nobody else may know.
      case token
      /// An ed25519 public key in base64.
      case publicKey
    }
  }
}

/// What one carrier's signatures are judged by.
package struct SignatureKeys: Sendable {
  /// Any of them may fit; what they are is the carrier's own business.
  let secrets: [Text]
  /// The addresses under which we may have been called.
  let origins: Origins
  /// For what is signed, for what has to be decoded first, and for what is made of that.
  let signed: Buffer
  let decoded: Buffer
  let parameters: Buffer

  package init(secrets: [[UInt8]], _ config: Config) {
    self.secrets = secrets.map { Text($0) }
    origins = Origins(config)
    signed = Buffer(count: Self.signedBytes(config))
    decoded = Buffer(count: config.limits.bodyBytesMax)
    parameters = Buffer(count: config.limits.bodyBytesMax)
  }

  private static func signedBytes(_ config: Config) -> Int {
    let longest = config.publicURLs.map(\.utf8.count).max() ?? 0
    // What a request names is a part of its head.
    return longest + 32 + 2 * config.limits.headBytesMax + config.limits.bodyBytesMax
  }

  /// What all the carriers' keys of these settings take.
  static func bytes(_ config: Config) -> Int {
    let checked = Carrier.all.filter {
      $0.signature != nil && !config[carrier: $0.name.description].secrets.isEmpty
    }
    return checked.count * (signedBytes(config) + 2 * config.limits.bodyBytesMax)
  }
}
