// Keys in every place where clients put them, and nowhere else.

import Testing

@testable import Sidetone

struct ShownKeysTests {
  private let key = "key-0123456789"

  private func decide(_ lines: [String]) throws -> Result<Identity, Refusal> {
    var config = plainConfig()
    config.allow(key: "key-another")
    config.allow(key: key)
    let request = try request("GET /ws/transcribe", socket(lines, host: "x"), from: .elsewhere)
    return Admission(config: config, seed: 7).decide(request)
  }

  @Test(arguments: [
    "Authorization: Bearer KEY", "Authorization: Bearer  KEY", "authorization: bearer     KEY",
    "Authorization: Token KEY", "Authorization: TOKEN   KEY", "X-API-Key: KEY", "x-api-key:   KEY",
    "api-key: KEY", "Sec-WebSocket-Protocol: token, KEY", "Sec-WebSocket-Protocol: Bearer,KEY",
    "Sec-WebSocket-Protocol: audio, token, KEY",
    "Sec-WebSocket-Protocol: bearer\r\n"
      + "Sec-WebSocket-Protocol: KEY",
    "Sec-WebSocket-Protocol: realtime, vendor-insecure-api-key.KEY",
    "Authorization: Basic dTpw\r\nX-API-Key: KEY", "Authorization: Bearer no\r\napi-key: KEY",
  ])
  func `a key is taken from there`(line: String) throws {
    #expect(try decide([line.replacing("KEY", with: key)]) == .success(.key(1)))
  }

  @Test(arguments: [
    ("X-API-Key: key-012345678", Refusal.wrongKey), ("X-API-Key:", .wrongKey),
    ("X-API-Key: Bearer KEY", .wrongKey), ("X-API-Key: KEY\r\nX-API-Key: KEY", .wrongScheme),
    ("Authorization: Bearer\tKEY", .wrongScheme), ("Authorization: Bearer,KEY", .wrongScheme),
    ("Authorization: Digest KEY", .wrongScheme), ("Authorization: KEY", .wrongScheme),
    ("Sec-WebSocket-Protocol: token, no", .wrongKey),
    ("Sec-WebSocket-Protocol: token, no, token, KEY", .wrongKey),
    ("Sec-WebSocket-Protocol: KEY", .noProof(.keys)),
    ("Sec-WebSocket-Protocol: audio, KEY", .noProof(.keys)),
    ("Sec-WebSocket-Protocol: token", .noProof(.keys)), ("X-Key: KEY", .noProof(.keys)),
    ("Cookie: token=KEY", .noProof(.keys)),
  ])
  func `and from nowhere else`(line: String, refusal: Refusal) throws {
    #expect(try decide([line.replacing("KEY", with: key)]) == .failure(refusal))
  }

  @Test func `a key in a URL stays refused, whatever stands in the headers`() throws {
    var config = plainConfig()
    config.allow(key: key)
    let request = try request(
      "GET /ws/transcribe?token=\(key)", socket(["X-API-Key: \(key)"]), from: .elsewhere)
    #expect(Admission(config: config, seed: 7).decide(request) == .failure(.keyInURL))
  }

  /// The answer to an offer of subprotocols.
  private func answer(_ lines: [String], keyed: Bool) throws -> [String] {
    var config = plainConfig()
    if keyed { config.allow(key: key) }
    let rig = Rig { $0.keyDigests = config.keyDigests }
    let link = try #require(rig.accept())
    let head = ["GET /ws/transcribe HTTP/1.1"] + socket(lines)
    rig.feed(head.joined(separator: "\r\n") + "\r\n\r\n", on: link)
    let text = String(decoding: rig.taken(from: link), as: UTF8.self)
    return text.pieces(cutAt: "\r\n").filter {
      $0.hasPrefix("HTTP/1.1") || $0.hasPrefix("Sec-WebSocket-Protocol")
    }
  }

  @Test(
    arguments: [
      ("token, abc", "token"), ("bearer, abc", "bearer"), ("audio.v1", "audio.v1"),
      ("a, b, c", "a"), ("realtime, x-api-key.abc", "realtime"),
      ("x-api-key.abc, realtime", "realtime"),
      ("x-api-key.abc", "x-api-key.abc"), ("bad name, good", "good"), ("", nil),
      (" , ,last", "last"),
    ] as [(String, String?)])
  func `one of the subprotocols on offer is answered, a key only where it is alone`(
    offer: String, answered: String?
  ) throws {
    let lines = try answer(["Sec-WebSocket-Protocol: " + offer], keyed: false)
    #expect(lines[0] == "HTTP/1.1 101 Switching Protocols")
    #expect(
      lines.dropFirst() == ArraySlice(answered.map { ["Sec-WebSocket-Protocol: \($0)"] } ?? []))
  }

  @Test func `a page with its key gets its socket, and who offers nothing no answer to it`() throws
  {
    #expect(
      try answer(["Sec-WebSocket-Protocol: token, \(key)"], keyed: true)
        == ["HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Protocol: token"])
    // What a browser needs, which gives up where nothing that it offered is answered.
    #expect(
      try answer(["Sec-WebSocket-Protocol: api-key.\(key)"], keyed: true)
        == ["HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Protocol: api-key.\(key)"])
    #expect(
      try answer(["Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.\(key)"], keyed: true)
        == ["HTTP/1.1 101 Switching Protocols", "Sec-WebSocket-Protocol: realtime"])
    #expect(
      try answer(["X-API-Key: \(key)"], keyed: true) == ["HTTP/1.1 101 Switching Protocols"])
    #expect(
      try answer(["Sec-WebSocket-Protocol: token, no"], keyed: true)
        == ["HTTP/1.1 401 Unauthorized"])
  }
}
