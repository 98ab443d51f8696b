// Settings made ready for use at start, so that nothing is built from text when a call comes.

/// All settings, ready for use.
package final class Prepared: Sendable {
  let config: Config
  let upstreams: [PreparedUpstream]
  let routes: [PreparedRoute]

  init(_ config: Config) {
    self.config = config
    upstreams = config.upstreams.map(PreparedUpstream.init)
    routes = config.routes.map { PreparedRoute($0, in: config) }
  }
}

/// An upstream as the relay uses it: its handshake's parts as bytes.
struct PreparedUpstream: Sendable {
  let name: Text
  /// Index into Upstream.all.
  let kind: Int
  let partner: UpstreamLeg.Partner
  let host: Text
  let port: UInt16
  let isTLS: Bool
  let path: Text
  let query: Text
  /// The header that carries the key, and what it says; empty where there is no key.
  let keyHeader: StaticString
  let authorization: Text
  /// What must be set before this upstream can be used; empty where nothing is missing.
  let missing: Text
  let pacePercent: Int
  /// Sessions at once.
  let sessionsMax: Int

  /// It talks back: its calls need memory for both ways.
  var isTwoWay: Bool { partner == .talker }
  /// Somebody can be dialled, as far as the settings go.
  var isUsable: Bool { partner != .nobody && missing.bytes.isEmpty }

  init(_ config: Config.Upstream) {
    guard let kind = Upstream.index(of: config.kind) else {
      preconditionFailure("settings name only kinds that exist")
    }
    let row = Upstream.all[kind]
    name = Text(config.name)
    self.kind = kind
    partner = row.isDialled ? (row.voice == nil ? .listener : .talker) : .nobody
    host = Text(config.endpoint.host)
    port = config.endpoint.port
    isTLS = config.endpoint.isTLS
    path = Text(config.endpoint.path)
    query = Text(config.endpoint.query)
    keyHeader = row.keyHeader
    authorization = Text(config.key.isEmpty ? "" : row.keyScheme.description + config.key)
    missing = Text(row.needsKey && config.key.isEmpty ? config.keyVariable : "")
    pacePercent = config.pacePercent
    sessionsMax = config.sessionsMax > 0 ? config.sessionsMax : .max
  }
}

/// A route as the relay uses it.
struct PreparedRoute: Sendable {
  let path: Text
  let kind: Config.Route.Kind
  /// Indices into Carrier.all, in the order of the list.
  let carriers: [Int]
  /// Index into Config.upstreams; of several bots, the first one's.
  let upstream: Int
  /// What callers may choose from, the default first; of a call route never empty.
  let bots: [Bot]
  /// For a webhook: the index of the call route that its answer points to; -1 for a call.
  let stream: Int
  let dialsAhead: Bool
  /// For a call: whether webhooks send its callers, with tokens.
  let isGivenTokens: Bool
  /// Samples a second that the upstream gets; 0: the caller's own.
  let upstreamRate: Int
  /// What callers hear at once, as samples at each rate that a caller may be sent; may be empty.
  private let greetings: [(rate: Int, samples: Text)]

  struct Bot: Sendable {
    /// Index into Config.upstreams.
    let upstream: Int
    /// The route's options, then the upstream's, as a query, percent-encoded; of one name the
    /// first counts.
    let options: Text

    init(_ upstream: Int, _ route: Config.Route, _ config: Config) {
      self.upstream = upstream
      options = Text(Query.encoded(route.options + config.upstreams[upstream].options))
    }
  }

  init(_ route: Config.Route, in config: Config) {
    path = Text(route.path)
    kind = route.kind
    carriers = Carrier.all.indices.filter {
      route.carriers.isEmpty || route.carriers.contains(Carrier.all[$0].name.description)
    }
    let names = config.upstreams.map(\.name)
    upstream = names.firstIndex(of: route.upstream) ?? -1
    precondition(kind != .call || upstream >= 0, "settings name only upstreams that exist")
    let choice = route.bots.isEmpty ? [(name: "", upstream: route.upstream)] : route.bots
    bots = choice.compactMap { bot in
      names.firstIndex(of: bot.upstream).map { Bot($0, route, config) }
    }
    precondition(kind != .call || bots.count == choice.count, "and so do a route's bots")
    stream = config.routes.firstIndex { $0.kind == .call && $0.path == route.stream } ?? -1
    dialsAhead = kind == .connect && route.dialsAhead
    isGivenTokens = config.routes.contains { $0.kind == .connect && $0.stream == route.path }
    upstreamRate = route.upstreamRate
    hasChoice =
      kind == .call && (bots.count > 1 || config.upstreams[upstream].talks)
    greetings = route.greetingAudio.map { Self.greetings($0, config.profile) } ?? []
  }

