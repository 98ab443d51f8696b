// A whole relay between two hostile ends. The input is a script of short steps: a caller on one of
// the routes says this, its upstream says that, time passes, somebody leaves. Whatever it says,
// nothing traps, and when everybody is gone every slot, block and buffer is back.

import Sidetone

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzRelay(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let memory = ExactMemory(FuzzInput(start, count).rest)
  var script = Script(bytes: memory.bytes)
  let stage = Stage()
  for _ in 0..<64 {
    guard let step = script.byte() else { break }
    stage.play(step, &script)
  }
  stage.leave()
  return 0
}

/// The input, taken from the front.
private struct Script {
  let bytes: Bytes
  var at = 0

  mutating func byte() -> UInt8? {
    guard at < bytes.count else { return nil }
    at += 1
    return bytes[at - 1]
  }

  /// A length byte and so many bytes.
  mutating func text() -> [UInt8] {
    let length = min(Int(byte() ?? 0), bytes.count - at)
    defer { at += length }
    return bytes[at..<at + length].array
  }
}

private final class Stage {
  private let relay: Relay
  private var now = Instant(nanoseconds: 1_000_000_000)
  private var caller: SlotID?
  private var upstream: SlotID?
  private var isUpstreamOpen = false

  init() {
    var config = Config()
    config.limits.callsMax = 2
    config.limits.otherLinksMax = 2
    config.limits.mediumBuffersMax = 1
    config.limits.largeBuffersMax = 1
    config.limits.callsPerSecondPerAddress = 1000
    var deepgram = Config.Upstream()
    deepgram.name = "deepgram"
    deepgram.kind = "deepgram"
    deepgram.key = "test"
    deepgram.endpoint.isTLS = false
    deepgram.endpoint.host = "127.0.0.1"
    var echo = Config.Upstream()
    echo.name = "echo"
    echo.kind = "echo"
    config.upstreams = [deepgram, echo]
    for (path, carrier, upstream) in [
      ("/media", "twilio", "deepgram"), ("/raw", "raw", "deepgram"), ("/echo", "", "echo"),
    ] {
      var route = Config.Route()
      route.path = path
      route.carriers = carrier.isEmpty ? [] : [carrier]
      route.upstream = upstream
      config.routes.append(route)
    }
    relay = Relay(
      config: config, seed: Array(repeating: 7, count: 32), now: now,
      wall: WallTime(nanoseconds: 1_700_000_000_000_000_000))
  }

  func play(_ step: UInt8, _ script: inout Script) {
    switch step % 16 {
    case 0: connect("/media")
    case 1: connect("/raw?encoding=mulaw")
    case 2: connect("/echo")
    case 3: accept(script.text())
    case 4...6: say(.text, script.text(), to: caller, isClient: true)
    case 7, 8: say(.binary, script.text(), to: caller, isClient: true)
    case 9: give(script.text(), to: caller)
    case 10: start()
    case 11, 12: say(.text, script.text(), to: upstream, isClient: false)
    case 13: give(script.text(), to: upstream)
    case 14: now = now + .milliseconds(Int(script.byte() ?? 0) * 100)
    default: lose(script.byte() ?? 0)
    }
    turn()
  }

  /// Everybody goes, time passes, and the books are checked.
  func leave() {
    for link in [caller, upstream] { if let link { relay.failed(link, .reset, at: now) } }
    for _ in 0..<40 {
      now = now + .seconds(5)
      turn()
    }
    precondition(relay.callsInUse == 0, "every call ends")
    precondition(relay.linksInUse == 0, "every link comes home")
    precondition(relay.blocksFree == relay.blocksMax, "every block comes home")
    precondition(relay.buffersInUse == 0, "every buffer comes home")
  }

  private func connect(_ target: String) {
    guard caller == nil else { return }
    caller = relay.accepted(on: 0, from: Address(ipv4: 0x7f00_0001, port: 40_000), at: now)
    give(
      Array(
        """
        GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
        """.utf8), to: caller)
  }

  /// Any connection at all, with the script's own first bytes.
  private func accept(_ bytes: [UInt8]) {
    guard caller == nil else { return }
    caller = relay.accepted(on: 0, from: Address(ipv4: 0x7f00_0001, port: 40_001), at: now)
    give(bytes, to: caller)
  }

  private func start() {
    say(
      .text,
      Array(
        """
        {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
        ["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
        """.utf8), to: caller, isClient: true)
  }

  private func say(
    _ opcode: WebSocket.Opcode, _ payload: [UInt8], to link: SlotID?, isClient: Bool
  ) {
    var frame = [UInt8](repeating: 0, count: payload.count + 14)
    let count = payload.withBytes { payload in
      frame.withMutableBytes { place in
        var writer = Writer(place)
        WebSocket.encode(opcode, payload, key: isClient ? 0x0102_0304 : nil, into: &writer)
        return writer.count
      }
    }
    give(Array(frame.prefix(count)), to: link)
  }

  private func give(_ bytes: [UInt8], to link: SlotID?) {
    guard let link else { return }
    var rest = bytes[...]
    while !rest.isEmpty {
      let place = relay.room(for: link)
      guard !place.isEmpty else { return }
      let length = min(place.count, rest.count)
      for (index, byte) in rest.prefix(length).enumerated() { place[index] = byte }
      rest = rest.dropFirst(length)
      relay.received(length, on: link, at: now)
    }
  }

  private func lose(_ who: UInt8) {
    let link = who & 1 == 0 ? caller : upstream
    guard let link else { return }
    if who & 2 == 0 { relay.ended(link, at: now) } else { relay.failed(link, .reset, at: now) }
    if who & 2 != 0 { if who & 1 == 0 { caller = nil } else { upstream = nil } }
  }

  /// The driver's part: dials succeed, handshakes are answered rightly, what is written is taken.
  private func turn() {
    relay.advance(to: now)
    while let output = relay.next() {
      switch output {
      case .write(let link):
        while true {
          let run = relay.outgoing(link)
          if run.isEmpty { break }
          if link == upstream, !isUpstreamOpen { answer(run.array) }
          relay.sent(run.count, on: link, at: now)
        }
      case .dial(let link, _):
        upstream = link
        isUpstreamOpen = false
        relay.connected(link, at: now)
      case .close(let link), .reset(let link):
        if link == caller { caller = nil }
        if link == upstream { upstream = nil }
      case .resumeReading, .drained: break
      }
    }
    if let accepted, let upstream {
      self.accepted = nil
      isUpstreamOpen = true
      give(accepted, to: upstream)
    }
  }

  private var accepted: [UInt8]?

  /// The right answer to the relay's handshake.
  private func answer(_ request: [UInt8]) {
    let mark = Array("Sec-WebSocket-Key: ".utf8)
    guard request.count > mark.count + 24,
      let place = (0..<request.count - mark.count - 24).first(where: {
        Array(request[$0..<$0 + mark.count]) == mark
      })
    else { return }
    let key = Array(request[place + mark.count..<place + mark.count + 24])
    var response = [UInt8](repeating: 0, count: 256)
    let count = key.withBytes { key in
      response.withMutableBytes { place in
        var writer = Writer(place)
        Upgrade.writeAccept(key: key, into: &writer)
        return writer.count
      }
    }
    accepted = Array(response.prefix(count))
  }
}
