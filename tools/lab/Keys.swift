// The verb `keys`: a LiteLLM proxy's word on callers' keys, that goes wrong by order.

import LabKit

enum Keys {
  static let verb = Verb(
    name: "keys", usage: "[options]",
    summary: "a LiteLLM proxy that only knows keys, and fails by order",
    description: """
      Answers GET /key/info on 127.0.0.1 as a LiteLLM proxy does, for a relay that asks it about its
      callers' keys (LITELLM_URL). Every other key is unknown to it. Prints a line for each request,
      without the key. Runs until it is stopped.
      """,
    options: [
      .port,
      Option(
        "key", "KEY[=STANDING]", "knows this key; as good, where nothing is said", isRepeated: true),
      Option("master-key", "KEY", "is run with this key, which it does not know as a caller's"),
      Option("without-database", "knows no key but its master key"),
      .faults,
    ],
    notes: """
      A key's standing is one of

      \(KeyTwin.Standing.help)

      A schedule is a list of

      \(FaultSchedule.help)

      """,
    run: { arguments throws(Failure) in try serve(arguments) })

  private static func serve(_ arguments: Arguments) throws(Failure) -> Int32 {
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    var settings = KeyTwin.Settings()
    for text in arguments.all("key") {
      let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard let key = halves.first,
        let standing = KeyTwin.Standing(rawValue: halves.count == 2 ? halves[1] : "good")
      else {
        let known = KeyTwin.Standing.allCases.map(\.rawValue).joined(separator: ", ")
        throw Failure.misuse("--key: KEY, or KEY= and one of \(known)")
      }
      settings.keys[key] = standing
    }
    settings.masterKey = arguments.text("master-key") ?? ""
    settings.hasDatabase = !arguments.has("without-database")
    settings.faults = try FaultSchedule(arguments, flaws: false)
    var twin = KeyTwin(settings)
    let loop = Loop()
    let server = try WebServer(port: try arguments.port("port") ?? 0, on: loop) { request in
      let taken = twin.take(
        isGet: !request.isPost, path: request.target,
        authorization: request.header("authorization"))
      Console.say(taken.line)
      return taken.reaction
    }
    let signals = Signals(ending: loop)
    Console.say("keys are known on \(server.url): LITELLM_URL=\(server.url)")
    loop.run()
    return withExtendedLifetime((server, signals)) { 0 }
  }
}
