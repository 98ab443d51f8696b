// Functions made ready for use: what a model is told of one, what its arguments must have, and what
// is done when it is called.

package struct PreparedFunction: Sendable {
  let told: Upstream.Function
  let action: Action
  private let required: [Text]

  enum Action: Sendable {
    case post(Post)
    /// The call ends when what was said has been heard.
    case hangUp
  }

  /// A server that is asked.
  struct Post: Sendable {
    let url: Text
    /// Of Standard Webhooks; none: it is not signed.
    let secrets: [Text]
    let milliseconds: Int
  }

  init(_ config: Config.Function) {
    told = Upstream.Function(
      name: config.name, description: config.description, schema: config.schema,
      talksMeanwhile: config.talksMeanwhile)
    required = config.required.map { Text($0) }
    switch config.builtIn {
    case .hangUp: action = .hangUp
    case nil:
      action = .post(
        Post(
          url: Text(config.url), secrets: config.secrets.map { Text($0) },
          milliseconds: config.deadlineMilliseconds))
    }
  }

  /// What is wrong with arguments; nil: nothing that shows without the whole schema.
  func complaint(about arguments: Writer) -> StaticString? {
    if arguments.overflowed { return "its arguments are larger than 16 KiB" }
    let text = arguments.written
    guard JSON.isValid(text), let value = JSON.whole(of: text), value.kind == .object else {
      return "its arguments are no JSON object"
    }
    for name in required {
      var members = JSON.Members(of: value, in: text)
      var isThere = false
      while !isThere, let member = members.next() {
        isThere = JSON.text(member.name, in: text, isSameAs: name.bytes)
      }
      if !isThere { return "an argument that it requires is missing" }
    }
    return nil
  }
}
