// The verb `functions`: a server that functions call, which shows what comes and goes wrong by
// order.

import CLinux
import LabKit

enum Functions {
  static let verb = Verb(
    name: "functions", usage: "[options]",
    summary: "a server that functions call, which checks signatures and fails by order",
    description: """
      Takes the relay's calls of functions on 127.0.0.1, at any path, and prints a line for each: the
      call, the function, the id, the arguments, whether it is signed, and what it was answered;
      ASKED BEFORE where the same id had come. Answers {"ok": true} with the arguments, where it is
      told nothing else. Runs until it is stopped; the exit status is 1 where a signature was bad.
      """,
    options: [
      .port,
      Option(
        "secret", "whsec_…",
        "what calls are signed with; several: any of them will do.\n"
          + "Without it signatures are not looked at", isRepeated: true),
      Option("answer", "NAME=JSON", "what this function is answered", isRepeated: true),
      .faults,
    ],
    notes: """
      A schedule is a list of

      \(FaultSchedule.help)

      What has a bad signature is answered 401 and takes nothing from the schedule.

      """,
    run: { arguments throws(Failure) in try serve(arguments) })

  private static func serve(_ arguments: Arguments) throws(Failure) -> Int32 {
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    var settings = FunctionSink.Settings()
    settings.secrets = try HookSecret.all(arguments.all("secret"))
    for text in arguments.all("answer") {
      let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard halves.count == 2, let answer = JSON(halves[1].utf8) else {
        throw Failure.misuse("--answer \(text): it is NAME= and a JSON value")
      }
      settings.answers[halves[0]] = answer
    }
    settings.faults = try FaultSchedule(arguments, flaws: false)
    var sink = FunctionSink(settings)
    let loop = Loop()
    let server = try WebServer(port: try arguments.port("port") ?? 0, on: loop) { request in
      let taken = sink.take(
        HookSink.Delivery(header: request.header, body: request.body), at: cl_wall() / 1_000_000)
      Console.say(taken.line)
      return taken.reaction
    }
    let signals = Signals(ending: loop)
    Console.say("functions are answered on \(server.url)")
    loop.run()
    Console.say(sink.summary)
    return withExtendedLifetime((server, signals)) { sink.unproven == 0 ? 0 : 1 }
  }
}
