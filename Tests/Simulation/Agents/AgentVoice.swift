// The voice of a cascade of the simulation, Deepgram's Aura: what it is told to say it says in the
// level of the item that the words are of, as fast as it can or slower than speech. Some never say
// that they are done, or that they have forgotten; some end while they speak, or for want of work.

import Sidetone
import TestSupport

final class AgentVoice: AgentSession {
  /// What it does badly, once.
  enum Fault { case none, neverFlushes, neverClears, says, complains }

  private struct Words {
    var count = 0
    /// The item that they are of.
    var item = 0
  }

  private var fault: Fault
  /// Told, and not flushed.
  private var text = Words()
  /// Flushed, and not begun.
  private var waiting: [Words] = []
  private var isSpeaking = false
  /// Grows with each clearing: what was begun before is not gone on with.
  private var epoch = 0
  /// What it was told to do and has not said to be done, as the relay knows.
  private var flushesOwed = 0
  private var clearsOwed = 0
  /// Milliseconds that 100 ms of its sound take.
  private let pace: Int

  init(world: World, end: End?, fault: Fault, book: AgentBook?) {
    self.fault = fault
    pace = [0, 0, 20, 60, 100, 130][world.dice.below(6)]
    super.init(world: world, end: end, plant: nil)
    self.book = book
  }

  private var thought: AgentThought? { book?.thought }

  override func opened() {
    if end == .setupRefused { return close(1008) }
    if case .after(let span) = end { after(span) { [unowned self] in die() } }
    if case .notice(let span, let seconds) = end { idle(span + .seconds(seconds)) }
    say(#"{"type":"Metadata","request_id":"r","model_name":"aura-2-thalia-en"}"#)
  }

  /// It goes when it has had nothing to do for so long.
  private func idle(_ span: Instant.Span) {
    let epoch = epoch
    after(span) { [unowned self] in
      if isSpeaking || self.epoch != epoch { return idle(span) }
      world.marks.insert("voice idle")
      close(1000)
      over("idle")
    }
  }

  // MARK: What it is told

  override func leaves(_ message: [UInt8]) -> () -> Void {
    if let start = place(behind: "{\"type\":\"Speak\",\"text\":\"", in: message) {
      let words = Array(message[start...].dropLast(2))
      let item = thought?.wasTold(words) ?? 0
      return { [unowned self] in text = Words(count: text.count + words.count, item: item) }
    }
    if place(behind: "\"Flush\"", in: message) != nil {
      flushesOwed += 1
      return { [unowned self] in flush() }
    }
    if place(behind: "\"Clear\"", in: message) != nil {
      flushesOwed = 0
      clearsOwed += 1
      return { [unowned self] in clear() }
    }
    return {}
  }

  private func flush() {
    if end == .beforeAnswer { return die() }
    waiting.append(text)
    text = Words()
    goOn()
  }

  private func clear() {
    epoch += 1
    text = Words()
    waiting = []
    isSpeaking = false
    world.marks.insert("cleared")
    if fault == .neverClears {
      thought?.trouble(for: .seconds(8))
      world.marks.insert("voice never clears")
      return
    }
    after(.milliseconds(world.dice.below(200))) { [unowned self] in
      say(#"{"type":"Cleared","sequence_id":0}"#) { [unowned self] in clearsOwed -= 1 }
    }
  }

  // MARK: What it says

  private func goOn() {
    guard !isSpeaking, !waiting.isEmpty else { return }
    isSpeaking = true
    let words = waiting.removeFirst()
    if end == .atCall { return die() }
    after(.milliseconds(world.dice.range(50...300))) { [unowned self, epoch] in
      sound(8 * 30 * max(words.count, 5), of: words.item, epoch)
    }
  }

  private func sound(_ left: Int, of item: Int, _ epoch: Int) {
    guard epoch == self.epoch, let book else { return }
    if left <= 0 { return flushed() }
    let count = min(left, pace == 0 ? 4000 : 800)
    say(binary: [UInt8](repeating: AgentModel.mulaw(book.items[item].level), count: count)) {
      [unowned self] in
      // Until it has forgotten what was before, nobody knows what its sound is of: none of it is
      // heard, and what is old by then never.
      if clearsOwed == 0 || book.items[item].isVoid { thought?.sounded(count, of: item) }
    }
    if end == .inAnswer { return die() }
    let pause = Instant.Span.milliseconds(pace * count / 800)
    if pace == 0 { return sound(left - count, of: item, epoch) }
    after(pause) { [unowned self] in sound(left - count, of: item, epoch) }
  }

  private func flushed() {
    isSpeaking = false
    epoch += 1
    switch fault {
    case .neverFlushes:
      fault = .none
      thought?.trouble(for: .seconds(16))
      world.marks.insert("voice never flushes")
      return
    case .says: say(#"{"type":"Warning","description":"slow","code":"W"}"#)
    case .complains:
      thought?.trouble(for: .seconds(16))
      say(#"{"type":"Error","description":"no","code":"E"}"#)
      book?.hasLostSession = true
      fault = .none
      return
    default: break
    }
    say(#"{"type":"Flushed","sequence_id":0}"#) { [unowned self] in
      guard clearsOwed == 0, flushesOwed > 0 else { return }
      flushesOwed -= 1
      if flushesOwed == 0 { thought?.wasFlushed() }
    }
    goOn()
  }
}
