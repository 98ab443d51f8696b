// What is written down of whole calls, and what their ends wait for.

import TestSupport
import Testing

@testable import Sidetone

struct RecordedCallTests {
  private static func isOn(_ config: inout Config) { config.records = Config.Records() }

  private func members(_ entry: String) -> [String: String] {
    var all: [String: String] = [:]
    Array(entry.utf8).withBytes { text in
      var members = JSON.Members(of: JSON.Value(.object, 0..<text.count), in: text)
      while let member = members.next() {
        all[text[member.name.range].string] = text[member.value.range].string
      }
    }
    return all
  }

  /// Of all entries but that of the session.
  private func kinds(_ rig: Rig) -> [String] {
    rig.entries.map { members($0)["kind"] ?? "" }.filter { $0 != "connected" }
  }

  private func key(_ rig: Rig) -> String { members(rig.entries.last ?? "")["call"] ?? "" }

  /// The code of the Close that a caller was sent; nil: none yet.
  private func closeCode(_ rig: Rig, _ caller: SlotID) -> Int? {
    let bytes = rig.taken(from: caller)
    guard let place = bytes.lastIndex(of: 0x88), place + 3 < bytes.count else { return nil }
    return Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
  }

  private func stop(_ talk: Talk) {
    talk.rig.say(#"{"event":"stop","ucid":"123"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 0)
  }

  @Test func `without records nothing is written down, and the Close waits for nothing`() throws {
    let talk = try Talk("ucid")
    stop(talk)
    #expect(talk.rig.entries == [])
    #expect(closeCode(talk.rig, talk.caller) == 1000)
    talk.expectAllHome()
  }

  @Test func `beginning, words and end are entries of one key`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    talk.tell(
      #"""
      {"type":"conversation.item.input_audio_transcription.completed","item_id":"u1",\#
      "transcript":"a \"blue\" hatchback"}
      """#)
    talk.rig.say(#"{"event":"dtmf","ucid":"123","digit":"5"}"#, on: talk.caller)
    stop(talk)
    #expect(kinds(talk.rig).filter { $0 != "key" } == ["started", "final", "ended"])
    #expect(Set(talk.rig.entries.map { members($0)["call"] }).count == 1)
    let all = talk.rig.entries.map(members).filter { $0["kind"] != "connected" }
    #expect(all[0]["id"] == "123" && all[0]["carrier"] == "ucid" && all[0]["two_way"] == "true")
    #expect(all[0]["at"] == "1700000000000")
    #expect(all[1]["text"] == #"a \"blue\" hatchback"# && all[1]["side"] == "caller")
    #expect(all.last?["cause"] == "stopped")
    #expect(all.last?["sentence"] == "the carrier said that the call has ended")
  }

  @Test func `the Close comes when the files are there, behind its lines`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    stop(talk)
    #expect(closeCode(talk.rig, talk.caller) == nil)
    talk.rig.sync()
    #expect(closeCode(talk.rig, talk.caller) == nil)
    talk.rig.courierSays("filed \(key(talk.rig)) call_123_1700000000000_transcript.json")
    #expect(closeCode(talk.rig, talk.caller) == 1000)
    let lines = talk.rig.log.filter { $0.hasPrefix("[123] ") }.suffix(4).map {
      String($0.dropLast())
    }
    #expect(
      lines == [
        "[123] 🛑 Stop event received from telephony vendor",
        "[123] ⏱️ Total call duration: 0ms (0s)",
        "[123] 💾 Saving transcript for async processing...",
        "[123] ✅ Transcript saved: call_123_1700000000000_transcript.json",
      ])
    talk.expectAllHome()
  }

  @Test func `a slow disk and a dead courier are waited for to their bounds, and told of`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    stop(talk)
    talk.rig.advance(milliseconds: 1099)
    #expect(closeCode(talk.rig, talk.caller) == nil)
    talk.rig.advance(milliseconds: 1)
    #expect(closeCode(talk.rig, talk.caller) == 1000)
    #expect(talk.rig.log.filter { $0.contains("records_late") }.count == 2)
    #expect(talk.rig.relay.totals.recordsLate == 2)
    talk.expectAllHome()
  }

  @Test func `files that come behind the Close are told all the same, and once`() throws {
    for wait in [0, 1000] {
      let talk = try Talk("ucid") {
        Self.isOn(&$0)
        $0.records?.closeWaitMilliseconds = wait
      }
      stop(talk)
      talk.rig.advance(milliseconds: 2000)
      talk.expectAllHome()
      func saved() -> [String] { talk.rig.log.filter { $0.contains("Transcript saved") } }
      #expect(saved() == [])
      let word = "filed \(key(talk.rig)) call_123_1_transcript.json"
      for _ in 1...2 { talk.rig.courierSays(word) }
      #expect(saved() == ["[123] ✅ Transcript saved: call_123_1_transcript.json\n"])
    }
  }

  @Test func `files that cannot be written are an error, and the Close waits no longer`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    stop(talk)
    talk.rig.courierSays("unfiled \(key(talk.rig)) data/calls is read-only")
    #expect(closeCode(talk.rig, talk.caller) == 1000)
    #expect(talk.rig.log.contains { $0.contains("transcript_unsaved: data/calls is read-only") })
    #expect(talk.rig.relay.totals.recordsFailed == 1)
    talk.expectAllHome()
  }

  @Test func `a caller that leaves while its files are awaited leaves nothing behind`() throws {
    for hasSynced in [false, true] {
      let talk = try Talk("ucid") { Self.isOn(&$0) }
      stop(talk)
      if hasSynced { talk.rig.sync() }
      talk.rig.fail(talk.caller)
      #expect(talk.rig.relay.callsInUse == 1)
      talk.rig.courierSays("filed \(key(talk.rig)) call_123_1_transcript.json")
      talk.expectAllHome()
    }
  }

  @Test func `stop and Close together are one end`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    stop(talk)
    talk.rig.feed(Frames.frame(.close, [0x03, 0xe8], isMasked: true), on: talk.caller)
    talk.rig.say(#"{"event":"stop","ucid":"123"}"#, on: talk.caller)
    talk.rig.sync()
    talk.rig.courierSays("filed \(key(talk.rig)) call_123_1_transcript.json")
    #expect(kinds(talk.rig) == ["started", "ended"])
    #expect(closeCode(talk.rig, talk.caller) == 1000)
    talk.expectAllHome()
  }

  @Test func `what a caller sends once its call is over means nothing, and ends its socket only`()
    throws
  {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    stop(talk)
    for text in [#"{"event":"start","ucid":"9"}"#, "no JSON", #"{"event":"mark","name":"1.1"}"#] {
      talk.rig.say(text, on: talk.caller)
    }
    talk.rig.feed([0xff, 0xff, 0, 0, 0, 0], on: talk.caller)
    talk.rig.courierSays("filed \(key(talk.rig)) call_123_1_transcript.json")
    #expect(kinds(talk.rig) == ["started", "ended"])
    talk.expectAllHome()
  }

  private func interrupted(_ words: String) throws -> Talk {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    talk.say(2000)
    talk.tell(
      #"{"response_id":"r_item_1","item_id":"item_1","type":"response.output_audio_transcript."#
        + words)
    talk.rig.advance(milliseconds: 900)
    talk.interrupt()
    talk.rig.advance(milliseconds: 0)
    return talk
  }

  @Test func `words that were told before they were cut short are named again`() throws {
    let talk = try interrupted(#"done","transcript":"one two three four"}"#)
    let all = talk.rig.entries.map(members).filter { $0["item"] == "item_1" }
    #expect(all.map { $0["kind"] } == ["said", "interrupted"])
    #expect(all.first?["text"] == "one two three four")
    #expect(all.last?["heard"] == "" && all.last?["unheard"] == "")
    #expect(all.last?["were_said"] == "true")
    #expect(all.last?["generated_milliseconds"] == "2000")
  }

  @Test func `what the model said and was cut short is written as it was heard`() throws {
    let talk = try interrupted(#"delta","delta":"one two three four"}"#)
    let entry = try #require(talk.rig.entries.first { $0.contains(#""kind":"interrupted""#) })
    let parts = members(entry)
    #expect(parts["item"] == "item_1" && parts["were_said"] == "false")
    #expect((parts["heard"] ?? "") + (parts["unheard"] ?? "") == "one two three four")
    #expect(parts["heard"]?.isEmpty == false && parts["unheard"]?.isEmpty == false)
    #expect(parts["generated_milliseconds"] == "2000")
  }

  @Test func `a result has its place in the call, and its confidence`() throws {
    let rig = Rig { Self.isOn(&$0) }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.advance(milliseconds: 250)
    rig.media(caller)
    rig.advance(milliseconds: 10)
    for isFinal in [false, true] {
      rig.answer(
        """
        {"type":"Results","channel_index":[0,1],"start":1.5,"duration":0.75,"is_final":\(isFinal),\
        "channel":{"alternatives":[{"transcript":"hello","confidence":0.98}]}}
        """, on: upstream)
    }
    let finals = rig.entries.map(members).filter { $0["kind"] == "final" }
    #expect(finals.count == 1)
    #expect(finals.first?["start"] == "1750" && finals.first?["end"] == "2500")
    #expect(finals.first?["confidence"] == "0.98")
    #expect(!kinds(rig).contains("interim"))
  }

  @Test func `parameters are kept whole, and how many are not is written down`() throws {
    let rig = Rig { Self.isOn(&$0) }
    let caller = try #require(rig.open("/media"))
    let long = String(repeating: "x", count: 600)
    rig.say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",\
      "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000},\
      "customParameters":{"a":"\(long)","b":"\(long)","c":"d"}}}
      """, on: caller)
    _ = try #require(rig.answerDial())
    rig.advance(milliseconds: 10)
    let started = try #require(rig.entries.map(members).first { $0["kind"] == "started" })
    #expect(started["parameters"] == "{\"a\":\"\(long)\",\"c\":\"d\"}")
    #expect(started["parameters_left_out"] == "1")
  }

