// What of one request was wrong, for its refusal and for the log: the path that was asked, the
// address over which its signature was checked. What may be a secret is left out: the values of a
// query, what stands behind the path of a route with a secret, and long segments of paths that are
// none of ours.

extension Admission {
  /// The longest segment that is shown: a secret has more.
  private static let segmentShown = 15
  private static let nameShown = 24
  private static let pathShown = 96

  // MARK: The path

  /// The path of the request, as far as it may be shown, and for a log without control characters.
  func writePath(of request: Request, into out: inout Writer) {
    let path = request.head.path.bytes(in: request.bytes)
    var last = Bytes.empty
    var at = 0
    while at < path.count {
      guard out.count < Self.pathShown else { return out.write("…") }
      let end = path.firstIndex(of: 0x2f, from: at) ?? path.count
      let segment = path[at..<end]
      if segment.isEmpty {
        // A slash at the beginning, or one of two.
      } else if isBehindSecret(last) || segment.count > Self.segmentShown && !isSet(segment) {
        out.write("…")
      } else {
        out.write(segment)
      }
      if !segment.isEmpty { last = segment }
      if end < path.count { out.write("/") }
      at = end &+ 1
    }
  }

  /// Whether the operator has a path with this segment in it: that is no secret.
  private func isSet(_ segment: Bytes) -> Bool {
    for index in 0..<routes.count where !routes[index].isRetired {
      let path = routes[index].path.bytes
      var at = 0
      while at < path.count {
        let end = path.firstIndex(of: 0x2f, from: at) ?? path.count
        if path[at..<end].equals(segment) { return true }
        at = end &+ 1
      }
    }
    return false
  }

  /// Whether a segment is the last one in front of some route's secret.
  private func isBehindSecret(_ segment: Bytes) -> Bool {
    for index in 0..<routes.count where !routes[index].secret.bytes.isEmpty {
      let path = routes[index].path.bytes
      var start = path.count
      while start > 0, path[start &- 1] != 0x2f { start &-= 1 }
      if path.dropping(start).isAlike(segment) { return true }
    }
    return false
  }

  // MARK: What differed

  /// What a refusal's sentence cannot know; may be nothing. Plain text.
  func writeDetail(of refusal: Refusal, _ request: Request, into out: inout Writer) {
    switch refusal {
    case .unknownPath: writeNearest(to: request, into: &out)
    case .keyRefused(_, let row): keyChecks.writeWords(of: row, into: &out)
    case .wrongSignature(let carrier):
      guard Carrier.all[carrier].signature?.covers == .url else { return }
      writeChecked(request, into: &out)
      writeOrder(request, into: &out)
    case .misaddressedSignature(_, let isSecure):
      out.write("The request names ")
      if var named = origins.named(by: request) {
        named.isSecure = isSecure
        write(named, request, into: &out)
      }
      out.write("; set is ")
      writeFixed(request, into: &out)
      out.write(".")
    default: break
    }
  }

  /// The route that was probably meant.
  private func writeNearest(to request: Request, into out: inout Writer) {
    let path = request.head.path.bytes(in: request.bytes)
    for index in 0..<routes.count
    where routes[index].secret.bytes.isEmpty && !routes[index].isRetired {
      let wanted = routes[index].path.bytes
      if Self.isAlike(path, wanted) {
        out.write("Paths are compared letter by letter: did you mean ")
        out.write(wanted)
        return out.write("?")
      }
      let front = path.count &- wanted.count
      if front > 0, path.dropping(front).isAlike(wanted) {
        out.write("If a proxy has its own path in front of ")
        out.write(wanted)
        return out.write(
          ", end listen.public_url (SIDETONE_LISTEN_PUBLIC_URL) with it, or have it taken away.")
      }
    }
  }

  /// The URL over which a signature was judged.
  private func writeChecked(_ request: Request, into out: inout Writer) {
    out.write("Checked was ")
    if origins.count > 0 {
      writeFixed(request, into: &out)
      out.write(", made from listen.public_url (SIDETONE_LISTEN_PUBLIC_URL).")
    } else if let named = origins.named(by: request) {
      write(named, request, into: &out)
      out.write(
        ", as the request names it; listen.public_url (SIDETONE_LISTEN_PUBLIC_URL) pins it.")
    } else {
      out.write("nothing: the request names no host.")
    }
  }

  private func writeFixed(_ request: Request, into out: inout Writer) {
    for index in 0..<origins.count {
      if index > 0 { out.write(" or ") }
      write(origins[index], request, into: &out)
    }
  }

  private func write(_ origin: Origin, _ request: Request, into out: inout Writer) {
    if request.isForSocket {
      out.write(origin.isSecure ? "wss://" : "ws://")
    } else {
      out.write(origin.isSecure ? "https://" : "http://")
    }
    out.write(origin.host)
    out.write(origin.port)
    if !origin.leads(request.head.path.bytes(in: request.bytes)) { out.write(origin.path) }
    Bytes.withTemporary(Self.pathShown + 64) { place in
      var path = Writer(place)
      writePath(of: request, into: &path)
      out.write(path.written)
    }
    writeNames(of: request, into: &out)
  }

  /// What of a query's part may be shown: its name, not its value. One without a value may be a
  /// bare secret, also one that ends with the padding of base64.
  static func shown(_ pair: Query.Pair) -> Bytes {
    let isBare = pair.value.isEmpty || pair.value.equals("=")
    if isBare { return ("…" as StaticString).bytes }
    return pair.name.prefix(min(pair.name.count, nameShown))
  }

  private func writeNames(of request: Request, into out: inout Writer) {
    var pairs = Query(request.head.query.bytes(in: request.bytes))
    var count = 0
    while let pair = pairs.next(), count < 6 {
      out.write(count == 0 ? "?" : "&")
      let name = Self.shown(pair)
      out.write(name)
      if !name.equals("…") { out.write("=…") }
      count &+= 1
    }
  }

  /// A proxy that sorts a query breaks every signature over it.
  private func writeOrder(_ request: Request, into out: inout Writer) {
    var pairs = Query(request.head.query.bytes(in: request.bytes))
    guard pairs.next() != nil, pairs.next() != nil else { return }
    out.write(
      """
       The order of the query's parameters counts: if a proxy sorts them, write them in \
      alphabetical order where the URL is set at the carrier.
      """)
  }

  // MARK: Comparing

  /// Whether a path is a wanted one but for capitals and slashes too many.
  private static func isAlike(_ path: Bytes, _ wanted: Bytes) -> Bool {
    var (at, place) = (0, 0)
    while true {
      while at < path.count, path[at] == 0x2f, at &+ 1 == path.count || path[at &+ 1] == 0x2f {
        at &+= 1
      }
      guard at < path.count, place < wanted.count else {
        return at == path.count && place == wanted.count
      }
      guard path[at].lowercase == wanted[place].lowercase else { return false }
      at &+= 1
      place &+= 1
    }
  }
}
