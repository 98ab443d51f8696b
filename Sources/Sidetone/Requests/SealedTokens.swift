// Call tokens that are good at every process of one service, and not only where they were given
// out: with `auth.token_key`, which all of them share, a token carries what else waits in a table.
//
//     base64 for URLs ( random 16 | expires 8 | route 8 | choices, a query | seal 16 )
//
// The seal is the beginning of an HMAC-SHA256 (RFC 2104) of all that stands before it. The process
// that gave a token out knows more than stands in it, such as the session that was dialled ahead,
// and looks in its table first. Each takes a token once; two processes could take one token each,
// within its life. Choices that do not fit, since carriers cut parameters at 500 characters, stay
// in the table, and their token is good here alone.

package struct SealedTokens: Sendable {
  /// The longest choices that travel in a token.
  package static let choiceBytesMax = 288
  /// Tokens that were taken are remembered until they have expired, of so many the latest.
  private static let usedMax = 4096
  private static let headBytes = 32
  private static let sealBytes = 16
  private static let bytesMax = headBytes + choiceBytesMax + sealBytes
  static let textBytesMin = (headBytes + sealBytes) * 4 / 3
  static let textBytesMax = Base64.encodedCount(of: bytesMax)

  private let key: Text
  /// What the routes of all processes have in common: the beginning of a digest of each path.
  private let routes: [UInt64]
  private let plain = Buffer(count: bytesMax)
  private let text = Buffer(count: textBytesMax)
  private var used: [CallTokens.Token] = []
  private var nextUsed = 0

  /// Nil where there is no key. What was taken by `former` stays taken.
  init?(_ config: Config, after former: SealedTokens? = nil) {
    guard !config.tokenKey.isEmpty else { return nil }
    key = Text(config.tokenKey)
    routes = config.routes.map { route in
      Bytes.withTemporary(Digest.sha256Bytes) { digest in
        Array(route.path.utf8).withBytes { Digest.sha256($0, into: digest) }
        return digest.load(UInt64.self, at: 0)
      }
    }
    used = former?.used ?? []
    nextUsed = former?.nextUsed ?? 0
  }

  /// The text of a token for a socket of this route; nil where the choices do not fit. Valid until
  /// the next one is sealed or opened.
  func seal(
    _ token: CallTokens.Token, route: Int, choices: Bytes, expires: WallTime
  ) -> Bytes? {
    guard choices.count <= Self.choiceBytesMax else { return nil }
    let place = plain.bytes
    place.store(token.high, at: 0)
    place.store(token.low, at: 8)
    place.store(UInt64(bitPattern: expires.nanoseconds), at: 16)
    place.store(routes[route], at: 24)
    place.dropping(Self.headBytes).copy(choices)
    let end = Self.headBytes + choices.count
    Bytes.withTemporary(Digest.sha256Bytes) { digest in
      Digest.hmacSHA256(key: key.bytes, place.prefix(end), into: digest)
      place.dropping(end).copy(digest.prefix(Self.sealBytes))
    }
    var count = Base64.encode(place.prefix(end + Self.sealBytes), into: text.bytes)
    for index in 0..<count {
      switch text.bytes[index] {
      case 0x2b: text.bytes[index] = 0x2d
      case 0x2f: text.bytes[index] = 0x5f
      default: break
      }
    }
    while count > 0, text.bytes[count - 1] == 0x3d { count -= 1 }
    return text.bytes.prefix(count)
  }

  /// What a text that we, or another process with our key, have sealed for this route stands for.
  /// The choices are valid until the next one is sealed or opened.
  func open(
    _ sealed: Bytes, route: Int, at now: WallTime
  ) -> (token: CallTokens.Token, choices: Bytes)? {
    guard sealed.count > CallTokens.textBytes, sealed.count <= Self.textBytesMax else { return nil }
    let copy = text.bytes.prefix(sealed.count)
    copy.copy(sealed)
    guard let count = Base64.decodeInPlace(copy), count >= Self.headBytes + Self.sealBytes,
      count <= Self.bytesMax
    else { return nil }
    let end = count - Self.sealBytes
    let isOurs = Bytes.withTemporary(Digest.sha256Bytes) { digest in
      Digest.hmacSHA256(key: key.bytes, copy.prefix(end), into: digest)
      return Digest.areEqual(digest.prefix(Self.sealBytes), copy[end..<count])
    }
    let expires = Int64(bitPattern: copy.load(UInt64.self, at: 16))
    guard isOurs, expires > now.nanoseconds, copy.load(UInt64.self, at: 24) == routes[route] else {
      return nil
    }
    let token = CallTokens.Token(
      high: copy.load(UInt64.self, at: 0), low: copy.load(UInt64.self, at: 8))
    return (token, copy[Self.headBytes..<end])
  }

  /// False: it was taken here before.
  mutating func use(_ token: CallTokens.Token) -> Bool {
    guard !used.contains(where: { $0.high == token.high && $0.low == token.low }) else {
      return false
    }
    if used.count < Self.usedMax {
      used.append(token)
    } else {
      used[nextUsed] = token
      nextUsed = (nextUsed + 1) % Self.usedMax
    }
    return true
  }
}