  @Test(
    arguments: [
      (
        #""did":"91","x_headers":"{\"x-uui\":\"tenant=a\",\"api_key\":\"s\"}""#,
        #"{"did":"91","x-uui":"tenant=a"}"#, nil
      ),
      (#""did":"91""#, #"{"did":"91"}"#, nil), (#""x_headers":"{}""#, nil, nil),
      (#""x":1"#, nil, nil),
      (#""x_headers":"no object""#, nil, "1"),
      (#""did":"91","x_headers":"[]""#, #"{"did":"91"}"#, "1"),
    ] as [(String, String?, String?)])
  func `what a ucid vendor says of the call are parameters`(
    said: String, parameters: String?, leftOut: String?
  ) throws {
    let rig = Talk.rig("ucid") { Self.isOn(&$0) }
    let caller = try #require(rig.open("/talk"))
    rig.say("{\"event\":\"start\",\"ucid\":\"123\",\"type\":\"text\",\(said)}", on: caller)
    rig.answer(Talk.ready("openai"), on: try #require(rig.answerDial()))
    rig.advance(milliseconds: 10)
    let started = try #require(rig.entries.map(members).first { $0["kind"] == "started" })
    #expect(started["parameters"] == parameters && started["parameters_left_out"] == leftOut)
    #expect(rig.log.contains("[123] 🎤 New call started (UCID: 123)\n"))
  }

  @Test func `a call that never said who it is has no record`() throws {
    let rig = Rig { Self.isOn(&$0) }
    let caller = try #require(rig.open("/media"))
    rig.end(caller)
    rig.advance(milliseconds: 100)
    #expect(rig.entries == [])
    #expect(rig.relay.callsInUse == 0)
  }

  @Test func `the end of the relay waits for no files`() throws {
    let talk = try Talk("ucid") { Self.isOn(&$0) }
    talk.rig.relay.stop(at: talk.rig.now)
    talk.rig.perform()
    #expect(kinds(talk.rig) == ["started", "ended"])
    #expect(members(talk.rig.entries.last ?? "")["cause"] == "shut_down")
    talk.expectAllHome()
  }

  @Test func `entries that find no room are counted, and the call is not held up by them`() throws {
    let rig = Rig { Self.isOn(&$0) }
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    // One turn of the driver, in which nothing is taken.
    let words = String(repeating: "word ", count: 2500)
    var bytes: [UInt8] = []
    for _ in 0..<40 {
      bytes += Frames.frame(
        .text,
        Array(
          """
          {"type":"Results","channel_index":[0,1],"start":0,"duration":1,"is_final":true,\
          "channel":{"alternatives":[{"transcript":"\(words)","confidence":1}]}}
          """.utf8), isMasked: false)
    }
    var rest = bytes[...]
    while !rest.isEmpty {
      let place = rig.relay.room(for: upstream)
      let count = min(place.count, rest.count)
      for (index, byte) in rest.prefix(count).enumerated() { place[index] = byte }
      rig.relay.received(count, on: upstream, at: rig.now)
      rest = rest.dropFirst(count)
    }
    rig.perform()
    #expect(rig.entries.count < 40)
    #expect(rig.relay.turn.entries.dropped == 40 + 2 - rig.entries.count)
  }
}
