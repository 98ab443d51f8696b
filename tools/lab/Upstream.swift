// The verbs `upstream openai`, `upstream gemini`, `upstream agent` and `upstream speak`: the twin
// of a voice model, or of voices, by itself.

import LabKit

extension VoiceServer {
  static let openAIVerb = verb(
    .openai, summary: "a twin of OpenAI Realtime, which hears tones and answers in tones",
    description: """
      Speaks OpenAI's Realtime protocol in its general-availability shape on 127.0.0.1: PCM at 24 kHz
      or G.711, turns found in the audio, answers as a burst of tones, interruption and truncation.
      It is strict: one unknown key voids a whole session.update. The answer to a turn is "you said:"
      and the words that were heard in the audio. Point a relay at it with
      OPENAI_REALTIME_URL=ws://127.0.0.1:PORT/v1/realtime and any OPENAI_API_KEY. Runs until it is stopped.
      """,
    misbehaviour: VoiceMisbehaviour.openAIHelp)

  static let geminiVerb = verb(
    .gemini, summary: "a twin of Gemini Live, which hears tones and answers in tones",
    description: """
      Speaks Gemini's Live protocol (BidiGenerateContent) on 127.0.0.1: JSON in binary frames, PCM at
      any stated rate up and 24 kHz down, turns found in the audio, interruption, resumption handles.
      The answer to a turn is "you said:" and the words that were heard in the audio. Point a relay
      at it with GEMINI_LIVE_URL, set to the address that is printed at start, and any
      GEMINI_API_KEY. Runs until it is stopped.
      """,
    misbehaviour: VoiceMisbehaviour.geminiHelp)

  static let agentVerb = verb(
    .agent, summary: "a twin of Deepgram's Voice Agent, which hears tones and answers in tones",
    description: """
      Speaks the protocol of Deepgram's Voice Agent on 127.0.0.1: binary audio both ways in any format
      that Settings ask for, turns found in the audio, interruption, texts that are injected. It is
      strict: an error ends the session. The answer to a turn is "you said:" and the words that were
      heard in the audio. Point a relay at it with
      DEEPGRAM_AGENT_URL=ws://127.0.0.1:PORT/v1/agent/converse and any DEEPGRAM_API_KEY. Runs until it
      is stopped.
      """,
    misbehaviour: VoiceMisbehaviour.agentHelp)

  static let speakVerb = verb(
    .speak, summary: "a twin of Deepgram's or ElevenLabs' voices, which speak text in tones",
    description: """
      Speaks the protocol of Deepgram's voices (/v1/speak) on 127.0.0.1: Speak, Flush, Clear and
      Close, and tones that say the text in any format that the handshake asks for. What is flushed
      too often is a Warning. To whoever dials /v1/text-to-speech/VOICE/multi-stream-input it speaks
      that of ElevenLabs' voices: contexts, and audio in base64. It is strict: an error ends the
      session. Runs until it is stopped.
      """,
    misbehaviour: VoiceMisbehaviour.speakHelp)

  private static let options = [
    .port,
    .key,
    Option("greeting", "TEXT", "what it says first, once asked (\(VoiceManner.greeting))"),
    Option("answer", "TEXT", "what it answers whatever it heard"),
    Option("delta-bytes", "N", "bytes of audio in one message (9600)"),
    Option("pace", "X", "send answers X times faster than they are spoken; default: all at once"),
    Option("record", "DIR", "write each session's audio there as WAV"),
    Option("misbehave", "LIST", "go wrong in these ways, separated by commas"),
    Option("verbose", "print every message too"),
  ]

  private static func verb(
    _ service: VoiceRequest.Service, summary: String, description: String, misbehaviour: String
  ) -> Verb {
    Verb(
      name: "upstream \(service)", usage: "[options]", summary: summary, description: description,
      options: options,
      notes: """
        Ways to go wrong:

        \(misbehaviour.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

        One session can be ordered by itself, with a key of the form misbehave:LIST.

        """,
      run: { arguments throws(Failure) in try serve(service, arguments) })
  }

  private static func serve(
    _ service: VoiceRequest.Service, _ arguments: Arguments
  ) throws(Failure) -> Int32 {
    guard arguments.rest.isEmpty else { throw Failure.misuse("too many words: \(arguments.rest)") }
    var settings = Settings()
    settings.service = service
    settings.port = try arguments.port("port") ?? 0
    settings.key = arguments.text("key")
    settings.isVerbose = arguments.has("verbose")
    settings.recordings = arguments.text("record")
    settings.manner.greeting = arguments.text("greeting") ?? VoiceManner.greeting
    settings.manner.answer = arguments.text("answer")
    settings.manner.deltaBytes = Int(try arguments.number("delta-bytes", 1...8_000_000) ?? 9600)
    settings.manner.pace = try arguments.number("pace", 0.1...1000)
    do throws(VoiceMisbehaviour.Unknown) {
      settings.manner.misbehaviour = try VoiceMisbehaviour(arguments.text("misbehave") ?? "")
    } catch {
      throw Failure.misuse(
        "--misbehave \(error.name): see sidetone-lab upstream \(service) --help")
    }
    let loop = Loop()
    let server = try VoiceServer(settings, on: loop)
    server.note = { Console.say($0) }
    Console.say("\(service) twin on \(server.url)")
    loop.run()
    return withExtendedLifetime(server) { 0 }
  }
}
