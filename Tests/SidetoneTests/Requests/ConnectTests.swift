// The webhook that connects a call: what it may choose, what it is refused, and its answer.
import Foundation
import Testing

@testable import Sidetone

/// `/ws/phone` with two bots, and `/twiml` in front of it.
private func config() -> Config {
  var config = plainConfig()
  for name in ["gemini", "openai"] {
    var upstream = config.upstreams[0]
    upstream.name = name
    upstream.keyVariable = name.uppercased() + "_API_KEY"
    config.upstreams.append(upstream)
  }
  var phone = Config.Route()
  phone.path = "/ws/phone"
  phone.carriers = ["twilio"]
  phone.upstream = "gemini"
  phone.bots = [
    (name: "gemini-live", upstream: "gemini"), (name: "openai-realtime", upstream: "openai"),
  ]
  var webhook = Config.Route()
  webhook.path = "/twiml"
  webhook.kind = .connect
  webhook.stream = "/ws/phone"
  config.routes += [phone, webhook]
  return config
}

private let phone = 4
private let webhook = 5

private func connect(_ config: Config) -> Connect {
  Connect(config, Prepared(config))
}

private struct Chosen: Equatable {
  var bot: String
  var options: [String: String]
}

private func chosen(
  _ config: Config, _ choose: (Connect) throws(Refusal) -> Choice
) -> Result<Chosen, Refusal> {
  let connect = connect(config)
  return Result { () throws(Refusal) in
    let choice = try choose(connect)
    let bot = config.routes[phone].bots[choice.bot]
    precondition(config.upstreams[choice.upstream].name == bot.upstream)
    var options: [String: String] = [:]
    var pairs = Query(choice.options)
    while let pair = pairs.next() {
      options[pair.name.string] = written { Query.decode(pair.value, into: &$0) }.string
    }
    return Chosen(bot: bot.name, options: options)
  }
}

struct ConnectTests {
  private func choose(
    _ start: String, form: String? = nil, as identity: Identity = .signature,
    _ config: Config = config()
  ) throws -> Result<Chosen, Refusal> {
    let lines =
      form == nil ? [] : ["Content-Type: application/x-www-form-urlencoded; charset=utf-8"]
    let request = try request(start, ["Host: localhost"] + lines, body: form ?? "")
    return chosen(config) { connect throws(Refusal) in
      try connect.choose(request, route: webhook, as: identity)
    }
  }

  private func choose(
    parameters: String, query: String = "", as identity: Identity = .loopback,
    _ config: Config = config()
  ) -> Result<Chosen, Refusal> {
    chosen(config) { connect throws(Refusal) in
      try connect.choose(
        parameters: kept(parameters), query: kept(query), route: phone, as: identity,
        on: Day(2026, 11, 26))
    }
  }

