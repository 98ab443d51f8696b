// A whole relay between two hostile ends. The input is a script of short steps: a caller on one of
// the routes says this, its upstream says that, time passes, somebody leaves. Whatever it says,
// nothing traps, and when everybody is gone every slot, block, buffer and resampler is back.
// Upstreams that talk are helped over their setup and to long pieces of speech, which no fuzzer
// would find.

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
  /// What the caller starts with, by route, and how its model talks.
  private var start = Stage.twilio
  private var isGemini = false

  init() {
    var config = Config()
    config.limits.callsMax = 2
    config.limits.twoWayCallsMax = 1
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
    var openai = deepgram
    openai.name = "openai"
    openai.kind = "openai"
    openai.options = [("greeting", "hello"), ("transcription_model", "x")]
    var gemini = openai
    gemini.name = "gemini"
    gemini.kind = "gemini"
    var echo = Config.Upstream()
    echo.name = "echo"
    echo.kind = "echo"
    config.upstreams = [deepgram, echo, openai, gemini]
    config.printsTranscripts = true
    for (path, carrier, upstream) in [
      ("/media", "twilio", "deepgram"), ("/raw", "raw", "deepgram"), ("/echo", "", "echo"),
      ("/twilio", "twilio", "openai"), ("/telnyx", "telnyx", "gemini"), ("/ucid", "ucid", "openai"),
      ("/l16", "telnyx", "openai"), ("/talk", "raw", "gemini"),
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
    switch step % 32 {
    case 0: connect("/media")
    case 1: connect("/raw?encoding=mulaw")
    case 2: connect("/echo")
    case 3: accept(script.text())
    case 4...6: say(.text, script.text(), to: caller, isClient: true)
    case 7, 8: say(.binary, script.text(), to: caller, isClient: true)
    case 9: give(script.text(), to: caller)
    case 10: sendStart()
    case 11, 12: say(.text, script.text(), to: upstream, isClient: false)
    case 13: give(script.text(), to: upstream)
    case 14: now = now + .milliseconds(Int(script.byte() ?? 0) * 100)
    case 15: lose(script.byte() ?? 0)
    case 16: connect("/twilio", Self.twilio)
    case 17: connect("/telnyx", Self.telnyx("PCMU"), isGemini: true)
    case 18: connect("/ucid", #"{"event":"start","ucid":"1"}"#)
    case 19: connect("/l16", Self.telnyx("L16"))
    case 20: connect("/talk?sample_rate=24000", isGemini: true)
    case 21: ready()
    case 22...25: speak(script.byte() ?? 0, script.byte() ?? 0)
    case 26: interrupt()
    case 27, 28: now = now + .milliseconds(Int(script.byte() ?? 0))
    case 29: carry(script.byte() ?? 0)
    case 30: say(.binary, script.text(), to: upstream, isClient: false)
    default: isStalled.toggle()
    }
    turn()
  }

  private func ready() {
    let text = isGemini ? #"{"setupComplete":{}}"# : #"{"type":"session.updated","session":{}}"#
    say(.text, Array(text.utf8), to: upstream, isClient: false)
  }

  /// So many bytes of speech, of one of four items.
  private func speak(_ size: UInt8, _ item: UInt8) {
    let length = Int(size) * Int(size) / 4
    let audio = String(repeating: "AAAA", count: length / 3) + ["", "AA==", "AAA="][length % 3]
    let text =
      isGemini
      ? #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"\#(audio)"}}]}}}"#
      : #"{"type":"response.output_audio.delta","item_id":"\#(item % 4)","delta":"\#(audio)"}"#
    say(.text, Array(text.utf8), to: upstream, isClient: false)
  }

  private func interrupt() {
    let text =
      isGemini
      ? #"{"serverContent":{"interrupted":true}}"#
      : #"{"type":"input_audio_buffer.speech_started"}"#
    say(.text, Array(text.utf8), to: upstream, isClient: false)
  }

  /// A numbered piece of the caller's audio.
  private func carry(_ number: UInt8) {
    let text = #"{"event":"media","media":{"chunk":\#(number),"payload":"/////w=="}}"#
    say(.text, Array(text.utf8), to: caller, isClient: true)
  }

  /// Everybody goes, time passes, and the books are checked.
  func leave() {
    isStalled = false
    for link in [caller, upstream] { if let link { relay.failed(link, .reset, at: now) } }
    for _ in 0..<40 {
      now = now + .seconds(5)
      turn()
    }
    precondition(relay.callsInUse == 0, "every call ends")
    precondition(relay.linksInUse == 0, "every link comes home")
    precondition(relay.blocksFree == relay.blocksMax, "every block comes home")
    precondition(relay.buffersInUse == 0, "every buffer comes home")
    precondition(relay.resamplersInUse == 0, "every resampler comes home")
  }

  private func connect(
    _ target: String, _ start: String = Stage.twilio, isGemini: Bool = false
  ) {
    guard caller == nil else { return }
    self.start = start
    self.isGemini = isGemini
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

  private func sendStart() { say(.text, Array(start.utf8), to: caller, isClient: true) }

  private static let twilio = """
    {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
    ["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
    """

  private static func telnyx(_ codec: String) -> String {
    """
    {"event":"start","stream_id":"S","start":{"call_control_id":"C","custom_parameters":\
    {"bidirectional_codec":"\(codec)"},"media_format":{"encoding":"\(codec)"}}}
    """
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
          if isStalled, link == caller {
            relay.sent(min(run.count, 7), on: link, at: now)
            break
          }
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
  /// The caller's socket takes seven bytes a turn.
  private var isStalled = false

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
