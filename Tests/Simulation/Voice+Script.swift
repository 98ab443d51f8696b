// What a voice model says: turns drawn from the seed, in bursts or in real time, in pieces of any
// size, interrupted at every moment, with words before, between and behind.

import Sidetone

/// How one turn is said.
struct Turn {
  enum Delivery: CaseIterable {
    /// All at once, in one piece, in some, in many.
    case whole, pieces, crumbs
    /// A piece of 20 ms every 20 ms, or so.
    case live
  }
  enum Cut: CaseIterable {
    case none
    /// Before its first sample; while it comes or is played; when all of it was played, or nearly.
    case early, middle, late
    /// In the middle, and again a moment later.
    case twice
  }
  enum End: CaseIterable {
    /// Behind the interruption, where there is one.
    case behind
    /// Before it: all has come and is still played, or was.
    case before
    /// It is never said, where turns have no names.
    case never
  }
  var milliseconds = 1000
  var delivery = Delivery.whole
  var cut = Cut.none
  var end = End.behind
  /// Pieces that come after the interruption; and one of an item that was interrupted long ago.
  var latePieces = 0
  var hasOldPiece = false
  var hasWords = false
  /// Silence before the next turn, from when this one should have been played; may be negative.
  var gap = 500

  static func drawn(_ dice: inout Dice) -> Turn {
    var turn = Turn()
    turn.delivery = Delivery.allCases[dice.below(4)]
    switch turn.delivery {
    case .crumbs: turn.milliseconds = dice.range(1...60)
    case .whole: turn.milliseconds = dice.percent(10) ? 14_000 : dice.range(1...4000)
    case .pieces: turn.milliseconds = dice.percent(10) ? 28_000 : dice.range(1...6000)
    case .live: turn.milliseconds = dice.range(1...3000)
    }
    if dice.percent(55) { turn.cut = Cut.allCases[dice.below(5)] }
    if turn.milliseconds > 10_000, turn.cut == .none { turn.cut = .middle }
    turn.end = End.allCases[dice.below(3)]
    turn.hasOldPiece = dice.percent(20)
    turn.latePieces = dice.percent(50) ? dice.range(1...4) : 0
    turn.hasWords = dice.percent(50)
    turn.gap = dice.percent(20) ? -dice.below(150) : dice.below(1500)
    return turn
  }
}

extension Voice {
  func beginTurn() {
    guard let talker, talker.isOpen, !isBeside else {
      // Its caller is still to come, or another session still talks.
      return after(.milliseconds(200)) { [unowned self] in beginTurn() }
    }
    guard talker.wire?.isClosed == false else { return }
    guard let next = talker.script.first else {
      talker.isScriptOver = true
      if talker.plan.leavesAtEnd { after(.seconds(3)) { talker.leave() } }
      return
    }
    talker.script.removeFirst()
    let item = talker.items.count
    talker.items.append(
      Item(call: talker.number, index: item, length: next.milliseconds * 8))
    deliver(next, item, talker)
  }

  // MARK: Delivery

  private func deliver(_ turn: Turn, _ item: Int, _ talker: Talker) {
    let whole = talker.items[item].length * Item.bytesPerSample(talker.sound)
    if kind == .openai {
      say(
        "{\"type\":\"response.created\",\"response\":{\"id\":\"r\(item)\"}}",
        .words(item: item))
    }
    if turn.hasWords { words("Well, ", item, talker) }
    if turn.cut == .early {
      return after(.milliseconds(world.dice.below(50))) { [unowned self] in
        interrupt(turn, item, from: 0, whole, talker)
      }
    }
    let sizes = pieces(of: whole, turn, talker.sound)
    let pause = turn.delivery == .live ? 20 : 0
    let offset = offset(of: turn)
    var at = 0
    for (index, size) in sizes.enumerated() {
      let from = at
      at += size
      // What would come behind the interruption is not said, or comes late.
      if let offset, index * pause > offset {
        at = from
        break
      }
      let jitter = pause > 0 ? world.dice.below(15) : 0
      after(.milliseconds(index * pause + jitter)) { [unowned self] in
        piece(from..<from + size, item, talker)
      }
    }
    let end = at
    if offset != nil, end == whole, pause == 0, turn.end == .before {
      after(.milliseconds(5)) { [unowned self] in
        world.marks.insert("over before its interruption")
        spoken(item, talker)
        sayOver("completed", item)
      }
    }
    if let offset {
      after(.milliseconds(offset + 15)) { [unowned self] in
        let isOver = end == whole && pause == 0 && turn.end == .before
        if end == whole, !isOver { spoken(item, talker) }
        interrupt(turn, item, from: end, whole, isOver: isOver, talker)
      }
    } else {
      after(.milliseconds(sizes.count * pause + 20)) { [unowned self] in
        spoken(item, talker)
        finish("completed", item, turn, after: turn.milliseconds - sizes.count * pause)
      }
    }
  }

  /// When the caller interrupts, in milliseconds from the beginning of the turn.
  private func offset(of turn: Turn) -> Int? {
    switch turn.cut {
    case .none, .early: return nil
    case .middle, .twice: return world.dice.below(min(turn.milliseconds, 8000))
    case .late: return max(0, turn.milliseconds + world.dice.range(-60...400))
    }
  }

