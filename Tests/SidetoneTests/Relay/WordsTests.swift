// What is said in a two-way call as lines: in the order of speech, whole, and each once.

import Sidetone
import Testing

struct WordsTests {
  private func words(_ text: String, _ item: String, isWhole: Bool = true) -> String {
    let (kind, member) = isWhole ? ("done", "transcript") : ("delta", "delta")
    return """
      {"type":"response.output_audio_transcript.\(kind)","response_id":"r_\(item)",\
      "item_id":"\(item)","\(member)":"\(text)"}
      """
  }

  private func committed(_ item: String) -> String {
    #"{"type":"input_audio_buffer.committed","item_id":"\#(item)"}"#
  }

  private func heard(_ text: String, _ item: String) -> String {
    """
    {"type":"conversation.item.input_audio_transcription.completed","item_id":"\(item)",\
    "transcript":"\(text)"}
    """
  }

  private func talk() throws -> Talk { try Talk("ucid") { $0.printsTranscripts = true } }

  /// The lines of the transcript so far, without the call's id.
  private func lines(_ talk: Talk) -> [String] {
    let kinds = ["[FINAL]", "[AGENT]", "[INTERRUPTED]"]
    return talk.rig.log.filter { line in kinds.contains { line.hasPrefix($0) } }.map {
      String($0.dropLast(" (123)\n".count))
    }
  }

