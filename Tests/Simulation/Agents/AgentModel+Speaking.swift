// What a voice model that acts says: it answers what its caller has said, calls functions, and goes
// on with what they have answered.

import Sidetone
import TestSupport

extension AgentModel {
  /// What it has said of an answer that is not over.
  struct Speech {
    /// How many answers it has begun, and whether the latest goes on.
    var count = 0
    var isOpen = false
    /// Of a call that ends, or is handed on, nothing more is said.
    var isDone = false
  }

  /// What it waits for, and what the relay may ask it for.
  struct Asking {
    /// Ids of functions that it has called and that were not answered, as it knows.
    var running: Set<String> = []
    var callCount = 0
    /// Something has come that an answer may be asked for.
    var isAllowed = false
    /// The relay has read that an answer is open.
    var isOpenRead = false
    /// When the relay has read that an answer is to come, and nothing of it yet.
    var awaitedSince = Instant.never
    /// How often it was asked, has begun an answer, or was spoken over: as the relay knows.
    var moves = 0
  }

  // MARK: Turns of the caller

  func stopSpeaking() {
    let wasOpen = speech.isOpen
    speech.isOpen = false
    let interrupted = { [unowned self] in
      asking.isAllowed = false
      asking.awaitedSince = .never
      asking.moves += 1
      book?.owesAnswer = false
      book?.owesGoingOn = false
      book?.interrupted()
    }
    switch kind {
    case .openai:
      say("{\"type\":\"input_audio_buffer.speech_started\"}", whenRead: interrupted)
      if wasOpen { sayDone("cancelled") }
    case .agent: say("{\"type\":\"UserStartedSpeaking\"}", whenRead: interrupted)
    case .gemini:
      guard wasOpen || !asking.running.isEmpty || world.dice.percent(50) else { return }
      say("{\"serverContent\":{\"interrupted\":true}}", whenRead: interrupted)
      say("{\"serverContent\":{\"turnComplete\":true}}")
      if world.dice.percent(50) { takeBack() }
    }
  }

  /// Gemini's way: what runs is not wanted any more.
  private func takeBack() {
    for id in asking.running.sorted() {
      say("{\"toolCallCancellation\":{\"ids\":[\"\(id)\"]}}") { [unowned self] in
        book?.cancelled(id, by: self)
      }
    }
    asking.running = []
  }

  func hasHeard(_ utterance: Int) {
    let words = "uttr\(utterance)x is what I say"
    let wasWritten = { [unowned self] in _ = book?.written.insert(utterance) }
    switch kind {
    case .openai:
      let item = "u\(utterance)"
      let committed = "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"\(item)\"}"
      say(committed) { [unowned self] in
        if !asking.isOpenRead { asking.awaitedSince = world.now }
        book?.owesAnswer = true
      }
      after(.milliseconds(world.dice.below(300))) { [unowned self] in
        say(
          """
          {"type":"conversation.item.input_audio_transcription.completed","item_id":"\(item)",\
          "transcript":"\(words)"}
          """, whenRead: wasWritten)
      }
    case .gemini:
      say(
        "{\"serverContent\":{\"inputTranscription\":{\"text\":\"\(words)\"}}}",
        whenRead: wasWritten)
    case .agent:
      say(
        "{\"type\":\"ConversationText\",\"role\":\"user\",\"content\":\"\(words)\"}"
      ) { [unowned self] in
        wasWritten()
        book?.owesAnswer = true
      }
    }
    // Sooner than that nobody answers whose answers have no names.
    after(.milliseconds((kind == .openai ? 0 : 350) + world.dice.below(400))) { [unowned self] in
      if hearing == nil, !speech.isOpen { respond() }
    }
  }

  // MARK: Answers

