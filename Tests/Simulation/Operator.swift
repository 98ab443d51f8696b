// Somebody who asks how the relay does, in the middle of everything, or only pretends to.

import Sidetone

final class Operator: Peer {
  enum Wish: CaseIterable {
    case health, ready, stats
    /// Half a request, and then nothing.
    case half
    /// What is no HTTP at all.
    case noise
  }

  weak var wire: Wire?
  let world: World
  let wish: Wish
  private let address: Address?
  private var answer: [UInt8] = []
  private var isConnected = false
  private var isDone = false

  /// `address`: where it comes from; nil: from this machine.
  init(world: World, wish: Wish, from address: Address? = nil) {
    self.world = world
    self.wish = wish
    self.address = address
  }

  func start() {
    isConnected = world.connect(self, from: address)
    let request: String
    switch wish {
    case .health, .ready, .stats: request = "GET /\(wish) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    case .half: request = "GET /health HTTP/1.1\r\nHost: 127."
    case .noise: request = "\u{16}\u{3}\u{1}\u{2}\r\n\r\n"
    }
    wire?.send(Array(request.utf8))
  }

  private var expected: String {
    switch wish {
    case .health, .ready, .stats: return "200"
    case .half: return "408"
    case .noise: return "400"
    }
  }

  func departed(_ bytes: [UInt8], at now: Instant) {}
  func received(_ bytes: [UInt8], at now: Instant) { answer += bytes }

  func gone(byReset: Bool, at now: Instant) {
    isDone = true
    let text = String(decoding: answer, as: UTF8.self)
    let status = text.dropFirst(9).prefix(3)
    world.marks.insert("\(wish) \(status)")
    // Not ready is an answer too.
    if status != expected, wish != .ready || status != "503" {
      world.fail("/\(wish) was answered with \(text.prefix(40))")
    }
    if text.last(where: { !$0.isNewline }) != "}", wish != .half, wish != .noise {
      world.fail("/\(wish) broke off")
    }
  }

  var isAnswered: Bool { isConnected && isDone }
  /// Whoever knocked was answered.
  var isServed: Bool { !isConnected || isDone }
}
