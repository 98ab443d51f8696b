// The twin of OpenAI Realtime goes wrong as it is told, and keeps the service's words for it.

import Testing

@testable import LabKit

private typealias Talk = OpenAITalk

@Suite struct OpenAIMisbehaviourTests {
  @Test func `a refused update leaves the session as it was`() throws {
    var talk = Talk(try manner("reject-update"))
    #expect(talk.code == "unknown_parameter")
    talk.speak("hello", format: .pcm24)
    #expect(talk.events.contains(.heard("hello")))
  }

  @Test func `deltas can trail a cancelled response`() throws {
    var manner = try manner(pace: 1, "trailing-deltas=2")
    manner.deltaBytes = 160
    var talk = Talk(manner)
    talk.say(#"{"type":"response.create"}"#)
    let said = talk.heardAudio.count
    talk.say(#"{"type":"response.cancel"}"#)
    let tail = talk.types.suffix(3)
    #expect(
      tail.elementsEqual(
        ["response.done", "response.output_audio.delta", "response.output_audio.delta"]))
    // They do not count as generated.
    #expect(talk.events.last.map { "\($0)" }?.contains("milliseconds: \(said / 8)") == true)
  }

  @Test func `transcripts can be late or fail`() throws {
    let completed = "conversation.item.input_audio_transcription.completed"
    var late = Talk(try manner("late-transcripts=2"))
    late.speak("hello")
    #expect(late.first("response.done") != nil && late.first(completed) == nil)
    late.wait(2)
    #expect(late.first(completed) != nil)
    var failing = Talk(try manner("failed-transcripts"))
    failing.speak("hello")
    #expect(failing.first("conversation.item.input_audio_transcription.failed") != nil)
  }

  @Test func `a session can expire or break`() throws {
    var talk = Talk(try manner("expire-after=5"))
    #expect(talk.twin.wakeTime == 5)
    talk.wait(5)
    #expect(talk.code == "session_expired")
    guard case .close(1001, let reason)? = talk.outputs.last else {
      Issue.record("still open")
      return
    }
    #expect(reason.contains("60 minutes"))
    var broken = Talk(try manner("reset-after=1"))
    broken.wait(1)
    #expect(broken.outputs.last == .reset && broken.twin.wakeTime == nil)
  }

  @Test func `silent means silent`() throws {
    var talk = Talk(try manner("silent"))
    talk.speak("hello")
    #expect(talk.messages.isEmpty && talk.events.contains(.heard("hello")))
  }

  @Test func `a set up can stay unanswered`() throws {
    let talk = Talk(try manner("mute-setup"))
    #expect(talk.types.isEmpty && talk.code == nil)
    #expect(talk.twin.session.outputFormat == .telephone)
  }

  @Test(arguments: [("close-after=3", UInt16(1000)), ("close-after=3,close-code=4000", 4000)])
  func `a session can be closed with any code`(_ order: String, _ code: UInt16) throws {
    var talk = Talk(try manner(order))
    #expect(talk.twin.wakeTime == 3)
    talk.wait(3)
    #expect(talk.outputs.last == .close(code: code, reason: ""))
  }

  @Test(arguments: [
    ("close-after-first", UInt16(1011)), ("close-after-first,close-code=1008", 1008),
  ])
  func `a session can die in its first word`(_ order: String, _ code: UInt16) throws {
    var talk = Talk(try manner(order))
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.all("response.output_audio.delta").count == 1)
    #expect(talk.types.last == "response.output_audio.delta")
    #expect(talk.outputs.last == .close(code: code, reason: ""))
  }

