// An upstream that will not have us: its own words and the id of its request reach the log, the
// client who reads errors, and the call's last line; what failed on the way is told by its name.

import TestSupport
import Testing

@testable import Sidetone

struct UpstreamRefusalTests {
  /// A raw client whose upstream is being asked for a socket.
  private func call(
    upstream: String = "deepgram", redials: Int = 0, _ change: (inout Config) -> Void = { _ in }
  ) throws -> (rig: Rig, caller: SlotID, upstream: SlotID) {
    let rig = Rig {
      $0.limits.redialsMax = redials
      $0.routes[1].upstream = upstream
      $0.upstreams[2].key = "test"
      change(&$0)
    }
    let caller = try #require(rig.open("/ws/transcribe"))
    _ = rig.messages(from: caller, isCaller: true)
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    return (rig, caller, link)
  }

  /// An answer as servers write it, its length filled in.
  private func answer(_ status: String, _ lines: [String] = [], _ body: String = "") -> String {
    ([status] + lines + ["Content-Length: \(body.utf8.count)", "", body]).joined(separator: "\r\n")
      .replacing("HTTP ", with: "HTTP/1.1 ")
  }

  private static let jsonBody =
    #"{"err_code":"Bad Request","err_msg":"No such tier or combination.","request_id":"587b-f6ca"}"#

