// What is said in a two-way call as words: gathered piece by piece, shown on the terminal, told to
// callers who can read.

extension Relay {
  // MARK: The caller's

  /// Words of the caller: whole sentences are shown as they come, increments when they are
  /// complete.
  func hear(_ words: Upstream.Words, _ message: Bytes, _ call: Int, _ now: Instant) {
    calls[call].life.progressed()
    if words.isWhole {
      calls[call].callerWords.clear(in: pool)
      show(message[words.text], ofCaller: call, now)
    } else {
      append(message[words.text], to: &calls[call].callerWords)
    }
  }

  /// Increments are complete once the agent answers; where a whole sentence is still to come, that
  /// one is shown instead.
  func flushCallerWords(_ call: Int, _ now: Instant) {
    guard calls[call].transcriptsOwed == 0, !calls[call].callerWords.isEmpty else { return }
    let words = calls[call].callerWords
    show(whole(words), ofCaller: call, now)
    calls[call].callerWords.clear(in: pool)
  }

  private func show(_ text: Bytes, ofCaller call: Int, _ now: Instant) {
    guard !text.isEmpty else { return }
    calls[call].transcripts &+= 1
    totals.transcripts &+= 1
    say(call, text, isFinal: true, at: now)
    tell(
      call,
      .transcript(text: text, isFinal: true, confidence: .empty, channel: 0, channels: 1), now)
  }

  // MARK: The agent's

  func hearAgent(
    _ words: Upstream.Words, _ message: Bytes, _ item: Bytes, _ call: Int, _ now: Instant
  ) {
    guard !calls[call].isVoid, !calls[call].downlink.utterances.isVoid(item),
      !calls[call].life.isClosing
    else { return }
    var index = calls[call].downlink.utterances.index(of: item)
    if index == nil { index = beginUtterance(item, call, now) }
    guard let index else { return }
    if words.isWhole { calls[call].downlink.utterances[index].words.clear(in: pool) }
    append(message[words.text], to: &calls[call].downlink.utterances[index].words)
    if words.isWhole { showWords(call, index, now) }
  }

  /// Shows what an item says, once.
  func showWords(_ call: Int, _ index: Int, _ now: Instant) {
    let utterance = calls[call].downlink.utterances[index]
    guard !utterance.areWordsShown, !utterance.words.isEmpty else { return }
    calls[call].downlink.utterances[index].areWordsShown = true
    guard config.printsTranscripts else { return }
    var line = lines.blank
    line.write("[AGENT] ")
    write(whole(utterance.words), to: &line)
    end(line, of: call)
  }

  /// How much of an interrupted item was heard. Which words these were is an estimate: the share of
  /// the text that the time is of the item's.
  func showInterruption(
    _ call: Int, _ utterance: Utterance, _ heard: Int, _ now: Instant
  ) {
    let generated = utterance.length &* 1000 / calls[call].reply.rate
    log(.info, "interrupted", call: call, at: now) {
      $0.write("heard ")
      $0.write(decimal: heard)
      $0.write(" of ")
      $0.write(decimal: generated)
      $0.write(" ms generated")
    }
    guard config.printsTranscripts else { return }
    var line = lines.blank
    line.write("[INTERRUPTED] heard ")
    line.write(decimal: heard)
    line.write(" of ")
    line.write(decimal: generated)
    line.write(" ms: ")
    let text = whole(utterance.words)
    let share = generated > 0 ? text.count &* min(heard, generated) / generated : 0
    let cut = wordBoundary(before: share, in: text)
    write(text.prefix(cut), to: &line)
    line.write(" |")
    write(text.dropping(cut), to: &line)
    end(line, of: call)
  }

  /// The end of the last whole word in the first `length` bytes.
  private func wordBoundary(before length: Int, in text: Bytes) -> Int {
    if length >= text.count { return text.count }
    var at = length
    while at > 0, text[at] != 0x20 { at -= 1 }
    return at
  }

  func showDigit(_ call: Int, _ digit: UInt8) {
    guard config.printsTranscripts else { return }
    var line = lines.blank
    line.write("[DTMF] ")
    line.write(byte: digit)
    end(line, of: call)
  }

  // MARK: Pieces

  private func append(_ text: Bytes, to words: inout Chain) {
    guard words.count + text.count <= Limits.wordsBytesMax else { return }
    _ = words.append(text, from: pool)
  }

  /// All of a text in one piece.
  private func whole(_ words: Chain) -> Bytes {
    guard words.count > 0 else { return .empty }
    return words.whole(words.count, at: words.first(), scratch: source.bytes, in: pool)
  }

  private func write(_ text: Bytes, to line: inout Writer) {
    JSON.unescape(JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text, to: &line)
  }

  private func end(_ text: Writer, of call: Int) {
    var line = text
    line.write(" (")
    line.write(calls[call].name)
    line.write(")")
    lines.put(line, .transcript)
  }
}
