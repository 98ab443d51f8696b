// Signatures, against vectors that the reference library made and against that library itself.

import Foundation
import Sidetone
import Testing

@testable import SidetoneCourier

struct WebhookSignatureTests {
  private static let old = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
  private static let new = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

  private func mistake(_ text: String) -> String? {
    do throws(WebhookSecret.Mistake) {
      _ = try WebhookSecret(text)
      return nil
    } catch {
      return error.sentence
    }
  }

  @Test func `two secrets make two signatures`() throws {
    let body = #"{"type":"call.ended","timestamp":"2026-11-25T10:00:00Z","data":{"call_id":"c-1"}}"#
    let header = WebhookSignature.header(
      id: "msg_0001", timestamp: 1_700_000_000, body: Array(body.utf8),
      secrets: [try WebhookSecret(Self.old), try WebhookSecret(Self.new)])
    #expect(
      header == "v1,aI4HXA/PItWbsr8xwguwDCB+i8SPcAKdyCy8KABYUDA= "
        + "v1,q2SZ938zKiKfF9hlg+zgfgfrk/jf0L+W0BS+wGlZudA=")
  }

  @Test func `a secret may lack its prefix and its padding`() throws {
    let whole = try WebhookSecret(Self.old)
    #expect(try WebhookSecret(String(Self.old.dropFirst(6))) == whole)
    #expect(try WebhookSecret(String(Self.old.dropLast())) == whole)
  }

  @Test func `what is no secret is said without showing it`() {
    let short = "whsec_c2hvcnQ="
    for text in ["", "whsec_", "whsec_!!!", "whsec_AAA A", "whsk_AAEC", "whpk_AAEC", short] {
      #expect(mistake(text) != nil, "\(text)")
    }
    #expect(mistake(short)?.contains("holds 5 bytes") ?? false)
    #expect(!(mistake(short) ?? "c2hvcnQ").contains("c2hvcnQ"))
    let long = "whsec_" + String(repeating: "AAAA", count: 22)
    #expect(mistake(long)?.contains("holds 66 bytes") ?? false)
  }

  /// Requests of a hook with two secrets, of which a receiver knows either one.
  @Test(.enabled(if: Judge.has("standardwebhooks"), "tools/checks/python makes the environment"))
  func `the reference library accepts what is sent and nothing that was changed`() throws {
    var config = WebhookConfig(
      url: try HTTPURL("https://hooks.test/"),
      secrets: [try WebhookSecret(Self.old), try WebhookSecret(Self.new)], events: [.final])
    config.requestsMax = 100
    var hook = Webhook(config, random: Random(seed: [1]))
    var lines: [String] = []
    // The library compares the timestamp with its own clock.
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    for (number, words) in ["plain", "ü€😀 \u{1} \"quoted\"", ""].enumerated() {
      let data = JSONTree.made(["call_id": .text(words), "text": .text(words)]).compact
      let event = OutgoingEvent(
        row: Int64(number), id: "0123456789abcdef-\(number)", kind: .final, call: "\(number)",
        at: now, body: data)
      let request = try given(hook.begin(event, at: now))
      let headers = request.headers.map { JSONTree.Member($0.name, .text($0.value)) }
      let body = JSONTree.text(String(decoding: request.body, as: UTF8.self))
      let line = JSONTree.made(["headers": .object(headers), "body": body]).compact
      lines.append(String(decoding: line, as: UTF8.self))
    }
    let program = """
      import json, sys
      from standardwebhooks import Webhook, WebhookVerificationError
      for line in sys.stdin:
          sent = json.loads(line)
          for secret in ["\(Self.old)", "\(Self.new)"]:
              event = Webhook(secret).verify(sent["body"], sent["headers"])
              assert event["type"] == "transcript.final" and "text" in event["data"], event
          for name, value in [("webhook-id", "other"), ("webhook-timestamp", "1700000000")]:
              try:
                  Webhook("\(Self.old)").verify(sent["body"], {**sent["headers"], name: value})
              except WebhookVerificationError:
                  continue
              raise SystemExit("accepted with another " + name)
          try:
              Webhook("\(Self.old)").verify(sent["body"] + " ", sent["headers"])
          except WebhookVerificationError:
              print("right")
      """
    let judged = Judge.run(program, input: lines.joined(separator: "\n") + "\n")
    #expect(judged.status == 0)
    #expect(judged.output == "right\nright\nright\n")
  }
}
