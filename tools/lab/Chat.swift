// The verb `chat`: a chat endpoint without a model, for extraction and for conversations, that goes
// wrong by order.

import CLinux
import LabKit

enum Chat {
  static let verb = Verb(
    name: "chat", usage: "[options]",
    summary: "a chat endpoint, which answers from a schema or from what was said",
    description: """
      Answers POST …/chat/completions on 127.0.0.1 as OpenAI does, and is as strict about requests.
      An answer that is to be streamed is "you said:" and what was said last, word by word, or
      "the function says:" and what a function has answered. Any other keeps to the schema that it
      is asked for: of an enum the first choice that the caller said, the first number, for a text
      what they said last or, by its pattern, the first word that fits; null for what was not said.
      Without a schema it says what it was told. Prints a line for each request. Runs until it is
      stopped.
      """,
    options: [
      .port,
      .key,
      Option("answer", "TEXT", "answers this whatever it is asked"),
      Option(
        "without", "LIST",
        "response_format of these types is refused with 400:\n"
          + "json_schema, json_object"),
      Option("chunk-ms", "N", "between one chunk of a stream and the next (0)"),
      Option("calls", "N", "so many streams call the first function that they are told of"),
      .faults,
    ],
    notes: """
      A schedule is a list of

      \(FaultSchedule.help)
      \(FaultSchedule.flawsHelp)

      What is refused for itself (400, 401, 404) takes nothing from the schedule.

      """,
    run: { arguments throws(Failure) in try serve(arguments) })

  private static func serve(_ arguments: Arguments) throws(Failure) -> Int32 {
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    var settings = ChatTwin.Settings()
    settings.key = arguments.text("key")
    settings.answer = arguments.text("answer")
    settings.faults = try FaultSchedule(arguments, flaws: true)
    settings.chunkMilliseconds = Int(try arguments.number("chunk-ms", 0...600_000) ?? 0)
    settings.calls = Int(try arguments.number("calls", 0...1_000_000) ?? 0)
    for name in arguments.text("without")?.split(separator: ",") ?? [] {
      guard let form = ChatTwin.Form(rawValue: String(name)) else {
        throw Failure.misuse("--without \(name): it is json_schema, json_object or both")
      }
      settings.forms.remove(form)
    }
    var twin = ChatTwin(settings)
    let loop = Loop()
    let server = try WebServer(port: try arguments.port("port") ?? 0, on: loop) { request in
      guard request.isPost else {
        return .answer(WebAnswer(405, ["error": ["message": "Only POST is answered here."]]))
      }
      let taken = twin.take(
        path: request.target, authorization: request.header("authorization"), body: request.body,
        at: cl_wall() / 1_000_000_000)
      Console.say(taken.line)
      return taken.reaction
    }
    let signals = Signals(ending: loop)
    Console.say("chat endpoint on \(server.url)v1/chat/completions")
    loop.run()
    return withExtendedLifetime((server, signals)) { 0 }
  }
}
