// A relay without a world: a test hands in bytes, sees what comes out, and moves the clock by hand.
// Sockets take everything at once, unless they are told to stall.

import Sidetone

final class Rig {
  let relay: Relay
  private(set) var now = Instant(nanoseconds: 1_000_000_000)
  /// What the relay wrote to each link and nobody has taken yet.
  private var written: [SlotID: [UInt8]] = [:]
  private(set) var dialled: [SlotID] = []
  private(set) var closed: Set<SlotID> = []
  private(set) var wasReset: Set<SlotID> = []
  private(set) var log: [String] = []
  private var stalled: Set<SlotID> = []

  /// A listener behind `/media` and `/ws/transcribe` to it, and `/echo`.
  init(_ change: (inout Config) -> Void = { _ in }) {
    var config = Config()
    config.limits.callsMax = 4
    config.limits.otherLinksMax = 16
    config.limits.callsPerSecondPerAddress = 1_000_000
    for kind in ["deepgram", "echo", "openai"] {
      var upstream = Config.Upstream()
      upstream.name = kind
      upstream.kind = kind
      // A voice model is there for those who ask for it: its calls take much memory.
      upstream.key = kind == "openai" ? "" : "test"
      upstream.keyVariable = "KEY"
      upstream.endpoint.isTLS = false
      upstream.endpoint.host = "127.0.0.1"
      config.upstreams.append(upstream)
    }
    for (path, carrier, upstream) in [
      ("/media", "twilio", "deepgram"), ("/ws/transcribe", "raw", "deepgram"),
      ("/echo", "", "echo"), ("/talk", "twilio", "openai"),
    ] {
      var route = Config.Route()
      route.path = path
      route.carriers = carrier.isEmpty ? [] : [carrier]
      route.upstream = upstream
      config.routes.append(route)
    }
    change(&config)
    relay = Relay(
      config: config, seed: Array(0..<32), now: now,
      wall: WallTime(nanoseconds: 1_700_000_000_000_000_000))
  }

  // MARK: Driving

  func accept() -> SlotID? {
    relay.accepted(on: 0, from: Address(ipv4: 0x7f00_0001, port: 40_000), at: now)
  }

