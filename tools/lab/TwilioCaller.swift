// A call as Twilio's Media Streams places it: connected, start, media every 20 ms, stop. What comes
// back is judged as Twilio judges it: a message with a field too many or too few is an error there.

import LabKit

final class TwilioCaller: Caller {
  let format = WireFormat.twilio
  private(set) var heard: [UInt8] = []
  private(set) var problem: String?
  /// Called with the number of each frame just before it is written.
  var willSend: (Int) -> Void = { _ in }
  let callSid = "CA" + identifier()
  let frameBytes: Int
  let audio: [UInt8]

  /// The relay may wait 5 s for its upstream before it closes; the rest is for the way.
  private static let finishSeconds = 12.0

  private let streamSid = "MZ" + identifier()
  private let accountSid = "AC" + identifier()
  private let loop: Loop
  private let peer: Peer
  private let frameMilliseconds: Double
  private var pacer: Pacer?
  private var sequence = 0
  /// When all the audio that came has been played to the end.
  private var playedAt = 0.0
  private var marks: [(name: String, timer: Int)] = []

  init(_ plan: CallPlan, on loop: Loop) throws(Failure) {
    self.loop = loop
    audio = format.encode(plan.sound)
    frameMilliseconds = plan.frameSeconds * 1000
    frameBytes = max(1, Int(Double(format.bytesPerSecond) * plan.frameSeconds))
    peer = try Peer(to: plan.target, headers: plan.headers, trust: plan.trust, on: loop)
    pacer = Pacer(
      frames: (audio.count + frameBytes - 1) / frameBytes,
      every: plan.frameSeconds / plan.speed, on: loop, isHeldBack: { false },
      send: { [self] index in sendMedia(index) },
      done: { [self] in sendStop() })
    peer.handle = { [self] event in take(event) }
    watch(peer, plan, on: loop) { [self] cause in if pacer != nil { end(cause) } }
  }

  private static func identifier() -> String {
    String((0..<32).map { _ in "0123456789abcdef".randomElement() ?? "0" })
  }

  // MARK: What Twilio sends

  private func begin() {
    peer.send(text: "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}")
    sequence = 1
    peer.send(
      text: "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{"
        + "\"accountSid\":\"\(accountSid)\",\"streamSid\":\"\(streamSid)\","
        + "\"callSid\":\"\(callSid)\",\"tracks\":[\"inbound\"],"
        + "\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1},"
        + "\"customParameters\":{}},\"streamSid\":\"\(streamSid)\"}")
    pacer?.start()
  }

  private func sendMedia(_ index: Int) {
    let begin = index * frameBytes
    let payload = Base64Text.encode(audio[begin..<min(begin + frameBytes, audio.count)])
    sequence += 1
    willSend(index)
    peer.send(
      text: "{\"event\":\"media\",\"sequenceNumber\":\"\(sequence)\",\"media\":{"
        + "\"track\":\"inbound\",\"chunk\":\"\(index + 1)\","
        + "\"timestamp\":\"\(Int(Double(index) * frameMilliseconds))\","
        + "\"payload\":\"\(payload)\"},\"streamSid\":\"\(streamSid)\"}")
  }

  private func sendStop() {
    sequence += 1
    peer.send(
      text: "{\"event\":\"stop\",\"sequenceNumber\":\"\(sequence)\","
        + "\"streamSid\":\"\(streamSid)\",\"stop\":{\"accountSid\":\"\(accountSid)\","
        + "\"callSid\":\"\(callSid)\"}}")
    loop.after(Self.finishSeconds) { [self] in
      if pacer != nil { end("the relay did not close within \(Self.finishSeconds) s after stop") }
    }
  }

  private func sendMark(_ name: String) {
    sequence += 1
    peer.send(
      text: "{\"event\":\"mark\",\"sequenceNumber\":\"\(sequence)\","
        + "\"streamSid\":\"\(streamSid)\",\"mark\":{\"name\":\(JSON.quote(name))}}")
  }

  // MARK: What comes back

  private func take(_ event: Peer.Event) {
    switch event {
    case .opened: begin()
    case .binary: problem = problem ?? "a binary message: Twilio ignores it (warning 31950)"
    case .text(let text):
      guard let message = JSON(text), isExact(message) else {
        let shown = String(decoding: text.prefix(200), as: UTF8.self)
        problem = problem ?? "Twilio would ignore this message (warning 31951): \(shown)"
        return
      }
      act(on: message)
    case .closed(let how): end(how.problem)
    }
  }

  /// Whether a message has exactly the fields that Twilio knows, and our stream's id.
  private func isExact(_ message: JSON) -> Bool {
    guard case .object(let members) = message, message["streamSid"]?.string == streamSid,
      let event = message["event"]?.string
    else { return false }
    if event == "clear" { return members.count == 2 }
    guard members.count == 3, case .object(let inner)? = message[event] else { return false }
    switch event {
    case "media": return inner.count == 1 && inner["payload"]?.string != nil
    case "mark": return inner.count == 1 && inner["name"]?.string != nil
    default: return false
    }
  }

  private func act(on message: JSON) {
    if let payload = message["media"]?["payload"]?.string {
      guard let bytes = Base64Text.decode(payload) else {
        problem = problem ?? "a payload that is not base64"
        return
      }
      heard += bytes
      playedAt = max(playedAt, Loop.now) + Double(bytes.count) / Double(format.bytesPerSecond)
    } else if let name = message["mark"]?["name"]?.string {
      // A mark comes back when all audio before it has been played.
      let timer = loop.at(playedAt) { [self] in
        marks.removeAll { $0.name == name }
        sendMark(name)
      }
      marks.append((name, timer))
    } else {
      // Clear empties the buffer and brings all marks back at once.
      playedAt = Loop.now
      for mark in marks {
        loop.cancel(mark.timer)
        sendMark(mark.name)
      }
      marks.removeAll()
    }
  }

  private func end(_ cause: String?) {
    problem = problem ?? cause
    pacer?.stop()
    pacer = nil
    if !heard.isEmpty {
      let words = format.words(in: heard).joined(separator: " ")
      Console.say("heard back: \(words.isEmpty ? "\(heard.count / 8) ms of audio" : words)")
    }
    loop.stop()
  }
}
