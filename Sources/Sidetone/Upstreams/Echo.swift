// The upstream that is nobody: callers hear themselves.

extension Upstream {
  package static let echo = Upstream(
    name: "echo",
    isDialled: false,
    needsKey: false,
    keyScheme: "",
    takes: { _ in true },
    allows: { _ in false },
    allowed: "",
    query: { _, _ in },
    read: { _ in .other },
    write: { _, _ in },
    refused: { _ in Verdict(retry: false, cause: .upstreamLost, code: "", sentence: "") },
    closed: { _ in Verdict(retry: false, cause: .upstreamLost, code: "", sentence: "") },
    habits: Habits(
      keepAliveAfter: .never, finalizeAfter: .never, openingSilenceMilliseconds: 0,
      chunkMillisecondsMax: 100))
}
