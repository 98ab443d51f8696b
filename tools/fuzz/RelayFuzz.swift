// A whole relay between two hostile ends. The input is a script of short steps: a caller on one of
// the routes says this, its upstream says that, time passes, somebody leaves. Whatever it says,
// nothing traps, and when everybody is gone every slot, block, buffer and resampler is back.
// Upstreams that talk are helped over their setup and to long pieces of speech, which no fuzzer
// would find.

import Sidetone

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
  private let driver: EngineDriver
  private var caller: SlotID?
  private var upstream: SlotID?
  /// What the caller starts with, by route, and how its model talks.
  private var start = Stage.twilio
  private var isGemini = false

  init() {
    var config = Config.small(callsMax: 2, otherLinksMax: 2)
    config.limits.twoWayCallsMax = 1
    config.limits.mediumBuffersMax = 1
    config.limits.largeBuffersMax = 1
    let options = [("greeting", "hello"), ("transcription_model", "x")]
    config.addUpstream("deepgram")
    config.addUpstream("echo")
    config.addUpstream("openai", options: options)
    config.addUpstream("gemini", options: options)
    config.printsTranscripts = true
    for (path, carrier, upstream) in [
      ("/media", "twilio", "deepgram"), ("/raw", "raw", "deepgram"), ("/echo", "", "echo"),
      ("/twilio", "twilio", "openai"), ("/telnyx", "telnyx", "gemini"), ("/ucid", "ucid", "openai"),
      ("/l16", "telnyx", "openai"), ("/talk", "raw", "gemini"),
    ] { config.addRoute(path, carrier.isEmpty ? [] : [carrier], to: upstream) }
    driver = EngineDriver(config: config, seed: Array(repeating: 7, count: 32))
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
    case 14: pass(Int(script.byte() ?? 0) * 100)
    case 15: lose(script.byte() ?? 0)
    case 16: connect("/twilio", Self.twilio)
    case 17: connect("/telnyx", Self.telnyx("PCMU"), isGemini: true)
    case 18: connect("/ucid", #"{"event":"start","ucid":"1"}"#)
    case 19: connect("/l16", Self.telnyx("L16"))
    case 20: connect("/talk?sample_rate=24000", isGemini: true)
    case 21: ready()
    case 22...25: speak(script.byte() ?? 0, script.byte() ?? 0)
    case 26: interrupt()
    case 27, 28: pass(Int(script.byte() ?? 0))
    case 29: carry(script.byte() ?? 0)
    case 30: say(.binary, script.text(), to: upstream, isClient: false)
    default: stall()
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
    if let caller { driver.unstall(caller) }
    for link in [caller, upstream] { if let link, !driver.isGone(link) { driver.fail(link) } }
    (caller, upstream) = (nil, nil)
    for _ in 0..<40 {
      pass(5000)
      turn()
    }
    precondition(driver.relay.missing.isEmpty, "everything comes home")
  }

  private func pass(_ milliseconds: Int) { driver.now = driver.now + .milliseconds(milliseconds) }

  private func connect(
    _ target: String, _ start: String = Stage.twilio, isGemini: Bool = false
  ) {
    guard caller == nil else { return }
    self.start = start
    self.isGemini = isGemini
    caller = driver.accept()
    give(Frames.handshake(target), to: caller)
  }

  /// Any connection at all, with the script's own first bytes.
  private func accept(_ bytes: [UInt8]) {
    guard caller == nil else { return }
    caller = driver.accept()
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
    give(Frames.frame(opcode, payload, isMasked: isClient), to: link)
  }

  private func give(_ bytes: [UInt8], to link: SlotID?) {
    if let link { driver.feed(bytes, on: link) }
  }

  private func lose(_ who: UInt8) {
    guard let link = who & 1 == 0 ? caller : upstream else { return }
    if who & 2 == 0 { return driver.end(link) }
    if who & 1 == 0 { caller = nil } else { upstream = nil }
    driver.fail(link)
  }

  /// Its socket takes seven bytes a turn from now on, or everything again.
  private func stall() {
    guard let caller else { return }
    isStalled.toggle()
    if isStalled { driver.stall(caller) } else { driver.unstall(caller) }
  }
  private var isStalled = false

  /// Dials succeed, handshakes are answered rightly, what is written is taken.
  private func turn() {
    driver.turn(at: driver.now)
    if isStalled, let caller, !driver.isGone(caller) { driver.push(7, through: caller) }
    if let link = driver.dialled.last, driver.dialled.count > dials {
      dials = driver.dialled.count
      if !driver.isGone(link) { upstream = driver.answerDial() ?? link }
    }
    if let caller, driver.isGone(caller) { (self.caller, isStalled) = (nil, false) }
    if let upstream, driver.isGone(upstream) { self.upstream = nil }
  }
  private var dials = 0
}