  private func expect(
    _ words: String, request: String?, in rig: Rig, to caller: SlotID,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let refused = rig.log.filter { $0.contains("upstream_refused: ") }
    let ended = rig.log.last { $0.contains("call_ended") } ?? ""
    let errors = rig.messages(from: caller, isCaller: true).filter { $0.contains("\"error\"") }
    #expect(refused.count == 1 && errors.count == 1, sourceLocation: sourceLocation)
    for text in [refused.first ?? "", ended, errors.first ?? ""] {
      #expect(text.contains(words), "\(text)", sourceLocation: sourceLocation)
      if let request { #expect(text.contains(request), "\(text)", sourceLocation: sourceLocation) }
    }
    #expect(errors.first?.contains("\"final\":true") == true, sourceLocation: sourceLocation)
    #expect(refused.first?.contains("WARNING: ") == true, sourceLocation: sourceLocation)
  }

  @Test(arguments: [
    (["dg-error: No such tier or combination.", "dg-request-id: 587b-f6ca"], ""),
    (["Content-Type: application/json"], jsonBody),
    (["dg-error: No such tier or combination."], #"{"request_id":"587b-f6ca"}"#),
    (["dg-request-id: 587b-f6ca"], #"{"error":{"message":"No such tier or combination."}}"#),
    (["dg-request-id: 587b-f6ca"], #"[{"error":{"message":"No such tier or combination."}}]"#),
    (["dg-request-id: 587b-f6ca"], #"{"detail":"No such tier or combination."}"#),
    (["dg-request-id: 587b-f6ca"], "No such tier or combination.\r\n"),
  ])
  func `a reason in a header or a body is repeated`(lines: [String], body: String) throws {
    let (rig, caller, upstream) = try call()
    rig.feed(answer("HTTP 400 Bad Request", lines, body), on: upstream)
    expect("No such tier or combination.", request: "587b-f6ca", in: rig, to: caller)
    rig.advance(milliseconds: 10_000)
    #expect(rig.relay.missing == [])
  }

  @Test func `a body that comes behind its head is waited for`() throws {
    let (rig, caller, upstream) = try call()
    let whole = Array(
      answer("HTTP 400 Bad Request", ["dg-request-id: 587b-f6ca"], Self.jsonBody).utf8)
    for byte in whole.dropLast() { rig.feed([byte], on: upstream) }
    #expect(rig.relay.callsInUse == 1)
    rig.feed([whole.last!], on: upstream)
    expect("No such tier or combination.", request: "587b-f6ca", in: rig, to: caller)
  }

  @Test(arguments: ["late", "end", "reset"])
  func `one that never comes whole does not hide the status`(how: String) throws {
    let (rig, caller, upstream) = try call()
    rig.feed(
      "HTTP/1.1 401 Unauthorized\r\nContent-Length: 900\r\ndg-error: Invalid credentials.\r\n\r\n{",
      on: upstream)
    #expect(rig.relay.callsInUse == 1)
    switch how {
    case "late": rig.advance(milliseconds: 400)
    case "end": rig.end(upstream)
    default: rig.fail(upstream)
    }
    expect("Invalid credentials.", request: nil, in: rig, to: caller)
    #expect(
      rig.log.contains { $0.contains("401 from deepgram") && $0.contains("DEEPGRAM_API_KEY") })
    #expect(!rig.log.contains { $0.contains("upstream_lost") })
  }

  @Test(arguments: [
    (301, ["Location: wss://elsewhere.example.com/"], "", "it points to wss://elsewhere"),
    (405, [], "no", "\"no\""), (407, [], "", "proxy"), (426, [], "", "path"), (404, [], "", "path"),
    (200, ["Content-Type: text/html"], "<html><title>x</title>", "a page for browsers"),
  ])
  func `what is not about options does not blame them`(
    status: Int, lines: [String], body: String, words: String
  ) throws {
    for upstream in ["deepgram", "openai"] {
      let (rig, _, link) = try call(upstream: upstream)
      rig.feed(answer("HTTP \(status) Refused", lines, body), on: link)
      let said = rig.log.first { $0.contains("upstream_refused: \(status) from") } ?? "nothing"
      #expect(said.contains(words) && said.contains("WARNING: "), "\(said)")
      #expect(!said.contains("model") && !said.contains("options"), "\(said)")
    }
  }

  @Test func `somebody else's words are bounded, of one line, and without our key`() throws {
    let key = "sk-0123456789-very-secret"
    let (rig, caller, upstream) = try call { $0.upstreams[0].key = key }
    let long = String(repeating: "é", count: 400)
    let body = #"{"message":"Bad key \#(key)\nin line\t2\u0007\u001b[31m \#(long)"}"#
    rig.feed(answer("HTTP 401 No", [], body), on: upstream)
    expect("Bad key *** in line 2 [31m éé", request: nil, in: rig, to: caller)
    #expect(!rig.log.joined().contains(key))
    #expect(rig.log.allSatisfy { $0.utf8.count < 800 && !$0.contains("\u{1b}") })
  }

  @Test func `words that are no UTF-8 do not spoil the message`() throws {
    let (rig, caller, upstream) = try call()
    rig.feed(
      Array("HTTP/1.1 400 No\r\nContent-Length: 4\r\n\r\n".utf8) + [0x61, 0xff, 0xc3, 0x62],
      on: upstream)
    expect("a??b", request: nil, in: rig, to: caller)
  }

  @Test func `an accepted handshake has its id in the log and in the last line`() throws {
    let (rig, caller, upstream) = try call()
    let accepted = try #require(Frames.answer(to: rig.taken(from: upstream)))
    let text = String(decoding: accepted, as: UTF8.self).replacing(
      "Upgrade: websocket", with: "dg-request-id: 0a1b-2c3d\r\nUpgrade: websocket")
    rig.feed(text, on: upstream)
    #expect(
      rig.log.contains { $0.contains("upstream_connected") && $0.contains("request 0a1b-2c3d") })
    rig.feed(Frames.frame(.close, [3, 232], isMasked: true), on: caller)
    rig.advance(milliseconds: 20_000)
    #expect(rig.log.contains { $0.contains("call_ended") && $0.contains("request 0a1b-2c3d") })
  }

  @Test func `the reason of a close reaches client and last line, once, in the finest words`()
    throws
  {
    let (rig, caller, upstream) = try call()
    rig.feed(try #require(Frames.answer(to: rig.taken(from: upstream))), on: upstream)
    let reason = Array("DATA-0000: no audio could be read".utf8)
    rig.feed(Frames.frame(.close, [3, 240] + reason, isMasked: false), on: upstream)
    let errors = rig.messages(from: caller, isCaller: true).filter { $0.contains("\"error\"") }
    #expect(errors.count == 1 && errors[0].contains("DATA-0000: no audio could be read"))
    #expect(rig.log.contains { $0.contains("call_ended") && $0.contains("DATA-0000") })
  }

  @Test func `a failed start is one message each time, the last of them final`() throws {
    let (rig, caller, upstream) = try call(redials: 1)
    rig.feed(answer("HTTP 503 Busy", ["dg-error: try later"]), on: upstream)
    rig.advance(milliseconds: 3000)
    let second = try #require(rig.dialled.last)
    #expect(second != upstream)
    rig.connected(second)
    rig.feed(answer("HTTP 503 Busy", ["dg-error: still busy"]), on: second)
    rig.advance(milliseconds: 10)
    let errors = rig.messages(from: caller, isCaller: true).filter { $0.contains("\"error\"") }
    #expect(errors.count == 2)
    #expect(errors[0].contains("try later") && errors[0].contains("\"final\":false"))
    #expect(errors[1].contains("still busy") && errors[1].contains("\"final\":true"))
    #expect(errors.allSatisfy { $0.contains("\"code\":\"upstream_unavailable\"") })
  }

  @Test func `faults of the handshake are told apart`() throws {
    func fault(_ change: (String) -> String) throws -> String {
      let (rig, _, upstream) = try call()
      let accepted = try #require(Frames.answer(to: rig.taken(from: upstream)))
      rig.feed(change(String(decoding: accepted, as: UTF8.self)), on: upstream)
      return rig.log.first { $0.contains("upstream_lost") } ?? ""
    }
    let head = "Upgrade: websocket"
    let said = [
      try fault { $0.replacing(head, with: "Sec-WebSocket-Protocol: token\r\n\(head)") },
      try fault { $0.replacing(head, with: "Sec-WebSocket-Extensions: x\r\n\(head)") },
      try fault { $0.replacing("Accept: ", with: "Accept: A") },
      try fault { $0.replacing(head, with: "Upgrade: h2c") },
      try fault { $0.replacing("Connection: Upgrade", with: "Connection: close") },
      try fault { _ in "\u{15}\u{3}\u{1}" }, try fault { _ in "HTTP/2 101 x\r\n\r\n" },
      try fault { $0 + "\u{9}\u{0}" }, try fault { $0 + "\u{70}\u{0}" },
    ]
    #expect(Set(said).count == said.count && !said.contains(""), "\(said)")
    #expect(said.allSatisfy { !$0.contains("the connection broke") })
  }
}
