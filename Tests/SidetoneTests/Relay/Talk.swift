// A caller and a voice model on a bench: a talk that has begun, in the words of any carrier and of
// any model that talks.

import Sidetone
import TestSupport
import Testing

struct Talk {
  let rig: Rig
  let caller: SlotID
  let model: SlotID
  let carrier: String
  let kind: String
  /// What the model was sent to describe its session.
  let setup: [String]

  /// `query`: of the caller's handshake. `start`: its start message; nil: the usual one.
  init(
    _ carrier: String = "twilio", with kind: String = "openai", query: String = "",
    start: String? = nil, _ change: (inout Config) -> Void = { _ in }
  ) throws {
    self.carrier = carrier
    self.kind = kind
    rig = Talk.rig(carrier, with: kind, change)
    caller = try #require(rig.open("/talk" + query))
    let start = start ?? Talk.starts[carrier]
    if let start, !start.isEmpty { rig.say(start, on: caller) }
    model = try #require(rig.answerDial())
    setup = rig.messages(from: model, isCaller: false)
    rig.answer(Talk.ready(kind), on: model)
  }

  /// A relay whose route `/talk` is this carrier's, to this model.
  static func rig(
    _ carrier: String = "twilio", with kind: String = "openai",
    _ change: (inout Config) -> Void = { _ in }
  ) -> Rig {
    Rig {
      $0.upstreams[2].key = "test"
      $0.upstreams[2].name = kind
      $0.upstreams[2].kind = kind
      $0.routes[3].carriers = [carrier]
      $0.routes[3].upstream = kind
      change(&$0)
    }
  }

