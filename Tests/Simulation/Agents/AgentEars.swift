// The one that listens for a cascade of the simulation, Deepgram: what its caller says comes as
// guesses, then as words that stay, and is over by `speech_final`, a result without words or
// `UtteranceEnd`, whichever is said, or two of them. Flux says turns instead. Some of what is said
// it does not make out, and some noise it takes for words.

import Sidetone
import TestSupport

final class AgentEars: AgentSession {
  private let isFlux: Bool
  /// Words of the utterance that stay were said already.
  private var hasSaidWords = false

  init(world: World, isFlux: Bool, end: End?, plant: Plant?, book: AgentBook?) {
    self.isFlux = isFlux
    super.init(world: world, end: end, plant: plant)
    self.book = book
  }

  // MARK: Connected

  override func requested() {
    guard let book else { return world.fail("ears that are nobody's") }
    let isMulaw = place(behind: "encoding=mulaw&", in: earlyHead.bytes) != nil
    ear = AgentEar(book.caller, isMulaw ? .mulaw8k : Format(codec: .linear16, rate: 16_000))
    book.add(self)
  }

  override func opened() {
    switch end {
    case .setupRefused, .mute: return close(1008)
    case .after(let span): after(span) { [unowned self] in die() }
    case .notice(let span, let seconds):
      after(span + .seconds(seconds)) { [unowned self] in die() }
    default: break
    }
    if isFlux { say(#"{"type":"Connected","request_id":"r","sequence_id":0}"#) }
    scheduleNoise()
  }

  override func openedRead() {
    readyAt = world.now
    book?.thought?.sessionBegan()
    world.marks.insert(isFlux ? "flux ready" : "ears ready")
  }

  override func begins(saysAgain: Bool) {
    if saysAgain { book?.thought?.isSaidAgain() }
  }

  override func letGo() { if readyAt != .never { book?.thought?.sessionEnded() } }

  override func leaves(audio: [UInt8]) -> () -> Void {
    // A session that never had audio is kept with silence.
    let silence: UInt8 = ear?.format.codec == .mulaw ? 0xff : 0
    if audio.allSatisfy({ $0 == silence }) { return {} }
    return leaves(ofCaller: audio)
  }

  override func leaves(_ text: [UInt8]) -> () -> Void {
    if place(behind: "\"CloseStream\"", in: text) != nil {
      return { [unowned self] in
        if let hearing { callerHasSpoken(hearing) }
        say(#"{"type":"Metadata","duration":1.0}"#)
        close(1000)
      }
    }
    let isAsked =
      place(behind: "\"Finalize\"", in: text) != nil
      || place(behind: "\"ForceEndTurn\"", in: text) != nil
    return { [unowned self] in if isAsked, let hearing { callerHasSpoken(hearing) } }
  }

  // MARK: What it hears

  override func callerSpeaks() {
    hasSaidWords = false
    guard let utterance = hearing else { return }
    if !isFlux, world.dice.percent(30) {
      say(#"{"type":"SpeechStarted","channel":[0],"timestamp":1.0}"#)
    }
    if isFlux {
      after(.milliseconds(world.dice.range(100...400))) { [unowned self] in
        say(turn: "StartOfTurn", "uttr\(utterance)x") { [unowned self] in
          book?.thought?.heard(words: true)
        }
        guess(utterance)
      }
    } else if world.dice.percent(85) {
      guess(utterance)
    }
  }

  /// It guesses, again and again, while the caller speaks.
  private func guess(_ utterance: Int) {
    after(.milliseconds(world.dice.range(150...700))) { [unowned self] in
      guard hearing == utterance else { return }
      if isFlux {
        say(turn: "Update", "uttr\(utterance)x is")
      } else if world.dice.percent(25), !hasSaidWords {
        hasSaidWords = true
        say(result: "uttr\(utterance)x is", isFinal: true, of: utterance)
      } else {
        say(result: "uttr\(utterance)x is wha")
      }
      guess(utterance)
    }
  }

  override func callerHasSpoken(_ utterance: Int) {
    if isFlux { return turnEnds(utterance) }
    let words = hasSaidWords ? "what I say." : "uttr\(utterance)x is what I say."
    let isMadeOut = hasSaidWords || world.dice.percent(96)
    if !isMadeOut { world.marks.insert("not made out") }
    switch isMadeOut ? world.dice.below(10) : 9 {
    case 0..<5: say(result: words, isFinal: true, endsSpeech: true, of: utterance)
    case 5:
      say(result: words, isFinal: true, endsSpeech: true, of: utterance)
      after(.milliseconds(700)) { [unowned self] in utteranceEnds() }
    case 6:
      say(result: words, isFinal: true, of: utterance)
      after(.milliseconds(300)) { [unowned self] in
        say(result: "", isFinal: true, endsSpeech: true)
      }
    case 7, 8:
      say(result: words, isFinal: true, of: utterance)
      after(.milliseconds(700)) { [unowned self] in utteranceEnds() }
    default:
      if isMadeOut { say(result: words, isFinal: true, of: utterance) }
      say(result: "", isFinal: true, endsSpeech: true)
    }
  }

  private func turnEnds(_ utterance: Int) {
    if world.dice.percent(20) {
      say(turn: "EagerEndOfTurn", "uttr\(utterance)x is")
      say(turn: "TurnResumed", "")
    }
    let words = world.dice.percent(96) ? "uttr\(utterance)x is what I say." : ""
    say(turn: "EndOfTurn", words) { [unowned self] in
      book?.thought?.heard(
        words: !words.isEmpty, isFinal: true, ends: true, words.isEmpty ? nil : utterance)
    }
  }

  /// Now and then a noise sounds like a word, and proves to be none.
  private func scheduleNoise() {
    guard !isFlux, world.dice.percent(40) else { return }
    after(.milliseconds(world.dice.range(3000...30_000))) { [unowned self] in
      guard hearing == nil else { return }
      world.marks.insert("noise")
      say(result: "uh")
      after(.milliseconds(400)) { [unowned self] in
        if hearing == nil { say(result: "", isFinal: true, endsSpeech: true) }
      }
    }
  }

  // MARK: What it says

  private func say(
    result text: String, isFinal: Bool = false, endsSpeech: Bool = false,
    of utterance: Int? = nil
  ) {
    say(
      """
      {"type":"Results","channel_index":[0,1],"duration":1.0,"start":0.0,"is_final":\(isFinal),\
      "speech_final":\(endsSpeech),"channel":{"alternatives":[{"transcript":"\(text)",\
      "confidence":0.9,"words":[]}]}}
      """
    ) { [unowned self] in
      book?.thought?.heard(
        words: !text.isEmpty, isFinal: isFinal, ends: isFinal && (endsSpeech || text.isEmpty),
        utterance)
    }
  }

  private func utteranceEnds() {
    say(#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.0}"#) { [unowned self] in
      book?.thought?.heard(words: false, isFinal: false, ends: true)
    }
  }

  private func say(turn event: String, _ text: String, whenRead: @escaping () -> Void = {}) {
    say(
      """
      {"type":"TurnInfo","event":"\(event)","turn_index":0,"audio_window_start":0.0,\
      "audio_window_end":1.0,"transcript":"\(text)","words":[],"end_of_turn_confidence":0.8}
      """, whenRead: whenRead)
  }
}
