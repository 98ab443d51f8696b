// Ways to lose something, as a table: each row drops, cuts, refuses or does not understand a frame,
// a message, a result or a key, several times over.

import Sidetone
import TestSupport
import Testing

struct Loss: CustomTestStringConvertible, Sendable {
  let testDescription: String
  /// The counter that rises, by its name in `Counters`; nil: the line itself is what is counted,
  /// as a warning.
  let counter: String?
  /// What the log is told, once; nil: it is not.
  let event: String?
  let provoke: @Sendable () throws -> Rig

  init(
    _ what: String, _ counter: String?, _ event: String? = nil,
    _ provoke: @escaping @Sendable () throws -> Rig
  ) {
    testDescription = what
    self.counter = counter
    self.event = event
    self.provoke = provoke
  }

  static let all =
    requests + floods + callers + early + audio + models + speech + sessions + memory
    + silences + records + subscribers + settings + services + functions + warm

  // MARK: Who calls

  /// A caller of this path, after some messages of its.
  private static func caller(
    _ path: String = "/media", _ messages: [String] = [], isDialled: Bool = true, times: Int = 3,
    _ change: (inout Config) -> Void = { _ in }
  ) throws -> (rig: Rig, link: SlotID) {
    let rig = Rig {
      $0.addRoute("/phone", ["telnyx"], to: "deepgram")
      change(&$0)
    }
    let link = try #require(rig.open(path))
    if path == "/media" { rig.start(link) }
    if path == "/phone" { rig.say(Talk.telnyxStart(), on: link) }
    if isDialled { _ = rig.answerDial() }
    for _ in 0..<times { for message in messages { rig.say(message, on: link) } }
    return (rig, link)
  }

