// The webhook that connects a caller with a voice model, `/twiml`: what it may choose for its call,
// and the answer that brings the call's socket to us. Choices are made by name:
//
//     bot_type             which of the call route's upstreams; the first where it is not said
//     model                kept as they are asked for, over what the settings say
//     voice, language
//     system_instruction   free text: only from callers who are known
//
// A webhook says them in its query or its form, a socket without a token in its carrier's
// parameters or its own query; the first of a name counts, and one without a value says nothing.

package struct Choice {
  /// Index into the call route's bots.
  package var bot: Int
  /// Index into Config.upstreams.
  package var upstream: Int
  /// What was chosen of the rest, as a query by the same names; may be empty. Valid until the
  /// next choice is made.
  package var options: Bytes
  /// A model that has ended, and what stands in `options` instead.
  package var replaced: (model: Name, by: StaticString)?
}

package struct Connect: Sendable {
  private let prepared: Prepared
  private let document: TwiML
  /// What follows the stream in an answer.
  private let verbs: Text
  /// What was chosen, and one decoded value.
  private let chosen: Buffer
  private let decoded: Buffer

  package init(_ config: Config, _ prepared: Prepared) {
    self.prepared = prepared
    document = TwiML(config, prepared)
    verbs = Text(config.connectVerbs)
    chosen = Buffer(count: Limits.choiceBytesMax)
    decoded = Buffer(count: Limits.choiceBytesMax)
  }

  /// What a webhook chooses for its call. `route`: the webhook's.
  package func choose(
    _ request: Request, route: Int, as identity: Identity
  ) throws(Refusal) -> Choice {
    var wishes = Wishes(prepared.routes[route].stream, identity, chosen.bytes)
    try take(query: request.head.query.bytes(in: request.bytes), into: &wishes)
    try take(query: request.form, into: &wishes)
    return try choice(wishes, on: request.wall.day)
  }

  /// What a socket without a token chooses: by its carrier's parameters, a JSON object or nothing,
  /// and by the query of its handshake. `route`: the call's own.
  package func choose(
    parameters: Bytes, query: Bytes, route: Int, as identity: Identity, on day: Day
  ) throws(Refusal) -> Choice {
    var wishes = Wishes(route, identity, chosen.bytes)
    try take(parameters: parameters, into: &wishes)
    try take(query: query, into: &wishes)
    return try choice(wishes, on: day)
  }

  /// The place of the bot that a query names; the default's where it names none.
  package func bot(named query: Bytes, route: Int) -> Int {
    guard let value = Query.value(of: "bot_type", in: query) else { return 0 }
    let bots = prepared.routes[route].bots
    return bots.firstIndex { $0.name.bytes.equals(value) } ?? 0
  }

  /// The whole response to a webhook: the call's audio comes to us, with this token.
  package func write(
    _ request: Request, route: Int, token: CallTokens.Token, into out: inout Writer
  ) {
    let response = document.begin(.connect, request, route: route, into: &out)
    writeAttributes(request, into: &out)
    document.write(token, into: &out)
    document.end(.connect, response, verbs: verbs.bytes, into: &out)
  }

  /// What the carrier wants to be told about the stream, if the webhook shows which one it is.
  private func writeAttributes(_ request: Request, into out: inout Writer) {
    for index in Carrier.all.indices {
      guard let dialect = Carrier.all[index].webhook, dialect.isIts(request) else { continue }
      return dialect.attributes(prepared.carriers[index].chosen, &out)
    }
  }

  /// The token among a carrier's parameters, or nil.
  package static func token(in parameters: Bytes) -> Bytes? {
    guard !parameters.isEmpty, let token = JSON.find("token", in: parameters),
      token.kind == .string
    else { return nil }
    return parameters[token.range]
  }

  /// Whether a query's name is one of those by which something is chosen.
  package static func isChoice(_ name: Bytes) -> Bool { Field(name) != nil }

  // MARK: Gathering

  private enum Field: UInt8 {
    case bot, model, voice, language, instruction

    init?(_ name: Bytes) {
      for raw: UInt8 in 0...4 {
        guard let field = Field(rawValue: raw), name.equals(field.name) else { continue }
        self = field
        return
      }
      return nil
    }

    var name: StaticString {
      switch self {
      case .bot: "bot_type"
      case .model: "model"
      case .voice: "voice"
      case .language: "language"
      case .instruction: "system_instruction"
      }
    }
  }

  /// The choices of one call while they are gathered.
  private struct Wishes {
    /// The call route's.
    let route: Int
    let isKnown: Bool
    var bot = 0
    var out: Writer
    /// A bit for each field that was said.
    var said: UInt8 = 0

    init(_ route: Int, _ identity: Identity, _ place: Bytes) {
      self.route = route
      isKnown = identity.isKnown
      out = Writer(place)
    }
  }

  private func take(query: Bytes, into wishes: inout Wishes) throws(Refusal) {
    var pairs = Query(query)
    while let pair = pairs.next() {
      guard let field = field(pair.name) else { continue }
      var value = Writer(decoded.bytes)
      Query.decode(pair.value, into: &value)
      try take(field, value, into: &wishes)
    }
  }

  private func field(_ name: Bytes) -> Field? {
    Bytes.withTemporary(32) { place in
      var plain = Writer(place)
      Query.decode(name, into: &plain)
      return plain.overflowed ? nil : Field(plain.written)
    }
  }

  private func take(parameters: Bytes, into wishes: inout Wishes) throws(Refusal) {
    guard !parameters.isEmpty else { return }
    var members = JSON.Members(of: JSON.Value(.object, 0..<parameters.count), in: parameters)
    while let member = members.next() {
      guard let field = Field(parameters[member.name.range]), member.value.kind == .string else {
        continue
      }
      var value = Writer(decoded.bytes)
      var text = JSON.Text(member.value, in: parameters)
      while let byte = text.next() { value.write(byte: byte) }
      try take(field, value, into: &wishes)
    }
  }

  private func take(
    _ field: Field, _ value: Writer, into wishes: inout Wishes
  ) throws(Refusal) {
    let bit = UInt8(1) << field.rawValue
    guard !value.overflowed else { throw .longChoice }
    guard !value.written.isEmpty, wishes.said & bit == 0 else { return }
    wishes.said |= bit
    switch field {
    case .bot:
      wishes.bot = try bot(value.written, of: wishes.route)
      return
    case .model, .voice, .language:
      guard Self.isPlain(value.written) else { throw .strangeChoice }
    case .instruction:
      guard wishes.isKnown else { throw .foreignChoice }
    }
    if wishes.out.count > 0 { wishes.out.write("&") }
    wishes.out.write(field.name)
    wishes.out.write("=")
    Self.encode(value.written, into: &wishes.out)
    if wishes.out.overflowed { throw .longChoice }
  }

  /// The place of the bot of that name; on a route without a choice any name will do.
  private func bot(_ name: Bytes, of route: Int) throws(Refusal) -> Int {
    let bots = prepared.routes[route].bots
    if bots.count == 1, bots[0].name.bytes.isEmpty { return 0 }
    for index in 0..<bots.count where bots[index].name.bytes.equals(name) { return index }
    throw name.equals("tts-llm-stt") ? .unservedBot(route) : .unknownBot(route)
  }

  private func choice(_ wishes: Wishes, on day: Day) throws(Refusal) -> Choice {
    let upstream = prepared.routes[wishes.route].bots[wishes.bot].upstream
    guard !prepared.upstreams[upstream].isWithoutKey else { throw .noUpstreamKey(upstream) }
    var choice = Choice(bot: wishes.bot, upstream: upstream, options: wishes.out.written)
    try replaceModel(in: &choice, Upstream.all[prepared.upstreams[upstream].kind], on: day)
    return choice
  }

  /// Guides live longer than models: one that has ended gives way to what its vendor names.
  private func replaceModel(
    in choice: inout Choice, _ kind: Upstream, on day: Day
  ) throws(Refusal) {
    guard let model = Query.value(of: "model", in: choice.options),
      let replacement = kind.replacement(of: model, on: day)
    else { return }
    choice.replaced = (Name(model) ?? Name(), replacement)
    var out = Writer(decoded.bytes)
    var pairs = Query(choice.options)
    while let pair = pairs.next() {
      if out.count > 0 { out.write("&") }
      out.write(pair.name)
      out.write("=")
      if pair.name.equals("model") {
        _ = kind.write(model: pair.value, on: day, into: &out)
      } else {
        out.write(pair.value)
      }
    }
    guard !out.overflowed else { throw .longChoice }
    chosen.bytes.copy(out.written)
    choice.options = chosen.bytes.prefix(out.count)
  }

  /// What may stand in an upstream's URL as it is.
  private static func isPlain(_ text: Bytes) -> Bool {
    guard text.count <= 128 else { return false }
    for index in 0..<text.count {
      switch text[index] {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d...0x2f, 0x3a, 0x5f, 0x7e: continue
      default: return false
      }
    }
    return true
  }

  /// Only what has a meaning in a query is written as %XX, so that text in any script takes the
  /// room of its own bytes.
  private static func encode(_ text: Bytes, into out: inout Writer) {
    for index in 0..<text.count {
      let byte = text[index]
      let isSpecial = byte == 0x25 || byte == 0x26 || byte == 0x2b || byte == 0x3d
      if isSpecial || byte <= 0x20 || byte == 0x7f {
        Query.encode(text[index..<index &+ 1], into: &out)
      } else {
        out.write(byte: byte)
      }
    }
  }
}
