// The verb `echo`: a bare WebSocket that sends back every message, on the relay's own codec and
// nothing else, so that a conformance suite can judge the codec in both roles.

import LabKit

final class Echo {
  static let verb = Verb(
    name: "echo", usage: "--port N | --client URL",
    summary: "a bare WebSocket echo, for conformance suites",
    description: """
      As a server it sends every message back to whoever connects. As a client it takes part in a
      run of the Autobahn suite: it asks URL/getCaseCount for the number of cases, connects to
      URL/runCase?case=N&agent=NAME for each and sends every message back, then asks
      URL/updateReports?agent=NAME for the report.
      """,
    options: [
      Option("port", "N", "serve on 127.0.0.1; 0 takes a free port and prints it"),
      Option("client", "URL", "run the cases of the suite that listens there"),
      Option("agent", "NAME", "the client's name in the report (sidetone)"),
      Option("message-bytes", "N", "the longest message, up to 1 GiB (16777216)"),
    ],
    run: { arguments throws(Failure) in
      let bytes = try arguments.number("message-bytes", 1...1_073_741_824) ?? 16_777_216
      guard arguments.rest.isEmpty else {
        throw Failure.misuse("too many words: \(arguments.rest)")
      }
      if let base = arguments.text("client") {
        let agent = arguments.text("agent") ?? "sidetone"
        return try Echo(messageBytesMax: Int(bytes)).runCases(at: base, agent: agent)
      }
      guard let port = try arguments.port("port") else {
        throw Failure.misuse("either --port or --client is needed")
      }
      return try Echo(messageBytesMax: Int(bytes)).serve(on: port)
    })

  /// No case of the suite waits longer than a few seconds for its client.
  private static let caseSeconds = 100.0

  private let loop = Loop()
  private let messageBytesMax: Int

  private init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

  private func serve(on port: UInt16) throws(Failure) -> Int32 {
    let listener = try Listener(port: port, on: loop) { [loop, messageBytesMax] stream in
      let peer = Peer(accepted: stream, messageBytesMax: messageBytesMax, on: loop)
      peer.handle = { [unowned peer] event in Self.answer(event, on: peer) }
    }
    Console.say("echo on ws://127.0.0.1:\(listener.port)/")
    loop.run()
    return 0
  }

  private static func answer(_ event: Peer.Event, on peer: Peer) {
    switch event {
    case .text(let bytes): peer.send(.text, bytes)
    case .binary(let bytes): peer.send(.binary, bytes)
    case .opened, .closed: break
    }
  }

  private func runCases(at base: String, agent: String) throws(Failure) -> Int32 {
    guard let text = try visit(base + "/getCaseCount"), let cases = Int(text) else {
      throw Failure("\(base)/getCaseCount did not answer with a number")
    }
    for number in 1...max(cases, 1) where cases > 0 {
      _ = try visit(base + "/runCase?case=\(number)&agent=\(agent)")
    }
    _ = try visit(base + "/updateReports?agent=\(agent)")
    Console.say("\(cases) cases run")
    return 0
  }

  /// One connection from its handshake to its end; answers the last text that came.
  private func visit(_ url: String) throws(Failure) -> String? {
    var last: String?
    var refusal: String?
    let peer = try Peer(to: Target(url), messageBytesMax: messageBytesMax, on: loop)
    peer.handle = { [loop, unowned peer] event in
      if case .text(let bytes) = event { last = String(decoding: bytes, as: UTF8.self) }
      if case .closed(let end) = event {
        if case .refused(let status, _) = end { refusal = "\(url) was refused with \(status)" }
        loop.stop()
      }
      Self.answer(event, on: peer)
    }
    let timer = loop.after(Self.caseSeconds) { [loop] in
      refusal = "\(url) took longer than \(Self.caseSeconds) s"
      loop.stop()
    }
    loop.run()
    loop.cancel(timer)
    if let refusal { throw Failure(refusal) }
    return last
  }
}
