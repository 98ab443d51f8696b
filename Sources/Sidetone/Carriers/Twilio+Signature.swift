// Whether Twilio signed a request: base64 of an HMAC-SHA1, keyed with the account's auth token,
// over the URL as it was written at Twilio, and for a posted form over its parameters behind it,
// sorted by name, each name followed by its decoded value.
//
// The URL is made from the addresses that are set (listen.public_url), or, where none is, from the
// one that the request names, and from the request's target. Twilio and the proxies on the way do
// not agree on ports and on a slash at the end, so a few spellings are tried; each of them names
// this relay only.

extension Carrier.Signature {
  static let twilio = Self(
    header: "x-twilio-signature", shownHeader: "X-Twilio-Signature", covers: .url,
    judge: TwilioSignature.judge,
    secret: {
      Carrier.Secret(
        setting: "twilio_auth_token", variable: "TWILIO_AUTH_TOKEN", word: "token", form: .token,
        help:
          "Twilio's auth token, against which signatures are checked; several while it changes.",
        note: "several with commas")
    },
    wrong: """
      The X-Twilio-Signature does not fit. TWILIO_AUTH_TOKEN (auth.twilio_auth_token) must be the \
      token of the account that calls, and the URL there the one that was checked here.
      """,
    // It states no time.
    stale: "")
}

private struct TwilioSignature {
  /// Parameters in one form; Twilio sends about forty.
  private static let parametersMax = 128
  private static let signatureBytes = 28

  let keys: SignatureKeys

  static func judge(_ request: Request, _ keys: SignatureKeys) -> Carrier.Signature.Verdict {
    let fields = request.head.fields
    guard fields.count(of: "x-twilio-signature", in: request.bytes) == 1 else { return .wrong }
    let value = fields.value(of: "x-twilio-signature", in: request.bytes)
    let checker = TwilioSignature(keys: keys)
    var fits = false
    for index in 0..<keys.origins.count {
      fits = checker.fits(value, keys.origins[index], request) || fits
    }
    if fits { return .good }
    guard let named = keys.origins.named(by: request), checker.fitsAnyScheme(value, named, request)
    else { return .wrong }
    return keys.origins.count == 0 ? .good : .misaddressed
  }

