// A relay without a world: a test hands in bytes, sees what comes out, and moves the clock by hand.
// The driver is the one of all tests; here are the usual routes, and what a carrier says.

import Sidetone
import TestSupport

typealias Rig = EngineDriver

extension EngineDriver {
  /// A listener behind `/media` and `/ws/transcribe` to it, and `/echo`.
  convenience init(_ change: (inout Config) -> Void = { _ in }) {
    var config = Config.small()
    config.addUpstream("deepgram")
    config.addUpstream("echo")
    // A voice model is there for those who ask for it: its calls take much memory.
    config.addUpstream("openai", key: "")
    config.addRoute("/media", ["twilio"], to: "deepgram")
    config.addRoute("/ws/transcribe", ["raw"], to: "deepgram")
    config.addRoute("/echo", [], to: "echo")
    config.addRoute("/talk", ["twilio"], to: "openai")
    change(&config)
    self.init(config: config)
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
    let message = Frames.frame(.binary, [UInt8](repeating: 1, count: 1900), isMasked: true)
    var fillers: [SlotID] = []
    while relay.blocksFree > 16, let filler = open("/echo") {
      stall(filler)
      fillers.append(filler)
      // They could take more, and do where no other can be had.
      for _ in 0..<28 where relay.blocksFree > left { feed(message, on: filler) }
    }
    for filler in fillers {
      for _ in 0..<5 where relay.blocksFree > left { feed(message, on: filler) }
    }
    precondition(relay.blocksFree == left, "the fillers have taken everything else")
    return fillers
  }
}
