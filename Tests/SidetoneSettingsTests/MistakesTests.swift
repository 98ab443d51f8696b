// What is said about wrong settings: all of it, each with its place, and never a secret.

import Sidetone
import Testing

@testable import SidetoneSettings

@Suite struct MistakesTests {
  @Test func `every mistake is listed with its line`() {
    let file = """
      [listen]
      adress = "127.0.0.1:1"
      address = "localhost"
      certificate = "/nowhere/at/all.pem"

      [limits]
      calls_max = 0
      ping_seconds = "20"

      [upstreams.mine]
      url = "ws://example.com/"

      [[routes]]
      path = "/ws/west"
      upstream = "deepgarm"

      [lisen]
      """
    let found = mistakes(
      file, env: ["SIDETONE_LIMITS_PONG_SECONDS": "x"], dotEnv: "OTHER=1\nnonsense",
      flags: [("--limits-cals-max", "1")])
    let beginnings = found.map { String($0.prefix { $0 != " " }) }
    #expect(
      beginnings == [
        ".env:2:", "f.toml:2:", "f.toml:3:", "f.toml:4:", "f.toml:7:", "f.toml:8:", "f.toml:10:",
        "f.toml:11:", "f.toml:15:", "f.toml:17:", "environment", "--limits-cals-max:",
      ])
    #expect(found.contains { $0.contains("did you mean `address`?") })
    #expect(found.contains { $0.contains("did you mean `deepgram`?") })
    #expect(found.contains { $0.contains("did you mean `listen`?") })
    #expect(found.contains { $0.contains("did you mean `--limits-calls-max`?") })
  }

  @Test func `a syntax error stands alone`() {
    let found = mistakes(
      "[limits]\ncalls_max = 0\nping_seconds = = 1\n", env: ["SIDETONE_LIMITS_PONG_SECONDS": "x"])
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("f.toml:3: syntax: ") == true)
  }

  @Test(arguments: [
    "[auth]\napi_keys = hush-hush", "[auth]\napi_keys = \"hush-hush", "[auth]\nhush-hush",
    "[auth]\napi_keys = \"a\"\napi_keys = \"hush-hush\"", "[auth]\napi_keys = [\"hush-hush\" 1]",
    "[auth]\napi_keys = [1, \"hush-hush\"]", "[auth]\napi_keys = \"hush-hush \\u0007\"",
    "[upstreams.deepgram]\nkey = \"hush-hush x\"", "[upstreams.deepgram]\nurl = \"hush-hush\"",
    "[upstreams.deepgram]\nurl = \"wss://a:hush-hush@b/\"",
    "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\nsecret = \"hush-hush\"",
  ])
  func `secrets are never printed`(file: String) {
    let found = mistakes(file)
    #expect(!found.isEmpty)
    #expect(!found.contains { $0.contains("hush") }, "\(found)")
  }

  @Test func `secrets in variables are never printed`() {
    for name in ["SIDETONE_API_KEYS", "TWILIO_AUTH_TOKEN", "DEEPGRAM_API_KEY", "DEEPGRAM_URL"] {
      let found = mistakes(env: [name: "hush hush\u{7}"], dotEnv: "\(name)=hush # x")
      #expect(found.count >= 2)
      #expect(!found.contains { $0.contains("hush") })
    }
    let found = mistakes(flags: [("--auth-api-keys", "hush"), ("--upstreams-deepgram-key", "hush")])
    #expect(found.count == 2 && found.allSatisfy { $0.contains("set SIDETONE_") })
    #expect(!found.contains { $0.contains("hush") })
  }

  @Test(arguments: [
    "SIDETONE_LISTEN_ADRESS", "SIDETONE_DEEPGRAM_API_KEY", "SIDETONE_UPSTREAMS__KEY", "SIDETONE_",
  ])
  func `unknown names of ours are mistakes in files and warnings in the environment`(name: String)
    throws
  {
    let found = try load(env: [name: "1"]).warnings
    #expect(found.count == 1 && found[0].hasPrefix("environment \(name): `\(name)` is not known"))
    #expect(mistakes(dotEnv: "\(name)=1").first?.hasPrefix(".env:1:") == true)
    #expect(mistakes(dotEnv: "\(name)=1")[0].utf8.count < 200)
  }

  @Test func `names of other programs are none`() throws {
    _ = try load(env: ["PATH": "/bin", "PORT": "5"], dotEnv: "DATABASE_URL=x\nOPENAI_API_KEY=y")
    // A cluster names its services in every container.
    _ = try load(env: [
      "SIDETONE_SERVICE_HOST": "10.0.0.1", "SIDETONE_SERVICE_PORT_HTTP": "80",
      "SIDETONE_PORT": "tcp://10.0.0.1:80", "SIDETONE_PORT_80_TCP_ADDR": "10.0.0.1",
    ])
  }

  @Test(arguments: [
    ("adress", "address"), ("addres", "address"), ("adderss", "address"), ("Address", "address"),
    ("certifcate", "certificate"), ("public-url", "public_url"),
  ])
  func `the nearest name is found`(word: String, name: String) {
    #expect(nearest(to: word, among: ["key", "certificate", "address", "public_url"]) == name)
  }

  @Test func `nothing is suggested for a word far from all`() {
    #expect(nearest(to: "colour", among: ["key", "certificate", "address"]) == nil)
    #expect(nearest(to: "", among: ["key"]) == nil)
    #expect(nearest(to: "key", among: []) == nil)
  }

  @Test func `every limit has its range`() {
    for row in Setting<Draft>.all where row.table == "limits" {
      for value in ["-1", "9999999999999", "1.5", "many", "true"] {
        let found = mistakes("[limits]\n\(row.key) = \(value == "many" ? "\"many\"" : value)")
        #expect(found.first?.hasPrefix("f.toml:2: [limits] \(row.key) must be") == true, "\(value)")
      }
      #expect(mistakes("[limits]\n\(row.key) = \(row.standard)") == [])
    }
    #expect(mistakes(env: ["SIDETONE_LIMITS_UPLINK_MILLISECONDS_MAX": "1000"]).count == 1)
  }

  @Test(arguments: [
    ("[listen]\nkey = \"/dev/null\"", 2), ("[listen]\naddress = \"\"", 2),
    ("[listen]\naddress = \"127.0.0.1:1, 127.0.0.1:1\"", 2),
    ("[listen]\ntrusted_proxies = [\"10.0.0.1/8\"]", 2), ("[listen]\naddress = 8080", 2),
    ("[listen]\nallowed_origins = \"*\"", 2), ("\nlisten = 1", 2), ("routes = 1", 1),
    ("[auth]\ntwilio_auth_token = \"t t\"", 2), ("[upstreams]\ndeepgram = 1", 2),
    ("\nupstreams = 1", 2), ("\nport = 1", 2), ("[upstreams.echo]\nurl = \"wss://a\"", 2),
    ("[upstreams.mine]\nurl = \"wss://a\"", 1), ("[upstreams.mine]\nkind = \"deepgarm\"", 2),
    ("[upstreams.deepgram]\npace_percent = -1", 2), ("[upstreams.\"a b\"]", 1),
    ("[upstreams.Deepgram]", 1), ("[upstreams.deepgram]\nkey_file = \"/nowhere\"", 2),
    ("[voice]\ndial = \"<Sip>\"", 2), ("[voice]\npause_seconds = 1.5", 2),
    ("[listen]\npublic_url = 1979-05-27", 2),
    ("[listen]\npublic_url = \"https://r.example/a//b\"", 2),
  ])
  func `each of these is found on its line`(file: String, line: Int) {
    let found = mistakes(file)
    #expect(!found.isEmpty && found.allSatisfy { $0.hasPrefix("f.toml:\(line): ") }, "\(found)")
  }

  @Test func `a chat endpoint in the clear is told how it may be`() {
    for kind in cascades {
      let file = "[upstreams.\(kind)]\nthink_url = \"http://10.0.0.7:8000/v1\"\n"
      let found = mistakes(file)
      #expect(found.count == 1 && found[0].hasSuffix("or say private = true"), "\(found)")
      #expect(mistakes(file + "private = true\n") == [])
      #expect(mistakes(file.replacing("10.0.0.7", with: "127.0.0.1")) == [])
    }
  }
}