extension Requests {
  /// Whether a text has the form of our tokens.
  func isToken(_ text: Bytes) -> Bool {
    if CallTokens.isToken(text) { return true }
    guard sealedTokens != nil, text.count >= SealedTokens.textBytesMin,
      text.count <= SealedTokens.textBytesMax
    else { return false }
    for index in 0..<text.count {
      switch text[index] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: continue
      default: return false
      }
    }
    return true
  }

  /// A token that travels as it will be opened: sealed, where there is a key and room.
  func seal(_ waiting: CallTokens.Waiting, _ store: Store, _ turn: Turn) -> CallTokens.Token {
    let (token, held) = (waiting.token, waiting.held)
    guard let sealedTokens else { return token }
    let expires = turn.log.wall(at: waiting.expiresAt)
    let bots = store.prepared.routes[held.route].bots
    let options = held.choices.front(in: store.pool)
    return Bytes.withTemporary(SealedTokens.choiceBytesMax) { place in
      var choices = Writer(place)
      choices.write("bot_type=")
      if held.bot < bots.count { choices.write(bots[held.bot].name.bytes) }
      choices.write("&")
      choices.write(options)
      guard !choices.overflowed else { return token }
      var sealed = token
      sealed.text =
        sealedTokens.seal(
          token, route: held.route, choices: choices.written, expires: expires) ?? .empty
      return sealed
    }
  }

  /// What the token of a caller stands for, once.
  mutating func claim(
    _ text: Bytes, route: Int, _ store: Store, _ turn: Turn
  ) -> CallTokens.Held? {
    let wall = turn.log.wall(at: turn.now)
    let routes = store.prepared.routes
    /// A token is good for its path, also where settings that were read since have another route.
    func isAlike(_ other: Int) -> Bool {
      other == route || routes[other].path.bytes.equals(routes[route].path.bytes)
    }
    guard let sealed = sealedTokens?.open(text, route: route, at: wall) else {
      let held = tokens.claim(text, at: turn.now, isFor: isAlike)
      // In its sealed form it is used with it.
      if held != nil, let token = CallTokens.read(text) { _ = sealedTokens?.use(token) }
      return held
    }
    guard sealedTokens?.use(sealed.token) == true else { return nil }
    if let held = tokens.claim(sealed.token, at: turn.now, isFor: isAlike) { return held }
    let cut = sealed.choices.firstIndex(of: 0x26) ?? sealed.choices.count
    let options = sealed.choices.dropping(min(cut + 1, sealed.choices.count))
    var choices = Chain()
    guard choices.append(options, from: store.pool) else { return nil }
    return CallTokens.Held(
      route: route, bot: connect.bot(named: sealed.choices.prefix(cut), route: route),
      choices: choices, call: .none)
  }
}
