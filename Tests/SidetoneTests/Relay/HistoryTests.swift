// The conversation so far, as the session is told of it that goes on where another one ended: once,
// in order, no more than was heard, in the words of each model.

import TestSupport
import Testing

@testable import Sidetone

/// A talk with any model, of which sessions are lost.
private struct Story {
  let talk: Talk
  var model: SlotID
  /// What describes the latest session, and what it was told before any audio.
  var setup: [String]
  var told: [String] = []
  private var number = 0

  init(_ kind: String, query: String = "", _ change: (inout Config) -> Void = { _ in }) throws {
    talk = try Talk(with: kind, query: query, change)
    model = talk.model
    setup = talk.setup
  }

  var kind: String { talk.kind }
  var rig: Rig { talk.rig }

  func tell(_ text: String) { rig.answer(text, on: model) }

  /// The caller says something, and the model has written it down.
  mutating func caller(_ words: String) {
    number += 1
    switch kind {
    case "openai":
      tell(#"{"type":"input_audio_buffer.committed","item_id":"u\#(number)"}"#)
      tell(
        """
        {"type":"conversation.item.input_audio_transcription.completed","item_id":"u\(number)",\
        "transcript":"\(words)"}
        """)
    case "gemini": tell(#"{"serverContent":{"inputTranscription":{"text":"\#(words)"}}}"#)
    default: tell(#"{"type":"ConversationText","role":"user","content":"\#(words)"}"#)
    }
  }

  /// The model says something of that length; it is heard to its end where `isWhole`.
  mutating func agent(_ words: String, milliseconds: Int = 400, isWhole: Bool = true) {
    number += 1
    let item = "i\(number)"
    let audio = [UInt8](repeating: 0, count: milliseconds * 48)
    switch kind {
    case "openai":
      tell(#"{"type":"response.created","response":{"id":"r_\#(item)"}}"#)
      tell(
        """
        {"type":"response.output_audio.delta","response_id":"r_\(item)","item_id":"\(item)",\
        "output_index":0,"content_index":0,"delta":"\(Talk.base64(audio))"}
        """)
      tell(
        """
        {"type":"response.output_audio_transcript.done","response_id":"r_\(item)",\
        "item_id":"\(item)","transcript":"\(words)"}
        """)
      if !isWhole { return }
      tell(#"{"type":"response.output_audio.done","item_id":"\#(item)"}"#)
      tell(#"{"type":"response.done","response":{"id":"r_\#(item)","status":"completed"}}"#)
    case "gemini":
      tell(#"{"serverContent":{"modelTurn":{"parts":[\#(Talk.part(audio))]}}}"#)
      tell(#"{"serverContent":{"outputTranscription":{"text":"\#(words)"}}}"#)
      if !isWhole { return }
      tell(#"{"serverContent":{"generationComplete":true}}"#)
      tell(#"{"serverContent":{"turnComplete":true}}"#)
    default:
      tell(#"{"type":"AgentStartedSpeaking"}"#)
      tell(#"{"type":"ConversationText","role":"assistant","content":"\#(words)"}"#)
      let mulaw = [UInt8](repeating: 0xff, count: milliseconds * 8)
      rig.feed(Frames.frame(.binary, mulaw, isMasked: false), on: model)
      if !isWhole { return }
      tell(#"{"type":"AgentAudioDone"}"#)
    }
    rig.advance(milliseconds: milliseconds + 1200)
    rig.media(talk.caller, Talk.silence)
  }

  /// The caller begins to speak over the agent.
  func interrupt() {
    switch kind {
    case "deepgram-agent": tell(#"{"type":"UserStartedSpeaking"}"#)
    case "gemini": tell(#"{"serverContent":{"interrupted":true}}"#)
    default:
      tell(#"{"type":"input_audio_buffer.speech_started","audio_start_ms":0,"item_id":"u"}"#)
    }
  }

  mutating func lose() {
    rig.feed(Frames.frame(.close, [0x03, 0xf3], isMasked: false), on: model)
    rig.advance(milliseconds: 300)
  }

  /// The next session is ready, of that kind.
  mutating func begin(_ other: String? = nil) throws {
    model = try #require(rig.answerDial())
    setup = rig.messages(from: model, isCaller: false)
    rig.answer(Talk.ready(other ?? kind), on: model)
    told = rig.messages(from: model, isCaller: false)
  }

  /// What the latest session was told that was said, by whom.
  var turns: [String] { (setup + told).flatMap(Self.turns(in:)) }

  static func turns(in message: String) -> [String] {
    let marks = [
      (#""role":""#, #"","content":[{"type":"input_text","text":""#, #""}]}}"#),
      (#""role":""#, #"","content":[{"type":"output_text","text":""#, #""}]}}"#),
      (#""role":""#, #"","parts":[{"text":""#, #""}]}"#),
      (#""type":"History","role":""#, #"","content":""#, #""}"#),
    ]
    guard
      message.hasPrefix(#"{"type":"conversation.item.create""#)
        || message.hasPrefix(#"{"clientContent""#) || message.hasPrefix(#"{"type":"Settings""#)
    else { return [] }
    return marks.flatMap { begin, middle, end in
      message.pieces(cutAt: begin).dropFirst().compactMap { piece -> String? in
        let parts = piece.pieces(cutAt: middle)
        guard parts.count > 1 else { return nil }
        return parts[0] + ": " + parts[1].pieces(cutAt: end)[0]
      }
    }
  }

  var agents: String {
    switch kind {
    case "gemini": "model"
    default: "assistant"
    }
  }
}

struct HistoryTests {
  static let kinds = ["openai", "gemini", "deepgram-agent"]

  @Test(arguments: kinds)
  func `the next session is told what both said, before it hears anything`(_ kind: String) throws {
    var story = try Story(kind)
    story.caller("My name is Ada.")
    story.agent("Hello Ada.")
    story.caller("What is my name?")
    story.agent("Your name is Ada.")
    story.lose()
    try story.begin()
    #expect(
      story.turns == [
        "user: My name is Ada.", "\(story.agents): Hello Ada.", "user: What is my name?",
        "\(story.agents): Your name is Ada.",
      ])
    story.talk.expectAllHome()
  }

  @Test func `Gemini waits for it where it can, and is told so`() throws {
    var story = try Story("gemini", query: "?model=gemini-3.8-live")
    #expect(!story.setup[0].contains("historyConfig"))
    story.caller("One.")
    story.agent("Two.")
    story.lose()
    try story.begin()
    #expect(story.setup[0].contains(#""historyConfig":{"initialHistoryInClientContent":true}"#))
    #expect(story.told.first?.hasSuffix(#""turnComplete":true}}"#) == true)
    var older = try Story("gemini", query: "?model=gemini-2.5-flash-native-audio")
    older.caller("One.")
    older.agent("Two.")
    older.lose()
    try older.begin()
    #expect(!older.setup[0].contains("historyConfig"))
    #expect(older.told.first?.hasSuffix(#""turnComplete":false}}"#) == true)
  }

  @Test func `a session that resumes another is not told`() throws {
    var story = try Story("gemini")
    story.caller("One.")
    story.agent("Two.")
    story.tell(#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"h1"}}"#)
    story.lose()
    try story.begin()
    #expect(story.setup[0].contains(#""handle":"h1""#) && story.turns == [])
  }

  @Test(arguments: kinds)
  func `of an interrupted answer it is told what was heard`(_ kind: String) throws {
    var story = try Story(kind)
    story.caller("Count.")
    story.agent("one two three four five six seven eight", milliseconds: 4000, isWhole: false)
    story.rig.advance(milliseconds: 2000)
    story.interrupt()
    story.rig.advance(milliseconds: 1500)
    story.lose()
    try story.begin()
    let said = try #require(story.turns.last)
    #expect(said.hasPrefix("\(story.agents): one two"))
    #expect(!said.contains("seven"), "\(said)")
  }

  @Test(arguments: kinds)
  func `an answer that breaks off is told as far as it came`(_ kind: String) throws {
    var story = try Story(kind)
    story.caller("Tell me.")
    story.agent("Once upon", milliseconds: 600, isWhole: false)
    story.lose()
    story.rig.advance(milliseconds: 1500)
    try story.begin()
    #expect(story.turns == ["user: Tell me.", "\(story.agents): Once upon"])
  }

  @Test(arguments: kinds)
  func `a question that is said again is not told as well`(_ kind: String) throws {
    var story = try Story(kind)
    story.caller("Hello.")
    story.agent("Hello, what is it?")
    story.talk.speak(1000)
    story.talk.speak(300, Talk.silence)
    story.caller("Where is my order?")
    story.rig.advance(milliseconds: 100)
    story.lose()
    try story.begin()
    #expect(story.turns == ["user: Hello.", "\(story.agents): Hello, what is it?"])
    // The caller's audio follows it.
    story.rig.advance(milliseconds: 200)
    let isAudio = !story.rig.taken(from: story.model).isEmpty || story.told.count > 2
    #expect(isAudio)
  }

  @Test func `what a function was called for is told, though what came behind it is said again`()
    throws
  {
    var story = try Story("deepgram-agent") { $0.routes[3].functions = FunctionTalk.functions }
    story.talk.rig.relay.fetcherStarted()
    story.talk.speak(1000)
    story.talk.speak(300, Talk.silence)
    story.caller("Where is my order?")
    story.tell(
      #"{"type":"FunctionCallRequest","functions":[{"id":"f","name":"status","arguments":"{\"id\":\"42\"}","client_side":true}]}"#
    )
    story.talk.speak(1500, Talk.silence)
    story.talk.speak(500)
    story.lose()
    try story.begin()
    #expect(story.turns.first == "user: Where is my order?")
  }

  @Test(arguments: kinds)
  func `sessions lost one after the other, in the middle of that too, all know it`(_ kind: String)
    throws
  {
    var story = try Story(kind)
    story.caller("One.")
    story.agent("Two.")
    // A session that goes before it is ready, and one that goes as soon as it was told.
    story.lose()
    story.model = try #require(story.rig.answerDial())
    story.rig.fail(story.model)
    story.rig.advance(milliseconds: 3000)
    try story.begin()
    story.lose()
    story.rig.advance(milliseconds: 3000)
    try story.begin()
    #expect(story.turns == ["user: One.", "\(story.agents): Two."])
    story.caller("Three.")
    story.agent("Four.")
    story.lose()
    story.rig.advance(milliseconds: 3000)
    try story.begin()
    #expect(
      story.turns == [
        "user: One.", "\(story.agents): Two.", "user: Three.", "\(story.agents): Four.",
      ])
    story.talk.expectAllHome()
  }

  @Test func `a session that is left for its age tells the next one`() throws {
    var story = try Story("openai")
    story.caller("One.")
    story.agent("Two.")
    for _ in 0..<360 where story.rig.dialled.last == story.model {
      story.rig.media(story.talk.caller, Talk.silence)
      story.rig.advance(milliseconds: 10_000)
    }
    try story.begin()
    #expect(story.turns == ["user: One.", "assistant: Two."])
    #expect(!story.told.contains { $0.contains("response.create") })
  }

  @Test(arguments: [("gemini", "model"), ("deepgram-agent", "assistant")])
  func `another vendor's model that takes over is told`(_ other: String, _ role: String) throws {
    var story = try Story("openai") {
      $0.addUpstream(other)
      $0.routes[3].fallback = other
    }
    story.caller("One.")
    story.agent("Two.")
    story.tell(
      #"{"type":"error","error":{"type":"x","code":"insufficient_quota","message":"No."}}"#)
    story.rig.advance(milliseconds: 300)
    try story.begin(other)
    #expect(story.turns == ["user: One.", "\(role): Two."])
  }

  @Test(arguments: kinds)
  func `text is what it was, whatever stands in it`(_ kind: String) throws {
    var story = try Story(kind)
    let hostile = #"\"}]}} \\ \n \u0000 \ud83d\ude00 é"#
    story.caller(hostile + #" \ud800"#)
    story.agent("Yes.")
    story.lose()
    try story.begin()
    let all = (story.setup + story.told).filter { $0.contains(hostile) }
    #expect(all.count == 1)
    let message = Array(all[0].utf8)
    #expect(message.withBytes { JSON.isValid($0) })
    #expect(!all[0].contains(#"\ud800""#) && all[0].contains("\u{fffd}"))
  }

  @Test(arguments: kinds)
  func `too much of it loses its oldest turns, which is counted and said`(_ kind: String) throws {
    var story = try Story(kind)
    for turn in 0..<40 {
      story.caller("Question \(turn).")
      story.agent("Answer \(turn).", milliseconds: 100)
    }
    story.lose()
    try story.begin()
    #expect(story.turns.count == 65)
    #expect(story.turns[0] == "user: (What was said before is left out.)")
    #expect(story.turns[1] == "user: Question 8." && story.turns[64].hasSuffix("Answer 39."))
    #expect(story.rig.relay.totals.historyCut == 16)
    #expect(story.rig.log.filter { $0.contains("history_cut") }.count == 1)
    let long = String(repeating: "word ", count: 1500)
    for _ in 0..<4 {
      story.caller(long)
      story.agent("Yes.", milliseconds: 100)
    }
    story.lose()
    story.rig.advance(milliseconds: 3000)
    try story.begin()
    let bytes = story.turns.reduce(0) { $0 + $1.utf8.count }
    #expect(bytes > 8_000 && bytes < Limits.historyBytesMax + 1024, "\(bytes)")
    story.talk.expectAllHome()
  }

  @Test func `where nobody writes down what the caller says, that is said`() throws {
    var story = try Story("openai")
    story.agent("Hello.")
    story.lose()
    try story.begin()
    #expect(
      story.turns == [
        "user: (Nothing of what the caller said before was written down.)", "assistant: Hello.",
      ])
  }

  @Test func `a session that announces its end tells the next one, which greets nobody`() throws {
    var story = try Story("gemini")
    story.caller("One.")
    story.agent("Two.")
    story.tell(#"{"goAway":{"timeLeft":"50s"}}"#)
    story.rig.advance(milliseconds: 100)
    try story.begin()
    #expect(story.turns == ["user: One.", "model: Two."])
    #expect(story.told.count == 1)
    #expect(story.rig.relay.totals.upstreamsLost == 0)
  }

  @Test func `what a function has answered is told to the next session too`() throws {
    let call = try FunctionTalk()
    call.begin()
    call.call("status", "a")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    call.rig.advance(milliseconds: 100)
    call.rig.feed(Frames.frame(.close, [0x03, 0xf3], isMasked: false), on: call.talk.model)
    call.rig.advance(milliseconds: 300)
    let link = try #require(call.rig.answerDial())
    _ = call.rig.messages(from: link, isCaller: false)
    call.rig.answer(Talk.ready("openai"), on: link)
    let told = call.rig.messages(from: link, isCaller: false).flatMap(Story.turns(in:))
    #expect(told.last == #"user: The function status has answered: {\"n\":1}"#)
  }

  @Test(arguments: [true, false])
  func `the next session knows that something was asked, though nobody wrote it down`(
    isWritten: Bool
  ) throws {
    let call = try FunctionTalk()
    call.talk.speak(400)
    call.talk.speak(400, Talk.silence)
    call.begin()
    call.call("status", "a")
    call.rig.fetcherSays("answer 1 200 whole\n\n{\"n\":1}")
    if isWritten {
      call.talk.tell(
        """
        {"type":"conversation.item.input_audio_transcription.completed","item_id":"u",\
        "transcript":"How is 42?"}
        """)
    }
    call.rig.fail(call.talk.model)
    call.rig.advance(milliseconds: 500)
    let next = try #require(call.rig.answerDial())
    _ = call.rig.messages(from: next, isCaller: false)
    call.rig.answer(Talk.ready("openai"), on: next)
    let told = call.rig.messages(from: next, isCaller: false).joined()
    #expect(told.contains("was not written down; a function") == !isWritten, "\(told)")
    #expect(told.contains("How is 42?") == isWritten && told.contains("has answered"), "\(told)")
    call.talk.expectAllHome()
  }
}

struct HistoryRingTests {
  private let pool = BlockPool(blocks: 40)
  private let scratch = Buffer(count: HistoryRing.bytesMax)

  private func turns(_ ring: HistoryRing) -> [String] {
    var history = ring.told(scratch: scratch.bytes, in: pool)
    var turns: [String] = []
    while let entry = history.next() { turns.append(entry.text.string) }
    return turns
  }

  private func add(_ text: String, _ speaker: Upstream.History.Speaker, _ ring: inout HistoryRing)
    -> Int
  {
    Array(text.utf8).withBytes { ring.add(speaker, $0, of: 7, since: text.utf8.count, in: pool) }
  }

  @Test func `a turn is cut where it was heard, and one of which nothing was is gone`() {
    defer { pool.deallocate() }
    var ring = HistoryRing()
    #expect(add("Yes?", .caller, &ring) == 0 && add("one two three four", .agent, &ring) == 0)
    ring.cut(7, heard: 500, of: 1000, scratch: scratch.bytes, in: pool)
    #expect(turns(ring) == ["Yes?", "one two"])
    ring.cut(8, heard: 0, of: 1000, scratch: scratch.bytes, in: pool)
    #expect(turns(ring) == ["Yes?", "one two"])
    ring.cut(0, heard: 0, of: 1000, scratch: scratch.bytes, in: pool)
    #expect(turns(ring) == ["Yes?"])
    ring.clear(in: pool)
    #expect(pool.free == pool.capacity)
  }

  @Test func `what is said again is left out, then forgotten`() {
    defer { pool.deallocate() }
    var ring = HistoryRing()
    _ = add("a", .caller, &ring)
    _ = add("bbbb", .caller, &ring)
    // A function's answer is not said again.
    _ = add("ccccc", .function, &ring)
    #expect(turns(ring.before(4)) == ["a", "ccccc"] && turns(ring) == ["a", "bbbb", "ccccc"])
    ring.forget(from: 4, scratch: scratch.bytes, in: pool)
    #expect(turns(ring) == ["a", "ccccc"])
    ring.clear(in: pool)
    #expect(pool.free == pool.capacity)
  }

  @Test func `where the pool is short it gives up its own oldest, and takes nobody else's`() {
    defer { pool.deallocate() }
    var ring = HistoryRing()
    _ = add("a", .caller, &ring)
    var others: [Int32] = []
    while pool.free > Limits.callBlocksMin { others.append(pool.take()) }
    #expect(add("b", .caller, &ring) > 0)
    #expect(pool.free >= Limits.callBlocksMin)
    for block in others { pool.give(block) }
    ring.clear(in: pool)
    #expect(pool.free == pool.capacity)
  }
}
