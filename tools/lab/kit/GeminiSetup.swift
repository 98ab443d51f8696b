// What a client may ask of Gemini Live in its setup, and what follows from it. The service closes
// the connection over a field that it does not know, and only the reason says which.

/// Why the connection is closed.
struct GeminiRefusal: Error, Equatable {
  let code: UInt16
  let reason: String

  static let badArgument = GeminiRefusal(1007, "Request contains an invalid argument.")

  init(_ code: UInt16, _ reason: String) {
    self.code = code
    self.reason = reason
  }

  init(_ misfit: Shape.Misfit) {
    let path = misfit.path.split(separator: ".")
    let parent = path.dropLast().joined(separator: ".")
    switch misfit.fault {
    case .unknown:
      self.init(
        1007,
        "Invalid JSON payload received. Unknown name \"\(path.last ?? "")\" at '\(parent)': "
          + "Cannot find field.")
    case .type, .value: self.init(1007, "Invalid value at '\(misfit.path)'.")
    }
  }
}

struct GeminiSetup {
  /// Seconds of silence that end a turn; nil where the client says when it ends.
  let silence: Double?
  let isInterruptible: Bool
  let transcribesInput: Bool
  let transcribesOutput: Bool
  let isResumable: Bool
  /// The handle of the session that goes on.
  let handle: String?

  private static let defaultSilence = 0.5

  /// Reads the value of `setup`, its keys in camel case.
  init(_ setup: JSON) throws(GeminiRefusal) {
    if let misfit = Self.shape.misfit(of: setup, at: "setup") { throw GeminiRefusal(misfit) }
    guard let model = setup["model"]?.string, model.contains("models/") else {
      throw GeminiRefusal(1008, "models are named models/NAME, and one is needed")
    }
    let modalities = setup["generationConfig"]?["responseModalities"]?.array ?? ["AUDIO"]
    guard modalities == ["AUDIO"] else { throw .badArgument }
    let input = setup["realtimeInputConfig"]
    let detection = input?["automaticActivityDetection"]
    silence =
      detection?["disabled"]?.bool == true
      ? nil : (detection?["silenceDurationMs"]?.number).map { $0 / 1000 } ?? Self.defaultSilence
    isInterruptible = input?["activityHandling"]?.string != "NO_INTERRUPTION"
    transcribesInput = setup["inputAudioTranscription"] != nil
    transcribesOutput = setup["outputAudioTranscription"] != nil
    isResumable = setup["sessionResumption"] != nil
    handle = setup["sessionResumption"]?["handle"]?.string
  }

  // MARK: Shapes

  static let contentShape = Shape.object([
    "role": .one(of: ["user", "model"]), "parts": .list(.object(["text": .text])),
  ])

  private static let transcriptionShape = Shape.object([
    "languageCodes": .list(.text), "customVocabulary": .list(.text), "wordTimestamp": .truth,
    "diarization": .any,
  ])

  private static let generationShape = Shape.object([
    "responseModalities": .list(.one(of: ["AUDIO", "TEXT"])),
    "speechConfig": .object([
      "voiceConfig": .object(["prebuiltVoiceConfig": .object(["voiceName": .text])]),
      "languageCode": .text,
    ]),
    "temperature": .number(0...2), "topP": .number(0...1), "topK": .number(0...1000),
    "maxOutputTokens": .whole, "seed": .whole, "mediaResolution": .text,
    "thinkingConfig": .object([
      "includeThoughts": .truth, "thinkingBudget": .whole, "thinkingLevel": .text,
    ]),
    "enableAffectiveDialog": .truth, "translationConfig": .any,
  ])

  private static let inputShape = Shape.object([
    "automaticActivityDetection": .object([
      "disabled": .truth,
      "startOfSpeechSensitivity": .one(of: ["START_SENSITIVITY_HIGH", "START_SENSITIVITY_LOW"]),
      "endOfSpeechSensitivity": .one(of: ["END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW"]),
      "prefixPaddingMs": .whole, "silenceDurationMs": .whole,
    ]),
    "activityHandling": .one(of: ["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"]),
    "turnCoverage": .text,
  ])

  private static let shape = Shape.object([
    "model": .text, "generationConfig": generationShape, "systemInstruction": contentShape,
    "tools": .list(.any), "realtimeInputConfig": inputShape,
    "inputAudioTranscription": transcriptionShape,
    "outputAudioTranscription": transcriptionShape,
    "sessionResumption": .object(["handle": .text, "transparent": .truth]),
    "contextWindowCompression": .object([
      "triggerTokens": .any, "slidingWindow": .object(["targetTokens": .any]),
    ]),
    "proactivity": .object(["proactiveAudio": .truth]),
    "historyConfig": .object(["initialHistoryInClientContent": .truth]),
    "safetySettings": .list(.any), "labels": .any, "avatarConfig": .any,
  ])
}

/// What a client may send, besides what is in a setup.
enum GeminiMessage {
  /// The only part of a message, by its name and with its keys in camel case.
  static func read(_ bytes: [UInt8]) throws(GeminiRefusal) -> (name: String, value: JSON) {
    guard let message = JSON(bytes).map(camelCased), let members = message.members else {
      throw GeminiRefusal(1007, "Invalid JSON payload received.")
    }
    if let misfit = shape.misfit(of: message, at: "") { throw GeminiRefusal(misfit) }
    guard members.count == 1, let part = members.all.first else { throw .badArgument }
    return (part.key, part.value)
  }

  private static let blobShape = Shape.object(["data": .text, "mimeType": .text])
  private static let shape = Shape.object([
    "setup": .any,
    "clientContent": .object(["turns": .list(GeminiSetup.contentShape), "turnComplete": .truth]),
    "realtimeInput": .object([
      "audio": blobShape, "video": blobShape, "mediaChunks": .list(blobShape), "text": .text,
      "audioStreamEnd": .truth, "activityStart": .object([:]), "activityEnd": .object([:]),
    ]),
    "toolResponse": .object(["functionResponses": .list(.any)]),
  ])

  /// The service reads both spellings of its keys; those of functions belong to the client.
  private static func camelCased(_ value: JSON) -> JSON {
    switch value {
    case .array(let items): return .array(items.map(camelCased))
    case .object(let members):
      var result: JSON.Members = [:]
      for (key, value) in members.all {
        let words = key.split(separator: "_").map(String.init)
        let name = (words.first ?? "") + words.dropFirst().map(\.capitalized).joined()
        result[name] = name == "tools" || name == "functionResponses" ? value : camelCased(value)
      }
      return .object(result)
    default: return value
    }
  }
}

extension String {
  fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}