  /// The same, with a webhook that announces its callers.
  static func announcingRig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    rig {
      var webhook = Config.Route()
      webhook.path = "/twiml"
      webhook.kind = .connect
      webhook.stream = "/talk"
      $0.routes.append(webhook)
      change(&$0)
    }
  }

  static let starts = [
    "twilio": """
    {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",\
    "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
    """,
    "telnyx": telnyxStart(),
    "ucid": #"{"event":"start","ucid":"123","type":"text"}"#,
  ]

  static func telnyxStart(_ encoding: String = "PCMU", _ rate: Int = 8000, parameters: String = "")
    -> String
  {
    """
    {"event":"start","stream_id":"S1","start":{"call_control_id":"v3:C1","custom_parameters":\
    {\(parameters)},"media_format":{"encoding":"\(encoding)","sample_rate":\(rate),"channels":1}}}
    """
  }

  /// The model's word that the session is as it was asked for.
  static func ready(_ kind: String) -> String {
    if kind == "deepgram-agent" { return #"{"type":"SettingsApplied"}"# }
    return kind == "gemini"
      ? #"{"setupComplete":{}}"#
      : #"{"type":"session.updated","session":{"audio":{"input":{"transcription":{"model":"x"}}}}}"#
  }

  // MARK: The model

  /// The model says that many milliseconds, in one message.
  func say(_ milliseconds: Int, item: String = "item_1") {
    say([UInt8](repeating: 0, count: milliseconds * 48), item: item)
  }

  func say(_ audio: [UInt8], item: String = "item_1") {
    if kind == "gemini" {
      tell(#"{"serverContent":{"modelTurn":{"parts":[\#(Talk.part(audio))]}}}"#)
    } else {
      tell(
        """
        {"type":"response.output_audio.delta","response_id":"r_\(item)","item_id":"\(item)",\
        "output_index":0,"content_index":0,"delta":"\(Talk.base64(audio))"}
        """)
    }
  }

  /// One of the parts in which Gemini talks.
  static func part(_ audio: [UInt8]) -> String {
    #"{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"\#(Talk.base64(audio))"}}"#
  }

  /// An answer of this one item is over.
  func finish(item: String = "item_1", _ more: String = "") {
    tell(
      kind == "gemini"
        ? #"{"serverContent":{"turnComplete":true}}"#
        : #"{"type":"response.done","response":{"id":"r_\#(item)","status":"completed"\#(more)}}"#)
  }

  /// All of the item has been said.
  func end(item: String = "item_1") {
    if kind == "gemini" {
      tell(#"{"serverContent":{"generationComplete":true}}"#)
    } else {
      tell(#"{"type":"response.output_audio.done","item_id":"\#(item)"}"#)
    }
  }

  func interrupt() {
    tell(
      kind == "gemini"
        ? #"{"serverContent":{"interrupted":true}}"#
        : #"{"type":"input_audio_buffer.speech_started","audio_start_ms":0,"item_id":"u"}"#)
  }

  /// Any message of the model's.
  func tell(_ text: String) { rig.answer(text, on: model) }

  /// What the model was told since the last time, the caller's audio left out.
  func told() -> [String] {
    rig.messages(from: model, isCaller: false).filter {
      !$0.hasPrefix(#"{"type":"input_audio_buffer.append""#)
        && !$0.hasPrefix(#"{"realtimeInput":{"audio""#)
    }
  }

  // MARK: The caller

  /// The caller's audio messages that reached the model since the last time, decoded.
  func reached() -> [UInt8] {
    rig.messages(from: model, isCaller: false).flatMap { text in
      let mark = text.contains("\"audio\":\"") ? "\"audio\":\"" : "\"data\":\""
      let parts = text.pieces(cutAt: mark)
      return parts.count > 1 ? Talk.decoded(parts[1].pieces(cutAt: "\"")[0]) : []
    }
  }

  /// The pieces of audio that the caller was sent since the last time, and everything else.
  func heard() -> (pieces: [[UInt8]], others: [String]) {
    var pieces: [[UInt8]] = []
    var others: [String] = []
    for message in rig.messages(from: caller, isCaller: true) {
      guard message.hasPrefix(#"{"event":"media""#) else {
        others.append(message)
        continue
      }
      if carrier == "ucid" {
        let list = message.pieces(cutAt: "\"samples\":[")[1].pieces(cutAt: "]")[0]
        let samples = list.split(separator: ",").map { Int16($0) ?? .max }
        pieces.append(
          samples.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
      } else {
        pieces.append(Talk.decoded(message.pieces(cutAt: "payload\":\"")[1].pieces(cutAt: "\"")[0]))
      }
    }
    return (pieces, others)
  }

  /// How many bytes of audio the caller was sent since the last time.
  func heardBytes() -> Int { heard().pieces.reduce(0) { $0 + $1.count } }

  /// The caller has played everything before this mark of ours.
  func play(_ mark: String) {
    rig.say(#"{"event":"mark","streamSid":"MZ1","mark":{"name":"\#(mark)"}}"#, on: caller)
  }

  /// The caller hangs up; then everything must have come home.
  func expectAllHome(sourceLocation: SourceLocation = #_sourceLocation) {
    rig.relay.failed(caller, .reset, at: rig.now)
    rig.perform()
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [], sourceLocation: sourceLocation)
  }
}

extension Talk {
  /// 20 ms of a voice, and of silence, in µ-law.
  static let voice = base64((0..<160).map { $0 & 1 == 0 ? 0x90 : 0x10 })
  static let silence = base64([UInt8](repeating: 0xff, count: 160))

  /// The caller's audio for so long, as it is spoken.
  func speak(_ milliseconds: Int, _ payload: String = voice) {
    for _ in 0..<milliseconds / 20 {
      rig.media(caller, payload)
      rig.advance(milliseconds: 20)
    }
  }
}

extension Talk {
  static func base64(_ bytes: [UInt8]) -> String {
    var text = [UInt8](repeating: 0, count: Base64.encodedCount(of: bytes.count))
    bytes.withBytes { bytes in text.withMutableBytes { _ = Base64.encode(bytes, into: $0) } }
    return String(decoding: text, as: UTF8.self)
  }

  /// What a base64 text stands for; empty where it is none.
  static func decoded(_ text: String) -> [UInt8] {
    var text = Array(text.utf8)
    let count = text.withMutableBytes { Base64.decode($0, into: $0) }
    return Array(text.prefix(count ?? 0))
  }
}

extension String {
  /// What stands in front of each `mark`, and behind the last.
  func pieces(cutAt mark: String) -> [String] {
    var pieces: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: mark) {
      pieces.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return pieces + [String(rest)]
  }
}

// MARK: Callers of `/talk`

extension Rig {
  /// A webhook announces a caller: the call token; nil where it was refused.
  func announce(_ query: String = "") throws -> String? {
    let link = try #require(accept())
    feed("GET /twiml\(query) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    let answer = String(decoding: taken(from: link), as: UTF8.self)
    guard answer.hasPrefix("HTTP/1.1 200") else { return nil }
    return answer.pieces(cutAt: "name=\"token\" value=\"")[1].pieces(cutAt: "\"")[0]
  }

  /// Twilio's caller comes and starts with these parameters, the inside of a JSON object.
  func talk(with parameters: String) throws -> SlotID {
    let caller = try #require(open("/talk"))
    say(
      """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1","tracks":\
      ["inbound"],"customParameters":{\(parameters)},\
      "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """, on: caller)
    return caller
  }
}