  @Test func `lines follow the order of speech, whichever is whole first`() throws {
    let talk = try talk()
    talk.tell(committed("u1"))
    talk.tell(committed("u2"))
    talk.say(100, item: "item_1")
    talk.say(100, item: "item_2")
    talk.tell(words("two", "item_2"))
    talk.tell(words("one", "item_1"))
    talk.tell(heard("second", "u2"))
    #expect(lines(talk) == [])
    talk.tell(heard("first", "u1"))
    #expect(
      lines(talk) == [
        "[FINAL] Transcription: first", "[FINAL] Transcription: second", "[AGENT] one",
        "[AGENT] two",
      ])
  }

  @Test func `a character cut in two costs no words, and comes together where its halves do`()
    throws
  {
    let talk = try talk()
    talk.say(100)
    talk.tell(words(#"so \ud83d"#, "item_1", isWhole: false))
    talk.tell(words(#"\ude00 it is, half \ud83d of it"#, "item_1", isWhole: false))
    talk.finish()
    talk.tell(heard(#"mine \ude00 too"#, "u1"))
    talk.rig.advance(milliseconds: 3000)
    #expect(
      Set(lines(talk)) == [
        "[FINAL] Transcription: mine \u{fffd} too", "[AGENT] so 😀 it is, half \u{fffd} of it",
      ])
    #expect(talk.rig.relay.totals.messagesIgnored == 0)
  }

  @Test func `words that never come hold nobody up for long`() throws {
    let talk = try talk()
    talk.tell(committed("u1"))
    talk.say(100)
    talk.tell(words("one", "item_1"))
    talk.rig.advance(milliseconds: 2900)
    #expect(lines(talk) == [])
    talk.rig.advance(milliseconds: 200)
    #expect(lines(talk) == ["[AGENT] one"])
  }

  @Test(arguments: [true, false])
  func `words behind the end of their turn are shown once`(isHeard: Bool) throws {
    let talk = try talk()
    talk.say(100)
    talk.tell(words("one ", "item_1", isWhole: false))
    talk.end()
    talk.finish()
    if isHeard { talk.rig.advance(milliseconds: 400) }
    talk.tell(words("one two", "item_1"))
    talk.rig.advance(milliseconds: 2000)
    talk.tell(words("one two", "item_1"))
    talk.rig.advance(milliseconds: 2000)
    #expect(lines(talk) == ["[AGENT] one two"])
  }

  @Test func `a transcript in many escaped pieces is shown whole`() throws {
    let talk = try talk()
    talk.say(100)
    for _ in 0..<400 {
      talk.tell(words(#"\u00e9\u00e8 \"a\" "#, "item_1", isWhole: false))
    }
    talk.end()
    talk.finish()
    talk.rig.advance(milliseconds: 2000)
    let text = lines(talk).map { $0.dropFirst("[AGENT] ".count) }.joined()
    #expect(text == String(repeating: #"éè "a" "#, count: 400))
    #expect(talk.rig.relay.totals.wordsCut == 0)
  }

  @Test func `one that is longer than can be kept is cut, and a line says so`() throws {
    let talk = try talk()
    talk.say(100)
    for _ in 0..<20 {
      talk.tell(words(String(repeating: "a", count: 999) + " ", "item_1", isWhole: false))
    }
    talk.finish()
    talk.rig.advance(milliseconds: 2000)
    #expect(lines(talk).count > 3 && talk.rig.relay.totals.wordsCut == 1)
    #expect(talk.rig.log.contains { $0.contains("words_cut") })
  }

  @Test func `what a caller said at great length is cut, and not gone`() throws {
    let talk = try talk()
    talk.tell(
      """
      {"type":"conversation.item.input_audio_transcription.completed","item_id":"u1",\
      "transcript":"\(String(repeating: "word ", count: 4000))"}
      """)
    talk.rig.advance(milliseconds: 5000)
    let count = lines(talk).reduce(0) { $0 + $1.count }
    #expect(count >= 14_000 && talk.rig.relay.totals.wordsCut == 1)
  }

  @Test func `words of a session that is gone are not those of the next one`() throws {
    let talk = try talk()
    let piece = { (text: String, item: String) in
      """
      {"type":"conversation.item.input_audio_transcription.delta","item_id":"\(item)",\
      "delta":"\(text)"}
      """
    }
    talk.tell(piece("alpha", "u1"))
    talk.rig.relay.failed(talk.model, .reset, at: talk.rig.now)
    talk.rig.perform()
    talk.rig.advance(milliseconds: 500)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("openai"), on: second)
    talk.rig.answer(piece("bravo", "u1"), on: second)
    talk.rig.answer(heard("bravo charlie", "u1"), on: second)
    #expect(
      lines(talk) == ["[FINAL] Transcription: alpha", "[FINAL] Transcription: bravo charlie"])
  }

  // MARK: A model without names

  private func said(_ text: String) -> String {
    #"{"serverContent":{"outputTranscription":{"text":"\#(text)"}}}"#
  }

  /// Gemini has said one thing, then the caller another; after so long the rest of the former's
  /// words comes, and after so long again the next answer.
  private func late(_ first: Int, _ second: Int) throws -> [String] {
    let talk = try Talk("ucid", with: "gemini") { $0.printsTranscripts = true }
    talk.say(100)
    talk.tell(said("one"))
    talk.finish()
    talk.tell(#"{"serverContent":{"inputTranscription":{"text":"hm"}}}"#)
    talk.rig.advance(milliseconds: first)
    talk.tell(said(" more"))
    talk.rig.advance(milliseconds: second)
    talk.say(100)
    talk.tell(said("two"))
    talk.finish()
    talk.rig.advance(milliseconds: 2000)
    return lines(talk)
  }

  @Test func `words that come late are no part of the next answer's line`() throws {
    let hm = "[FINAL] Transcription: hm"
    #expect(try late(200, 1500) == ["[AGENT] one more", hm, "[AGENT] two"])
    #expect(try late(200, 300) == ["[AGENT] one more", hm, "[AGENT] two"])
    #expect(try late(1500, 1500) == ["[AGENT] one", hm, "[AGENT]  more", "[AGENT] two"])
    // Nobody can say whose they are: what is soon behind them is taken to go on with them.
    #expect(try late(1500, 300) == ["[AGENT] one", hm, "[AGENT]  moretwo"])
  }
}
