// Who comes and proves nothing: silent, with half a request, a byte now and then, with a socket
// that owes its token; or with a socket of its own that it floods. Whatever becomes of it, it is
// told.

import Sidetone
import TestSupport

final class Stranger: Peer {
  enum Wish: CaseIterable {
    /// Nothing at all.
    case silent
    /// A request without its end.
    case half
    /// The same, a byte every 300 ms.
    case drip
    /// A socket on a route that wants a call token, and no word on it.
    case noToken
    /// A socket, and far more pings and texts than a call needs.
    case flood
  }

  weak var wire: Wire?
  let world: World
  let wish: Wish
  /// Nil: this machine.
  let address: Address?
  private var head: [UInt8]? = []
  private var socket = Socket(isClient: true)
  private var isFlooding = false
  private(set) var isConnected = false
  private(set) var isDone = false

  init(world: World, wish: Wish, from address: Address?) {
    self.world = world
    self.wish = wish
    self.address = address
  }

  func start() {
    isConnected = world.connect(self, from: address)
    guard isConnected else { return world.fail("a stranger found no link") }
    switch wish {
    case .silent: break
    case .half: wire?.send(Array("GET /health HTTP/1.1\r\nHost: 127.".utf8))
    case .drip: drip(Array("GET /health HTTP/1.1\r\nX: ".utf8)[...])
    case .noToken: wire?.send(Frames.handshake(Siege.tokenPath))
    case .flood: wire?.send(Frames.handshake("/ws/transcribe"))
    }
  }

  private func drip(_ rest: ArraySlice<UInt8>) {
    guard !isDone else { return }
    wire?.send(Array(rest.prefix(1)))
    let next = rest.count > 1 ? rest.dropFirst() : [0x78]
    world.schedule(world.now + .milliseconds(300)) { [weak self] in self?.drip(next) }
  }

  private func flood() {
    guard isFlooding, !isDone, let wire else { return }
    // Where it is not read its bytes stay with it.
    if wire.arrived.isEmpty {
      let text = Array("{\"type\":\"x\",\"y\":\"\(String(repeating: "y", count: 900))\"}".utf8)
      for _ in 0..<40 { wire.send(socket.frame(.ping, [1])) }
      for _ in 0..<10 { wire.send(socket.frame(.text, text)) }
    }
    world.schedule(world.now + .milliseconds(10)) { [weak self] in self?.flood() }
  }

  func departed(_ bytes: [UInt8], at now: Instant) {}

  func received(_ bytes: [UInt8], at now: Instant) {
    guard let head else { return listen(bytes) }
    let all = head + bytes
    self.head = all
    guard all.starts(with: Array("HTTP/1.1 101".utf8)), let end = headEnd(of: all) else { return }
    self.head = nil
    isFlooding = wish == .flood
    flood()
    listen(Array(all[end...]))
  }

  private func listen(_ bytes: [UInt8]) {
    for message in socket.take(bytes) {
      guard case .close(let code) = message else { continue }
      isFlooding = false
      told("\(code)")
      wire?.end(byReset: false)
    }
  }

  /// The relay let go of it: what it was told.
  func gone(byReset: Bool, at now: Instant) {
    isFlooding = false
    guard !isDone else { return }
    let status = head.map { String(decoding: $0.prefix(12).suffix(3), as: UTF8.self) } ?? ""
    if status.isEmpty {
      // Who floods is not always reading.
      if wish != .flood { world.fail("a stranger (\(wish)) was let go without a word") }
      isDone = true
    } else {
      told(status)
    }
  }

  private func told(_ what: String) {
    world.marks.insert("\(wish) \(what)")
    isDone = true
  }
}