  private static let requests = [
    Loss("a request for nothing", "requestsRefused", "refused") {
      let rig = Rig()
      let link = try #require(rig.accept())
      rig.feed("GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
      return rig
    },
    Loss("a connection for which there is no slot", "linksRefused", "links_refused") {
      let rig = Rig()
      for _ in 0..<1000 {
        guard let link = rig.accept() else { break }
        // Nobody takes the answer.
        rig.stall(link)
        rig.feed("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
      }
      return rig
    },
    Loss("a connection that gives way to another", "guestsDisplaced", "refused") {
      let rig = Rig()
      for _ in 0..<100 where rig.relay.totals.guestsDisplaced == 0 { _ = rig.accept() }
      return rig
    },
    Loss("more TLS handshakes than an address may begin", "handshakesRefused", "handshakes_refused")
    {
      let rig = Rig()
      for _ in 0..<3 { rig.relay.handshakeRefused(from: .here, perSecond: 1, at: rig.now) }
      rig.perform()
      return rig
    },
  ]

  // MARK: Too much

  private static func flooded(for seconds: Int) throws -> Rig {
    let (rig, link) = try caller("/ws/transcribe")
    let pings = Frames.frame(.ping, [], isMasked: true)
    for _ in 0..<20 * seconds where !rig.isGone(link) {
      for _ in 0..<400 { _ = rig.hand(pings[...], on: link) }
      rig.advance(milliseconds: 50)
    }
    return rig
  }

  private static let floods = [
    Loss("more pings than a call needs", "peersSlowed", "peer_slowed") { try flooded(for: 3) },
    Loss("more pings than a call needs, on and on", "peersFlooding", "peer_flooding") {
      try flooded(for: 30)
    },
    Loss("an upstream that many calls lose at once", nil, "upstream_trouble") {
      let rig = Rig {
        $0.limits.callsMax = 40
        $0.limits.redialsMax = 0
      }
      for _ in 0..<30 {
        _ = try #require(rig.open("/ws/transcribe"))
        rig.fail(try #require(rig.answerDial()))
      }
      rig.advance(milliseconds: 61_000)
      return rig
    },
  ]

  private static let callers = [
    Loss("what is no JSON", "messagesBad", "bad_message") { try caller("/media", ["no"]).rig },
    Loss("a text beside raw audio", "messagesIgnored", "message_ignored") {
      try caller("/ws/transcribe", [#"{"event":"what"}"#]).rig
    },
    Loss("an event that the carrier does not have", "messagesIgnored", "message_ignored") {
      try caller("/media", [#"{"event":"what"}"#]).rig
    },
    Loss("a carrier's complaint", "messagesIgnored", "carrier_complains") {
      try caller("/phone", [#"{"event":"error","payload":{"title":"invalid_media"}}"#]).rig
    },
    Loss("a start that is nobody's", "messagesIgnored", "unrecognised") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      for _ in 0..<3 { rig.say(#"{"event":"start","start":{"callId":"c"}}"#, on: link) }
      return rig
    },
    Loss("audio of nobody", "messagesIgnored", "unrecognised") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      for _ in 0..<3 { rig.feed(Frames.frame(.binary, [1, 2], isMasked: true), on: link) }
      return rig
    },
    Loss("a stream whose id is too long", nil, "call_refused") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      let id = String(repeating: "s", count: 97)
      rig.say(#"{"event":"start","start":{"streamSid":"\#(id)","callSid":"c"}}"#, on: link)
      return rig
    },
    Loss("the end of a long id", nil, "id_cut") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      let id = String(repeating: "c", count: 97)
      rig.say(#"{"event":"start","start":{"streamSid":"s","callSid":"\#(id)"}}"#, on: link)
      return rig
    },
    Loss("a second socket of a call", nil, "second_socket") {
      let (rig, _) = try caller()
      rig.start(try #require(rig.open("/media")))
      return rig
    },
    Loss("a message that is too large", nil, "protocol_broken") {
      let (rig, link) = try caller()
      let message = Frames.frame(
        .text, [UInt8](repeating: 0x20, count: 70_000), isMasked: true)
      rig.feed(Array(message.prefix(20)), on: link)
      return rig
    },
  ]

  private static let early = [
    Loss("more audio before the start than is kept", "framesLost", "early_audio") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      rig.say(#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, on: link)
      for _ in 0..<200 { rig.media(link) }
      return rig
    },
    Loss("more keys before the start than are kept", "keysLost") {
      let rig = Rig()
      let link = try #require(rig.open("/media"))
      for _ in 0..<400 { rig.say(key("5"), on: link) }
      return rig
    },
    Loss("more keys than the model can be told at once", "keysLost") {
      let rig = Talk.rig()
      let link = try #require(rig.open("/talk"))
      rig.start(link)
      for _ in 0..<40 { rig.say(key("5"), on: link) }
      return rig
    },
  ]

  static func key(_ digit: String) -> String {
    #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"\#(digit)"}}"#
  }

  // MARK: Audio

  private static func telnyx(_ rig: Rig, _ link: SlotID, _ chunks: [Int]) {
    for chunk in chunks {
      rig.say(
        #"{"event":"media","media":{"track":"inbound","chunk":"\#(chunk)","timestamp":"\#(chunk * 20)","payload":"\#(Rig.frame)"}}"#,
        on: link)
    }
  }

  private static let audio = [
    Loss("audio that is no base64", "framesBad", "bad_message") {
      let (rig, link) = try caller()
      for _ in 0..<3 { rig.media(link, "####") }
      return rig
    },
    Loss("numbered audio that comes twice", "framesLate") {
      let (rig, link) = try caller("/phone")
      telnyx(rig, link, [1, 2, 2, 3, 3])
      return rig
    },
    Loss("numbered audio that never comes", "framesMissing") {
      let (rig, link) = try caller("/phone")
      telnyx(rig, link, [1, 2, 4, 5])
      rig.advance(milliseconds: 200)
      return rig
    },
    Loss("audio that a carrier's clock passes over", "silenceFilled") {
      let (rig, link) = try caller("/phone") { $0.routes[$0.routes.count - 1].fillsGaps = true }
      telnyx(rig, link, [1, 2])
      rig.advance(milliseconds: 100)
      rig.say(
        #"{"event":"media","media":{"track":"inbound","chunk":"3","timestamp":"2000","payload":"\#(Rig.frame)"}}"#,
        on: link)
      return rig
    },
    Loss("more audio than is kept for an upstream that is away", "audioLost", "call_ended") {
      let (rig, link) = try caller(isDialled: false) { $0.limits.uplinkMillisecondsMax = 1000 }
      for _ in 0..<100 { rig.media(link) }
      rig.fail(link)
      rig.advance(milliseconds: 20_000)
      return rig
    },
    Loss("audio for which the pool has no room", "framesLost") {
      let (rig, link) = try caller(isDialled: false) { TimesTests.small(&$0) }
      rig.dryOut()
      for _ in 0..<20 { rig.media(link) }
      return rig
    },
    Loss("the second track beside a model", "messagesIgnored", "other_track") {
      let talk = try Talk("telnyx")
      for track in ["inbound", "outbound", "outbound", "outbound"] {
        talk.rig.say(
          #"{"event":"media","media":{"track":"\#(track)","payload":"\#(Rig.frame)"}}"#,
          on: talk.caller)
      }
      return talk.rig
    },
    Loss("audio behind the end of a call", "messagesIgnored") {
      let (rig, link) = try caller("/media", [#"{"event":"stop","streamSid":"MZ1"}"#], times: 1)
      rig.media(link)
      return rig
    },
    Loss("a file that is no raw audio", nil, "audio_is_file") {
      let (rig, link) = try caller("/ws/transcribe")
      let file = Array("OggS".utf8) + [UInt8](repeating: 0, count: 160)
      rig.feed(Frames.frame(.binary, file, isMasked: true), on: link)
      return rig
    },
    Loss("live audio of another rate", nil, "audio_too_fast") {
      let (rig, link) = try caller("/ws/transcribe")
      let audio = Frames.frame(.binary, [UInt8](repeating: 1, count: 640), isMasked: true)
      for _ in 0..<400 {
        rig.feed(audio, on: link)
        rig.advance(milliseconds: 20)
      }
      return rig
    },
  ]

  // MARK: Upstreams

  /// A listening upstream says this, three times.
  private static func listener(_ messages: [String]) throws -> Rig {
    let rig = Rig()
    let caller = try #require(rig.open("/ws/transcribe"))
    let link = try #require(rig.answerDial())
    rig.feed(
      Frames.frame(.binary, [UInt8](repeating: 1, count: 320), isMasked: true), on: caller)
    for _ in 0..<3 { for message in messages { rig.answer(message, on: link) } }
    return rig
  }

  /// A model says this, three times.
  private static func model(_ kind: String = "openai", _ messages: [String]) throws -> Rig {
    let talk = try Talk(with: kind)
    for _ in 0..<3 { for message in messages { talk.tell(message) } }
    return talk.rig
  }

  private static let models = [
    Loss("a listener's message of another type", "messagesIgnored", "upstream_message_unknown") {
      try listener([#"{"type":"Tomorrow"}"#])
    },
    Loss("what a listener says that is no JSON", "messagesBad", "upstream_message_bad") {
      try listener(["{]"])
    },
    Loss("a transcript that is too long to be repeated", "answersTooLong") {
      let words = String(repeating: "word ", count: 12_000)
      return try listener([
        #"{"type":"Results","start":0,"duration":1,"is_final":true,"channel_index":[0,1],"channel":{"alternatives":[{"transcript":"\#(words)","confidence":0.9}]}}"#
      ])
    },
    Loss("what a model says that is no JSON", "messagesBad", "upstream_message_bad") {
      try model("openai", ["{]"])
    },
    Loss("what a model says that is no object", "messagesBad", "upstream_message_bad") {
      try model("gemini", ["7"])
    },
    Loss("what a model says that is of no concern", "messagesIgnored") {
      try model("openai", [#"{"type":"rate_limits.updated"}"#])
    },
    Loss("what would resume a session, but is too long to keep", "messagesIgnored") {
      let handle = String(repeating: "h", count: 5000)
      return try model(
        "gemini", [#"{"sessionResumptionUpdate":{"resumable":true,"newHandle":"\#(handle)"}}"#])
    },
    Loss("a model's audio that is no base64", "framesBad", "upstream_audio_bad") {
      try model(
        "openai",
        [#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"*"}"#])
    },
    Loss("a model's audio that cannot be converted", "speechCut", "upstream_audio_format") {
      try model(
        "gemini",
        [
          #"{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/opus","data":"AAAA"}}]}}}"#
        ])
    },
    Loss("a failure beside the talk", "sideErrors", "upstream_error") {
      try model(
        "openai",
        [
          #"{"type":"conversation.item.input_audio_transcription.failed","item_id":"u","error":{"code":"c","message":"m"}}"#
        ])
    },
    Loss("an answer without sound", "answersSilent", "answer_silent") {
      try model("gemini", [#"{"serverContent":{"turnComplete":true,"turnCompleteReason":"NO"}}"#])
    },
    Loss("an answer that the model cuts off", "answersCut", "answer_incomplete") {
      let talk = try Talk()
      talk.say(100)
      talk.tell(
        #"{"type":"response.done","response":{"id":"r_item_1","status":"incomplete","status_details":{"reason":"max_output_tokens"}}}"#
      )
      return talk.rig
    },
    Loss("an answer that never begins", "answersMissing", "answer_missing") {
      let talk = try Talk()
      talk.rig.say(key("#"), on: talk.caller)
      talk.rig.advance(milliseconds: 6000)
      return talk.rig
    },
    Loss("a question that no model answers", "unanswered", "unanswered") {
      let talk = try Talk()
      talk.speak(200)
      for _ in 0..<2 {
        talk.rig.media(talk.caller, Talk.silence)
        talk.tell(#"{"type":"rate_limits.updated"}"#)
        talk.rig.advance(milliseconds: 10_000)
      }
      return talk.rig
    },
  ]

  // MARK: Speech

  private static let speech = [
    Loss("speech for which there is no room", "speechCut", "speech_cut") { try tooMuchSpeech() },
    Loss("the rest of an item for which there is no room", "itemsCut", "speech_cut") {
      try tooMuchSpeech()
    },
    Loss("an item behind more than can be kept", "speechCut", "speech_cut") {
      let talk = try Talk()
      for item in 0...Utterances.capacity {
        talk.tell(
          #"{"type":"response.output_audio.delta","response_id":"r","item_id":"i\#(item)","delta":"\#(Talk.base64([UInt8](repeating: 0, count: 4800)))"}"#
        )
      }
      return talk.rig
    },
    Loss("speech behind an interruption", "speechLate", "interrupted") {
      let talk = try Talk()
      talk.say(1000)
      talk.rig.advance(milliseconds: 100)
      talk.interrupt()
      for _ in 0..<3 { talk.say(100) }
      return talk.rig
    },
    Loss("more words than a line can hold", "wordsCut", "words_cut") {
      let talk = try Talk()
      talk.say(100)
      let words = String(repeating: "a", count: 999) + " "
      for _ in 0..<20 {
        talk.tell(
          #"{"type":"response.output_audio_transcript.delta","response_id":"r_item_1","item_id":"item_1","delta":"\#(words)"}"#
        )
      }
      talk.finish()
      talk.rig.advance(milliseconds: 2000)
      return talk.rig
    },
  ]

  private static func tooMuchSpeech() throws -> Rig {
    let talk = try Talk { $0.limits.playoutMillisecondsMax = 3000 }
    for _ in 0..<30 { talk.say(200) }
    return talk.rig
  }

  // MARK: Sessions

  private static func close(_ talk: Talk) {
    talk.rig.feed(Frames.frame(.close, [0x03, 0xf3], isMasked: false), on: talk.model)
  }

  private static let sessions = [
    Loss("a session that the upstream closes", "upstreamsLost", "upstream_closed") {
      let talk = try Talk()
      close(talk)
      return talk.rig
    },
    Loss("a session whose connection breaks", "upstreamsLost", "upstream_lost") {
      let talk = try Talk()
      talk.rig.fail(talk.model)
      return talk.rig
    },
    Loss("a session that is refused", "upstreamsLost", "upstream_refused") {
      let (rig, _) = try caller(isDialled: false)
      let link = try #require(rig.dialled.last)
      rig.connected(link)
      rig.feed("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", on: link)
      return rig
    },
    Loss("a session that is not had again", "upstreamsLost", "upstream_given_up") {
      let (rig, _) = try caller(isDialled: false)
      let link = try #require(rig.dialled.last)
      rig.connected(link)
      rig.feed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", on: link)
      return rig
    },
    Loss("last words that never come", nil, "results_missing") {
      let talk = try Talk()
      talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
      talk.rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller)
      talk.rig.advance(milliseconds: 2100)
      return talk.rig
    },
  ]
}