  @Test func `a session can die on a question`() throws {
    var talk = Talk(try manner("die-on-question=1011"))
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heard(.telephone) == VoiceManner.greeting)
    talk.wait(5)
    talk.speak("where is it")
    #expect(talk.first("input_audio_buffer.committed") != nil)
    #expect(talk.first("response.created") != nil && talk.heardAudio.isEmpty)
    #expect(talk.outputs.last == .close(code: 1011, reason: ""))
  }

  @Test(arguments: ["model_not_found", "insufficient_quota", "invalid_api_key"])
  func `transcripts can fail for a reason`(_ code: String) throws {
    var talk = Talk(try manner("failed-transcripts=\(code)"))
    talk.speak("hello")
    let failed = talk.first("conversation.item.input_audio_transcription.failed")
    #expect(failed?["error"]?["code"]?.string == code)
    #expect(talk.heard(.telephone) == "you said: hello")
  }

  @Test func `another format can be echoed`() throws {
    var talk = Talk(try manner("echo-format=pcma"))
    let audio = talk.first("session.updated")?["session"]?["audio"]
    #expect(audio?["output"]?["format"]?["type"]?.string == "audio/pcma")
    #expect(audio?["input"]?["format"]?["type"]?.string == "audio/pcma")
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heard(WireFormat(.alaw)) == VoiceManner.greeting)
  }

  @Test func `an answer can have several items`() throws {
    var talk = Talk(try manner(answer: "one two three four five six seven", "items=5"))
    talk.speak("hello")
    let added = talk.all("response.output_item.added")
    let names = added.compactMap { $0["item"]?["id"]?.string }
    #expect(Set(names).count == 5)
    #expect(added.compactMap { $0["output_index"]?.number } == [0, 1, 2, 3, 4])
    let first = try #require(talk.types.firstIndex(of: "response.output_audio.done"))
    #expect(!talk.types[first...].contains("response.output_audio.delta"))
    let output = talk.first("response.done")?["response"]?["output"]?.array ?? []
    #expect(output.compactMap { $0["id"]?.string } == names)
    #expect(talk.heard(.telephone) == "one two three four five six seven")
    talk.say(
      #"{"type":"conversation.item.truncate","item_id":"\#(names[3])","content_index":0,"#
        + #""audio_end_ms":1}"#)
    #expect(talk.types == ["conversation.item.truncated"])
  }

  @Test func `items can come side by side`() throws {
    var manner = try manner(answer: "one two three four", "items=2,interleaved")
    manner.deltaBytes = 160
    var talk = Talk(manner)
    talk.speak("hello")
    let deltas = talk.all("response.output_audio.delta").compactMap { $0["item_id"]?.string }
    #expect(Set(deltas.prefix(2)).count == 2 && Set(deltas).count == 2)
    #expect(deltas[0] == deltas[2] && deltas[1] == deltas[3])
    let output = talk.first("response.done")?["response"]?["output"]?.array ?? []
    let said = output.compactMap { $0["content"]?[0]?["transcript"]?.string }
    #expect(said == ["one two", "three four"])
  }

  @Test func `words of turns can come in the wrong order`() throws {
    var talk = Talk(try manner("swapped-transcripts"))
    let completed = "conversation.item.input_audio_transcription.completed"
    talk.speak("first")
    #expect(talk.first("input_audio_buffer.committed") != nil && talk.first(completed) == nil)
    talk.wait(5)
    talk.speak("second")
    #expect(talk.all(completed).compactMap { $0["transcript"]?.string } == ["second", "first"])
  }

  @Test func `several items keep the pace`() throws {
    var talk = Talk(try manner(pace: 2, answer: "one two three four", "items=2"))
    talk.say(#"{"type":"response.create"}"#)
    talk.wait(30)
    #expect(talk.all("response.output_item.done").count == 2)
    #expect(talk.twin.wakeTime == nil)
  }

  @Test func `an answer can be late behind its response`() throws {
    var talk = Talk(try manner("think=1.5"))
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.first("response.created") != nil && talk.heardAudio.isEmpty)
    #expect(talk.twin.wakeTime == 1.5)
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.code == "conversation_already_has_active_response")
    talk.wait(1.5)
    #expect(talk.heard(.telephone) == VoiceManner.greeting)
    #expect(talk.first("response.done") != nil)
  }

  @Test func `deltas can come between sound and the cancelled end`() throws {
    var manner = try manner(pace: 1, answer: "an answer of some words", "slow-cancel=6")
    manner.deltaBytes = 160
    var talk = Talk(manner)
    talk.say(#"{"type":"response.create"}"#)
    talk.speak("stop", silence: 0)
    let types = talk.types
    let started = try #require(types.firstIndex(of: "input_audio_buffer.speech_started"))
    let done = try #require(types.firstIndex(of: "response.done"))
    let between = types[started...done].filter { $0 == "response.output_audio.delta" }
    #expect(between.count == 6)
    #expect(talk.first("response.done")?["response"]?["status"]?.string == "cancelled")
  }

  @Test func `words can come behind the end and in escapes`() throws {
    var talk = Talk(try manner("late-words,escaped-words"))
    talk.say(#"{"type":"response.create"}"#)
    let kind = "response.output_audio_transcript."
    let done = try #require(talk.types.firstIndex(of: "response.done"))
    #expect(!talk.types[...done].contains { $0.hasPrefix(kind) })
    #expect(talk.types.last == kind + "done")
    let pieces = talk.all(kind + "delta").compactMap { $0["delta"]?.string }
    #expect(pieces.joined() == VoiceManner.greeting && pieces.allSatisfy { $0.count == 1 })
    let messages = talk.outputs.compactMap {
      if case .message(let text) = $0 { text } else { nil }
    }
    #expect(messages.contains { $0.contains(#""delta":"\u0068""#) })
  }

  @Test func `audio can be in the URL alphabet`() throws {
    var manner = try manner(answer: "hello", "base64=url")
    manner.deltaBytes = 160
    var plain = Talk(try LabTests.manner(answer: "hello"))
    plain.speak("a")
    var talk = Talk(manner)
    talk.speak("a")
    let text = talk.all("response.output_audio.delta").compactMap { $0["delta"]?.string }
    #expect(text.contains { $0.contains("-") || $0.contains("_") })
    #expect(!text.contains { $0.contains("+") || $0.contains("/") })
    let digits = text.map { $0.replacing("-", with: "+").replacing("_", with: "/") }
    #expect(digits.flatMap { Base64Text.decode($0) ?? [] } == plain.heardAudio)
  }

  @Test(arguments: [
    ("text-only", "completed", "message"), ("call-only", "completed", "function_call"),
    ("rate-limit", "failed", nil), ("incomplete", "incomplete", nil),
  ]) func `an answer can bring no sound`(_ way: String, _ status: String, _ item: String?) throws {
    var talk = Talk(try manner(way + "=1"))
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heardAudio.isEmpty)
    let response = talk.first("response.done")?["response"]
    #expect(response?["status"]?.string == status)
    #expect(response?["output"]?[0]?["type"]?.string == item)
    let details = response?["status_details"]
    #expect(details == (item == nil ? details : .null))
    if way == "rate-limit" {
      let message = details?["error"]?["message"]?.string ?? ""
      #expect(message.contains("try again in 1.3s"))
    }
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heard(.telephone) == VoiceManner.greeting)
  }

  @Test func `an error can name its type alone`() throws {
    var talk = Talk(try manner("bare-error"))
    for _ in 0..<3 {
      talk.say(#"{"type":"response.create"}"#)
      #expect(talk.types == ["error"])
      let error = talk.messages.last?["error"]?.members ?? [:]
      #expect(error.all.filter { $0.value != .null }.map(\.key) == ["type"])
    }
  }
}
