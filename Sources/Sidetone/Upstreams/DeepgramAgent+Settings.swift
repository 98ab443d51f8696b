// Deepgram's Voice Agent: what operators set of it, and the message that asks for a session. It has
// three models: one that listens, one that thinks, which is the `model` of this row, and one that
// speaks, which is its `voice`.

extension DeepgramAgent {
  static func settings() -> Upstream.Settings {
    Upstream.Settings(
      displayName: "Deepgram Voice Agent",
      service: .init(
        host: "agent.deepgram.com", path: "/v1/agent/converse", keyVariable: "DEEPGRAM_API_KEY",
        urlVariable: "DEEPGRAM_AGENT_URL"),
      options: [
        .model("gpt-4o-mini"), .voice("aura-2-thalia-en"), .language("en"), .instructions,
        .init(
          "greeting", .prose(bytesMax: Limits.settingBytesMax),
          standard: "Hello, how can I help you?",
          help: "What it says first, word for word; empty: the caller begins."),
        .init(
          "think_provider", .words(["open_ai", "anthropic", "google"]), standard: "open_ai",
          help: "Whose model thinks."),
        .init(
          "listen_model", .name, standard: "nova-3",
          help: "Which model listens; flux decides by sense that the caller has finished."),
      ],
      paths: [.init("/ws/phone", bot: "deepgram-agent"), .init("/agent", isForAll: true)])
  }

  // MARK: A session

  static func setup(_ session: Upstream.Session, _ writer: inout Writer) {
    writer.write("{\"type\":\"Settings\",\"audio\":{\"input\":{")
    writeFormat(session.hears, &writer)
    writer.write("},\"output\":{")
    writeFormat(session.says, &writer)
    writer.write(",\"container\":\"none\"}},\"agent\":{\"listen\":{\"provider\":{")
    writeListening(session, &writer)
    writer.write("}},\"think\":{\"provider\":{\"type\":\"")
    if let provider = session.value(of: "think_provider") {
      writer.write(jsonOfEncoded: provider)
    } else {
      writer.write("open_ai")
    }
    writer.write("\"")
    write("model", session.wish(for: "model"), &writer)
    writer.write("}")
    write(
      "prompt", session.wish(for: "system_instruction") ?? session.value(of: "instructions"),
      &writer)
    writeFunctions(session.functions, &writer)
    writer.write("},\"speak\":{\"provider\":{\"type\":\"deepgram\"")
    write("model", session.wish(for: "voice"), &writer)
    // What greets is told later: a session that takes another's place does not greet anew.
    writer.write("}}")
    writeHistory(session.history, &writer)
    writer.write("}}")
  }

  /// `,"context":{"messages":[…]}`, where something was said before.
  private static func writeHistory(_ history: Upstream.History, _ writer: inout Writer) {
    if history.isEmpty { return }
    var history = history
    writer.write(",\"context\":{\"messages\":[")
    history.write(
      into: &writer, from: "{\"type\":\"History\",\"role\":\"assistant\",\"content\":\"",
      others: "{\"type\":\"History\",\"role\":\"user\",\"content\":\"", end: "\"}")
    writer.write("]}")
  }

  private static func writeFormat(_ format: Format, _ writer: inout Writer) {
    writer.write("\"encoding\":\"")
    writer.write(format.codec.word)
    writer.write("\",\"sample_rate\":")
    writer.write(decimal: format.rate)
  }

  /// Flux is spoken to in the second version of the interface, and is named for its language.
  private static func writeListening(_ session: Upstream.Session, _ writer: inout Writer) {
    let model = session.value(of: "listen_model")
    let isFlux = model.map { $0.count >= 4 && $0.prefix(4).equals("flux") } ?? false
    writer.write("\"type\":\"deepgram\",\"version\":\"")
    writer.write(isFlux ? "v2\"" : "v1\"")
    write("model", model, &writer)
    if !isFlux { write("language", session.wish(for: "language"), &writer) }
  }

  /// One more member of an object, where it is set.
  private static func write(_ name: StaticString, _ value: Bytes?, _ writer: inout Writer) {
    guard let value else { return }
    writer.write(",\"")
    writer.write(name)
    writer.write("\":\"")
    writer.write(jsonOfEncoded: value)
    writer.write("\"")
  }
}
