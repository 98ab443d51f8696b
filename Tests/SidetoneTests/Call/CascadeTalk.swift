// A caller and a cascade on a bench: the one that listens, the chat endpoint and the voice are the
// test's to play, each by itself.

import Foundation
import Sidetone
import TestSupport
import Testing

final class CascadeTalk {
  let rig: Rig
  let caller: SlotID
  let carrier: String
  private(set) var ear: SlotID?
  private(set) var voice: SlotID?
  /// What its services were asked for, one socket after the other.
  private(set) var handshakes: [String] = []
  private let voicePlace: Int
  private var opened: Set<SlotID> = []

  static let thinkURL = "https://think.test/v1/chat/completions"

  /// `isOpen`: whoever listens and the voice have answered.
  init(
    _ kind: String = "cascade", carrier: String = "twilio", greeting: String = "",
    isOpen: Bool = true, _ change: (inout Config) -> Void = { _ in }
  ) throws {
    self.carrier = carrier
    var voicePlace = 0
    rig = Talk.rig(carrier, with: kind) {
      Self.describe(kind, greeting, in: &$0)
      change(&$0)
      voicePlace = Self.addVoice(of: kind, to: &$0)
    }
    self.voicePlace = voicePlace
    rig.relay.fetcherStarted()
    caller = try #require(rig.open("/talk"))
    if let start = Talk.starts[carrier] { rig.say(start, on: caller) }
    guard isOpen else { return }
    try openEar()
    try openVoice()
  }

  /// The usual upstream of `/talk` is a cascade.
  static func describe(_ kind: String, _ greeting: String, in config: inout Config) {
    config.upstreams[2].cascade.thinkURL = thinkURL
    config.upstreams[2].cascade.thinkKey = "sk-think"
    config.upstreams[2].endpoint.path = "/v1/listen"
    config.upstreams[2].options = [
      ("model", "m-1"), ("voice", "v-1"), ("instructions", "Be \"brief\"."),
    ]
    if !greeting.isEmpty { config.upstreams[2].options.append(("greeting", greeting)) }
  }

  /// The one that speaks for it stands behind all others; where.
  static func addVoice(of kind: String, to config: inout Config) -> Int {
    var voice = Config.Upstream()
    voice.name = Config.Upstream.name(ofSpeakerFor: kind)
    voice.kind = kind
    voice.speaksFor = kind
    voice.key = "k"
    voice.endpoint.isTLS = false
    voice.endpoint.host = "127.0.0.1"
    voice.endpoint.path = "/v1/speak"
    config.upstreams.append(voice)
    config.limits.cascadeCallsMax = config.cascadeCallsMax
    return config.upstreams.count - 1
  }

  // MARK: Sockets

  /// The sockets that were asked for, of the voice or of all others.
  func dials(ofVoice isVoice: Bool) -> [SlotID] {
    rig.dialled.filter { (rig.places[$0] == voicePlace) == isVoice }
  }

  @discardableResult func openEar() throws -> SlotID {
    let link = try open(dials(ofVoice: false))
    ear = link
    return link
  }

  @discardableResult func openVoice() throws -> SlotID {
    let link = try open(dials(ofVoice: true))
    voice = link
    return link
  }

  /// The latest that nobody has answered.
  private func awaited(_ dials: [SlotID]) -> SlotID? {
    dials.last { !rig.isGone($0) && !opened.contains($0) }
  }

  /// Whoever was asked for answers.
  func openAll() throws {
    if awaited(dials(ofVoice: false)) != nil { try openEar() }
    if awaited(dials(ofVoice: true)) != nil { try openVoice() }
  }

