// OpenAI's voice models: what operators set of them, and when models end.

extension OpenAI {
  /// By OpenAI's page of deprecations and the documentation of its own client.
  static let ends: [Upstream.ModelEnd] = [
    .init("gpt-4o-realtime-preview*", Day(2027, 1, 20), replacement: "gpt-realtime-2.1"),
    .init("gpt-4o-mini-realtime-preview*", Day(2027, 1, 20), replacement: "gpt-realtime-2.1-mini"),
    .init("gpt-realtime", Day(2027, 1, 20), replacement: "gpt-realtime-2.1"),
    .init("gpt-realtime-2025-08-28", Day(2027, 1, 20), replacement: "gpt-realtime-2.1"),
    .init("gpt-realtime-mini*", Day(2027, 1, 20), replacement: "gpt-realtime-2.1-mini"),
    .init(
      "gpt-4o-mini-transcribe-2025-03-20", Day(2027, 1, 20), replacement: "gpt-live-transcribe"),
    .init("gpt-4o-mini-transcribe*", Day(2027, 2, 26), replacement: "gpt-live-transcribe"),
    .init("gpt-4o-transcribe*", Day(2027, 2, 26), replacement: "gpt-live-transcribe"),
    .init("whisper-1", Day(2027, 2, 26), replacement: "gpt-live-transcribe"),
  ]

  static func settings() -> Upstream.Settings {
    let bySilence = (option: "turn_detection", value: "server_vad")
    return Upstream.Settings(
      displayName: "OpenAI",
      service: .init(
        host: "api.openai.com", path: "/v1/realtime", keyVariable: "OPENAI_API_KEY",
        urlVariable: "OPENAI_REALTIME_URL", keyPrefix: "sk-"),
      options: [
        .model("gpt-realtime-2.1"), .voice("marin"), .language("en"), .instructions, .greeting,
        .init(
          "transcription_model", .word, standard: "gpt-live-transcribe",
          help: "Which model writes down what the caller says; empty: none."),
        .init(
          "turn_detection", .words(["server_vad", "semantic_vad", "none"]), standard: "server_vad",
          help: "What decides that the caller has finished: silence, sense, or nothing."),
        .silence("500", when: bySilence),
        .init(
          "threshold", .decimal(0...1), standard: "0.5", help: "How loud speech must be.",
          when: bySilence),
        .init(
          "audio", .words(["pcm", "g711"]), standard: "pcm",
          help: "PCM at 24 kHz, or the caller's own G.711, which needs no conversion."),
        .init("speed", .decimal(0.25...1.5), help: "How fast it talks."),
      ],
      paths: [.init("/ws"), .init("/ws/phone", bot: "openai-realtime")])
  }
}