  @Test func `a model that has ended gives way to the one that replaces it`() throws {
    let past = "gemini-2.5-flash-native-audio-preview-09-2025"
    var config = config()
    for index in 1...2 { config.upstreams[index].kind = config.upstreams[index].name }
    for (model, wanted) in [
      (past, "gemini-3.8-live"), ("models/" + past, "models/gemini-3.8-live"),
      ("gemini-3.8-live", "gemini-3.8-live"), ("gemini-later", "gemini-later"),
    ] {
      #expect(
        choose(
          parameters: #"{"voice":"Puck","model":"\#(model)"}"#, query: "language=en-US", config)
          == .success(
            Chosen(
              bot: "gemini-live", options: ["voice": "Puck", "model": wanted, "language": "en-US"]))
      )
    }
    // The same name is nobody else's.
    #expect(
      choose(parameters: #"{"bot_type":"openai-realtime","model":"\#(past)"}"#, config)
        == .success(Chosen(bot: "openai-realtime", options: ["model": past])))
    // A webhook's day is that of its request: 1970 here, when nothing had ended.
    #expect(
      try choose("GET /twiml?model=" + past, config)
        == .success(Chosen(bot: "gemini-live", options: ["model": past])))
  }

  @Test func `who chooses nothing gets the first bot and the settings`() throws {
    let nothing = Result<Chosen, Refusal>.success(Chosen(bot: "gemini-live", options: [:]))
    #expect(try choose("GET /twiml") == nothing)
    #expect(try choose("POST /twiml?bot_type=&voice=", form: "CallSid=CA1&model=") == nothing)
    #expect(choose(parameters: "") == nothing)
    #expect(choose(parameters: "{}") == nothing)
    #expect(choose(parameters: #"{"voice":7,"bot_type":null}"#) == nothing)
  }

  @Test func `the query goes before the form, and the first of a name counts`() throws {
    let all = try choose(
      "POST /twiml?bot_type=openai-realtime&voice=marin&voice=cedar",
      form: "From=%2B15550100&voice=ash&language=en-US&system_instruction=Be+brief+%26+kind%3D1%25")
    let options = [
      "voice": "marin", "language": "en-US", "system_instruction": "Be brief & kind=1%",
    ]
    #expect(all == .success(Chosen(bot: "openai-realtime", options: options)))
    let model = try choose("GET /twiml?model=models%2Fgemini-2.5:live")
    #expect(
      model == .success(Chosen(bot: "gemini-live", options: ["model": "models/gemini-2.5:live"])))
  }

  @Test func `a socket's parameters are read as JSON and go before its query`() {
    let parameters = #"{"bot_type":"openai-realtime","system_instruction":"Say \"h\u00e9\"\n+1"}"#
    let expected = Chosen(
      bot: "openai-realtime", options: ["system_instruction": "Say \"hé\"\n+1", "voice": "ash"])
    #expect(choose(parameters: parameters, query: "bot_type=x&voice=ash") == .success(expected))
  }

  @Test func `an unknown bot is refused by name`() throws {
    #expect(try choose("GET /twiml?bot_type=nobody") == .failure(.unknownBot(phone)))
    #expect(try choose("GET /twiml?bot_type=tts-llm-stt") == .failure(.unservedBot(phone)))
    let admission = Admission(config: config(), seed: 7)
    for refusal in [Refusal.unknownBot(phone), .unservedBot(phone)] {
      let text = written { admission.write(refusal, into: &$0) }.string
      #expect(text.hasPrefix("HTTP/1.1 400 "))
      #expect(text.contains("Choose one of: gemini-live, openai-realtime."))
    }
    var plain = config()
    plain.routes[phone].bots = []
    let connect = connect(plain)
    let request = try request("GET /twiml?bot_type=any", ["Host: h"])
    #expect(try connect.choose(request, route: webhook, as: .loopback).bot == 0)
  }

  @Test(arguments: [
    "a b", "a\"b", "a\u{7f}", "é", "a&b", "a?b", String(repeating: "a", count: 129),
  ])
  func `names of models, voices and languages are plain`(value: String) throws {
    let encoded = value.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
    for name in ["model", "voice", "language"] {
      #expect(try choose("GET /twiml?\(name)=\(encoded)") == .failure(.strangeChoice))
    }
  }

  @Test func `free text is taken from those who are known`() throws {
    let start = "GET /twiml?system_instruction=x"
    for identity: Identity in [.key(0), .signature, .secret, .network, .loopback] {
      #expect(
        try choose(start, as: identity).map(\.options) == .success(["system_instruction": "x"]))
    }
    for identity: Identity in [.anyone, .token] {
      #expect(try choose(start, as: identity) == .failure(.foreignChoice))
      #expect(
        try choose("GET /twiml?voice=ash", as: identity).map(\.bot) == .success("gemini-live"))
    }
  }

  @Test func `choices have a bound`() throws {
    let room = Limits.choiceBytesMax - "system_instruction=".count
    let fitting = String(repeating: "ä", count: room / 2)
    let kept = try choose("POST /twiml", form: "system_instruction=" + fitting)
    #expect(kept.map { $0.options["system_instruction"]?.count } == .success(room / 2))
    for text in [fitting + "ä", String(repeating: "a", count: 9000)] {
      #expect(
        try choose("POST /twiml", form: "system_instruction=" + text) == .failure(.longChoice))
    }
  }

  @Test func `a bot whose upstream has no key is refused, another is not`() throws {
    var config = config()
    config.upstreams[1].key = ""
    #expect(try choose("GET /twiml", config) == .failure(.noUpstreamKey(1)))
    let other = try choose("GET /twiml?bot_type=openai-realtime", config)
    #expect(other.map(\.bot) == .success("openai-realtime"))
  }

  @Test func `a key in the URL is refused before anything is chosen`() throws {
    let admission = Admission(config: config(), seed: 7)
    let request = try request("GET /twiml?bot_type=gemini-live&api_key=k", ["Host: localhost"])
    #expect(admission.decide(request) == .failure(.keyInWebhookURL))
  }

  @Test func `plain HTTP on the socket's path is told where webhooks belong`() throws {
    let admission = Admission(config: config(), seed: 7)
    #expect(
      admission.decide(try request("GET /ws/phone", ["Host: localhost"]))
        == .failure(.noSocket(.notAsked)))
    let text = written { admission.write(.noSocket(.notAsked), into: &$0) }.string
    #expect(text.hasPrefix("HTTP/1.1 426 ") && text.contains("/voice or /twiml."))
  }

  // MARK: The answer

  private func answer(_ config: Config, _ lines: [String] = []) throws -> [String] {
    let request = try request("POST /twiml", ["Host: localhost:8080"] + lines)
    var tokens = CallTokens(capacity: 1)
    var random = Random(seed: [1])
    let held = CallTokens.Held(route: phone, bot: 0, choices: Chain(), call: .none)
    let token = tokens.issue(held, random: &random, at: .zero).waiting.token
    let text = written {
      connect(config).write(request, route: webhook, token: token, into: &$0)
    }.string
    let parts = text.components(separatedBy: "\r\n\r\n")
    #expect(parts[0].hasPrefix("HTTP/1.1 200 ") && parts[0].contains("Content-Type: text/xml"))
    let outline = try Outline.of(parts[1])
    let value = try #require(outline.last?.split(separator: "=").last)
    #expect(tokens.claim(kept(String(value)), route: phone, at: .zero) != nil)
    return outline.map { $0.replacingOccurrences(of: value, with: "TOKEN") }
  }

  @Test func `the call is connected with our socket and brings the token`() throws {
    var config = config()
    config.publicURL = "https://relay.example.com"
    #expect(
      try answer(config) == [
        "Response", "Response/Connect",
        "Response/Connect/Stream url=wss://relay.example.com/ws/phone",
        "Response/Connect/Stream/Parameter name=token value=TOKEN",
      ])
    config.routes[phone].secret = "a-long-path-segment"
    #expect(try answer(config)[2].hasSuffix("/ws/phone/a-long-path-segment"))
  }

  @Test func `Telnyx is asked for raw audio in the chosen format`() throws {
    var config = config()
    let lines = ["telnyx-signature-ed25519: x"]
    #expect(
      try answer(config, lines)[2]
        == "Response/Connect/Stream bidirectionalCodec=PCMU bidirectionalMode=rtp "
        + "bidirectionalSamplingRate=8000 codec=PCMU track=inbound_track "
        + "url=ws://localhost:8080/ws/phone")
    config[carrier: "telnyx"].chosenAudio = .linear16(rate: 16000)
    let wide = try answer(config, lines)[2]
    #expect(wide.contains("bidirectionalCodec=L16") && wide.contains("SamplingRate=16000"))
    config[carrier: "telnyx"].chosenAudio = .alaw
    #expect(try answer(config, lines)[2].contains(" codec=PCMA"))
  }

  @Test func `the token is found among the parameters`() {
    #expect(Connect.token(in: kept(#"{"a":"b","token":"0f"}"#))?.string == "0f")
    for none in ["", "{}", #"{"token":7}"#, #"{"Token":"x"}"#] {
      #expect(Connect.token(in: kept(none)) == nil)
    }
  }
}

