// What is Telnyx's own about a webhook: whether it is theirs, whether they signed it, and what a
// stream is called in their XML (TeXML). Signed by ed25519 are the time, a bar and the body as it
// was sent; the URL is not, so the time is held to be near (Telnyx, "Webhook signing").

package struct TelnyxWebhook: Sendable {
  package enum Verdict: Equatable, Sendable {
    case good
    /// The signature may be good, but it was made too long ago, or too far ahead.
    case stale
    case wrong
  }

  private static let secondsOffMax: Int64 = 300
  /// A signature in base64.
  private static let encodedBytes = 88

  /// All public keys, one behind the other.
  private let keys: Text
  private let format: Format
  /// What is signed, and the decoded signature.
  private let signed: Arena
  private let decoded: Arena

  package init(config: Config) {
    keys = Text(config.telnyxKeys.flatMap { $0 })
    format = config.chosenFormat
    signed = Arena(count: 32 + config.limits.bodyBytesMax)
    decoded = Arena(count: Self.encodedBytes)
  }

  /// Whether it bears a signature of this kind, good or not.
  package static func isSigned(_ visit: Visit) -> Bool {
    visit.head.fields.place(of: "telnyx-signature-ed25519", in: visit.bytes) != nil
  }

  /// Whether it comes from there: signed, or with a name that only their forms have.
  package static func isMine(_ visit: Visit) -> Bool {
    isSigned(visit) || isMine(visit.form) || isMine(visit.head.query.bytes(in: visit.bytes))
  }

  private static func isMine(_ fields: Bytes) -> Bool {
    Query.value(of: "CallControlId", in: fields) != nil
      || Query.value(of: "CallSidLegacy", in: fields) != nil
  }

  package func judge(_ visit: Visit) -> Verdict {
    let fields = visit.head.fields
    guard fields.count(of: "telnyx-signature-ed25519", in: visit.bytes) == 1,
      fields.count(of: "telnyx-timestamp", in: visit.bytes) == 1
    else { return .wrong }
    let time = fields.value(of: "telnyx-timestamp", in: visit.bytes)
    let text = fields.value(of: "telnyx-signature-ed25519", in: visit.bytes)
    guard let seconds = time.decimal, text.count <= Self.encodedBytes,
      let count = Base64.decode(text, into: decoded.bytes)
    else { return .wrong }
    var out = Writer(signed.bytes)
    out.write(time)
    out.write("|")
    out.write(visit.body)
    guard !out.overflowed else { return .wrong }
    var fits = false
    for start in stride(from: 0, to: keys.bytes.count, by: Digest.ed25519KeyBytes) {
      let key = keys.bytes[start..<start &+ Digest.ed25519KeyBytes]
      fits = Digest.isSigned(out.written, by: key, decoded.bytes.prefix(count)) || fits
    }
    guard fits else { return .wrong }
    let off = Int64(seconds) &- visit.wall.nanoseconds / 1_000_000_000
    return off.magnitude <= UInt64(Self.secondsOffMax) ? .good : .stale
  }

  /// The attributes of a `<Stream>` that talks both ways. Without a mode the audio would have to be
  /// MP3 files. G.711 is asked for in the kind that is sent, whatever the leg of the call has.
  package func writeAttributes(into out: inout Writer) {
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
