// The keys that a request shows, by every habit that clients have: in a header of its own, behind a
// scheme, or, since a web page can set no header, among the subprotocols that it offers. Never in
// the URL.

extension Admission {
  /// What came of the keys that a request shows.
  enum Shown: Equatable {
    case nothing
    /// The index of the one that fits.
    case key(Int)
    case wrongKey, wrongScheme
  }

  /// One that fits is enough, whatever else is shown: a proxy may have put its own beside it.
  func shownKey(_ request: Request, among digests: Text) -> Shown {
    var shown = Shown.nothing
    let (fields, bytes) = (request.head.fields, request.bytes)
    func judge(_ key: Bytes?, otherwise: Shown) -> Int? {
      let index = key.flatMap { Self.index(of: $0, among: digests.bytes) }
      if index == nil, shown == .nothing { shown = otherwise }
      return index
    }
    let count = fields.count(of: "authorization", in: bytes)
    if count > 0 {
      let key =
        count == 1 ? Self.credential(fields.value(of: "authorization", in: bytes)) : nil
      if let index = judge(key, otherwise: key == nil ? .wrongScheme : .wrongKey) {
        return .key(index)
      }
    }
    for name in ["x-api-key", "api-key"] as [StaticString] {
      let count = fields.count(of: name, in: bytes)
      guard count > 0 else { continue }
      let key = count == 1 ? fields.value(of: name, in: bytes) : nil
      if let index = judge(key, otherwise: key == nil ? .wrongScheme : .wrongKey) {
        return .key(index)
      }
    }
    if let key = Subprotocols.key(in: fields, of: bytes),
      let index = judge(key, otherwise: .wrongKey)
    {
      return .key(index)
    }
    return shown
  }

  /// The row of a key that a LiteLLM proxy takes, behind the keys of the settings; nil: no key is
  /// shown that could be its own. Throws what it has against it, or that it must be asked.
  func checkedKey(_ request: Request) throws(Refusal) -> Int? {
    guard keyChecks.isOn, let candidate = candidate(request) else { return nil }
    switch candidate.verdict {
    case .good(let row): return config.keyDigests.count + row
    case .refused(let why, let row): throw .keyRefused(why, row)
    case .unjudged: throw .keyUnjudged
    case .unknown: throw .keyUnchecked
    }
  }

  /// The key that the proxy is to be asked about; nil: none that is shown could be its own.
  func keyToCheck(_ request: Request) -> Bytes? { candidate(request)?.key }

  /// The first key that is shown, may be one of LiteLLM's, which begin with `sk-`, and is not known
  /// as a refused one; where all are, the first of them.
  private func candidate(_ request: Request) -> (key: Bytes, verdict: KeyChecks.Verdict)? {
    let (fields, bytes) = (request.head.fields, request.bytes)
    func single(_ name: StaticString) -> Bytes? {
      fields.count(of: name, in: bytes) == 1 ? fields.value(of: name, in: bytes) : nil
    }
    let shown = [
      single("authorization").flatMap(Self.credential), single("x-api-key"), single("api-key"),
      Subprotocols.key(in: fields, of: bytes),
    ]
    let judged = shown.compactMap { $0 }.filter(Self.isOfLiteLLM).map { key in
      Bytes.withTemporary(Digest.sha256Bytes) { digest in
        Digest.sha256(key, into: digest)
        return (key: key, verdict: keyChecks.verdict(of: digest, at: request.now))
      }
    }
    return judged.first { if case .refused = $0.verdict { false } else { true } } ?? judged.first
  }

  private static func isOfLiteLLM(_ key: Bytes) -> Bool {
    guard key.starts(with: "sk-"), key.count <= KeyChecks.keyBytesMax else { return false }
    for index in 0..<key.count where key[index] <= 0x20 || key[index] >= 0x7f { return false }
    return true
  }

  /// What stands behind `Bearer` or `Token`; RFC 9110 §11.4 allows several spaces.
  private static func credential(_ value: Bytes) -> Bytes? {
    guard let space = value.firstIndex(of: 0x20) else { return nil }
    let scheme = value.prefix(space)
    guard scheme.equalsIgnoringCase("bearer") || scheme.equalsIgnoringCase("token") else {
      return nil
    }
    var start = space
    while start < value.count, value[start] == 0x20 { start &+= 1 }
    return value.dropping(start)
  }

  /// Every digest is compared, whichever fits, so that the time tells nothing.
  private static func index(of key: Bytes, among digests: Bytes) -> Int? {
    Bytes.withTemporary(Digest.sha256Bytes) { digest in
      Digest.sha256(key, into: digest)
      var found: Int?
      for index in 0..<digests.count / Digest.sha256Bytes {
        let start = index &* Digest.sha256Bytes
        let wanted = digests[start..<start &+ Digest.sha256Bytes]
        if Digest.areEqual(digest, wanted) { found = index }
      }
      return found
    }
  }
}