  func feed(_ bytes: [UInt8], on link: SlotID) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let place = relay.room(for: link)
      let length = min(place.count, rest.count)
      if length == 0 { return }
      for (index, byte) in rest.prefix(length).enumerated() { place[index] = byte }
      rest = rest.dropFirst(length)
      relay.received(length, on: link, at: now)
      perform()
    }
  }

  func feed(_ text: String, on link: SlotID) { feed(Array(text.utf8), on: link) }

  func advance(milliseconds: Int) {
    let end = now + .milliseconds(milliseconds)
    while relay.wakeTime <= end {
      step()
    }
    now = end
    relay.advance(to: now)
    perform()
  }

  /// Moves the clock to the next thing that is due, and does it.
  func step() {
    now = max(now, relay.wakeTime)
    relay.advance(to: now)
    perform()
  }

  func stall(_ link: SlotID) { stalled.insert(link) }

  /// A stalled socket takes so many bytes, and no more.
  func push(_ count: Int, through link: SlotID) {
    var rest = count
    while case let run = relay.outgoing(link), rest > 0, !run.isEmpty {
      let length = min(rest, run.count)
      written[link, default: []] += run.prefix(length).array
      relay.sent(length, on: link, at: now)
      rest -= length
    }
    perform()
  }

  /// A stalled socket takes everything again.
  func unstall(_ link: SlotID) {
    stalled.remove(link)
    write(link)
    perform()
  }

  func perform() {
    while let output = relay.next() {
      switch output {
      case .dial(let link, _): dialled.append(link)
      case .write(let link): write(link)
      case .close(let link): closed.insert(link)
      case .reset(let link): wasReset.insert(link)
      case .resumeReading, .drained: break
      }
    }
    var place = [UInt8](repeating: 0, count: 4096)
    place.withMutableBytes { place in
      while let line = relay.takeLine(into: place) { log.append(place.prefix(line.count).string) }
    }
  }

  private func write(_ link: SlotID) {
    while !stalled.contains(link) {
      let run = relay.outgoing(link)
      if run.isEmpty { return }
      written[link, default: []] += run.array
      relay.sent(run.count, on: link, at: now)
    }
  }

  // MARK: Peers

  /// Takes what was written to a link since the last time.
  func taken(from link: SlotID) -> [UInt8] {
    defer { written[link] = [] }
    return written[link] ?? []
  }

  /// The payloads of the messages written to a link since the last time, control frames left out.
  func messages(from link: SlotID, isCaller: Bool) -> [String] {
    var decoder = WebSocket(role: isCaller ? .client : .server, messageBytesMax: 1 << 22)
    var bytes = taken(from: link)
    var texts: [String] = []
    bytes.withMutableBytes { buffer in
      while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore, .failed: return
        case .text(let range), .binary(let range): texts.append(buffer[range].string)
        case .ping, .pong, .close: break
        }
      }
    }
    return texts
  }

  func open(_ path: String) -> SlotID? {
    guard let link = accept() else { return nil }
    feed(
      """
      GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n
      """, on: link)
    let head = String(decoding: taken(from: link), as: UTF8.self)
    return head.hasPrefix("HTTP/1.1 101") ? link : nil
  }

  /// Takes the dialling that was asked for last, and answers its request with 101.
  func answerDial() -> SlotID? {
    guard let link = dialled.last else { return nil }
    relay.connected(link, at: now)
    perform()
    let request = String(decoding: taken(from: link), as: UTF8.self)
    guard
      let line = request.split(separator: "\r\n").first(where: { $0.hasPrefix("Sec-WebSocket-Key") }
      )
    else { return nil }
    var response = [UInt8](repeating: 0, count: 512)
    let count = Array(line.dropFirst("Sec-WebSocket-Key: ".utf8.count).utf8).withBytes { key in
      response.withMutableBytes { place in
        var writer = Writer(place)
        Upgrade.writeAccept(key: key, into: &writer)
        return writer.count
      }
    }
    feed(Array(response.prefix(count)), on: link)
    return link
  }

  func frame(_ opcode: WebSocket.Opcode, _ payload: [UInt8], isMasked: Bool) -> [UInt8] {
    var place = [UInt8](repeating: 0, count: payload.count + 14)
    let count = payload.withBytes { payload in
      place.withMutableBytes { place in
        var writer = Writer(place)
        WebSocket.encode(opcode, payload, key: isMasked ? 0x1a2b_3c4d : nil, into: &writer)
        return writer.count
      }
    }
    return Array(place.prefix(count))
  }

  /// A caller's text message.
  func say(_ text: String, on link: SlotID) {
    feed(frame(.text, Array(text.utf8), isMasked: true), on: link)
  }

  /// An upstream's text message.
  func answer(_ text: String, on link: SlotID) {
    feed(frame(.text, Array(text.utf8), isMasked: false), on: link)
  }

  func start(_ link: SlotID, tracks: String = "\"inbound\"") {
    say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",\
      "tracks":[\(tracks)],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: link)
  }

  /// 20 ms of audio, in base64.
  static let frame = String(repeating: "abcd", count: 53) + "ag=="

  func media(_ link: SlotID, _ payload: String = frame, track: String = "inbound") {
    say(
      """
      {"event":"media","streamSid":"MZ1","media":{"track":"\(track)","payload":"\(payload)"}}
      """, on: link)
  }

  // MARK: Trouble

  /// Fills the pool with echoes that nobody reads, to the last block or to the few that are left;
  /// answers whom they are for.
  @discardableResult func dryOut(leaving left: Int = 0) -> [SlotID] {
    let message = frame(.binary, [UInt8](repeating: 1, count: 1900), isMasked: true)
    var hogs: [SlotID] = []
    while relay.blocksFree > 16, let hog = open("/echo") {
      stall(hog)
      hogs.append(hog)
      // They could take more, and do where no other can be had.
      for _ in 0..<28 where relay.blocksFree > left { feed(message, on: hog) }
    }
    for hog in hogs { for _ in 0..<5 where relay.blocksFree > left { feed(message, on: hog) } }
    precondition(relay.blocksFree == left, "the hogs have taken everything else")
    return hogs
  }
}
