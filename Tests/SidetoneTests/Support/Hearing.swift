// A program on a bench that hears of calls: what its client would make of the bytes that it gets,
// as a stream of Server-Sent Events (by the rules of the WHATWG) or as a WebSocket.

import Foundation
import TestSupport
import Testing

@testable import Sidetone

final class Hearing {
  let rig: Rig
  let link: SlotID
  /// The answer to its request.
  let answer: String
  private var bytes: [UInt8] = []
  private let isSocket: Bool

  struct Event {
    var type = ""
    var id = ""
    var text = ""
    /// `text`, as another parser reads it.
    var data: [String: Any] = [:]
    subscript(name: String) -> String? { data[name] as? String }
    /// The words that were told, wherever they stand.
    var words: String { (self["text"] ?? "") + (self["unheard"] ?? "") }
  }

  init(
    _ rig: Rig, _ target: String = "/events", isSocket: Bool = false, behind more: [UInt8] = []
  ) throws {
    self.rig = rig
    self.isSocket = isSocket
    link = try #require(rig.accept())
    let head =
      isSocket
      ? Frames.handshake(target)
      : Array("GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8)
    rig.feed(head + more, on: link)
    let taken = rig.taken(from: link)
    let end = try #require(taken.firstRange(of: Array("\r\n\r\n".utf8))).upperBound
    answer = String(decoding: taken.prefix(end), as: UTF8.self)
    bytes = Array(taken.dropFirst(end))
  }

  /// What came since the last time, events or not.
  func taken() -> [UInt8] {
    defer { bytes = [] }
    return bytes + rig.taken(from: link)
  }

  /// The events that came since the last time.
  func events() throws -> [Event] {
    rig.advance(milliseconds: 20)
    return try isSocket ? messages() : stream()
  }

  private func stream() throws -> [Event] {
    bytes += rig.taken(from: link)
    var events: [Event] = []
    var event = Event()
    var rest = bytes[...]
    while let end = rest.firstIndex(of: 10) {
      let line = String(decoding: rest[..<end], as: UTF8.self)
      rest = rest[(end + 1)...]
      if line.isEmpty {
        if !event.text.isEmpty { events.append(try Self.read(event)) }
        event = Event()
        bytes = Array(rest)
        continue
      }
      let colon = line.firstIndex(of: ":") ?? line.endIndex
      let value = line[colon...].dropFirst()
      let text = String(value.hasPrefix(" ") ? value.dropFirst() : value)
      switch line[..<colon] {
      case "": break
      case "event": event.type = text
      case "id": event.id = text
      case "data": event.text += event.text.isEmpty ? text : "\n" + text
      case "retry": #expect(Int(text) != nil)
      default: Issue.record("a field that no stream has: \(line)")
      }
    }
    return events
  }

  private func messages() throws -> [Event] {
    try (frames().compactMap { if case .text(let text) = $0 { text } else { nil } }).map {
      try Self.read(Event(text: $0))
    }
  }

  enum Frame: Equatable {
    case ping
    case text(String)
    case pong(String)
    case close(UInt16, String)
  }

  /// Of a socket, the frames that came since the last time.
  func frames() -> [Frame] {
    var decoder = WebSocket(role: .client, messageBytesMax: 1 << 20)
    var taken = taken()
    var frames: [Frame] = []
    taken.withMutableBytes { buffer in
      while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore: return
        case .text(let range): frames.append(.text(buffer[range].string))
        case .ping: frames.append(.ping)
        case .pong(let range): frames.append(.pong(buffer[range].string))
        case .close(let code, let reason): frames.append(.close(code, buffer[reason].string))
        case .binary, .failed:
          Issue.record("no client would take this")
          return
        }
      }
    }
    return frames
  }

  private static func read(_ event: Event) throws -> Event {
    var event = event
    event.data = try Self.json(event.text)
    if event.type.isEmpty { event.type = event["type"] ?? "" }
    #expect(event.type == event["type"])
    return event
  }

  static func json(_ text: String) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    return try #require(object, "\(text)")
  }
}

// MARK: Calls that are heard

extension EngineDriver {
  /// A relay that so many programs may hear.
  static func heard(by most: Int = 4, _ change: (inout Config) -> Void = { _ in }) -> Rig {
    Rig {
      $0.limits.subscribersMax = most
      change(&$0)
    }
  }

  /// A caller who is listened to, and its upstream.
  func listened(_ path: String = "/ws/transcribe?call_id=c-1") throws -> (SlotID, SlotID) {
    let caller = try #require(open(path))
    return (caller, try #require(answerDial()))
  }

  /// What a caller said, as its upstream has it; `words`: the inside of a JSON string.
  func hear(
    _ words: String, isFinal: Bool = true, channel: Int = 0, of channels: Int = 1,
    on upstream: SlotID
  ) {
    answer(
      """
      {"type":"Results","channel_index":[\(channel),\(channels)],"start":0,"duration":1,\
      "is_final":\(isFinal),"channel":{"alternatives":[{"transcript":"\(words)","confidence":1}]}}
      """, on: upstream)
  }
}