  private func pieces(of whole: Int, _ turn: Turn, _ sound: Sound) -> [Int] {
    let frame = 160 * Item.bytesPerSample(sound)
    var sizes: [Int] = []
    var rest = whole
    while rest > 0 {
      let size: Int
      switch turn.delivery {
      case .whole: size = rest
      case .pieces: size = world.dice.range(1...max(1, min(whole, 300_000)))
      case .crumbs: size = world.dice.percent(70) ? 1 : world.dice.range(1...7)
      case .live: size = frame
      }
      sizes.append(min(size, rest))
      rest -= min(size, rest)
    }
    return sizes
  }

  private func piece(_ range: Range<Int>, _ item: Int, _ talker: Talker) {
    let audio = spelling.audio(talker.items[item].bytes(range, as: talker.sound))
    let effect = Effect.audio(item: item, bytes: range.count)
    switch kind {
    case .openai:
      say(
        spelling.object([
          ("type", "\"response.output_audio.delta\""), ("response_id", "\"r\(item)\""),
          ("item_id", "\"\(talker.items[item].name)\""), ("output_index", "0"),
          ("content_index", "0"), ("delta", "\"\(audio)\""),
        ]), effect)
    case .gemini:
      let data = spelling.object([
        ("mimeType", "\"audio/pcm;rate=24000\""), ("data", "\"\(audio)\""),
      ])
      say(
        spelling.object([
          ("serverContent", "{\"modelTurn\":{\"parts\":[{\"inlineData\":\(data)}]}}")
        ]), effect)
    }
  }

  private func words(_ text: String, _ item: Int, _ talker: Talker) {
    switch kind {
    case .openai:
      say(
        """
        {"type":"response.output_audio_transcript.delta","response_id":"r\(item)","item_id":\
        "\(talker.items[item].name)",\
        "delta":"\(text)"}
        """, .words(item: item))
    case .gemini:
      say(
        "{\"serverContent\":{\"outputTranscription\":{\"text\":\"\(text)\"}}}", .words(item: item))
    }
  }

  // MARK: Ends

  private func spoken(_ item: Int, _ talker: Talker) {
    switch kind {
    case .openai:
      say(
        "{\"type\":\"response.output_audio.done\",\"item_id\":\"\(talker.items[item].name)\"}",
        .over(item: item))
    case .gemini: say("{\"serverContent\":{\"generationComplete\":true}}", .over(item: item))
    }
    if world.dice.percent(30) { words("said.", item, talker) }
  }

  private func sayOver(_ status: String, _ item: Int) {
    switch kind {
    case .openai:
      say(
        """
        {"type":"response.done","response":{"id":"r\(item)","status":"\(status)"}}
        """)
    case .gemini: say("{\"serverContent\":{\"turnComplete\":true}}")
    }
  }

  private func finish(_ status: String, _ item: Int, _ turn: Turn, after milliseconds: Int) {
    sayOver(status, item)
    next(behind: turn, after: milliseconds)
  }

  private func next(behind turn: Turn, after milliseconds: Int) {
    let pause = max(0, milliseconds + turn.gap)
    after(.milliseconds(pause)) { [unowned self] in beginTurn() }
  }

  private func interrupt(
    _ turn: Turn, _ item: Int, from end: Int, _ whole: Int, isOver: Bool = false,
    _ talker: Talker
  ) {
    world.marks.insert("interrupted \(turn.cut)")
    sayInterruption(item)
    if turn.cut == .twice {
      after(.milliseconds(world.dice.below(40))) { [unowned self] in sayInterruption(item) }
    }
    // A turn of which nothing was said before is not begun, where turns have no names.
    var at = end
    if kind == .openai || at > 0 {
      for _ in 0..<turn.latePieces where at < whole {
        let size = min(whole - at, world.dice.range(1...4000))
        let range = at..<at + size
        world.marks.insert("late piece")
        after(.milliseconds(world.dice.below(30))) { [unowned self] in
          piece(range, item, talker)
        }
        at += size
      }
    }
    if turn.hasOldPiece, kind == .openai { sayOldPiece(before: item, talker) }
    after(.milliseconds(45)) { [unowned self] in
      if isOver {
        next(behind: turn, after: 100)
      } else if turn.end == .never, kind == .gemini {
        world.marks.insert("never over")
        // What comes at once would be taken for more of this turn.
        next(behind: turn, after: 500 - min(0, turn.gap))
      } else {
        finish("cancelled", item, turn, after: 100)
      }
    }
  }

  /// A piece of an item of which the model was told that it was cut off.
  private func sayOldPiece(before item: Int, _ talker: Talker) {
    let whole = { talker.items[$0].length * Item.bytesPerSample(talker.sound) }
    let old = (0..<item).first {
      talker.items[$0].told != nil && talker.items[$0].handed + 6 < whole($0)
    }
    guard let old else { return }
    world.marks.insert("old piece")
    let from = talker.items[old].handed / 6 * 6
    piece(from..<from + 6, old, talker)
  }

  private func sayInterruption(_ item: Int) {
    switch kind {
    case .openai: say("{\"type\":\"input_audio_buffer.speech_started\"}", .interruption(upTo: item))
    case .gemini: say("{\"serverContent\":{\"interrupted\":true}}", .interruption(upTo: item))
    }
  }
}
