// What voice models are told: settings by the upstream's names, their defaults, and whom they are
// for.

import Foundation
import Sidetone
import Testing

@testable import SidetoneSettings

private let isBuiltIn = names("openai", "gemini").count == 2

/// A file with this content, where temporary files belong.
func file(_ name: String, _ bytes: [UInt8]) -> String {
  let folder = FileManager.default.temporaryDirectory
  let path = folder.appendingPathComponent(
    "sidetone-\(getpid())-\(UInt32.random(in: 0 ... .max))-\(name)"
  ).path
  let file = fopen(path, "w")!
  defer { fclose(file) }
  precondition(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  return path
}

@Suite(.enabled(if: isBuiltIn)) struct VoiceModelTests {
  private func options(
    of name: String, _ file: String? = nil, env: [String: String] = [:]
  ) throws -> [String: String] {
    let upstream = try load(file, env: env).upstreams.first { $0.name == name }
    return Dictionary(uniqueKeysWithValues: try #require(upstream).options.map { ($0.0, $0.1) })
  }

  @Test func `the defaults are filled in once per name`() throws {
    let openai = try options(of: "openai")
    #expect(openai["voice"] == "marin" && openai["audio"] == "pcm" && openai["language"] == "en")
    #expect(openai["turn_detection"] == "server_vad" && openai["silence_milliseconds"] == "500")
    #expect(openai["instructions"] == nil)
    let gemini = try options(of: "gemini")
    #expect(gemini["voice"] == "Puck" && gemini["language"] == "en-US")
    #expect(gemini["model"]?.hasPrefix("models/") == true)
    let talkers = names("openai", "gemini", "deepgram-agent") + cascades
    #expect(try load().upstreams.filter { $0.talks }.map(\.name) == talkers)
  }

  @Test func `what is written takes the defaults place`() throws {
    let file = """
      [upstreams.openai]
      voice = "cedar"
      threshold = 0.25
      speed = 1
      audio = "g711"
      instructions = "Line one.\\nLine \\"two\\"."
      transcription_model = ""
      """
    let env = ["SIDETONE_UPSTREAMS_OPENAI_SPEED": "1.25", "SYSTEM_PROMPT": "Be brief."]
    let openai = try options(of: "openai", file)
    #expect(openai["voice"] == "cedar" && openai["threshold"] == "0.25" && openai["speed"] == "1.0")
    #expect(openai["audio"] == "g711" && openai["transcription_model"] == nil)
    #expect(openai["instructions"] == "Line one.\nLine \"two\".")
    let later = try options(of: "openai", file, env: env)
    #expect(later["speed"] == "1.25" && later["instructions"] == "Be brief.")
    #expect(try options(of: "gemini", env: env)["instructions"] == "Be brief.")
  }

  @Test func `vendors names are taken`() throws {
    let env = [
      "OPENAI_API_KEY": "o", "OPENAI_REALTIME_URL": "ws://127.0.0.1:9/v1/realtime?model=x",
      "GEMINI_API_KEY": "g", "GEMINI_LIVE_URL": "wss://g.example/live",
      "TELNYX_PUBLIC_KEY": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
    ]
    let config = try load(env: env)
    let openai = try #require(config.upstreams.first { $0.name == "openai" })
    let gemini = try #require(config.upstreams.first { $0.name == "gemini" })
    #expect(openai.key == "o" && openai.endpoint.query == "model=x")
    #expect(gemini.key == "g" && gemini.endpoint.host == "g.example")
    let keys = config[carrier: "telnyx"].secrets
    #expect(keys.map(\.count) == [32] && keys[0][0] == 0x03)
    #expect(config.twoWayCalls == Limits().twoWayCallsMax)
    #expect(try load().twoWayCalls == 0)
  }

  @Test(arguments: [
    ("openai", "turn_detection = \"loud\""), ("openai", "threshold = 1.5"),
    ("openai", "threshold = \"1e-1\""), ("openai", "speed = 2"), ("openai", "audio = \"opus\""),
    ("openai", "model = \"\""), ("openai", "instructions = \"a\\u0000b\""),
    ("openai", "instructions_file = \"/nowhere\""), ("openai", "silence_milliseconds = 10"),
    ("openai", "silence_milliseconds = 900\nturn_detection = \"semantic_vad\""),
    ("gemini", "speed = 1.0"), ("deepgram", "voice = \"marin\""), ("echo", "model = \"x\""),
  ])
  func `each mistake is found on its line`(upstream: String, line: String) {
    let found = mistakes("[upstreams.\(upstream)]\n\(line)")
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:2: "), "\(found)")
  }

  @Test func `instructions come from a file and are bounded`() throws {
    let path = file("instructions", Array("One.\r\nTwo.\n".utf8))
    let table = "[upstreams.gemini]\ninstructions_file = \"\(path)\""
    #expect(try options(of: "gemini", table)["instructions"] == "One.\nTwo.\n")
    let long = String(repeating: "a", count: Limits.instructionBytesMax)
    #expect(mistakes(env: ["SYSTEM_PROMPT": long]) == [])
    let talkers = (names("openai", "gemini", "deepgram-agent") + cascades).count
    #expect(mistakes(env: ["SYSTEM_PROMPT": long + "a"]).count == talkers)
    let broken = "[upstreams.gemini]\ninstructions_file = \"\(file("broken", [0xff, 0xfe]))\""
    #expect(mistakes(broken).first?.contains("UTF-8") == true)
  }

  @Test func `the default bot is the routes upstream`() throws {
    let route = "[[routes]]\npath = \"/ws/phone\"\ncarriers = \"twilio\"\nupstream = \"openai\"\n"
    let bots = "bots = { agent = \"openai\", helper = \"gemini\", a = \"gemini\" }"
    let phone = try #require(try load(route + bots).routes.first)
    #expect(phone.bots.map(\.name) == ["agent", "a", "helper"])
    for wrong in [
      "bots = { a = \"gemini\" }", "bots = { a = \"nobody\" }", "bots = {}", "bots = \"openai\"",
      "bots = { \"a b\" = \"openai\" }",
    ] {
      #expect(mistakes(route + wrong).contains { $0.hasPrefix("f.toml:5: ") }, "\(wrong)")
    }
    #expect(mistakes(route + "upstream_rate = 16000").count == 1)
    #expect(mistakes(route + "skip_silence = true").count == 1)
    #expect(mistakes(route + "dial_ahead = false").count == 1)
    #expect(try load(route + "warm = 3").routes.first?.warm == 3)
    #expect(mistakes(route + "warm = 65").count == 1)
  }
}

@Suite struct AudioSettingsTests {
  @Test func `what Telnyx is sent is chosen`() throws {
    let audio = "[audio]\ntelnyx_codec = \"L16\"\ntelnyx_rate = 16000\ntelnyx_byte_order = \"big\""
    let config = try load(audio + "\nconversion = \"lowest\"")
    let chosen = config[carrier: "telnyx"]
    #expect(chosen.chosenFormat == Format(codec: .linear16, rate: 16000, isBigEndian: true))
    #expect(chosen.chosenIsBigEndian && config.profile == .lowest)
    #expect(try load()[carrier: "telnyx"].chosenFormat == .mulaw8k)
    #expect(try load().profile == .balanced)
    for wrong in [
      "telnyx_rate = 16000", "telnyx_codec = \"pcmu\"", "telnyx_rate = 11025", "conversion = 1",
      "telnyx_byte_order = \"middle\"",
    ] {
      #expect(mistakes("[audio]\n\(wrong)").count == 1, "\(wrong)")
    }
    for key in ["A6EH", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "hush"] {
      #expect(mistakes(env: ["TELNYX_PUBLIC_KEY": key]).count == 1)
    }
  }

  @Test func `upstreams that listen take a rate`() throws {
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"deepgram\"\n"
    #expect(try load(route + "upstream_rate = 16000").routes[0].upstreamRate == 16000)
    #expect(try load(route).routes[0].upstreamRate == 0)
    #expect(try load(route + "skip_silence = true").routes[0].skipsSilence)
    #expect(try !load(route).routes[0].skipsSilence)
    #expect(mistakes(route + "warm = 1").count == 1)
    #expect(mistakes(route + "upstream_rate = 44100").first?.hasPrefix("f.toml:4: ") == true)
  }
}
