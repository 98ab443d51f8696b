// Upstreams of which one only listens: a chat endpoint thinks for it, and a third service speaks
// (Cascade). Calls see one upstream. Whoever speaks stands among the upstreams as well, since it is
// dialled as they are; no route leads there.

extension Config {
  /// Who thinks and who speaks for an upstream that only listens by itself.
  package struct CascadeServices: Sendable, Equatable {
    /// The chat endpoint, `…/chat/completions`; empty: it is no cascade.
    package var thinkURL = ""
    package var thinkKey = ""
    package var speakEndpoint = Endpoint()
    package var speakKey = ""
    package init() {}
  }

  /// Those that routes may lead to.
  package var namedUpstreams: [Config.Upstream] { upstreams.filter(\.speaksFor.isEmpty) }

  /// Whether a route's upstream has somebody think for it, so that a fetcher must run.
  package var usesCascades: Bool {
    routes.contains { route in
      !route.isRetired && upstreams(of: route).contains { upstreams[$0].isUsableCascade }
    }
  }

  /// Whether an operator has asked for something that needs a fetcher; default routes may lead to
  /// a cascade that nobody calls.
  package var insistsOnFetches: Bool {
    var asked = self
    asked.routes.removeAll { !$0.isConfigured }
    return asked.needsFetches
  }

  /// Calls with such an upstream for which memory is taken.
  package var cascadeCallsMax: Int { usesCascades ? twoWayCalls : 0 }

  /// Where the one that speaks for the upstream of that name stands in `upstreams`.
  func place(ofSpeakerFor name: String) -> Int? {
    upstreams.firstIndex { $0.speaksFor == name && !$0.isRetired }
  }
}

extension Config.Upstream {
  /// It has somebody think and speak for it, and all their keys.
  package var isUsableCascade: Bool { !cascade.thinkURL.isEmpty && !isWithoutKey }

  /// What its name is in the log, where it speaks for another.
  package static func name(ofSpeakerFor name: String) -> String { "\(name).speak" }
}
