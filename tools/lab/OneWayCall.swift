// A call that is only listened to: it says everything on one schedule, hangs up behind the last
// frame, and keeps what comes back without playing it.

import LabKit

final class OneWayCall: Call {
  /// Called with the number of each frame just before it is written.
  var willSend: (Int) -> Void = { _ in }
  let leg: CallLeg
  let audio: [UInt8]
  let frameBytes: Int

  private let loop: Loop
  private var pacer: Pacer?
  private var heard: [UInt8] = []

  init(_ plan: CallPlan, on loop: Loop) throws(Failure) {
    self.loop = loop
    leg = try CallLeg(plan, on: loop)
    let format = leg.uplink
    audio = plan.turns.flatMap { turn -> [UInt8] in
      if case .say(let sound, _) = turn { format.encode(sound) } else { [] }
    }
    frameBytes = max(1, Int(Double(format.bytesPerSecond) * plan.frameSeconds))
    let milliseconds = plan.frameSeconds * 1000
    pacer = Pacer(
      frames: (audio.count + frameBytes - 1) / frameBytes,
      every: plan.frameSeconds / plan.speed, on: loop, isHeldBack: { [leg] in leg.isHeldBack },
      send: { [self] index in
        willSend(index)
        let begin = index * frameBytes
        let frame = Array(audio[begin..<min(begin + frameBytes, audio.count)])
        leg.media(frame, at: Int(Double(index) * milliseconds))
      },
      done: { [leg] in leg.hangUp() })
    leg.opened = { [self] in pacer?.start() }
    leg.heard = { [self] event, _ in take(event) }
    leg.ended = { [self] in end() }
    let seconds = Double(audio.count) / Double(format.bytesPerSecond)
    loop.after(30 + seconds + seconds / plan.speed) { [leg] in
      leg.end("the other side did not take the audio in time")
    }
  }

  var problem: String? { leg.problem }
  var sound: Recording? { heard.isEmpty ? nil : leg.downlink.decode(heard) }

  private func take(_ event: WireEvent) {
    switch event {
    case .audio(let bytes): heard += bytes
    // Nothing is kept to be played, so nothing comes before a mark.
    case .mark(let name): leg.played(name)
    default: break
    }
  }

  private func end() {
    pacer?.stop()
    pacer = nil
    loop.stop()
  }

  func report() {
    guard !heard.isEmpty else { return }
    let words = leg.downlink.words(in: heard).joined(separator: " ")
    let milliseconds = heard.count * 1000 / leg.downlink.bytesPerSecond
    Console.say("heard back: \(words.isEmpty ? "\(milliseconds) ms of audio" : words)")
  }
}
