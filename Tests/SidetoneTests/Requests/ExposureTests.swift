// Which routes are open, guarded or off, for every kind of listener and means.

import Testing

@testable import Sidetone

@Suite struct ExposureTests {
  private func config(_ addresses: String...) -> Config {
    var config = Config()
    config.listeners = addresses.map {
      var listener = Config.Listener()
      listener.address = $0
      return listener
    }
    return config
  }
  private let route = Config.Route()
  private var voice: Config.Route {
    var route = Config.Route()
    route.kind = .voice
    return route
  }

  @Test func `loopback without keys is open to loopback only`() {
    #expect(config("127.0.0.1", "::1").exposure(of: route) == .loopback)
    #expect(config("127.0.0.1").exposure(of: voice) == .loopback)
  }

  @Test func `one far listener makes every route need a means`() {
    #expect(config("127.0.0.1", "0.0.0.0").exposure(of: route) == .off(.unprotected))
  }

  @Test func `api keys guard also on loopback`() {
    var config = config("127.0.0.1")
    config.keyDigests = [[1]]
    #expect(config.exposure(of: route) == .guarded(.keys))
  }

  @Test func `a signature guards only routes that a signing carrier may call`() {
    var config = config("0.0.0.0")
    config.twilioTokens = ["token"]
    config.publicURL = "https://relay.example.com"
    var raw = route
    raw.carriers = ["raw"]
    #expect(config.exposure(of: route) == .guarded(.signature(of: "twilio")))
    #expect(config.exposure(of: voice) == .guarded(.signature(of: "twilio")))
    #expect(config.exposure(of: raw) == .off(.unprotected))
  }

  @Test func `a signature guards also without a public URL`() {
    for address in ["127.0.0.1", "0.0.0.0"] {
      var config = config(address)
      config.twilioTokens = ["token"]
      #expect(config.exposure(of: route) == .guarded(.signature(of: "twilio")))
      #expect(config.exposure(of: voice) == .guarded(.signature(of: "twilio")))
    }
  }

  @Test func `voice gives tokens where a carrier cannot sign its sockets`() {
    var config = config("0.0.0.0")
    config.twilioTokens = ["token"]
    var stream = route
    stream.path = "/media-stream"
    var voice = voice
    voice.path = "/voice"
    voice.stream = "/media-stream"
    config.routes = [stream, voice]
    // Twilio signs its sockets: nobody else is let in to show a token later.
    #expect(config.exposure(of: stream) == .guarded(.signature(of: "twilio")))
    config.telnyxKeys = [[UInt8](repeating: 1, count: 32)]
    #expect(config.exposure(of: stream) == .guarded([.signature(of: "twilio"), .token]))
    config.twilioTokens = []
    #expect(config.exposure(of: stream) == .guarded(.token))
    // What strangers get from an open webhook proves nothing.
    var open = config
    open.routes[1].isOpen = true
    #expect(config.givesTokens(config.routes[1]) && !open.givesTokens(open.routes[1]))
    #expect(open.exposure(of: stream) == .off(.unprotected))
    open.twilioTokens = ["token"]
    #expect(open.exposure(of: stream) == .guarded(.signature(of: "twilio")))
  }

  @Test func `the route's own means take the place of the keys`() {
    var config = config("0.0.0.0")
    config.keyDigests = [[1]]
    var own = route
    own.secret = "a-long-path-segment"
    #expect(config.exposure(of: own) == .guarded(.secret))
    own.addresses = [AddressRange(network: Address(ipv4: 0, port: 0), prefixBits: 96)]
    #expect(config.exposure(of: own) == .guarded([.secret, .addresses]))
  }

  @Test func `open is the operator's word`() {
    var open = route
    open.isOpen = true
    #expect(config("0.0.0.0").exposure(of: open) == .open)
  }

  private func withPhone(_ config: Config, _ change: (inout Config.Route) -> Void = { _ in })
    -> (config: Config, phone: Config.Route, webhook: Config.Route)
  {
    var phone = route
    phone.path = "/ws/phone"
    phone.carriers = ["telnyx"]
    var webhook = route
    webhook.path = "/twiml"
    webhook.kind = .connect
    webhook.stream = "/ws/phone"
    change(&webhook)
    var config = config
    config.routes = [phone, webhook]
    return (config, phone, webhook)
  }

  @Test func `a guarded webhook gives tokens to its stream`() {
    var far = config("0.0.0.0")
    far.publicURL = "https://relay.example.com"
    far.telnyxKeys = [[UInt8](repeating: 1, count: 32)]
    let (guarded, phone, webhook) = withPhone(far)
    #expect(guarded.exposure(of: webhook) == .guarded(.signature(of: "telnyx")))
    #expect(guarded.exposure(of: phone) == .guarded(.token))
    far.keyDigests = [[1]]
    let (keyed, _, _) = withPhone(far)
    #expect(keyed.exposure(of: webhook) == .guarded([.keys, .signature(of: "telnyx")]))
    #expect(keyed.exposure(of: phone) == .guarded([.keys, .token]))
    // A secret path of its own takes the token's place.
    var own = phone
    own.secret = "a-long-path-segment"
    #expect(keyed.exposure(of: own) == .guarded(.secret))
  }

  @Test func `a webhook that is off or open on loopback gives no tokens`() {
    let (near, phone, webhook) = withPhone(config("127.0.0.1"))
    #expect(near.exposure(of: webhook) == .loopback && near.exposure(of: phone) == .loopback)
    let (far, _, _) = withPhone(config("0.0.0.0"))
    #expect(far.exposure(of: webhook) == .off(.unprotected))
    #expect(far.exposure(of: phone) == .off(.unprotected))
    // A key for bodies says nothing about sockets.
    var keyed = config("0.0.0.0")
    keyed.telnyxKeys = [[UInt8](repeating: 1, count: 32)]
    #expect(keyed.exposure(of: phone) == .off(.unprotected))
  }

  @Test func `voice away from loopback needs a proof`() {
    var config = config("0.0.0.0")
    config.publicURL = "https://relay.example.com"
    #expect(config.exposure(of: voice) == .off(.unprotected))
    config.keyDigests = [[1]]
    #expect(config.exposure(of: voice) == .guarded(.keys))
  }
}
