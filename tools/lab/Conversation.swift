// A two-way demonstration: a caller talks through a relay with the twin of a voice model, in one
// process and on one clock. What the model says happened can so be held against what the caller's
// own buffer played, word by word and moment by moment.

import LabKit

final class Conversation {
  private static let questions = [
    "good morning can you hear me", "please tell me something that takes a while",
    "thank you that is enough",
  ]
  /// Long enough into an answer to have heard words of it.
  private static let interruptSeconds = 1.3

  private let loop: Loop
  private let plan: CallPlan
  private let twin: VoiceServer
  private let lateness: OwnLateness
  private var call: TwoWayCall?
  private var isSessionOver = false

  // What the twin says happened.
  private var modelHeard: [String] = []
  private var modelSaid: [String] = []
  private var told: (milliseconds: Int, words: String)?
  private var signalledAt: Double?

  init(
    _ manner: CallPlan.Manner, to target: Target, twinPort: UInt16, on loop: Loop
  ) throws(Failure) {
    self.loop = loop
    var plan = CallPlan(manner, to: target, turns: Self.questions.map { .say($0) })
    plan.isTwoWay = true
    plan.interruption = Self.interruptSeconds
    self.plan = plan
    var settings = VoiceServer.Settings()
    settings.port = twinPort
    twin = try VoiceServer(settings, on: loop)
    lateness = OwnLateness(on: loop)
    twin.happened = { [self] event, now in take(event, at: now) }
    twin.sessionEnded = { [self] in
      isSessionOver = true
      if call?.leg.isOver ?? false { loop.stop() }
    }
  }

  func run() throws(Failure) -> Int32 {
    let call = try TwoWayCall(plan, on: loop)
    self.call = call
    loop.run()
    if let problem = call.problem { throw Failure(problem) }
    if !isSessionOver {
      let timer = loop.after(3) { [loop] in loop.stop() }
      loop.run()
      loop.cancel(timer)
    }
    twin.happened = { _, _ in }
    twin.sessionEnded = {}
    lateness.stop()
    return report(on: call) ? 0 : 1
  }

  private func take(_ event: VoiceEvent, at now: Double) {
    switch event {
    case .speechStarted(interrupts: true): signalledAt = signalledAt ?? now
    case .heard(let words): modelHeard.append(words)
    case .said(let text, _, _): modelSaid.append(text)
    case .truncated(_, let milliseconds, _, let words): told = told ?? (milliseconds, words)
    case .deleted: told = told ?? (0, "")
    case .refused(let why): Console.say("the model refused a message: \(why)")
    case .audio, .speechStarted, .read: break
    }
  }

  // MARK: The verdict

  /// Whether all words came through.
  private func report(on call: TwoWayCall) -> Bool {
    let cut = modelSaid.count - 2
    let isModelRight = modelHeard == Self.questions
    let isCallerRight =
      call.phrases.count == modelSaid.count
      && zip(call.phrases, modelSaid).enumerated().allSatisfy { index, pair in
        index == cut ? Self.isBeginning(pair.0, of: pair.1) : pair.0 == pair.1
      }
    call.reportAudio()
    if let sentence = lateness.sentence { Console.say(sentence) }
    Console.say("")
    row("words that the model heard", isModelRight ? "all right" : "wrong: \(modelHeard)")
    row(
      "words that the caller heard",
      isCallerRight ? "all right, \(modelSaid.count) answers" : "wrong: \(modelSaid) was said")
    guard let signalledAt, let interruption = call.interruption else {
      row("the interruption", "did not reach the model")
      return false
    }
    func after(_ time: Double?) -> String? {
      time.flatMap {
        $0 < signalledAt ? nil : "\(Self.rounded(($0 - signalledAt) * 1000)) ms later"
      }
    }
    row("the model signalled the interruption", "0 ms")
    row("last stale audio at the caller", after(interruption.lastAudio) ?? "none after that")
    row("the caller's buffer was cleared", after(interruption.cleared) ?? "never")
    row("the caller's buffer had played", "\(Self.rounded(interruption.played * 1000)) ms")
    row("the model was told that was heard", told.map { "\($0.milliseconds) ms" } ?? "nothing")
    row("words of it that the model keeps", told?.words ?? "all")
    return isModelRight && isCallerRight
  }

  /// What was cut off is heard up to the cut, and the word in which it lies is damaged.
  private static func isBeginning(_ heard: String, of said: String) -> Bool {
    var words = heard.split(separator: " ")
    if words.last == HeardWord.damagedText[...] { words.removeLast() }
    return said.split(separator: " ").starts(with: words)
  }

  private func row(_ name: String, _ value: String) {
    Console.say(name + String(repeating: " ", count: max(2, 38 - name.count)) + value)
  }

  private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
