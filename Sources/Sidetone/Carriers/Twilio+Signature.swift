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
  /// The form's parameters as they are signed.
  let parameters: Bytes

  static func judge(_ request: Request, _ keys: SignatureKeys) -> Carrier.Signature.Verdict {
    let fields = request.head.fields
    guard fields.count(of: "x-twilio-signature", in: request.bytes) == 1 else { return .wrong }
    let value = fields.value(of: "x-twilio-signature", in: request.bytes)
    // Sorting is work that a stranger can ask for: it is done once, for all spellings.
    var parameters = Writer(keys.parameters.bytes)
    guard value.count == signatureBytes,
      write(request.form, decodedInto: keys.decoded.bytes, into: &parameters)
    else { return .wrong }
    let checker = TwilioSignature(keys: keys, parameters: parameters.written)
    var fits = false
    for index in 0..<keys.origins.count {
      fits = checker.fits(value, keys.origins[index], request) || fits
    }
    if fits { return .good }
    guard let named = keys.origins.named(by: request) else { return .wrong }
    if checker.fitsSpelled(value, named.host, request) { return .good }
    guard let signed = checker.fitting(value, named, request) else { return .wrong }
    return keys.origins.count == 0 ? .good : .misaddressed(isSecure: signed.isSecure)
  }

  /// Whether it fits an address that is set, its host in the letters that the request has: signed
  /// is what was written at Twilio, and hosts are alike whatever their case.
  private func fitsSpelled(_ signature: Bytes, _ host: Bytes, _ request: Request) -> Bool {
    var found = false
    for index in 0..<keys.origins.count where keys.origins[index].host.isAlike(host) {
      var spelled = keys.origins[index]
      spelled.host = host
      found = fits(signature, spelled, request) || found
    }
    return found
  }

  /// The address with the scheme that fits: who passes a request on does not always say whether it
  /// came by TLS.
  private func fitting(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Origin? {
    if fits(signature, origin, request) { return origin }
    var other = origin
    other.isSecure.toggle()
    return fits(signature, other, request) ? other : nil
  }

  private func fits(_ signature: Bytes, _ origin: Origin, _ request: Request) -> Bool {
    request.isForSocket
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
    let target = request.head.target.bytes(in: request.bytes)
    var found = fitsPorts(signature, scheme, origin, target, isSocket)
    // What a proxy in front has before our paths was taken away on the way, or was not; a path of
    // ours may begin alike.
    if origin.leads(request.head.path.bytes(in: request.bytes)) {
      var bare = origin
      bare.path = .empty
      found = fitsPorts(signature, scheme, bare, target, isSocket) || found
    }
    return found
  }

  private func fitsPorts(
    _ signature: Bytes, _ scheme: StaticString, _ origin: Origin, _ target: Bytes, _ isSocket: Bool
  ) -> Bool {
    var origin = origin
    var found = fits(signature, scheme, origin, target, isSocket)
    for port in [Bytes.empty, (":443" as StaticString).bytes, (":80" as StaticString).bytes] {
      origin.port = port
      found = fits(signature, scheme, origin, target, isSocket) || found
    }
    return found
  }

  private func fits(
    _ signature: Bytes, _ scheme: StaticString, _ origin: Origin, _ target: Bytes, _ isSocket: Bool
  ) -> Bool {
    var out = Writer(keys.signed.bytes)
    out.write(scheme)
    out.write(origin.host)
    out.write(origin.port)
    out.write(origin.path)
    out.write(target)
    out.write(parameters)
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

  /// Where a decoded name and its value lie, one behind the other.
  private struct Parameter: BitwiseCopyable {
    var start: Int32 = 0
    var middle: Int32 = 0
    var end: Int32 = 0
  }

  /// Appends the form's parameters in the order of their names (for one name, of their values;
  /// equal ones once). False where there are too many.
  private static func write(
    _ form: Bytes, decodedInto decoded: Bytes, into out: inout Writer
  ) -> Bool {
    var sorted = InlineArray<128, Parameter>(repeating: Parameter())
    var count = 0
    var text = Writer(decoded)
    var pairs = Query(form)
    while let pair = pairs.next() {
      guard count < parametersMax else { return false }
      var parameter = Parameter(start: Int32(text.count))
      Query.decode(pair.name, into: &text)
      parameter.middle = Int32(text.count)
      Query.decode(pair.value, into: &text)
      parameter.end = Int32(text.count)
      guard !text.overflowed else { return false }
      // Its place is halved in on: names may be long, alike, and in the worst order.
      var (place, end) = (0, count)
      while place < end {
        let middle = (place &+ end) / 2
        if precedes(parameter, sorted[middle], in: decoded) {
          end = middle
        } else {
          place = middle &+ 1
        }
      }
      var moved = count
      while moved > place {
        sorted[moved] = sorted[moved &- 1]
        moved &-= 1
      }
      sorted[place] = parameter
      count &+= 1
    }
    for index in 0..<count {
      if index > 0, !precedes(sorted[index &- 1], sorted[index], in: decoded) { continue }
      out.write(decoded[Int(sorted[index].start)..<Int(sorted[index].end)])
    }
    return !out.overflowed
  }

  private static func precedes(_ a: Parameter, _ b: Parameter, in text: Bytes) -> Bool {
    let names = compare(
      text[Int(a.start)..<Int(a.middle)], text[Int(b.start)..<Int(b.middle)])
    if names != 0 { return names < 0 }
    return compare(text[Int(a.middle)..<Int(a.end)], text[Int(b.middle)..<Int(b.end)]) < 0
  }

  private static func compare(_ a: Bytes, _ b: Bytes) -> Int {
    for index in 0..<min(a.count, b.count) where a[index] != b[index] {
      return Int(a[index]) &- Int(b[index])
    }
    return a.count &- b.count
  }
}