  private func open(_ dials: [SlotID]) throws -> SlotID {
    let link = try #require(awaited(dials))
    opened.insert(link)
    rig.connected(link)
    let request = rig.taken(from: link)
    handshakes.append(String(decoding: request, as: UTF8.self))
    rig.feed(try #require(Frames.answer(to: request)), on: link)
    return link
  }

  /// The socket of the voice that was asked for last is refused.
  func refuseVoice(_ status: String) throws {
    let link = try #require(awaited(dials(ofVoice: true)))
    opened.insert(link)
    rig.connected(link)
    rig.feed("HTTP/1.1 \(status)\r\nContent-Length: 0\r\n\r\n", on: link)
  }

  // MARK: The one that listens

  func hears(
    _ text: String, isFinal: Bool = false, endsSpeech: Bool = false, isAsked: Bool = false
  ) {
    guard let ear else { return }
    rig.answer(
      """
      {"type":"Results","channel_index":[0,1],"duration":1.0,"start":0.0,"is_final":\(isFinal),\
      "speech_final":\(endsSpeech),"channel":{"alternatives":[{"transcript":"\(text)",\
      "confidence":0.9,"words":[]}]},"from_finalize":\(isAsked)}
      """, on: ear)
  }

  func utteranceEnds() {
    guard let ear else { return }
    rig.answer(#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.0}"#, on: ear)
  }

  /// The caller says something whole.
  func ask(_ text: String) {
    hears(text)
    hears(text, isFinal: true, endsSpeech: true)
  }

  // MARK: The chat endpoint

  struct Request {
    let id: Int
    let head: [String]
    let body: [String: Any]

    var messages: [[String: Any]] { body["messages"] as? [[String: Any]] ?? [] }
    /// `role: content`, or the names of what it calls.
    var lines: [String] {
      messages.map { message in
        let role = message["role"] as? String ?? "?"
        if let calls = message["tool_calls"] as? [[String: Any]] {
          return "\(role) calls \(calls.compactMap { $0["id"] as? String }.joined(separator: " "))"
        }
        let id = (message["tool_call_id"] as? String).map { " \($0)" } ?? ""
        return "\(role)\(id): \(message["content"] as? String ?? "?")"
      }
    }
  }

  /// What the chat endpoint was asked so far.
  var requests: [Request] {
    rig.fetches.filter { $0.hasPrefix("fetch ") && $0.contains(Self.thinkURL) }.map { text in
      let parts = text.pieces(cutAt: "\n\n")
      let head = parts[0].pieces(cutAt: "\n")
      let body = Data(parts.dropFirst().joined(separator: "\n\n").utf8)
      let json = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
      return Request(id: Int(head[0].pieces(cutAt: " ")[1]) ?? 0, head: head, body: json ?? [:])
    }
  }

  /// What functions' servers were asked: the ids of requests.
  var posts: [Int] {
    rig.fetches.filter { $0.hasPrefix("fetch ") && !$0.contains(Self.thinkURL) }.compactMap {
      Int($0.pieces(cutAt: " ")[1])
    }
  }

  var cancelled: [Int] {
    rig.fetches.filter { $0.hasPrefix("cancel ") }.compactMap {
      Int($0.pieces(cutAt: " ")[1].pieces(cutAt: "\n")[0])
    }
  }

  static func chunk(_ delta: String, finish: String? = nil) -> String {
    let reason = finish.map { ",\"finish_reason\":\"\($0)\"" } ?? ""
    return "data: {\"choices\":[{\"index\":0,\"delta\":{\(delta)}\(reason)}]}\n\n"
  }

  private var latest: Int { requests.last?.id ?? 0 }

  /// The latest request is answered with more of these words.
  func thinks(_ words: String...) {
    for text in words { piece(Self.chunk("\"content\":\"\(text)\"")) }
  }

  func piece(_ text: String, of request: Int? = nil) {
    rig.fetcherSays("piece \(request ?? latest)\n\n\(text)")
  }

  /// The answer to the latest request is whole.
  func chatEnds(_ reason: String? = "stop") {
    let end = reason.map { Self.chunk("", finish: $0) + "data: [DONE]\n\n" } ?? ""
    rig.fetcherSays("answer \(latest) 200 whole\n\n\(end)")
  }

  /// The model calls these functions, by `id: name`, and its answer is over.
  func calls(_ functions: KeyValuePairs<String, String>, _ arguments: String = #"{\"id\":\"42\"}"#)
  {
    let calls = functions.enumerated().map { index, call in
      #"{"index":\#(index),"id":"\#(call.key)","type":"function","function":"#
        + #"{"name":"\#(call.value)","arguments":"\#(arguments)"}}"#
    }
    piece(Self.chunk("\"tool_calls\":[\(calls.joined(separator: ","))]"))
    chatEnds("tool_calls")
  }

  func refuses(_ status: Int, _ body: String = "") {
    rig.fetcherSays("answer \(latest) \(status) whole\n\n\(body)")
  }

  // MARK: The voice

  /// What the voice was told since the last time: texts, and other commands in brackets.
  func told() -> [String] {
    guard let voice else { return [] }
    return rig.messages(from: voice, isCaller: false).map { message in
      let json =
        (try? JSONSerialization.jsonObject(with: Data(message.utf8))) as? [String: Any] ?? [:]
      let type = json["type"] as? String ?? message
      return type == "Speak" ? json["text"] as? String ?? "?" : "[\(type)]"
    }
  }

  func sounds(_ milliseconds: Int, _ byte: UInt8 = 0x55, on link: SlotID? = nil) {
    guard let voice = link ?? voice else { return }
    let count = milliseconds * (carrier == "ucid" ? 16 : 8)
    let sound = [UInt8](repeating: byte, count: count)
    rig.feed(Frames.frame(.binary, sound, isMasked: false), on: voice)
  }

  func voiceSays(_ text: String) { if let voice { rig.answer(text, on: voice) } }
  func flushed(_ times: Int = 1) {
    for _ in 0..<times { voiceSays(#"{"type":"Flushed","sequence_id":0}"#) }
  }
  func cleared() { voiceSays(#"{"type":"Cleared","sequence_id":0}"#) }

  /// The question is answered whole, and the answer is heard.
  func answer(_ text: String, _ milliseconds: Int = 200) {
    thinks(text)
    chatEnds()
    sounds(milliseconds)
    flushed(2)
    rig.advance(milliseconds: milliseconds + 1500)
  }

  // MARK: The caller

  /// The audio that the caller was sent since the last time, and everything else.
  func heard() -> (audio: [UInt8], others: [String]) {
    var audio: [UInt8] = []
    var others: [String] = []
    for message in rig.messages(from: caller, isCaller: true) {
      if message.contains(#""event":"media""#), message.contains("payload\":\"") {
        audio += Talk.decoded(message.pieces(cutAt: "payload\":\"")[1].pieces(cutAt: "\"")[0])
      } else if message.contains("\"samples\":[") {
        let list = message.pieces(cutAt: "\"samples\":[")[1].pieces(cutAt: "]")[0]
        audio += list.split(separator: ",").flatMap { sample -> [UInt8] in
          let value = Int16(sample) ?? .max
          return [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
        }
      } else {
        others.append(message)
      }
    }
    return (audio, others)
  }

  func heardBytes() -> Int { heard().audio.count }

  func hangUp() {
    rig.relay.failed(caller, .reset, at: rig.now)
    rig.perform()
  }

  /// Time passes in which the caller's line and all sockets stand.
  func wait(seconds: Int) {
    for _ in 0..<seconds {
      allStand()
      rig.advance(milliseconds: 1000)
    }
  }

  /// The caller's line and all sockets show that they stand.
  func allStand() {
    let pong = Frames.frame(.pong, [], isMasked: false)
    rig.feed(Frames.frame(.pong, [], isMasked: true), on: caller)
    if let ear { rig.feed(pong, on: ear) }
    if let voice { rig.feed(pong, on: voice) }
  }

  func logs(_ text: String) -> Int { rig.log.count { $0.contains(text) } }

  /// The caller hangs up, if it is still there; then everything must have come home.
  func expectAllHome(sourceLocation: SourceLocation = #_sourceLocation) {
    hangUp()
    rig.advance(milliseconds: 200_000)
    #expect(rig.relay.missing == [], sourceLocation: sourceLocation)
  }
}