  func greeting(at rate: Int) -> Bytes? {
    for greeting in greetings where greeting.rate == rate { return greeting.samples.bytes }
    return nil
  }

  /// The greeting at every rate, in whole pieces of 10 ms.
  private static func greetings(
    _ greeting: Config.Greeting, _ profile: Config.Profile
  ) -> [(rate: Int, samples: Text)] {
    let pool = ResamplerPool(profile: profile, streamsMax: 1)
    defer { pool.deallocate() }
    let source = Format(codec: .linear16, rate: greeting.rate)
    let step = greeting.rate / 100
    let count = (greeting.samples.count + step - 1) / step * step
    var bytes = [UInt8]()
    for index in 0..<count {
      let sample = index < greeting.samples.count ? greeting.samples[index] : 0
      bytes += [UInt8(truncatingIfNeeded: sample), UInt8(truncatingIfNeeded: sample >> 8)]
    }
    return [8_000, 16_000, 24_000].map { rate in
      let target = Format(codec: .linear16, rate: rate)
      guard var conversion = Conversion(from: source, to: target, in: pool) else {
        preconditionFailure("settings take only rates that can be converted")
      }
      defer { conversion.release(to: pool) }
      var samples = [UInt8](repeating: 0, count: conversion.outputBytes(for: bytes.count))
      bytes.withMutableBytes { from in
        samples.withMutableBytes { conversion.convert(from, into: $0, in: pool) }
      }
      return (rate, Text(samples))
    }
  }

  /// Whether callers may choose: among bots, or what a voice model is like.
  let hasChoice: Bool

  /// The one carrier that it accepts and that starts with its handshake, or nil.
  var opensAtOnce: Int? {
    guard carriers.count == 1, Carrier.all[carriers[0]].open != nil else { return nil }
    return carriers[0]
  }
}

extension Config {
  /// `chosenAudio`, as the relay knows audio.
  package var chosenFormat: Format {
    switch chosenAudio {
    case .mulaw: Format(codec: .mulaw, rate: 8000)
    case .alaw: Format(codec: .alaw, rate: 8000)
    case .linear16(let rate):
      Format(codec: .linear16, rate: rate, isBigEndian: chosenIsBigEndian)
    }
  }
}

extension Config {
  /// Resamplers that are made at start: for what callers at 8 kHz need with each upstream that
  /// talks and has its key. What others need is made when the first of them calls.
  var resamplersReady: [(from: Int, to: Int, count: Int)] {
    var ready: [(from: Int, to: Int, count: Int)] = []
    func add(_ from: Int, _ to: Int) {
      guard from != to, !ready.contains(where: { $0.from == from && $0.to == to }) else { return }
      ready.append((from, to, twoWayCalls))
    }
    let caller = Format.mulaw8k
    for index in Set(routes.flatMap { upstreams(of: $0) }).sorted() {
      guard !upstreams[index].isWithoutKey,
        let row = Sidetone.Upstream.index(of: upstreams[index].kind),
        let voice = Sidetone.Upstream.all[row].voice
      else { continue }
      let options = Text(Query.encoded(upstreams[index].options))
      let session = Sidetone.Upstream.Session(hears: caller, says: caller, options: options.bytes)
      guard let hears = Sidetone.Upstream.all[row].hears(caller, session) else { continue }
      add(caller.rate, hears.rate)
      add(voice.says(caller, session).rate, caller.rate)
    }
    return ready
  }

  /// How many there may be of each pair of rates.
  var resamplersMax: Int {
    let isForListeners = routes.contains { $0.upstreamRate > 0 }
    return max(isForListeners ? limits.callsMax : twoWayCalls, 1)
  }
}

extension Config.Upstream {
  /// Whether it talks: its calls need playout, and conversion where the formats differ.
  package var talks: Bool {
    Upstream.index(of: kind).map { Upstream.all[$0].voice != nil } ?? false
  }
}

extension Query {
  /// Options as a query: `name=value&name=value`, percent-encoded.
  static func encoded(_ options: [(name: String, value: String)]) -> [UInt8] {
    // Every byte takes three at most, and each option two signs beside its texts.
    let room = options.reduce(0) { $0 + 3 * ($1.name.utf8.count + $1.value.utf8.count) + 2 }
    var bytes = [UInt8](repeating: 0, count: room)
    let count = bytes.withMutableBytes { place in
      var writer = Writer(place)
      for option in options {
        if writer.count > 0 { writer.write("&") }
        Array(option.name.utf8).withBytes { Query.encode($0, into: &writer) }
        writer.write("=")
        Array(option.value.utf8).withBytes { Query.encode($0, into: &writer) }
      }
      return writer.count
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