  /// It says something, calls something, or both.
  func respond() {
    guard !speech.isDone, !speech.isOpen else { return }
    speech.count += 1
    speech.isOpen = true
    if kind == .openai {
      let created = "{\"type\":\"response.created\",\"response\":{\"id\":\"\(response)\"}}"
      say(created) { [unowned self] in
        asking.isOpenRead = true
        asking.awaitedSince = .never
        asking.moves += 1
      }
    }
    let dice = world.dice.below(100)
    let isLate = world.now > (book?.caller.startedAt ?? .never) + .seconds(15)
    if dice < 50 || dice >= 80 { speak() }
    guard !isDead else { return }
    var calls = 0
    if dice >= 50 {
      if dice >= 90, isLate {
        calls = callBuiltIn(dice < 94 ? "bye" : "transfer")
      } else if asking.running.isEmpty {
        calls = world.dice.range(1...3)
        for _ in 0..<calls { call() }
      }
    }
    if calls > 0, end == .atCall { return die() }
    finish(calls: calls)
  }

  private var response: String { "r\(speech.count)" }

  private func finish(calls: Int) {
    switch kind {
    case .openai: sayDone("completed", calls: calls)
    case .gemini: if calls == 0 { say("{\"serverContent\":{\"turnComplete\":true}}") }
    case .agent: break
    }
    speech.isOpen = false
  }

  private func sayDone(_ status: String, calls: Int = 0) {
    let output = calls > 0 ? ",\"output\":[{\"type\":\"function_call\"}]" : ""
    let id = response
    let done = "{\"id\":\"\(id)\",\"status\":\"\(status)\"\(output)}"
    say("{\"type\":\"response.done\",\"response\":\(done)}") { [unowned self] in
      asking.isOpenRead = false
      book?.owesAnswer = false
    }
  }

  private func speak() {
    guard let book else { return }
    let number = book.items.count
    book.items.append(AgentItem(number: number, at: world.now))
    let words = "answ\(number)x is what I have to say of it"
    let samples = 8 * world.dice.range(300...3500)
    sayWords(words, of: number)
    let count = world.dice.range(1...4)
    for piece in 0..<count {
      say(piece * samples / count..<(piece + 1) * samples / count, of: number)
      if piece == 0, end == .inAnswer { return die() }
    }
    switch kind {
    case .openai:
      say(
        """
        {"type":"response.output_audio.done","response_id":"\(response)","item_id":"i\(number)"}
        """)
    case .gemini: say("{\"serverContent\":{\"generationComplete\":true}}")
    case .agent: say("{\"type\":\"AgentAudioDone\"}")
    }
  }

  private func sayWords(_ words: String, of number: Int) {
    let wasRead = { [unowned self] in _ = book?.wordsRead.insert(number) }
    switch kind {
    case .openai:
      say(
        """
        {"type":"response.output_audio_transcript.done","response_id":"\(response)",\
        "item_id":"i\(number)","transcript":"\(words)"}
        """, whenRead: wasRead)
    case .gemini:
      // Behind its first sound: words alone begin nothing.
      break
    case .agent:
      say("{\"type\":\"AgentStartedSpeaking\"}")
      say(
        "{\"type\":\"ConversationText\",\"role\":\"assistant\",\"content\":\"\(words)\"}",
        whenRead: wasRead)
    }
  }

  /// A piece of an item, in samples at 8 kHz.
  private func say(_ samples: Range<Int>, of number: Int) {
    guard let book else { return }
    let level = book.items[number].level
    let wasRead = { book.handed(samples.count, of: number) }
    switch kind {
    case .openai:
      let audio = Self.sound(level, samples.count, sounds)
      say(
        """
        {"type":"response.output_audio.delta","response_id":"\(response)","item_id":"i\(number)",\
        "delta":"\(base64(audio))"}
        """, whenRead: wasRead)
    case .gemini:
      let audio = Self.sound(level, samples.count, Format(codec: .linear16, rate: 24_000))
      say(
        """
        {"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000",\
        "data":"\(base64(audio))"}}]}}}
        """, whenRead: wasRead)
      if samples.lowerBound == 0 {
        let words = "answ\(number)x is what I have to say of it"
        say("{\"serverContent\":{\"outputTranscription\":{\"text\":\"\(words)\"}}}") {
          book.wordsRead.insert(number)
        }
      }
    case .agent:
      say(binary: Self.sound(level, samples.count, sounds), whenRead: wasRead)
    }
  }

