// A carrier's webhook: it asks what to do with a call, and gets a token for the call's socket.

import Sidetone

final class Visitor: Peer {
  weak var wire: Wire?
  let world: World
  let query: String
  private let onToken: (String) -> Void
  private var answer: [UInt8] = []

  init(world: World, query: String, onToken: @escaping (String) -> Void) {
    self.world = world
    self.query = query
    self.onToken = onToken
  }

  func start() {
    guard world.connect(self) else { return world.fail("no link for a webhook") }
    wire?.send(Array("GET /twiml?\(query) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8))
  }

  func departed(_ bytes: [UInt8], at now: Instant) {}
  func received(_ bytes: [UInt8], at now: Instant) { answer += bytes }

  func gone(byReset: Bool, at now: Instant) {
    guard let start = place(behind: "name=\"token\" value=\"", in: answer) else {
      return world.fail("a webhook was answered without a token")
    }
    onToken(String(decoding: answer[start...].prefix(32), as: UTF8.self))
  }
}
