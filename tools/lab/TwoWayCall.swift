// A conversation: the caller's line carries audio all the time, quiet where nobody speaks. It
// speaks when the other side has finished, or interrupts it, and hears what its carrier's buffer
// has really played. Every moment of it is measured.

import LabKit

final class TwoWayCall: Call {
  /// How an interruption went, on the loop's clock.
  struct Interruption {
    /// When our first sample was sent.
    let began: Double
    /// The last message of audio that came while we spoke, and the clear.
    var lastAudio: Double?
    var cleared: Double?
    /// Messages of audio behind the clear, before we had finished.
    var stale = 0
    /// Seconds of the interrupted answer that were played.
    var played = 0.0
  }

  /// Called for every message of audio with the time at which it was read.
  var audioArrived: (Double) -> Void = { _ in }
  let leg: CallLeg
  private(set) var playback: Playback
  private(set) var interruption: Interruption?
  /// What was heard, one text for each stretch of speech.
  private(set) var phrases: [String] = []

  /// A longer quiet ends a stretch of speech.
  private static let phraseSeconds = 0.4
  /// From one key to the next.
  private static let keySeconds = 0.25

  private let plan: CallPlan
  private let loop: Loop
  private let frame: Int
  private let silence: [UInt8]
  private var pacer: Pacer?
  private var dialogue: Dialogue
  /// What is left of the turn that is being said.
  private var speech: [UInt8] = []
  private var keys: [(digit: Character, at: Double)] = []
  private var words: [String] = []
  private var soundAt = 0.0
  /// How much had been played when we finished our last turn.
  private var playedBefore = 0
  private var markTimer: Int?
  private var hasHungUp = false
  /// Whom the carrier has connected the caller with.
  private var transferredTo: String?
  private var server: CarrierServer?

  init(_ plan: CallPlan, on loop: Loop) throws(Failure) {
    self.plan = plan
    self.loop = loop
    leg = try CallLeg(plan, on: loop)
    silence = leg.uplink.silence(seconds: plan.frameSeconds)
    frame = silence.count
    playback = Playback(rate: leg.downlink.rate, delay: plan.delay, at: Loop.now)
    dialogue = plan.dialogue(at: Loop.now)
    leg.opened = { [self] in begin() }
    leg.heard = { [self] event, now in take(event, at: now) }
    leg.ended = { [self] in end() }
    if let orders = plan.orders, let manner = CarrierTwin.Manner(rawValue: plan.manner.rawValue) {
      server = try CarrierServer(manner, of: leg.callID, orders, on: loop) { [unowned self] deed in
        perform(deed)
      }
    }
  }

  var problem: String? {
    if transferredTo != nil { return leg.problem }
    return leg.problem ?? (dialogue.isComplete ? nil : "the call ended before everything was said")
  }
  /// What was played, quiet included, from the beginning of the call.
  var sound: Recording? {
    guard playback.figures.messages > 0 else { return nil }
    return Recording(rate: playback.rate, channels: [playback.line])
  }

  // MARK: Our side

  private func begin() {
    dialogue = plan.dialogue(at: Loop.now)
    let milliseconds = plan.frameSeconds * 1000
    pacer = Pacer(
      frames: .max, every: plan.frameSeconds, on: loop, isHeldBack: { [leg] in leg.isHeldBack },
      send: { [self] index in
        let now = Loop.now
        perform(playback.advance(to: now), at: now)
        tellPhrase(at: now)
        decide(at: now)
        guard !hasHungUp else { return }
        leg.media(nextFrame(), at: Int((Double(index) * milliseconds).rounded()))
        press(at: now)
      }, done: {})
    loop.after(plan.limit) { [self] in
      if !hasHungUp && !leg.isOver {
        Console.say("the call has lasted \(plan.limit) s: hanging up")
        hangUp()
      }
    }
    pacer?.start()
  }

  private func decide(at now: Double) {
    if speech.isEmpty && keys.isEmpty && !dialogue.isListening {
      dialogue.finish(at: now)
      playedBefore = playback.figures.samplesPlayed
    }
    switch dialogue.step(at: now) {
    case .begin(let turn): begin(plan.turns[turn], at: now)
    case .hangUp: hangUp()
    case nil: break
    }
  }