/// Whom the stream's route lets open a socket, when tokens protect it.
struct TokenAdmissionTests {
  private func decide(
    _ lines: [String] = [], _ change: (inout Config) -> Void = { _ in }
  ) throws -> Result<Identity, Refusal> {
    var config = config()
    config.listeners[0].address = "0.0.0.0"
    config.publicURL = "https://relay.example.com"
    config.telnyxKeys = [telnyxKey()]
    change(&config)
    let request = try request("GET /ws/phone", socket(lines, host: "x"), from: .elsewhere)
    return Admission(config: config, seed: 7).decide(request)
  }

  @Test func `who shows nothing must bring a token later`() throws {
    #expect(try decide() == .success(.token))
    #expect(try decide { $0.twilioTokens = ["t"] } == .success(.token))
    #expect(try decide { $0.telnyxKeys = [] } == .failure(.unprotected))
  }

  @Test func `what is shown must fit`() throws {
    #expect(
      try decide(["X-Twilio-Signature: tcx621bphN0w2w3u6cwESISILwQ="]) { $0.twilioTokens = ["t"] }
        == .failure(.wrongSignature(carrier: row("twilio"))))
    let keyed = { (config: inout Config) in config.allow(key: "sk-first") }
    #expect(try decide(["Authorization: Bearer sk-first"], keyed) == .success(.key(0)))
    #expect(try decide(["Authorization: Bearer sk-other"], keyed) == .failure(.wrongKey))
    #expect(try decide([], keyed) == .success(.token))
  }

  @Test func `sockets that may bring a token later are counted by address`() throws {
    var config = config()
    config.listeners[0].address = "0.0.0.0"
    config.publicURL = "https://relay.example.com"
    config.telnyxKeys = [telnyxKey()]
    config.limits.callsPerSecondPerAddress = 1
    let admission = Admission(config: config, seed: 7)
    let request = try request("GET /ws/phone", socket(host: "x"), from: .elsewhere)
    #expect(admission.decide(request) == .success(.token))
    #expect(admission.decide(request) == .failure(.tooOften(seconds: 1)))
  }
}
