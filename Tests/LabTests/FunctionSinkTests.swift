// The lab's server of functions.

import Testing

@testable import LabKit

@Suite struct FunctionSinkTests {
  private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  private static let now: Int64 = 1_800_000_000_000

  private func delivery(
    _ body: JSON, signedBy text: String? = nil, at timestamp: Int64 = now / 1000
  ) throws -> HookSink.Delivery {
    let bytes = Array(body.text.utf8)
    var headers = ["webhook-id": "m1", "webhook-timestamp": "\(timestamp)"]
    headers["webhook-signature"] = try text.map {
      try HookSecret($0).signature(id: "m1", timestamp: "\(timestamp)", body: bytes)
    }
    return HookSink.Delivery(header: { headers[$0] ?? "" }, body: bytes)
  }

  private func sink(_ change: (inout FunctionSink.Settings) throws -> Void = { _ in }) throws
    -> FunctionSink
  {
    var settings = FunctionSink.Settings()
    try change(&settings)
    return FunctionSink(settings)
  }

  private static let call: JSON = [
    "type": "function.called", "call_id": "CA1", "function": "order_status", "id": "f1",
    "arguments": ["order": "4711"],
  ]

  @Test func `a call is answered with its arguments, or as told`() throws {
    var plain = try sink()
    let taken = plain.take(try delivery(Self.call), at: Self.now)
    #expect(
      taken.reaction == .answer(WebAnswer(200, ["ok": true, "arguments": ["order": "4711"]])))
    #expect(taken.line.hasPrefix("CA1 order_status f1 {\"order\":\"4711\"} unchecked"))
    var told = try sink { $0.answers["order_status"] = ["sent": true] }
    #expect(
      told.take(try delivery(Self.call), at: Self.now).reaction
        == .answer(WebAnswer(200, ["sent": true])))
  }

  @Test func `what is asked twice is noticed`() throws {
    var sink = try sink()
    #expect(!sink.take(try delivery(Self.call), at: Self.now).line.contains("BEFORE"))
    #expect(sink.take(try delivery(Self.call), at: Self.now).line.hasSuffix("ASKED BEFORE"))
    #expect(sink.repeated == 1)
  }

  @Test func `what is not signed well, or is no call, is refused and takes no fault`() throws {
    var sink = try sink {
      $0.secrets = [try HookSecret(Self.secret)]
      $0.faults = try FaultSchedule("500")
    }
    func status(_ delivery: HookSink.Delivery) -> Int? {
      sink.take(delivery, at: Self.now).reaction.status
    }
    #expect(status(try delivery(Self.call)) == 401)
    #expect(status(try delivery(Self.call, signedBy: Self.secret, at: 1)) == 401)
    #expect(status(try delivery(["a": 1], signedBy: Self.secret)) == 400)
    #expect(status(try delivery(Self.call, signedBy: Self.secret)) == 500)
    #expect(status(try delivery(Self.call, signedBy: Self.secret)) == 200)
    #expect(sink.unproven == 2)
  }
}
