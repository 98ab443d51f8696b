// When words that are written down were said, and in which language, as far as the upstream says.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

struct RecordedWordsTests {
  private func talk(_ kind: String = "openai") throws -> Talk {
    try Talk("twilio", with: kind) { $0.records = Config.Records() }
  }

  private func entries(_ kind: String, _ rig: Rig) throws -> [[String: Any]] {
    try rig.entries.filter { $0.contains("\"kind\":\"\(kind)\"") }.map(Hearing.json)
  }

  private func started(_ milliseconds: String, _ item: String = "u1") -> String {
    """
    {"type":"input_audio_buffer.speech_started","audio_start_ms":\(milliseconds),\
    "item_id":"\(item)"}
    """
  }

  private func stopped(_ milliseconds: String, _ item: String = "u1") -> String {
    """
    {"type":"input_audio_buffer.speech_stopped","audio_end_ms":\(milliseconds),\
    "item_id":"\(item)"}
    """
  }

  private func heard(_ text: String, _ item: String = "u1") -> String {
    """
    {"type":"conversation.item.input_audio_transcription.completed","item_id":"\(item)",\
    "transcript":"\(text)"}
    """
  }

  @Test func `a caller's words have the times that the model says, from the call's beginning`()
    throws
  {
    let talk = try talk()
    talk.rig.advance(milliseconds: 300)
    talk.speak(1000)
    talk.tell(started("100"))
    talk.speak(1000)
    talk.tell(stopped("1900"))
    talk.tell(started("1950", "u2"))
    talk.speak(1000)
    talk.tell(heard("first"))
    talk.tell(stopped("2500", "u2"))
    talk.tell(heard("second", "u2"))
    let lines = try entries("final", talk.rig)
    #expect(lines.map { $0["text"] as? String } == ["first", "second"])
    #expect(lines.map { $0["start"] as? Int } == [400, 2250])
    #expect(lines.map { $0["end"] as? Int } == [2200, 2800])
  }

  @Test func `what another session says counts from its own beginning`() throws {
    let talk = try talk()
    talk.speak(2000, Talk.silence)
    talk.rig.fail(talk.model)
    talk.rig.advance(milliseconds: 500)
    let second = try #require(talk.rig.answerDial())
    talk.rig.answer(Talk.ready("openai"), on: second)
    talk.speak(1000)
    talk.rig.answer(started("1000"), on: second)
    talk.rig.answer(stopped("1300"), on: second)
    talk.rig.answer(heard("hello"), on: second)
    let line = try #require(try entries("final", talk.rig).first)
    let (start, end) = (line["start"] as? Int ?? 0, line["end"] as? Int ?? 0)
    #expect(end - start == 300)
    // A little of what was sent before is sent again.
    #expect((2700...3000).contains(start))
  }

  @Test(arguments: ["-1", "1e9", "null", "\"soon\"", "9223372036854775807"])
  func `without times that make sense it is when the words came`(nonsense: String) throws {
    let talk = try talk()
    talk.speak(1000)
    talk.tell(started(nonsense))
    talk.tell(stopped(nonsense))
    talk.tell(
      #"{"type":"conversation.item.input_audio_transcription.delta","item_id":"u1","delta":"a"}"#)
    talk.speak(500)
    talk.tell(heard("a b"))
    let line = try #require(try entries("final", talk.rig).first)
    #expect(line["start"] as? Int == 1000 && line["end"] as? Int == 1500)
  }

  @Test func `a model without times and items: from its first words to its last`() throws {
    let talk = try talk("gemini")
    talk.rig.advance(milliseconds: 1000)
    talk.tell(#"{"serverContent":{"inputTranscription":{"text":"one","languageCode":"pt-BR"}}}"#)
    talk.rig.advance(milliseconds: 400)
    talk.tell(#"{"serverContent":{"inputTranscription":{"text":" two"}}}"#)
    talk.rig.advance(milliseconds: 3000)
    talk.say(100)
    talk.tell(#"{"serverContent":{"outputTranscription":{"text":"um","languageCode":"pt"}}}"#)
    talk.finish()
    talk.rig.advance(milliseconds: 2000)
    let line = try #require(try entries("final", talk.rig).first)
    #expect(line["text"] as? String == "one two" && line["language"] as? String == "pt-BR")
    #expect(line["start"] as? Int == 1000 && line["end"] as? Int == 1400)
    #expect(try entries("said", talk.rig).first?["language"] as? String == "pt")
  }

  @Test func `what the model says of speech is of concern`() throws {
    let talk = try talk()
    let before = talk.rig.relay.totals.messagesIgnored
    talk.tell(stopped("100"))
    #expect(talk.rig.relay.totals.messagesIgnored == before)
  }

  @Test(arguments: [
    (#","languages":["en","es"]"#, "en"), (#","languages":[]"#, nil), ("", nil),
    (#","languages":"en""#, nil), (#","languages":["e\u006e"]"#, nil),
    (#","languages":["a-language-too-long"]"#, nil),
  ])
  func `final words of several languages have the one with the most`(
    member: String, language: String?
  ) throws {
    for isFirst in [true, false] {
      let rig = Rig { $0.records = Config.Records() }
      rig.start(try #require(rig.open("/media")))
      // Where there are several, each word says its own.
      let words = #","words":[{"word":"hi","start":0,"end":1,"confidence":1,"language":"en"}]"#
      rig.answer(
        """
        {"type":"Results","channel_index":[0,1],"start":0,"duration":1,"is_final":true,\
        "speech_final":true,"channel":{"alternatives":[{"transcript":"hi","confidence":1\
        \(isFirst ? member + words : words + member)}]}}
        """, on: try #require(rig.answerDial()))
      let line = try #require(try entries("final", rig).first)
      #expect(line["text"] as? String == "hi" && line["language"] as? String == language)
    }
  }
}
