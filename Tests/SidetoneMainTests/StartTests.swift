// What is shown at the start and by `check`: routes, doors, memory, and never a secret.

import Sidetone
import SidetoneLinux
import SidetoneSettings
import Testing

@testable import SidetoneMain

@Suite struct StartTests {
  private func lines(_ environment: [String: String], _ file: String = "") throws -> [StartLine] {
    var sources = Settings.Sources()
    sources.environment = environment
    sources.file = (name: "f.toml", text: file)
    return startLines(of: try Settings.load(sources))
  }

  @Test func `every listener route and missing key has a line`() throws {
    let lines = try lines(["SIDETONE_LISTEN_ADDRESS": "127.0.0.1:81,[::1]:82"]).map(\.text)
    let doors = lines.filter { $0.hasSuffix("open to this machine only") }
    #expect(doors.count >= 5 && lines[3..<3 + doors.count].elementsEqual(doors))
    #expect(lines[0] == "Server listening on: http://127.0.0.1:81")
    #expect(lines[1] == "Server listening on: http://[::1]:82")
    #expect(lines[2] == "WebSocket endpoint: ws://127.0.0.1:81/media")
    let warning = lines[3 + doors.count]
    #expect(warning.contains("DEEPGRAM_API_KEY"))
    #expect(warning.hasPrefix("WARNING: Deepgram API key not set"))
  }

  @Test func `a default route that is off says why`() throws {
    let lines = try lines(["SIDETONE_LISTEN_ADDRESS": "0.0.0.0:0", "DEEPGRAM_API_KEY": "k"])
    let routes = lines.filter { $0.event == "route" }.map(\.text)
    #expect(routes.count >= 5 && routes.allSatisfy { $0.contains("off: ") })
    #expect(routes.contains { $0.contains("/media ") && $0.contains("API_KEYS") })
    #expect(routes.contains { $0.contains("/voice ") && $0.contains("TWILIO_AUTH_TOKEN") })
  }

  @Test func `the key of the examples draws a warning off loopback`() throws {
    let far = ["SIDETONE_LISTEN_ADDRESS": "0.0.0.0:0", "SIDETONE_API_KEYS": "a,sk-1234"]
    #expect(try lines(far).contains { $0.detail.contains("sk-1234") })
    #expect(try !lines(["SIDETONE_API_KEYS": "sk-1234"]).contains { $0.detail.contains("sk-1234") })
  }

  @Test func `no line holds a secret`() throws {
    let environment = [
      "SIDETONE_API_KEYS": "hush-api", "DEEPGRAM_API_KEY": "hush-dg",
      "TWILIO_AUTH_TOKEN": "hush-tw",
      "SIDETONE_LISTEN_PUBLIC_URL": "https://r.example",
      "DEEPGRAM_URL": "wss://d.example/?token=hush",
    ]
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\nsecret = \"hush-hush-hush-hush\""
    let lines = try lines(environment, route)
    #expect(lines.contains { $0.text.contains("/a/...") && $0.text.contains("the secret path") })
    #expect(!lines.contains { $0.text.contains("hush") || $0.json.contains("hush") })
  }

  @Test func `a line is one object elsewhere`() {
    let line = StartLine(level: .warning, event: "settings", detail: "a  \"b\" \\ c")
    #expect(line.json.hasSuffix(#""level":"warning","event":"settings","detail":"a \"b\" \\ c"}"#))
    #expect(line.json.contains(#/^\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/#))
  }

  @Test func `the plan adds up`() {
    let plan = [
      PlanLine(holder: "one", bytes: 1 << 20), PlanLine(holder: "the other", bytes: 512 << 10),
    ]
    #expect(
      table(of: plan, callsMax: 100) == [
        "  one                      1.0 MiB", "  the other              512.0 KiB",
        "  total                    1.5 MiB", "  for each of 100 calls   15.4 KiB",
      ])
  }

  @Test func `more calls take more memory and no holder is named twice`() {
    func plan(calls: Int) -> [PlanLine] {
      var config = Config()
      config.limits.callsMax = calls
      return config.plan + Machine.plan(for: config)
    }
    let (few, many) = (plan(calls: 100), plan(calls: 1000))
    #expect(many.allSatisfy { $0.bytes >= 0 && !$0.holder.isEmpty })
    #expect(Set(many.map(\.holder)).count == many.count)
    func sum(_ plan: [PlanLine]) -> Int { plan.reduce(0) { $0 + $1.bytes } }
    #expect(sum(many) > sum(few))
    #expect(sum(many) / 1000 <= 96 * 1024)
  }
}
