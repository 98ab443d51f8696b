// The lab's word on keys: what a LiteLLM proxy would answer.

import Testing

@testable import LabKit

@Suite struct KeyTwinTests {
  private func answer(
    _ authorization: String, path: String = "/key/info",
    _ change: (inout KeyTwin.Settings) -> Void = { _ in }
  ) throws -> (status: Int, body: JSON) {
    var settings = KeyTwin.Settings()
    for standing in KeyTwin.Standing.allCases {
      settings.keys["sk-\(standing.rawValue)"] = standing
    }
    settings.masterKey = "sk-master"
    change(&settings)
    var twin = KeyTwin(settings)
    let taken = twin.take(isGet: true, path: path, authorization: authorization)
    guard case .answer(let answer, 0) = taken.reaction else { throw Unanswered() }
    #expect(!taken.line.contains("sk-"))
    return (answer.status, JSON(answer.body) ?? .null)
  }
  private struct Unanswered: Error {}

  @Test(
    arguments: [
      ("good", 200, nil), ("expired", 401, "expired_key"), ("blocked", 200, nil),
      ("spent", 429, "budget_exceeded"), ("forbidden", 403, "auth_error"),
      ("master", 404, "not_found_error"), ("other", 401, "token_not_found_in_db"),
    ] as [(String, Int, String?)])
  func `each key has the answer of its standing`(key: String, status: Int, type: String?) throws {
    let (got, body) = try answer("Bearer sk-\(key)")
    #expect(got == status && body["error"]?["type"]?.string == type)
    #expect(body["error"] == nil || body["error"]?["code"]?.string == "\(status)")
    if status == 200 {
      #expect(body["info"]?["status"]?.string == (key == "good" ? "active" : "revoked"))
    }
  }

  @Test func `without a key, without Bearer, and elsewhere it is an error`() throws {
    #expect(try answer("").status == 401)
    #expect(try answer("sk-good").status == 401)
    #expect(try answer("Bearer sk-good", path: "/key/list").status == 404)
    #expect(try answer("Bearer sk-good", path: "/key/info?x=1").status == 200)
  }

  @Test func `without a database it knows no key, and its own is an error of the server`() throws {
    #expect(try answer("Bearer sk-good") { $0.hasDatabase = false }.status == 400)
    #expect(try answer("Bearer sk-master") { $0.hasDatabase = false }.status == 500)
  }

  @Test func `it goes wrong by order`() throws {
    let (status, _) = try answer("Bearer sk-good") { $0.faults = try! FaultSchedule("503") }
    #expect(status == 503)
  }
}
