// What the twins of two-way voice models have in common: how they are set up, what comes out of
// them, and what happened in a session. A twin answers only what it heard in the audio that reached
// it, and says it in tones, so a conversation is right only if the sound survived both ways.

package protocol VoiceTwin {
  /// The connection is open.
  mutating func opened(at now: Double) -> [VoiceOutput]
  /// A whole message of the client, which came as text.
  mutating func text(_ bytes: [UInt8], at now: Double) -> [VoiceOutput]
  /// A whole message of the client, which came as binary.
  mutating func audio(_ bytes: [UInt8], at now: Double) -> [VoiceOutput]
  /// Something is due at `wakeTime`.
  mutating func advance(to now: Double) -> [VoiceOutput]
  /// The connection is gone: what was heard of a turn that never ended.
  mutating func disconnected(at now: Double) -> [VoiceOutput]
  /// When `advance` wants to be called; nil: never.
  var wakeTime: Double? { get }
}

extension VoiceTwin {
  /// Where audio lies in text, nothing else is taken.
  package mutating func audio(_ bytes: [UInt8], at now: Double) -> [VoiceOutput] {
    [.close(code: 1003, reason: "Messages are text here.")]
  }
}

package enum VoiceOutput: Equatable, Sendable {
  case message(String)
  /// A binary message, which is audio.
  case audio([UInt8])
  case happened(VoiceEvent)
  case close(code: UInt16, reason: String)
  /// Break the connection.
  case reset
}

/// What happens in a session, for tests and for the person who watches.
package enum VoiceEvent: Equatable, Sendable {
  /// Audio arrived, decoded from its message.
  case audio([UInt8], WireFormat)
  /// Sound began: where something is being said, the caller interrupts it.
  case speechStarted(interrupts: Bool)
  /// A turn of the caller ended, with these words.
  case heard(String)
  /// The client said this in writing.
  case read(String)
  /// An answer was given out to its end, or as far as it came: its text, the name of its item and
  /// its milliseconds.
  case said(String, item: String, milliseconds: Int)
  /// The client says that so much of an item was heard; these are the words that were over by then.
  case truncated(item: String, milliseconds: Int, of: Int, heard: String)
  /// The client took an item back.
  case deleted(item: String)
  /// A message of the client was refused.
  case refused(String)
}

/// How the model behaves when all is well.
package struct VoiceManner: Sendable {
  package static let greeting = "hello this is sidetone"

  package init() {}

  /// What is said where nobody has said anything yet.
  package var greeting = Self.greeting
  /// What is answered; nil: `you said: ` and the words.
  package var answer: String?
  /// Bytes of audio in one message, at least 1.
  package var deltaBytes = 9600
  /// How many times faster than it is spoken an answer is sent; nil: all at once.
  package var pace: Double?
  package var misbehaviour = VoiceMisbehaviour()

  func answer(to words: String) -> String {
    answer ?? (words.isEmpty ? "i heard nothing" : "you said: " + words)
  }
}
