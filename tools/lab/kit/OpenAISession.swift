// The settings of one session of OpenAI Realtime, in the shape that is generally available: what
// `session.update` may say, and what follows from it. One unknown key and the whole update is void.

/// Why a message was refused, in the service's words.
struct OpenAIRefusal: Error, Equatable {
  let code: String
  let message: String
  var param: String?

  static func missing(_ param: String) -> OpenAIRefusal {
    OpenAIRefusal(
      code: "missing_required_parameter", message: "Missing required parameter: '\(param)'.",
      param: param)
  }

  static func value(_ param: String, _ why: String) -> OpenAIRefusal {
    OpenAIRefusal(
      code: "invalid_value", message: "Invalid value for '\(param)': \(why).", param: param)
  }

  init(code: String, message: String, param: String? = nil) {
    self.code = code
    self.message = message
    self.param = param
  }

  init(_ misfit: Shape.Misfit) {
    param = misfit.path
    switch misfit.fault {
    case .unknown:
      code = "unknown_parameter"
      message = "Unknown parameter: '\(misfit.path)'."
    case .type:
      code = "invalid_type"
      message = "Invalid type for '\(misfit.path)': expected \(misfit.wanted)."
    case .value:
      code = "invalid_value"
      message = "Invalid value for '\(misfit.path)': supported is \(misfit.wanted)."
    }
  }
}

struct OpenAISession {
  /// The whole of it, as `session.created` and `session.updated` say it.
  private(set) var value: JSON

  init(id: String, model: String, expiresAt: Int) {
    value = [
      "type": "realtime", "object": "realtime.session", "id": .string(id),
      "model": .string(model), "output_modalities": ["audio"], "instructions": "", "tools": [],
      "tool_choice": "auto", "max_output_tokens": "inf", "expires_at": JSON(expiresAt),
      "audio": [
        "input": [
          "format": Self.pcm, "transcription": nil, "noise_reduction": nil,
          "turn_detection": Self.serverVAD,
        ],
        "output": ["format": Self.pcm, "voice": "marin", "speed": 1],
      ],
    ]
  }

  private static let pcm: JSON = ["type": "audio/pcm", "rate": 24000]
  private static let serverVAD: JSON = [
    "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200,
    "idle_timeout_ms": nil, "create_response": true, "interrupt_response": true,
  ]
  private static let semanticVAD: JSON = [
    "type": "semantic_vad", "eagerness": "auto", "create_response": true,
    "interrupt_response": true,
  ]
  /// How long semantic detection waits behind the tones, which never sound unfinished.
  private static let semanticSilence = 0.5

  // MARK: What follows from it

  private var input: JSON? { value["audio"]?["input"] }
  private var detection: JSON? { input?["turn_detection"] }

  var inputFormat: WireFormat { Self.format(input?["format"]) }
  var outputFormat: WireFormat { Self.format(value["audio"]?["output"]?["format"]) }
  var isTranscribing: Bool { input?["transcription"]?.members != nil }
  var createsResponse: Bool { detection?["create_response"]?.bool ?? false }
  var interruptsResponse: Bool { detection?["interrupt_response"]?.bool ?? false }
  var prefixMilliseconds: Int { Int(detection?["prefix_padding_ms"]?.number ?? 300) }

  /// Seconds of silence that end a turn; nil where the client says when it ends.
  var silence: Double? {
    guard let detection, detection != .null else { return nil }
    return detection["silence_duration_ms"]?.number.map { $0 / 1000 } ?? Self.semanticSilence
  }

  static func format(_ value: JSON?) -> WireFormat {
    switch value?["type"]?.string {
    case "audio/pcmu": .telephone
    case "audio/pcma": WireFormat(.alaw)
    default: .pcm24
    }
  }

  // MARK: Updates

  /// Takes over what `update` says, all of it or nothing.
  mutating func update(_ update: JSON?, hasSpoken: Bool) throws(OpenAIRefusal) {
    guard let update else { throw .missing("session") }
    guard update["type"] != nil else { throw .missing("session.type") }
    if let misfit = Self.shape.misfit(of: update, at: "session") { throw OpenAIRefusal(misfit) }
    if let model = update["model"], model != value["model"] {
      throw .value("session.model", "the model of a session cannot change")
    }
    let voice = update["audio"]?["output"]?["voice"]
    if hasSpoken, let voice, voice != value["audio"]?["output"]?["voice"] {
      throw OpenAIRefusal(
        code: "cannot_update_voice",
        message: "Cannot update a conversation's voice if assistant audio is present.")
    }
    for (key, new) in update.members?.all ?? [] where key != "audio" { value[key] = new }
    for side in ["input", "output"] {
      for (key, new) in update["audio"]?[side]?.members?.all ?? [] {
        value["audio"]?[side]?[key] = key == "turn_detection" ? Self.completed(new) : new
      }
    }
  }

  /// Takes this format both ways, whatever was asked for.
  mutating func insist(on format: String) {
    let told: JSON = format == "pcm" ? Self.pcm : ["type": .string("audio/" + format)]
    for side in ["input", "output"] { value["audio"]?[side]?["format"] = told }
  }

  private static func completed(_ detection: JSON) -> JSON {
    guard let given = detection.members else { return detection }
    var whole = detection["type"]?.string == "semantic_vad" ? semanticVAD : serverVAD
    for (key, new) in given.all { whole[key] = new }
    return whole
  }
}

// MARK: Shapes

extension OpenAISession {
  private static let formatShape = Shape.either(
    .object(["type": .one(of: ["audio/pcm"]), "rate": .number(24000...24000)]),
    .object(["type": .one(of: ["audio/pcmu", "audio/pcma"])]))

  private static let vadShape = Shape.either(
    .object([
      "type": .one(of: ["semantic_vad"]), "eagerness": .one(of: ["low", "medium", "high", "auto"]),
      "create_response": .truth, "interrupt_response": .truth,
    ]),
    .object([
      "type": .one(of: ["server_vad"]), "threshold": .number(0...1), "prefix_padding_ms": .whole,
      "silence_duration_ms": .whole, "idle_timeout_ms": .nullable(.whole),
      "create_response": .truth, "interrupt_response": .truth,
    ]))

  private static let inputShape = Shape.object([
    "format": formatShape,
    "transcription": .nullable(
      .object([
        "model": .text, "language": .text, "languages": .list(.text), "keywords": .list(.text),
        "prompt": .text, "delay": .text,
      ])),
    "noise_reduction": .nullable(
      .object(["type": .one(of: ["near_field", "far_field"]), "strength": .any])),
    "turn_detection": .nullable(vadShape),
  ])

  static let outputShape = Shape.object([
    "format": formatShape, "voice": .either(.object(["id": .text]), .text),
    "speed": .number(0.25...1.5),
  ])

  /// This twin says everything: text alone it does not answer.
  static let modalitiesShape = Shape.list(.one(of: ["audio"]))
  static let tokensShape = Shape.either(.number(1...4096), .one(of: ["inf"]))

  private static let shape = Shape.object([
    "type": .one(of: ["realtime"]), "model": .text, "output_modalities": modalitiesShape,
    "instructions": .text, "audio": .object(["input": inputShape, "output": outputShape]),
    "tools": .list(.any), "tool_choice": .any, "max_output_tokens": tokensShape,
    "truncation": .any, "reasoning": .object(["effort": .text]), "parallel_tool_calls": .truth,
    "include": .list(.text), "tracing": .any, "prompt": .any,
  ])
}
