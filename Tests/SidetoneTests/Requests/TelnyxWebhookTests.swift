// Telnyx's signature: a known good one is accepted, and every way of tampering is refused. The
// vector was made with the private key 00 01 02 … 1f.
import Testing

@testable import Sidetone

private let signature =
  "oLDStyaMp4WBTmSMBjCGv/wJbn2oKc5eABMWe2CPnUwW1j7yzRbnokgfWlo3mWLt2oQvpb097pl+Oasd1izrCw=="
private let body = #"{"data":{"event_type":"streaming.started"}}"#
private let key = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="

func telnyxKey() -> [UInt8] {
  Bytes.withTemporary(33) { place in place.prefix(Base64.decode(kept(key), into: place)!).array }
}

struct TelnyxWebhookTests {
  private func decide(
    _ signature: String = signature, body: String = body, time: String? = "1700000000",
    wall: Int64 = 1_700_000_000, keys: [[UInt8]] = [telnyxKey()]
  ) throws -> Result<Identity, Refusal> {
    var config = plainConfig()
    config.publicURL = "https://relay.example.com"
    config.telnyxKeys = keys
    var route = Config.Route()
    route.path = "/twiml"
    route.kind = .connect
    config.routes.append(route)
    var lines = ["Host: relay.example.com", "telnyx-signature-ed25519: " + signature]
    if let time { lines.append("telnyx-timestamp: " + time) }
    let request = try request("POST /twiml", lines, body: body, from: .elsewhere, wall: wall)
    return Admission(config: config, seed: 7).decide(request)
  }

  @Test func `a good signature opens, with any of the keys`() throws {
    #expect(try decide() == .success(.signature))
    let other = [UInt8](repeating: 9, count: 32)
    #expect(try decide(keys: [other, telnyxKey()]) == .success(.signature))
    #expect(try decide(keys: [telnyxKey(), other]) == .success(.signature))
  }

  @Test func `its time is near`() throws {
    for off: Int64 in [-300, 300] {
      #expect(try decide(wall: 1_700_000_000 + off) == .success(.signature))
    }
    for off: Int64 in [-301, 301, 86_400, -1_700_000_000] {
      #expect(
        try decide(wall: 1_700_000_000 + off) == .failure(.staleSignature(carrier: row("telnyx"))))
    }
  }

  @Test func `anything else is refused`() throws {
    let wrong = Result<Identity, Refusal>.failure(.wrongSignature(carrier: row("telnyx")))
    #expect(try decide(body: body + " ") == wrong)
    #expect(try decide(body: "") == wrong)
    for time in [nil, "", "1700000001", "01700000000", "now", "99999999999999999999"] {
      #expect(try decide(time: time) == wrong, "\(time ?? "none")")
    }
    let short = String(signature.dropLast(4))
    for text in ["", "x", short, signature + "AAAA", "p" + signature.dropFirst()] {
      #expect(try decide(text) == wrong, "\(text)")
    }
    #expect(try decide(keys: [[UInt8](repeating: 9, count: 32)]) == wrong)
    // Without a key, a signature is just a header.
    #expect(try decide(keys: []) == .failure(.foreignPeer))
  }

  @Test(
    arguments: [
      (
        "POST /twiml", ["Content-Type: application/x-www-form-urlencoded"], "CallSidLegacy=v3", true
      ),
      ("GET /twiml?CallControlId=v3%3Aa", [], "", true),
      ("POST /twiml", ["Telnyx-Signature-Ed25519: x"], "{}", true),
      ("POST /twiml", ["Content-Type: application/x-www-form-urlencoded"], "CallSid=CA1", false),
      ("POST /twiml", ["Content-Type: text/plain"], "CallSidLegacy=v3", false),
      ("GET /twiml", ["User-Agent: TwilioProxy/1.1"], "", false),
    ] as [(String, [String], String, Bool)])
  func `whose webhook it is shows`(
    start: String, lines: [String], body: String, isTheirs: Bool
  ) throws {
    let request = try request(start, ["Host: h"] + lines, body: body)
    #expect(Carrier.telnyx.webhook?.isIts(request) == isTheirs)
  }
}
