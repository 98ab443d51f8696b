// The verb `hooks`: a receiver of webhooks that shows what comes, and goes wrong by order.

import CLinux
import Glibc
import LabKit

final class Hooks {
  static let verb = Verb(
    name: "hooks", usage: "[options]",
    summary: "a receiver of webhooks, which checks signatures and fails by order",
    description: """
      Takes webhooks on 127.0.0.1 as Standard Webhooks wants it and prints a line for each: its id,
      type and call, which attempt it was, whether it is signed, and what it was answered; DUPLICATE
      where it had been accepted before, OUT OF ORDER where a later event of its call had been. What
      is not signed well is answered 401. GET answers the counts as JSON; at the end they are
      printed. Runs until it is stopped; the exit status is 1 where a signature was bad.
      """,
    options: [
      .port,
      Option(
        "secret", "whsec_…",
        "what events are signed with; several: any of them will do.\n"
          + "Without it signatures are not looked at", isRepeated: true),
      Option(
        "settings", "FILE",
        "write the relay's settings for it there; with a secret that is\n"
          + "made up, where --secret gives none"),
      .faults,
      Option("out", "FILE", "append each delivery to this file, a JSON object a line"),
      Option("count", "N", "end when so many different events were accepted"),
    ],
    notes: """
      A schedule is a list of

      \(FaultSchedule.help)

      What has a bad signature is answered 401 and takes nothing from the schedule.

      """,
    run: { arguments throws(Failure) in try Hooks(arguments).run() })

  private let loop = Loop()
  private let port: UInt16
  private let settings: String?
  private let secrets: [String]
  private let countMax: Int
  private let file: Int32?
  private var sink: HookSink

  private init(_ arguments: Arguments) throws(Failure) {
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    port = try arguments.port("port") ?? 0
    settings = arguments.text("settings")
    let given = arguments.all("secret")
    secrets = given.isEmpty && settings != nil ? [Self.makeSecret()] : given
    countMax = try arguments.number("count", 1...1_000_000_000).map { Int($0) } ?? .max
    sink = HookSink(
      secrets: try HookSecret.all(secrets), faults: try FaultSchedule(arguments, flaws: false))
    file = try arguments.text("out").map { (path) throws(Failure) in try Self.open(path) }
  }

  private static func open(_ path: String) throws(Failure) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
    return descriptor
  }

  private func run() throws(Failure) -> Int32 {
    let server = try WebServer(port: port, on: loop) { [unowned self] in react($0) }
    let signals = Signals(ending: loop)
    Console.say("webhooks are taken on \(server.url)")
    if let settings {
      try File.write(Array(table(server.url).utf8), to: settings)
      Console.say("the relay's settings for it are in \(settings)")
    }
    loop.run()
    Console.say(sink.summary)
    return withExtendedLifetime((server, signals)) { sink.unproven == 0 ? 0 : 1 }
  }

  private func table(_ url: String) -> String {
    """
    [[records.webhooks]]
    url = "\(url)"
    secrets = [\(secrets.map { "\"\($0)\"" }.joined(separator: ", "))]

    """
  }

  private static func makeSecret() -> String {
    "whsec_" + Base64Text.encode((0..<24).map { _ in UInt8.random(in: .min ... .max) })
  }

  private func react(_ request: WebServer.Request) -> Reaction {
    guard request.isPost else { return .answer(WebAnswer(200, sink.summaryRecord)) }
    let now = cl_wall() / 1_000_000
    let taken = sink.take(
      HookSink.Delivery(header: request.header, body: request.body), at: now)
    Console.say(taken.line)
    if let file { append(taken.record(at: now), to: file) }
    // The answer leaves first.
    if sink.acceptedCount >= countMax { loop.after(0.1) { [loop] in loop.stop() } }
    return taken.reaction
  }

  private func append(_ record: JSON, to file: Int32) {
    let line = Array((record.text + "\n").utf8)
    let count = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    if count != line.count { Console.complain("--out: \(String(cString: strerror(errno)))") }
  }
}

extension HookSecret {
  /// The secrets of `--secret`.
  static func all(_ texts: [String]) throws(Failure) -> [HookSecret] {
    var secrets: [HookSecret] = []
    for text in texts {
      do throws(HookSecret.Mistake) {
        secrets.append(try HookSecret(text))
      } catch {
        throw Failure.misuse("--secret: \(error.sentence)")
      }
    }
    return secrets
  }
}

extension FaultSchedule {
  /// The schedule of `--faults`.
  init(_ arguments: Arguments, flaws: Bool) throws(Failure) {
    guard let list = arguments.text("faults") else {
      self.init()
      return
    }
    do throws(Unreadable) {
      try self.init(list, flaws: flaws)
    } catch {
      throw Failure.misuse("--faults: \(error.sentence)")
    }
  }
}
