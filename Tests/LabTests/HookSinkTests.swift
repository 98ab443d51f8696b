// The receiver of webhooks: signatures, attempts, duplicates, order.

import Testing

@testable import LabKit

@Suite struct HookSinkTests {
  private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  private static let now: Int64 = 1_614_265_330_000

  private func sink(_ secrets: [String] = [secret], faults: String = "ok") throws -> HookSink {
    HookSink(secrets: try secrets.map { try HookSecret($0) }, faults: try FaultSchedule(faults))
  }

  private func delivery(
    _ id: String, signedBy secret: String = secret, at seconds: Int64 = now / 1000,
    kind: String = "call.ended"
  ) throws -> HookSink.Delivery {
    let body = Array(#"{"type":"\#(kind)","data":{"call_id":"CA1","call_key":"k"}}"#.utf8)
    let signature = try HookSecret(secret).signature(id: id, timestamp: "\(seconds)", body: body)
    let headers = [
      "webhook-id": id, "webhook-timestamp": "\(seconds)",
      "webhook-signature": "v1,AAAA \(signature)",
    ]
    return HookSink.Delivery(header: { headers[$0] ?? "" }, body: body)
  }

  /// The example in the specification's own libraries.
  @Test func `a signature is that of Standard Webhooks`() throws {
    let signature = try HookSecret(Self.secret).signature(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330",
      body: Array(#"{"test": 2432232314}"#.utf8))
    #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  }

  @Test func `a delivery is shown with all that is known of it`() throws {
    var sink = try sink(faults: "500,ok")
    let first = sink.take(try delivery("k-7"), at: Self.now)
    #expect(first.line == "k-7 call.ended CA1 attempt 1 signed, answered 500")
    let second = sink.take(try delivery("k-7"), at: Self.now)
    #expect(second.line == "k-7 call.ended CA1 attempt 2 signed, answered 200")
    let third = sink.take(try delivery("k-7"), at: Self.now)
    #expect(third.line == "k-7 call.ended CA1 attempt 3 signed, answered 200, DUPLICATE")
    #expect(third.record(at: 5)["duplicate"] == true)
    #expect(third.record(at: 5)["event"]?["data"]?["call_key"] == "k")
    #expect(
      sink.summary
        == "3 deliveries, 1 ids, 1 accepted, 1 duplicates, 0 out of order, 0 with a bad signature")
  }

  @Test func `either of two secrets will do`() throws {
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    var sink = try sink([Self.secret, other])
    #expect(sink.take(try delivery("a", signedBy: Self.secret), at: Self.now).proof == .signed)
    #expect(sink.take(try delivery("b", signedBy: other), at: Self.now).proof == .signed)
  }

  @Test func `what is not signed well is refused and takes no fault`() throws {
    var sink = try sink(faults: "500,ok")
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    let wrong = sink.take(try delivery("a", signedBy: other), at: Self.now)
    #expect(wrong.proof == .wrong && wrong.reaction.status == 401)
    let unsigned = sink.take(HookSink.Delivery(header: { _ in "" }, body: []), at: Self.now)
    #expect(unsigned.proof == .unsigned && unsigned.reaction.status == 401)
    #expect(unsigned.line == "(no id) (no type) - attempt 1 unsigned, answered 401")
    let old = sink.take(try delivery("b", at: Self.now / 1000 - 301), at: Self.now)
    #expect(old.proof == .old && old.reaction.status == 401)
    let early = sink.take(try delivery("b", at: Self.now / 1000 + 301), at: Self.now)
    #expect(early.proof == .old)
    let good = sink.take(try delivery("c", at: Self.now / 1000 - 299), at: Self.now)
    #expect(good.proof == .signed && good.reaction.status == 500)
    #expect(sink.unproven == 4 && sink.acceptedCount == 0)
  }

  @Test func `without a secret nothing is checked`() throws {
    var sink = try sink([])
    let taken = sink.take(HookSink.Delivery(header: { _ in "" }, body: []), at: Self.now)
    #expect(taken.proof == .unchecked && taken.reaction.status == 200)
  }

  @Test func `an event that comes behind a later one of its call is seen`() throws {
    var sink = try sink(faults: "ok,500,ok")
    // The second fails and comes again: that is no matter of order.
    for id in ["k-1", "k-2", "k-2", "k-3", "l-1", "k-x1"] {
      #expect(!sink.take(try delivery(id), at: Self.now).isOutOfOrder)
    }
    let late = sink.take(try delivery("l-0"), at: Self.now)
    #expect(late.isOutOfOrder && late.line.hasSuffix("OUT OF ORDER"))
    // Ids of others say nothing.
    #expect(!sink.take(try delivery("msg_1"), at: Self.now).isOutOfOrder)
    #expect(!sink.take(try delivery("a-b"), at: Self.now).isOutOfOrder)
    #expect(sink.outOfOrder == 1)
  }

  @Test(arguments: ["", "abc", "whsec_", "whsec_!", "whpk_AAAA"])
  func `what is no secret is said`(text: String) {
    #expect(throws: HookSecret.Mistake.self) { try HookSecret(text) }
  }

  @Test func `a secret may lack its padding`() throws {
    #expect(try HookSecret("whsec_AAECAw") == HookSecret("whsec_AAECAw=="))
  }

  /// RFC 4231, test cases 2 and 6.
  @Test func `the HMAC is that of the standard`() {
    let hash = SHA256.hmac(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
    #expect(hash.prefix(4) == [0x5b, 0xdc, 0xc1, 0x46] && hash.count == 32)
    let long = SHA256.hmac(
      key: [UInt8](repeating: 0xaa, count: 131),
      Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
    #expect(long.prefix(4) == [0x60, 0xe4, 0x31, 0x59])
  }
}