  private static func sound(_ level: Int16, _ samples: Int, _ format: Format) -> [UInt8] {
    if format.codec == .mulaw { return [UInt8](repeating: mulaw(level), count: samples) }
    let pair = [UInt8(truncatingIfNeeded: level), UInt8(truncatingIfNeeded: level >> 8)]
    return (0..<samples * format.rate / 8000).flatMap { _ in pair }
  }

  static func mulaw(_ sample: Int16) -> UInt8 {
    let magnitude = min(abs(Int(sample)), 32_635) + 132
    let exponent = Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7
    let mantissa = magnitude >> (exponent + 3) & 0xf
    return ~UInt8((sample < 0 ? 0x80 : 0) | exponent << 4 | mantissa)
  }

  // MARK: Functions

  private func call() {
    asking.callCount += 1
    switch world.dice.below(10) {
    case 0: call(.senseless, "nobody", "{\"id\":\"1\"}")
    case 1: call(.senseless, "status", "{}")
    case 2, 3: call(.post, "slow", "{}")
    default: call(.post, "status", "{\"id\":\"7\"}")
    }
  }

  private func callBuiltIn(_ name: String) -> Int {
    asking.callCount += 1
    if name == "bye" {
      call(.hangUp, name, "{}")
    } else {
      call(.transfer, name, world.dice.percent(80) ? "{\"to\":\"sales\"}" : "{\"to\":\"nobody\"}")
    }
    return 1
  }

  private func call(_ kind: AgentFunction.Kind, _ name: String, _ arguments: String) {
    let id = "f\(asking.callCount)"
    asking.running.insert(id)
    let text = arguments.replacing("\"", with: "\\\"")
    let message =
      switch self.kind {
      case .openai:
        """
        {"type":"response.output_item.done","response_id":"\(response)","item":{"type":\
        "function_call","status":"completed","name":"\(name)","call_id":"\(id)",\
        "arguments":"\(text)"}}
        """
      case .gemini:
        #"{"toolCall":{"functionCalls":[{"id":"\#(id)","name":"\#(name)","args":\#(arguments)}]}}"#
      case .agent:
        """
        {"type":"FunctionCallRequest","functions":[{"id":"\(id)","name":"\(name)",\
        "arguments":"\(text)","client_side":true}]}
        """
      }
    for _ in 0..<(world.dice.percent(10) ? 2 : 1) {
      say(message) { [unowned self] in book?.called(kind, id: id, name: name, by: self) }
    }
  }

  /// The relay tells it what came of a call: what it knows of that.
  func wasTold(_ id: String) {
    asking.isAllowed = true
    book?.owesGoingOn = true
    guard kind == .openai, let book, !book.functions.contains(where: { $0.isOpen }) else { return }
    let moves = asking.moves
    // Sooner than an answer is asked for once more.
    world.schedule(world.now + .seconds(4)) { [weak self, weak book] in
      guard let self, let book, stands, !isDead, isJudged, asking.moves == moves,
        book.caller.isTalking,
        !asking.isOpenRead, !book.functions.contains(where: { $0.isOpen })
      else { return }
      book.fail("a model that has its answers was never asked to go on")
    }
  }

  /// An answer has arrived. Two of the three go on by themselves.
  func wasAnswered() {
    if !asking.running.isEmpty { asking.running.removeFirst() }
    guard kind != .openai, asking.running.isEmpty, hearing == nil else { return }
    after(.milliseconds(world.dice.below(300))) { [unowned self] in respond() }
  }

  /// The relay asks it for an answer: once, for a reason, and not while one is open.
  func ask() {
    asking.moves += 1
    let isOverdue = asking.awaitedSince != .never && asking.awaitedSince + .seconds(5) <= world.now
    if asking.isOpenRead { book?.fail("asked for an answer while one is open") }
    if !asking.isAllowed, !isOverdue { book?.fail("asked for an answer that nobody owes") }
    asking.isAllowed = false
    asking.awaitedSince = world.now
    book?.owesAnswer = true
    book?.owesGoingOn = false
    world.marks.insert("asked to go on")
  }

  func wasAsked() {
    guard speech.isOpen else { return respond() }
    say(
      """
      {"type":"error","error":{"code":"conversation_already_has_active_response"}}
      """
    ) { [unowned self] in asking.isAllowed = true }
  }
}