  /// Who passes a request on does not always say whether it came by TLS.
  private func fitsAnyScheme(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Bool {
    var other = origin
    other.isSecure.toggle()
    return fits(signature, origin, request) || fits(signature, other, request)
  }

  private func fits(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Bool {
    let isSocket = request.head.fields.hasToken("websocket", in: "upgrade", of: request.bytes)
    return isSocket
      ? fitsSocket(signature, origin, request) : fitsWebhook(signature, origin, request)
  }

  /// Signed is the URL alone, with `wss`; some proxies and account settings make it `https`.
  private func fitsSocket(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Bool {
    let schemes: [StaticString] =
      origin.isSecure ? ["wss://", "https://"] : ["ws://", "http://"]
    var found = false
    for scheme in schemes {
      found = fits(signature, scheme, origin, request, isSocket: true) || found
    }
    return found
  }

  private func fitsWebhook(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Bool {
    let scheme: StaticString = origin.isSecure ? "https://" : "http://"
    let fits = fits(signature, scheme, origin, request, isSocket: false)
    let isPosted = request.head.method == .post && !request.body.isEmpty
    guard isPosted, request.form.isEmpty else { return fits }
    return fits && Self.hashFits(request.body, query: request.head.query.bytes(in: request.bytes))
  }

  /// A body that is no form is not signed itself; the URL carries its SHA-256.
  private static func hashFits(_ body: Bytes, query: Bytes) -> Bool {
    guard let wanted = Query.value(of: "bodySHA256", in: query) else { return false }
    return Bytes.withTemporary(3 * Digest.sha256Bytes) { scratch in
      let digest = scratch.prefix(Digest.sha256Bytes)
      Digest.sha256(body, into: digest)
      var hex = Writer(scratch.dropping(Digest.sha256Bytes))
      hex.write(hex: digest)
      return Digest.areEqual(hex.written, wanted)
    }
  }

  // MARK: Candidates

  private func fits(
    _ signature: Bytes, _ scheme: StaticString, _ origin: Origin, _ request: Request,
    isSocket: Bool
  ) -> Bool {
    guard signature.count == Self.signatureBytes else { return false }
    var origin = origin
    // What a proxy in front has before our paths was taken away on the way, or was not.
    let target = request.head.target.bytes(in: request.bytes)
    if keys.origins.inner(request.head.path.bytes(in: request.bytes)) != nil {
      origin.path = .empty
    }
    let form = isSocket ? Bytes.empty : request.form
    var found = fits(signature, scheme, origin, target, isSocket, form)
    for port in [Bytes.empty, (":443" as StaticString).bytes, (":80" as StaticString).bytes] {
      origin.port = port
      found = fits(signature, scheme, origin, target, isSocket, form) || found
    }
    return found
  }

  private func fits(
    _ signature: Bytes, _ scheme: StaticString, _ origin: Origin, _ target: Bytes,
    _ isSocket: Bool, _ form: Bytes
  ) -> Bool {
    var out = Writer(keys.signed.bytes)
    out.write(scheme)
    out.write(origin.host)
    out.write(origin.port)
    out.write(origin.path)
    out.write(target)
    guard writeParameters(form, into: &out) else { return false }
    var found = isSigned(out, signature)
    // A slash at the end is added or lost on the way; there is no form behind it on a socket.
    if isSocket, target.firstIndex(of: 0x3f) == nil {
      if target[target.count &- 1] == 0x2f {
        out.rewind(to: out.count &- 1)
      } else {
        out.write("/")
      }
      found = isSigned(out, signature) || found
    }
    return found
  }

  private func isSigned(_ text: Writer, _ signature: Bytes) -> Bool {
    guard !text.overflowed else { return false }
    return Bytes.withTemporary(Digest.sha1Bytes + Self.signatureBytes) { scratch in
      let digest = scratch.prefix(Digest.sha1Bytes)
      let wanted = scratch.dropping(Digest.sha1Bytes)
      var found = false
      for index in 0..<keys.secrets.count {
        Digest.hmacSHA1(key: keys.secrets[index].bytes, text.written, into: digest)
        _ = Base64.encode(digest, into: wanted)
        found = Digest.areEqual(wanted, signature) || found
      }
      return found
    }
  }

  // MARK: Parameters

  /// Where a decoded name and its value lie, one behind the other, in `decoded`.
  private struct Parameter: BitwiseCopyable {
    var start: Int32 = 0
    var middle: Int32 = 0
    var end: Int32 = 0
  }

  /// Appends the form's parameters in the order of their names (for one name, of their values;
  /// equal ones once). False where there are too many.
  private func writeParameters(_ form: Bytes, into out: inout Writer) -> Bool {
    var sorted = InlineArray<128, Parameter>(repeating: Parameter())
    var count = 0
    var text = Writer(keys.decoded.bytes)
    var pairs = Query(form)
    while let pair = pairs.next() {
      guard count < Self.parametersMax else { return false }
      var parameter = Parameter(start: Int32(text.count))
      Query.decode(pair.name, into: &text)
      parameter.middle = Int32(text.count)
      Query.decode(pair.value, into: &text)
      parameter.end = Int32(text.count)
      guard !text.overflowed else { return false }
      var place = count
      while place > 0, precedes(parameter, sorted[place &- 1]) {
        sorted[place] = sorted[place &- 1]
        place &-= 1
      }
      sorted[place] = parameter
      count &+= 1
    }
    for index in 0..<count {
      if index > 0, !precedes(sorted[index &- 1], sorted[index]) { continue }
      out.write(keys.decoded.bytes[Int(sorted[index].start)..<Int(sorted[index].end)])
    }
    return true
  }

  private func precedes(_ a: Parameter, _ b: Parameter) -> Bool {
    let names = compare(Int(a.start)..<Int(a.middle), Int(b.start)..<Int(b.middle))
    if names != 0 { return names < 0 }
    return compare(Int(a.middle)..<Int(a.end), Int(b.middle)..<Int(b.end)) < 0
  }

  private func compare(_ a: Range<Int>, _ b: Range<Int>) -> Int {
    for index in 0..<min(a.count, b.count) {
      let one = Int(keys.decoded.bytes[a.lowerBound &+ index])
      let other = Int(keys.decoded.bytes[b.lowerBound &+ index])
      if one != other { return one &- other }
    }
    return a.count &- b.count
  }
}
