// The upstream that is nobody: callers hear themselves.

extension Upstream {
  package static let echo = Upstream(
    name: "echo",
    isDialled: false,
    needsKey: false,
    keyHeader: "",
    keyScheme: "",
    hears: { caller, _ in caller },
    voice: nil,
    envelope: { _, _, _ in },
    allowed: "",
    query: { _, _ in },
    setup: { _, _ in },
    read: { _ in Upstream.Event() },
    write: { _, _, _ in },
    refused: { _ in Verdict(retry: false, cause: .upstreamLost, code: "", sentence: "") },
    closed: { _, _ in Verdict(retry: false, cause: .upstreamLost, code: "", sentence: "") },
    timing: Timing(
      keepAliveAfter: .never, finalizeAfter: .never, openingSilenceMilliseconds: 0,
      chunkMillisecondsMax: 100),
    settings: {
      Settings(displayName: "echo", paths: [.init("/echo", isForAll: true)])
    })
}
