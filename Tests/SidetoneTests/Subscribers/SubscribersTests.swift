// Programs that hear of calls while they go: what they are told, and of which calls.

import TestSupport
import Testing

@testable import Sidetone

struct SubscribersTests {
  private static let long = String(repeating: "l", count: 200)
  private static let stop = #"{"event":"stop","streamSid":"MZ1"}"#

  @Test(arguments: [false, true])
  func `a call is told from its start to its end, in the order of what happened`(
    isSocket: Bool
  ) throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, isSocket: isSocket)
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    rig.hear("good mor", isFinal: false, on: upstream)
    rig.hear("good morning", on: upstream)
    rig.say(Self.stop, on: caller)
    rig.advance(milliseconds: 10_000)
    let events = try hearing.events()
    #expect(
      events.map(\.type) == [
        "call.started", "transcript.interim", "transcript.final", "call.ended",
      ])
    #expect(events.allSatisfy { $0["call_id"] == "CA1" && $0["time"]?.hasSuffix("Z") == true })
    #expect(events[0]["carrier"] == "twilio" && events[0]["upstream"] == "deepgram")
    #expect(events[0]["path"] == "/media")
    #expect(events[1]["text"] == "good mor" && events[2]["text"] == "good morning")
    #expect(events[2]["side"] == "caller")
    #expect(events[3]["cause"] == "stopped" && events[3].data["milliseconds"] is Int)
    if !isSocket { #expect(events.map(\.id) == ["1", "2", "3", "4"]) }
    #expect(rig.relay.callsInUse == 0 && rig.relay.subscribersInUse == 1)
  }

  @Test func `the answer of a stream has no length, and is not to be kept`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig)
    #expect(hearing.answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(hearing.answer.contains("\r\nContent-Type: text/event-stream\r\n"))
    #expect(hearing.answer.contains("\r\nCache-Control: no-store\r\n"))
    #expect(!hearing.answer.lowercased().contains("content-length"))
    #expect(hearing.taken() == Array("retry: 2000\n".utf8))
    #expect(!rig.isGone(hearing.link))
  }

  @Test func `both sides of a talk are told, and what was heard of an answer`() throws {
    let talk = try Talk("ucid") { $0.limits.subscribersMax = 1 }
    let hearing = try Hearing(talk.rig)
    talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
    talk.tell(
      """
      {"type":"conversation.item.input_audio_transcription.completed","item_id":"u1",\
      "transcript":"a blue hatchback"}
      """)
    talk.say(2000)
    talk.tell(
      """
      {"type":"response.output_audio_transcript.delta","item_id":"item_1",\
      "delta":"one two three four"}
      """)
    talk.rig.advance(milliseconds: 1000)
    talk.interrupt()
    let events = try hearing.events()
    #expect(events.map(\.type) == ["transcript.final", "transcript.final"])
    #expect(events[0]["side"] == "caller" && events[0]["text"] == "a blue hatchback")
    #expect(events[1]["side"] == "agent" && events[1]["text"] == "one two")
    #expect(events[1]["unheard"] == " three four")
    #expect(events.allSatisfy { $0["call_id"] == "123" })
  }

  @Test func `who asks for one call hears of that alone`() throws {
    let rig = Rig.heard()
    let all = try Hearing(rig)
    let one = try Hearing(rig, "/events?call_id=c%2D1")
    let nobodys = try Hearing(rig, "/events?call_id=c-11", isSocket: true)
    let (_, first) = try rig.listened()
    let (_, second) = try rig.listened("/ws/transcribe?call_id=c-2")
    rig.hear("one", on: first)
    rig.hear("two", on: second)
    let ids = try all.events().map { $0["call_id"] }
    #expect(ids == ["c-1", "c-2", "c-1", "c-2"])
    let events = try one.events()
    #expect(events.map { $0["call_id"] } == ["c-1", "c-1"] && events.map(\.id) == ["1", "3"])
    #expect(try nobodys.events().isEmpty)
  }

  @Test(arguments: [
    (#"a\"b"#, "a%22b"), (#"a\u202eb"#, "a%E2%80%AEb"), ("a b/../c", "a+b%2F..%2Fc"),
    (#"x\n[y]"#, "x%0A[y]"), (long, long),
  ])
  func `a call is asked for by its id as it was sent, and by the one that it is told by`(
    id: String, asked: String
  ) throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, "/events?call_id=" + asked)
    let caller = try #require(rig.open("/media"))
    rig.say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"\(id)",\
      "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: caller)
    let started = try #require(try hearing.events().first)
    #expect(started.type == "call.started")
    for byte in started.text.utf8 { #expect(byte >= 0x20) }
    #expect(!started.text.contains("\u{202e}"))
    var encoded = ""
    for byte in try #require(started["call_id"]).utf8 {
      encoded += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    let again = try Hearing(rig, "/events?call_id=" + encoded)
    rig.fail(caller)
    rig.advance(milliseconds: 10_000)
    #expect(try again.events().map(\.type) == ["call.ended"])
  }

  @Test(arguments: ["call_id=", "call_id=a&call_id=b", "call=a", "call_id=a&x=1", "x"])
  func `a query that it cannot serve is refused with what it can`(query: String) throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, "/events?" + query)
    #expect(hearing.answer.hasPrefix("HTTP/1.1 400 "))
    #expect(String(decoding: hearing.taken(), as: UTF8.self).contains("\"code\":\"bad_parameter\""))
    #expect(rig.relay.subscribersInUse == 0 && rig.isGone(hearing.link))
  }

  @Test func `words that no event has room for are told in several`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig)
    let (_, upstream) = try rig.listened()
    let words = (0..<1500).map { "word\($0) \\u00e9" }.joined(separator: " ")
    rig.hear(words, on: upstream)
    let events = try hearing.events().filter { $0.type == "transcript.final" }
    #expect(events.count == 3)
    #expect(events.map(\.words).joined() == words.replacing("\\u00e9", with: "é"))
    #expect(events.allSatisfy { $0.text.utf8.count <= Limits.eventBytesMax })
  }

  @Test func `where nobody hears nothing is told, and a table that is full says so`() throws {
    let rig = Rig.heard(by: 1)
    let (_, upstream) = try rig.listened()
    rig.hear("nobody", on: upstream)
    let hearing = try Hearing(rig)
    let other = try Hearing(rig)
    #expect(other.answer.hasPrefix("HTTP/1.1 503 ") && other.answer.contains("Retry-After: 5\r\n"))
    let body = String(decoding: other.taken(), as: UTF8.self)
    #expect(body.contains("\"code\":\"full\"") && body.contains("limits.subscribers_max"))
    rig.hear("somebody", on: upstream)
    #expect(try hearing.events().map { $0["text"] } == ["somebody"])
    rig.fail(hearing.link)
    #expect(rig.relay.subscribersInUse == 0)
    #expect(try Hearing(rig).answer.hasPrefix("HTTP/1.1 200 "))
  }

  @Test func `lines on standard output are JSON where that is asked for, each of them`() throws {
    let talk = try Talk {
      $0.printsTranscripts = true
      $0.transcriptsAreJSON = true
    }
    talk.rig.say(
      #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#,
      on: talk.caller)
    talk.say(100)
    let long = String(repeating: "many words ", count: 500)
    talk.tell(
      """
      {"type":"response.output_audio_transcript.done","response_id":"r_item_1",\
      "item_id":"item_1","transcript":"\(long)"}
      """)
    talk.rig.say(Self.stop, on: talk.caller)
    talk.rig.advance(milliseconds: 20_000)
    let lines = try talk.rig.log.filter { $0.hasPrefix("{") }.map { try Hearing.json($0) }
    #expect(lines.first?["type"] as? String == "call.key" && lines.first?["key"] as? String == "5")
    let said = lines.dropFirst()
    #expect(said.count >= 2)
    #expect(said.allSatisfy { $0["type"] as? String == "transcript.final" })
    #expect(said.allSatisfy { $0["side"] as? String == "agent" })
    #expect(said.allSatisfy { $0["call_id"] as? String == "CA1" })
    #expect(said.compactMap { $0["text"] as? String }.joined().hasPrefix(long.dropLast()))
    let texts = ["[FINAL]", "[INTERIM]", "[AGENT]", "[DTMF]", "[INTERRUPTED]"]
    #expect(!talk.rig.log.contains { line in texts.contains { line.hasPrefix($0) } })
  }

  @Test func `who comes and goes is written down, and counted`() throws {
    let rig = Rig.heard()
    let hearing = try Hearing(rig, "/events?call_id=c-1")
    #expect(rig.log.contains { $0.contains("subscribed: 127.0.0.1 by a stream to the call c-1") })
    let page = try #require(rig.accept())
    rig.feed("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: page)
    let metrics = String(decoding: rig.taken(from: page), as: UTF8.self)
    #expect(metrics.contains("\nsidetone_subscribers 1\n"))
    #expect(metrics.contains("\nsidetone_subscribers_max 4\n"))
    #expect(metrics.contains("\nsidetone_subscriber_events_missed_total 0\n"))
    let (caller, upstream) = try rig.listened()
    rig.hear("one", on: upstream)
    rig.end(hearing.link)
    let last = "unsubscribed: 127.0.0.1: left, after 0 ms and 2 events"
    #expect(rig.log.contains { $0.contains(last) })
    for _ in 0..<40 { rig.fail(try Hearing(rig).link) }
    #expect(rig.log.filter { $0.contains("subscribed: ") }.count <= 12)
    rig.fail(caller)
    rig.advance(milliseconds: 20_000)
    #expect(rig.relay.missing == [])
  }
}
