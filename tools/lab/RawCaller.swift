// A client of the raw transcription socket: binary audio up, JSON down. It says Close behind its
// last audio, and the relay owes it the last results before the answer to that.

import LabKit

final class RawCaller: Caller {
  let format: WireFormat
  private(set) var heard: [UInt8] = []
  private(set) var problem: String?

  /// The relay finishes within 5 s; the rest is for the way.
  private static let finishSeconds = 10.0
  private static let backlogBytesMax = 256 * 1024

  private let audio: [UInt8]
  private let loop: Loop
  private let peer: Peer
  private var pacer: Pacer?

  init(_ plan: CallPlan, on loop: Loop) throws(Failure) {
    self.loop = loop
    format = try WireFormat(of: plan.target)
    audio = format.encode(plan.sound)
    peer = try Peer(to: plan.target, headers: plan.headers, trust: plan.trust, on: loop)
    let frame = max(1, Int(Double(format.bytesPerSecond) * plan.frameSeconds))
    pacer = Pacer(
      frames: (audio.count + frame - 1) / frame, every: plan.frameSeconds / plan.speed, on: loop,
      isHeldBack: { [peer] in peer.stream.outgoingBytes > Self.backlogBytesMax },
      send: { [audio, peer] index in
        peer.send(binary: Array(audio[index * frame..<min((index + 1) * frame, audio.count)]))
      },
      done: { [peer] in peer.close(wait: Self.finishSeconds) })
    peer.handle = { [self] event in take(event) }
    watch(peer, plan, on: loop) { [self] cause in if pacer != nil { end(cause) } }
  }

  private func take(_ event: Peer.Event) {
    switch event {
    case .opened: pacer?.start()
    case .binary(let bytes): heard += bytes
    case .text(let text): tell(text)
    case .closed(let how): end(how.problem)
    }
  }

  private func end(_ cause: String?) {
    problem = problem ?? cause
    pacer?.stop()
    pacer = nil
    if !heard.isEmpty {
      let words = format.words(in: heard)
      if !words.isEmpty { Console.say("heard back: \(words.joined(separator: " "))") }
    }
    loop.stop()
  }

  private func tell(_ text: [UInt8]) {
    guard let message = JSON(text), let type = message["type"]?.string else {
      problem = "the relay sent a text that is no message: \(String(decoding: text, as: UTF8.self))"
      return
    }
    switch type {
    case "ready": Console.say("ready, call \(message["call_id"]?.string ?? "without an id")")
    case "transcript":
      let kind = message["is_final"]?.bool == true ? "[FINAL]" : "[INTERIM]"
      let channel = message["channel"]?.number.map { " (channel \(Int($0)))" } ?? ""
      Console.say("\(kind) \(message["text"]?.string ?? "")\(channel)")
    case "deepgram_response": break
    case "error":
      let code = message["code"]?.string ?? message["code"]?.number.map { "\(Int($0))" } ?? ""
      problem = "error \(code): \(message["message"]?.string ?? "")"
      Console.say(problem ?? "")
    default: Console.say("message of type \(type)")
    }
  }
}
