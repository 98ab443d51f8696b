// The twin of OpenAI Realtime keeps the service's rules, and its words come from the audio alone.

import Testing

@testable import LabKit

private typealias Talk = OpenAITalk

@Suite struct OpenAITurnTests {
  @Test func `a turn is told in the service's order`() {
    var talk = Talk()
    talk.speak("good morning")
    let start = "input_audio_buffer."
    let part = "response.output_audio"
    var types = talk.types
    types.removeAll { $0.hasSuffix(".delta") }
    #expect(
      types == [
        start + "speech_started", start + "speech_stopped", start + "committed",
        "conversation.item.added", "conversation.item.done",
        "conversation.item.input_audio_transcription.completed", "response.created",
        "rate_limits.updated", "response.output_item.added", "conversation.item.added",
        "response.content_part.added", part + ".done", part + "_transcript.done",
        "response.content_part.done", "conversation.item.done", "response.output_item.done",
        "response.done",
      ])
    let identifiers = talk.messages.compactMap { $0["event_id"]?.string }
    #expect(Set(identifiers).count == talk.messages.count)
  }

  @Test(arguments: ["audio/pcm", "audio/pcmu", "audio/pcma"])
  func `words are heard and said in the session's format`(_ name: String) {
    let settings = #"""
      {"type":"realtime","audio":{"input":{"format":{"type":"\#(name)"},"transcription":{}},
      "output":{"format":{"type":"\#(name)"}}}}
      """#
    let format: WireFormat =
      name == "audio/pcm" ? .pcm24 : name == "audio/pcmu" ? .telephone : WireFormat(.alaw)
    var talk = Talk(settings: settings)
    talk.speak("where is it", format: format)
    let completed = talk.first("conversation.item.input_audio_transcription.completed")
    #expect(completed?["transcript"]?.string == "where is it")
    #expect(talk.heard(format) == "you said: where is it")
    #expect(talk.events.contains(.heard("where is it")))
  }

  @Test func `audio before any update is taken for PCM`() {
    var talk = Talk(settings: nil)
    talk.speak("hello", format: .telephone)
    #expect(!talk.events.contains(.heard("hello")))
    var other = Talk(settings: nil)
    other.speak("hello", format: .pcm24)
    #expect(other.events.contains(.heard("hello")))
  }

  @Test func `the times of a turn count the audio`() {
    var talk = Talk()
    talk.wait(100)
    talk.speak("", silence: 1)
    talk.speak("hello", silence: 0.5)
    let start = talk.first("input_audio_buffer.speech_started")?["audio_start_ms"]?.number ?? 0
    #expect(abs(start - 700) <= 20)
    let end = talk.first("input_audio_buffer.speech_stopped")?["audio_end_ms"]?.number ?? 0
    let spoken = Double(Tones.encode("hello").count) / 8 - 60
    #expect(abs(end - (1000 + spoken + 300)) <= 20)
  }

  @Test func `words come just ahead of their sound`() throws {
    var manner = VoiceManner()
    manner.deltaBytes = 800
    var talk = Talk(manner)
    talk.say(#"{"type":"response.create","response":{"instructions":"greet"}}"#)
    var text = ""
    var bytes = 0
    for message in talk.messages {
      if message["type"]?.string == "response.output_audio_transcript.delta" {
        text += message["delta"]?.string ?? ""
        #expect(bytes <= Tones.encode(text).count)
      } else if message["type"]?.string == "response.output_audio.delta" {
        bytes += 800
      }
    }
    #expect(text == VoiceManner.greeting)
  }

  @Test func `a pace spreads the deltas`() throws {
    var talk = Talk(try manner(pace: 2, answer: "one two three four five six"))
    talk.say(#"{"type":"response.create"}"#)
    talk.speak("", silence: 0.1)
    #expect(talk.first("response.done") == nil && talk.twin.wakeTime != nil)
    talk.wait(10)
    #expect(talk.first("response.done")?["response"]?["status"]?.string == "completed")
    #expect(talk.twin.wakeTime == nil)
  }

  @Test func `a client can end turns itself`() {
    var talk = Talk(
      settings: #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#)
    talk.say(#"{"type":"input_audio_buffer.commit"}"#)
    #expect(talk.code == "input_audio_buffer_commit_empty")
    talk.speak("push to talk", format: .pcm24)
    #expect(talk.types.isEmpty)
    talk.say(#"{"type":"input_audio_buffer.commit"}"#)
    #expect(talk.types.first == "input_audio_buffer.committed")
    #expect(talk.first("response.created") == nil)
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heard(.pcm24) == "you said: push to talk")
  }

  @Test func `words in writing are answered when asked`() {
    var talk = Talk()
    talk.say(
      #"""
      {"type":"conversation.item.create","item":{"type":"message","role":"user",
      "content":[{"type":"input_text","text":"the caller pressed 1"}]}}
      """#)
    #expect(talk.types == ["conversation.item.added", "conversation.item.done"])
    #expect(talk.events == [.read("the caller pressed 1")])
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.heard(.telephone) == "you said: the caller pressed 1")
  }

  @Test func `words of a broken connection count as heard`() {
    var talk = Talk()
    talk.speak("left alone", silence: 0)
    talk.leave()
    #expect(talk.events.last == .heard("left alone"))
  }
}

@Suite struct OpenAIInterruptionTests {
  @Test func `sound cancels an answer that is given out`() throws {
    var talk = Talk(try manner(pace: 1.5, answer: "a long answer that takes quite some time"))
    talk.say(#"{"type":"response.create"}"#)
    talk.speak("", silence: 0.4)
    talk.speak("stop", silence: 0)
    let types = talk.types
    let started = try #require(types.firstIndex(of: "input_audio_buffer.speech_started"))
    let done = try #require(types.firstIndex(of: "response.done"))
    #expect(started < done)
    let response = talk.messages[done]["response"]
    #expect(response?["status"]?.string == "cancelled")
    #expect(response?["status_details"]?["reason"]?.string == "turn_detected")
    #expect(!types[done...].contains("response.output_audio.delta"))
    #expect(talk.events.contains(.speechStarted(interrupts: true)))
  }

  @Test func `a burst is over but still playing`() {
    var talk = Talk()
    talk.say(#"{"type":"response.create"}"#)
    talk.speak("stop", silence: 0)
    #expect(talk.events == [.speechStarted(interrupts: true)])
    #expect(talk.first("response.done") == nil)
    talk.wait(5)
    talk.speak("", silence: 1)
    talk.wait(5)
    talk.speak("later", silence: 0)
    #expect(talk.events == [.speechStarted(interrupts: false)])
  }

  @Test func `without interruption the next answer waits`() throws {
    var talk = Talk(
      try manner(pace: 1, answer: "an answer of many words that goes on"),
      settings: #"""
        {"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"},"turn_detection":
        {"type":"server_vad","silence_duration_ms":200,"interrupt_response":false}}}}
        """#)
    talk.say(#"{"type":"response.create"}"#)
    talk.speak("stop")
    #expect(talk.first("response.done") == nil && talk.all("response.created").isEmpty)
    talk.wait(10)
    #expect(talk.first("response.done")?["response"]?["status"]?.string == "completed")
    #expect(talk.all("response.created").count == 1)
  }

  @Test func `truncation is believed within what was said`() {
    var talk = Talk()
    talk.say(#"{"type":"response.create"}"#)
    let item = talk.first("response.output_audio.delta")?["item_id"]?.string ?? ""
    let whole = talk.heardAudio.count / 8
    func truncate(_ milliseconds: Int) -> String {
      #"{"type":"conversation.item.truncate","item_id":"\#(item)","content_index":0,"#
        + #""audio_end_ms":\#(milliseconds)}"#
    }
    talk.say(truncate(whole + 1))
    let message = talk.messages.last?["error"]?["message"]?.string
    #expect(message == "Audio content of \(whole)ms is already shorter than \(whole + 1)ms")
    talk.say(truncate(0))
    #expect(talk.code == "unsupported_content_type")
    let first = Tones.encode("hello").count / 8
    talk.say(truncate(first))
    #expect(talk.types == ["conversation.item.truncated"])
    #expect(
      talk.events == [
        .truncated(item: item, milliseconds: first, of: whole, heard: "hello")
      ])
    talk.say(truncate(whole))
    #expect(talk.types == ["conversation.item.truncated"])
    talk.say(#"{"type":"conversation.item.delete","item_id":"\#(item)"}"#)
    #expect(talk.events == [.deleted(item: item)])
    talk.say(truncate(first))
    #expect(talk.code == "item_not_found")
  }

  @Test func `the caller's items cannot be truncated`() throws {
    var talk = Talk()
    talk.speak("hello")
    let item = try #require(talk.first("input_audio_buffer.committed")?["item_id"]?.string)
    talk.say(
      #"{"type":"conversation.item.truncate","item_id":"\#(item)","content_index":0,"#
        + #""audio_end_ms":10}"#)
    #expect(talk.code == "unsupported_content_type")
  }

  @Test func `only one answer at a time`() throws {
    var talk = Talk(try manner(pace: 1))
    talk.say(#"{"type":"response.cancel"}"#)
    #expect(talk.code == "response_cancel_not_active")
    talk.say(#"{"type":"response.create"}"#)
    talk.say(#"{"type":"response.create","event_id":"mine"}"#)
    #expect(talk.code == "conversation_already_has_active_response")
    #expect(talk.messages.last?["error"]?["event_id"]?.string == "mine")
    talk.say(#"{"type":"response.cancel"}"#)
    let details = talk.first("response.done")?["response"]?["status_details"]
    #expect(details?["reason"]?.string == "client_cancelled")
  }
}

@Suite struct OpenAISettingsTests {
  @Test(arguments: [
    (#"{"voice":"x"}"#, "missing_required_parameter", "session.type"),
    (#"{"type":"realtime","voice":"x"}"#, "unknown_parameter", "session.voice"),
    (
      #"{"type":"realtime","audio":{"input":{"sample_rate":8000}}}"#, "unknown_parameter",
      "session.audio.input.sample_rate"
    ),
    (
      #"{"type":"realtime","audio":{"output":{"format":{"type":"audio/pcmu","rate":8000}}}}"#,
      "unknown_parameter", "session.audio.output.format.rate"
    ),
    (#"{"type":"realtime","instructions":7}"#, "invalid_type", "session.instructions"),
    (
      #"{"type":"realtime","max_output_tokens":"few"}"#, "invalid_value",
      "session.max_output_tokens"
    ),
    (#"{"type":"realtime","model":"other"}"#, "invalid_value", "session.model"),
  ]) func `one mistake voids the whole update`(_ settings: String, _ code: String, _ param: String)
  {
    var talk = Talk(settings: nil)
    let before = talk.twin.session.value
    talk.say(#"{"type":"session.update","event_id":"e","session":\#(settings)}"#)
    let error = talk.messages.last?["error"]
    #expect(error?["code"]?.string == code && error?["param"]?.string == param)
    #expect(error?["event_id"]?.string == "e")
    #expect(talk.twin.session.value == before)
  }

  @Test func `only what is said changes`() {
    var talk = Talk()
    talk.say(#"{"type":"session.update","session":{"type":"realtime","instructions":"be kind"}}"#)
    let session = talk.first("session.updated")?["session"]
    #expect(session?["instructions"]?.string == "be kind")
    #expect(session?["audio"]?["input"]?["format"]?["type"]?.string == "audio/pcmu")
    let detection = session?["audio"]?["input"]?["turn_detection"]
    #expect(detection?["silence_duration_ms"]?.number == 300)
    #expect(detection?["create_response"]?.bool == true)
  }

  @Test func `the voice is set once it was heard`() {
    var talk = Talk()
    talk.say(#"{"type":"response.create"}"#)
    talk.say(
      #"{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"ash"}}}}"#
    )
    #expect(talk.code == "cannot_update_voice")
  }

  @Test(arguments: [
    ("{", "invalid_json"), ("[]", "invalid_event"), ("{}", "missing_required_parameter"),
    (#"{"type":"response.audio"}"#, "invalid_value"),
    (#"{"type":"input_audio_buffer.append"}"#, "missing_required_parameter"),
    (#"{"type":"input_audio_buffer.append","audio":"?"}"#, "invalid_value"),
    (#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#, "invalid_value"),
    (#"{"type":"response.create","voice":"x"}"#, "unknown_parameter"),
    (#"{"type":"conversation.item.delete","item_id":"x"}"#, "item_not_found"),
  ]) func `a message that makes no sense is answered`(_ text: String, _ code: String) {
    var talk = Talk(settings: nil)
    talk.say(text)
    #expect(talk.code == code)
    talk.say(#"{"type":"response.create"}"#)
    #expect(talk.first("response.done") != nil)
  }
}
