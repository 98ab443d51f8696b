// Functions made ready for use: what a model is told of one, what its arguments must have, and what
// is done when it is called.

package struct PreparedFunction: Sendable {
  let told: Upstream.Function
  let action: Action
  private let required: [Text]
  /// What the caller hears where it takes longer than so long.
  let phrase: Recording
  let phraseAfter: Instant.Span

  enum Action: Sendable {
    case post(Post)
    /// The call ends when what was said has been heard.
    case hangUp
    /// `isWarm`: the carrier may say something before.
    case transfer([Target], isWarm: Bool)
    case sendDigits
    case collectDigits
    /// The model has a server answer, and says when it has.
    case served
  }

  /// Somebody to whom calls may be transferred.
  struct Target: Sendable {
    let name: Text
    let address: Text
  }

  /// A server that is asked.
  struct Post: Sendable {
    let url: Text
    /// Of Standard Webhooks; none: it is not signed.
    let secrets: [Text]
  }

  /// How long what is asked may take.
  let milliseconds: Int

  init(_ config: Config.Function, _ profile: Config.Profile) {
    told = Upstream.Function(
      name: config.name, description: config.description, schema: config.schema,
      talksMeanwhile: config.talksMeanwhile,
      server: config.server.isEmpty
        ? nil
        : Upstream.Function.Server(url: config.server, key: config.key, tools: config.tools))
    required = config.required.map { Text($0) }
    milliseconds = config.deadlineMilliseconds
    phrase = Recording(config.phraseAudio, profile)
    phraseAfter =
      config.phraseAudio == nil ? .never : .milliseconds(config.phraseAfterMilliseconds)
    switch config.builtIn {
    case .hangUp: action = .hangUp
    case .transfer:
      action = .transfer(
        config.targets.map { Target(name: Text($0.name), address: Text($0.address)) },
        isWarm: config.isWarm)
    case .sendDigits: action = .sendDigits
    case .collectDigits: action = .collectDigits
    case nil where !config.server.isEmpty: action = .served
    case nil:
      action = .post(
        Post(
          url: Text(config.url), secrets: config.secrets.map { Text($0) }))
    }
  }

  /// The model has a server answer.
  var isServed: Bool { told.server != nil }

  /// What is wrong with arguments.
  struct Complaint {
    let sentence: StaticString
    /// Where they are not of the schema: of what stands there, as the inside of a JSON string (of
    /// nothing: of all of them), the end of a sentence.
    var misfit: (place: Bytes, end: StaticString)?

    init(_ sentence: StaticString) { self.sentence = sentence }

    init(at place: Bytes, _ end: StaticString) {
      sentence = "its arguments are not of its schema"
      misfit = (place, end)
    }
  }

  /// Nil: nothing is wrong. `room`: where a place is written, of `JSONSchemaCheck.placeBytesMax`.
  /// What built-in functions are called with, beside what has to be there, they see to themselves.
  func complaint(about arguments: Writer, room: Bytes) -> Complaint? {
    if arguments.overflowed { return Complaint("its arguments are larger than 16 KiB") }
    let text = arguments.written
    guard JSON.isValid(text), let value = JSON.whole(of: text), value.kind == .object else {
      return Complaint("its arguments are no JSON object")
    }
    if case .post = action {
      var check = JSONSchemaCheck(of: text, by: told.schema.bytes, room: room)
      return check.misfit().map { Complaint(at: check.place, $0) }
    }
    for name in required {
      var members = JSON.Members(of: value, in: text)
      var isThere = false
      while !isThere, let member = members.next() {
        isThere = JSON.text(member.name, in: text, isSameAs: name.bytes)
      }
      if !isThere { return Complaint(at: name.bytes, "is missing") }
    }
    return nil
  }
}

/// Where a carrier is asked to act on calls, and by which keys: among them is one by which it knows
/// the call's account.
package struct PreparedControl: Sendable {
  let url: Text
  let keys: [Text]

  /// Nil where there is no key.
  init?(_ control: Carrier.Control, _ settings: Config.Carrier) {
    keys = settings.keys(for: control).map { Text($0) }
    if keys.isEmpty { return nil }
    let url = settings.controlURL
    self.url = Text(url.isEmpty ? control.service().url : url)
  }
}

extension Config.Carrier {
  /// By what the carrier knows who asks it to act on calls; of several, one for each account, or
  /// the former and the next. None: nothing is set.
  package func keys(for control: Carrier.Control) -> [[UInt8]] {
    switch control.service().key {
    case .signatures: secrets.filter { !$0.isEmpty }
    case .own: controlKey.isEmpty ? [] : [Array(controlKey.utf8)]
    }
  }
}
