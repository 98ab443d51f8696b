// What is Telnyx's own about a webhook: whether it is theirs, whether they signed it, and what a
// stream is called in their XML (TeXML). Signed by ed25519 are the time, a bar and the body as it
// was sent; the URL is not, so the time is held to be near (Telnyx, "Webhook signing").

extension Carrier.Signature {
  static let telnyx = Self(
    header: "telnyx-signature-ed25519", shownHeader: "telnyx-signature-ed25519", covers: .body,
    judge: TelnyxWebhook.judge,
    secret: {
      Carrier.Secret(
        setting: "telnyx_public_key", variable: "TELNYX_PUBLIC_KEY", word: "key", form: .publicKey,
        help:
          "Telnyx's public key, in base64, against which webhooks' signatures are checked.")
    },
    wrong: """
      The telnyx-signature-ed25519 does not fit. TELNYX_PUBLIC_KEY (auth.telnyx_public_key) must be \
      the public key of the account that calls.
      """,
    stale: """
      The telnyx-timestamp is more than 300 s away from this machine's clock. Set the clock, or ask \
      with a new signature.
      """)
}

extension Carrier.Dialect {
  static let telnyx = Self(isIts: TelnyxWebhook.isIts, attributes: TelnyxWebhook.writeAttributes)
}

private enum TelnyxWebhook {
  private static let secondsOffMax: Int64 = 300
  /// A signature in base64.
  private static let encodedBytes = 88

  /// Signed, or with a name that only their forms have.
  static func isIts(_ request: Request) -> Bool {
    request.head.fields.place(of: "telnyx-signature-ed25519", in: request.bytes) != nil
      || hasName(request.form) || hasName(request.head.query.bytes(in: request.bytes))
  }

  private static func hasName(_ fields: Bytes) -> Bool {
    Query.value(of: "CallControlId", in: fields) != nil
      || Query.value(of: "CallSidLegacy", in: fields) != nil
  }

  static func judge(_ request: Request, _ keys: SignatureKeys) -> Carrier.Signature.Verdict {
    let fields = request.head.fields
    guard fields.count(of: "telnyx-signature-ed25519", in: request.bytes) == 1,
      fields.count(of: "telnyx-timestamp", in: request.bytes) == 1
    else { return .wrong }
    let time = fields.value(of: "telnyx-timestamp", in: request.bytes)
    let text = fields.value(of: "telnyx-signature-ed25519", in: request.bytes)
    guard let seconds = time.decimal, text.count <= encodedBytes,
      let count = Base64.decode(text, into: keys.decoded.bytes)
    else { return .wrong }
    var out = Writer(keys.signed.bytes)
    out.write(time)
    out.write("|")
    out.write(request.body)
    guard !out.overflowed else { return .wrong }
    var fits = false
    for index in 0..<keys.secrets.count {
      let key = keys.secrets[index].bytes
      fits = Digest.isSigned(out.written, by: key, keys.decoded.bytes.prefix(count)) || fits
    }
    guard fits else { return .wrong }
    let off = Int64(seconds) &- request.wall.nanoseconds / 1_000_000_000
    return off.magnitude <= UInt64(secondsOffMax) ? .good : .stale
  }

  /// The attributes of a `<Stream>` that talks both ways. Without a mode the audio would have to be
  /// MP3 files. G.711 is asked for in the kind that is sent, whatever the leg of the call has.
  static func writeAttributes(_ format: Format, _ out: inout Writer) {
    let isAlaw = format.codec == .alaw
    out.write(" track=\"inbound_track\" codec=\"")
    out.write(isAlaw ? "PCMA" : "PCMU")
    out.write("\" bidirectionalMode=\"rtp\" bidirectionalCodec=\"")
    switch format.codec {
    case .mulaw: out.write("PCMU")
    case .alaw: out.write("PCMA")
    case .linear16: out.write("L16")
    }
    out.write("\" bidirectionalSamplingRate=\"")
    out.write(decimal: format.rate)
    out.write("\"")
  }
}
