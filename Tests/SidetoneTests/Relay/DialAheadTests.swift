// Callers that a webhook announced: what was chosen for them waits under a token, and so does a
// session that was dialled meanwhile.

import TestSupport
import Testing

@testable import Sidetone

struct DialAheadTests {
  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Talk.announcingRig(change)
  }

  /// The webhook's token; nil where it was refused.
  private func call(_ rig: Rig, _ query: String = "") throws -> String? {
    try rig.announce(query)
  }

  private func start(_ rig: Rig, _ token: String) throws -> SlotID {
    try rig.talk(with: #""token":"\#(token)""#)
  }

  @Test(arguments: ["", #","customer":"7""#])
  func `audio before the start reaches a model that was dialled ahead, once`(more: String) throws {
    let rig = Self.rig()
    let token = try #require(try call(rig))
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    _ = rig.messages(from: model, isCaller: false)
    let caller = try #require(rig.open("/talk"))
    rig.say(#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, on: caller)
    rig.media(caller)
    rig.media(caller)
    rig.say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
      ["inbound"],"customParameters":{"token":"\(token)"\(more)},\
      "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: caller)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).count == 3)
    rig.expectAllHomeAfterStop()
  }

  @Test func `the first byte reaches a model that was dialled ahead in the turn it came in`() throws
  {
    let rig = Self.rig()
    let token = try #require(try call(rig, "?voice=verse"))
    let model = try #require(rig.answerDial())
    #expect(rig.messages(from: model, isCaller: false)[0].contains(#""voice":"verse""#))
    rig.answer(Talk.ready("openai"), on: model)
    let caller = try start(rig, token)
    rig.media(caller)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    #expect(rig.dialled.count == 1 && rig.relay.callsInUse == 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `a caller who comes before the model is ready waits for it`() throws {
    let rig = Self.rig()
    let token = try #require(try call(rig))
    let caller = try start(rig, token)
    for _ in 0..<3 { rig.media(caller) }
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    rig.advance(milliseconds: 50)
    #expect(rig.messages(from: model, isCaller: false).count == 1 + 3)
    #expect(rig.dialled.count == 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `the greeting is asked for when the caller is there`() throws {
    let rig = Self.rig { $0.upstreams[2].options = [("greeting", "Hello")] }
    let token = try #require(try call(rig))
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
    _ = try start(rig, token)
    #expect(rig.messages(from: model, isCaller: false).count == 1)
  }

  @Test func `who is known may have a parameter of that name for itself`() throws {
    let rig = Self.rig()
    let caller = try start(rig, "tenant-7")
    #expect(!rig.closed.contains(caller) && rig.dialled.count == 1)
  }

  @Test(arguments: ["used", "unknown"])
  func `a token that stands for nothing closes with 1008, and nothing is dialled`(kind: String)
    throws
  {
    let rig = Self.rig()
    let token = try #require(try call(rig))
    var wrong = String(repeating: "0", count: 32)
    if kind == "used" {
      wrong = token
      _ = try start(rig, token)
    }
    let dialled = rig.dialled.count
    let calls = rig.relay.callsInUse
    let caller = try start(rig, wrong)
    let bytes = rig.taken(from: caller)
    #expect(Array(bytes.prefix(4).dropFirst(2)) == [0x03, 0xf0])
    #expect(String(decoding: bytes, as: UTF8.self).contains("the call token is unknown, used"))
    #expect(rig.dialled.count == dialled && rig.relay.callsInUse == calls)
    rig.expectAllHomeAfterStop()
  }

  @Test func `a token lives for 120 seconds, and what was dialled for it is let go`() throws {
    let rig = Self.rig()
    let token = try #require(try call(rig))
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    rig.advance(milliseconds: 15_000)
    // The model answers pings.
    for _ in 0..<12 {
      rig.feed(Frames.frame(.pong, [], isMasked: false), on: model)
      rig.advance(milliseconds: 10_000)
    }
    #expect(rig.relay.callsInUse == 0 && rig.closed.contains(model))
    #expect(rig.log.contains { $0.contains("call_ended") && $0.contains("unclaimed") })
    let caller = try start(rig, token)
    #expect(rig.closed.contains(caller) && rig.dialled.count == 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `where the model was refused meanwhile the caller's own dialling tells`() throws {
    let rig = Self.rig()
    let token = try #require(try call(rig))
    let link = try #require(rig.dialled.last)
    rig.relay.connected(link, at: rig.now)
    rig.perform()
    rig.feed("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", on: link)
    #expect(rig.relay.callsInUse == 0)
    _ = try start(rig, token)
    #expect(rig.dialled.count == 2 && rig.relay.callsInUse == 1)
    rig.expectAllHomeAfterStop()
  }

  @Test func `a caller whose audio is another than expected is served all the same`() throws {
    let rig = Self.rig { $0.routes[3].carriers = ["telnyx"] }
    let token = try #require(try call(rig))
    let model = try #require(rig.answerDial())
    rig.answer(Talk.ready("openai"), on: model)
    _ = rig.messages(from: model, isCaller: false)
    let caller = try #require(rig.open("/talk"))
    rig.say(
      Talk.telnyxStart(
        "L16", 16_000, parameters: #""token":"\#(token)","bidirectional_codec":"PCMA""#), on: caller
    )
    rig.say(
      #"{"event":"media","media":{"chunk":"1","payload":"\#(Talk.base64([UInt8](repeating: 0, count: 640)))"}}"#,
      on: caller)
    #expect(rig.messages(from: model, isCaller: false).map(\.utf8.count) == [47 + 1280])
    rig.expectAllHomeAfterStop()
  }

  @Test func `a model without items to spare is not dialled ahead, and the caller is served`()
    throws
  {
    let rig = Self.rig { $0.upstreams[2].sessionsMax = 1 }
    let first = try #require(try call(rig))
    let second = try #require(try call(rig))
    #expect(rig.dialled.count == 1)
    _ = try start(rig, first)
    _ = second
    rig.expectAllHomeAfterStop()
  }

  @Test(arguments: ["nonsense", "tts-llm-stt"])
  func `an unknown bot type is refused with the names that are known`(bot: String) throws {
    let rig = Self.rig {
      $0.routes[3].bots = [("openai-realtime", "openai"), ("again", "openai")]
    }
    let link = try #require(rig.accept())
    rig.feed("GET /twiml?bot_type=\(bot) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 400") && answer.contains("openai-realtime"))
    #expect(rig.dialled == [])
    // A caller who asks by itself learns it from its close frame, and the log.
    let caller = try #require(rig.open("/talk?bot_type=\(bot)"))
    rig.start(caller)
    #expect(rig.dialled == [] && rig.closed.contains(caller))
    #expect(rig.log.contains { $0.contains("call_refused") })
    #expect(String(decoding: rig.taken(from: caller), as: UTF8.self).contains("bot_type"))
  }

  @Test
  func `a key in a URL is refused, and a plain request to a call's path is sent to its webhook`()
    throws
  {
    let rig = Self.rig()
    for (path, advice) in [
      ("/talk?api_key=sk-secret", "Authorization"), ("/twiml?api_key=sk-secret", "environment"),
    ] {
      let link = try #require(rig.accept())
      rig.feed(
        """
        GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n
        """, on: link)
      let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 40") && answer.contains(advice))
    }
    #expect(!rig.log.contains { $0.contains("sk-secret") })
    let link = try #require(rig.accept())
    rig.feed("GET /talk HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: rig.taken(from: link), as: UTF8.self)
    #expect(answer.hasPrefix("HTTP/1.1 426") && answer.contains("/twiml"))
  }

  @Test func `binary audio does not open a route that wants a token`() throws {
    let rig = Self.rig {
      $0.keyDigests = [[UInt8](repeating: 7, count: 32)]
      $0.publicURL = "https://relay.example.com"
      $0.routes[3].carriers = []
    }
    let caller = try #require(rig.open("/talk"))
    rig.feed(Frames.frame(.binary, [UInt8](repeating: 1, count: 320), isMasked: true), on: caller)
    #expect(rig.dialled.isEmpty)
    #expect(rig.relay.callsInUse == 0)
    #expect(rig.log.contains { $0.contains("no_token") })
  }

  @Test func `a raw caller chooses by its query, and free text is not for strangers`() throws {
    let rig = Talk.rig {
      $0.routes[3].carriers = ["raw"]
      $0.routes[3].isOpen = true
      $0.keyDigests = [[UInt8](repeating: 7, count: 32)]
    }
    _ = try #require(rig.open("/talk?voice=cedar&sample_rate=24000"))
    let model = try #require(rig.answerDial())
    #expect(rig.messages(from: model, isCaller: false)[0].contains(#""voice":"cedar""#))
    let stranger = try #require(rig.open("/talk?system_instruction=obey"))
    #expect(rig.dialled.count == 1)
    #expect(rig.closed.contains(stranger) || rig.wasReset.contains(stranger))
  }
}

extension Rig {
  /// The relay stops; then everything must have come home.
  func expectAllHomeAfterStop(sourceLocation: SourceLocation = #_sourceLocation) {
    relay.stop(at: now)
    perform()
    advance(milliseconds: 200_000)
    #expect(relay.callsInUse == 0, sourceLocation: sourceLocation)
    #expect(relay.blocksFree == relay.blocksMax, sourceLocation: sourceLocation)
    #expect(relay.resamplersInUse == 0, sourceLocation: sourceLocation)
    #expect(relay.linksInUse == 0, sourceLocation: sourceLocation)
  }
}