  private func begin(_ turn: CallPlan.Turn, at now: Double) {
    let verb = dialogue.isInterrupting ? "interrupts" : "says"
    if dialogue.isInterrupting { interruption = Interruption(began: now, played: playedSeconds) }
    switch turn {
    case .say(let sound, let label):
      Console.say("\(verb): \(label)")
      speech = leg.uplink.encode(sound)
    case .press(let digits):
      Console.say("presses: \(digits)")
      keys = digits.enumerated().map { ($1, now + Double($0) * Self.keySeconds) }
    }
  }

  private func nextFrame() -> [UInt8] {
    let piece = Array(speech.prefix(frame))
    speech.removeFirst(piece.count)
    return piece + silence[piece.count...]
  }

  private func press(at now: Double) {
    while let key = keys.first, key.at <= now {
      leg.digit(key.digit)
      keys.removeFirst()
    }
  }

  private func hangUp() {
    hasHungUp = true
    pacer?.stop()
    leg.hangUp()
  }

  /// As the carrier does: it answers, and then the stream ends.
  private func perform(_ deed: CarrierTwin.Deed) {
    guard case .transfer(let address, _) = deed else { return }
    transferredTo = address
    loop.after(0.1) { [self] in if !hasHungUp && !leg.isOver { hangUp() } }
  }

  // MARK: The other side

  private func take(_ event: WireEvent, at now: Double) {
    switch event {
    case .audio(let bytes):
      perform(playback.receive(leg.downlink.decode(bytes).mono, at: now), at: now)
      if dialogue.isInterrupting {
        interruption?.lastAudio = now
        if interruption?.cleared != nil { interruption?.stale += 1 }
      }
      audioArrived(now)
    case .mark(let name): perform(playback.mark(name, at: now), at: now)
    case .clear:
      perform(playback.clear(at: now), at: now)
      if dialogue.isInterrupting && interruption?.cleared == nil {
        interruption?.cleared = now
        interruption?.played = playedSeconds
      }
    case .hangUp:
      Console.say("the relay hangs up")
      if !hasHungUp { pacer?.stop() }
      leg.hangUp()
    case .line, .wrong: break
    }
  }

  /// Seconds of the answer under way that have been played.
  private var playedSeconds: Double {
    Double(playback.figures.samplesPlayed - playedBefore) / Double(playback.rate)
  }

  private func perform(_ outputs: [Playback.Output], at now: Double) {
    for output in outputs {
      switch output {
      case .word(let word): words.append(word.text)
      case .mark(let name): leg.played(name)
      case .sound:
        soundAt = now
        dialogue.hear(at: now)
      }
    }
    loop.cancel(markTimer)
    markTimer = playback.wakeTime.map { time in
      loop.at(time) { [self] in perform(playback.advance(to: Loop.now), at: Loop.now) }
    }
  }

  private func tellPhrase(at now: Double) {
    guard !words.isEmpty, now - soundAt >= Self.phraseSeconds else { return }
    phrases.append(words.joined(separator: " "))
    words = []
    Console.say("heard: \(phrases.last ?? "")")
  }

  private func end() {
    pacer?.stop()
    perform(playback.finish(), at: Loop.now)
    loop.cancel(markTimer)
    tellPhrase(at: .infinity)
    loop.stop()
  }
}

extension TwoWayCall {
  func report() {
    reportAudio()
    reportInterruption()
    if let transferredTo { Console.say("the caller talks with \(transferredTo) now") }
  }

  func reportAudio() {
    let figures = playback.figures
    guard figures.messages > 0 else { return Console.say("nothing came to be heard") }
    func seconds(_ samples: Int) -> String { Self.rounded(Double(samples) / Double(playback.rate)) }
    Console.say(
      "\(figures.messages) messages with \(seconds(figures.samplesReceived)) s of audio: "
        + "\(seconds(figures.samplesPlayed)) s played, \(seconds(figures.samplesCleared)) s cleared"
    )
    Console.say(
      "\(figures.late) of them late, by up to \(Self.rounded(figures.latest)) s; "
        + "up to \(Self.rounded(figures.mostAhead)) s ahead of the play-out")
  }

  private func reportInterruption() {
    guard let interruption else { return }
    let began = interruption.began
    func after(_ time: Double?, _ never: String) -> String {
      time.map { "\(Self.rounded($0 - began)) s after we began" } ?? never
    }
    Console.say("interrupted an answer of which \(Self.rounded(interruption.played)) s were played")
    Console.say("  last audio: \(after(interruption.lastAudio, "none came after we began"))")
    Console.say("  cleared: \(after(interruption.cleared, "never"))")
    Console.say("  stale messages behind the clear: \(interruption.stale)")
  }

  private static func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}
