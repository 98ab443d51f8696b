// What a carrier must state, and THE LIST. A carrier is a row: where the audio lies in its messages
// (data, read by one generic scanner) and a few functions for its rare messages. They keep no
// state; what has to be remembered lies in the call's slot.

package struct Carrier: Sendable {
  package let name: StaticString
  /// Where the audio lies in a message, and how it is written there.
  package let media: Media
  /// Whether this may be one of its first messages; nil for a carrier that is known by its binary
  /// audio. Where several of a route's carriers say so, the next message decides.
  package let recognise: (@Sendable (Bytes) -> Bool)?
  /// A carrier that has no start message says everything in the query of its handshake.
  package let open: (@Sendable (_ query: Bytes) -> Opening)?
  /// Any text message that is not audio.
  package let read: @Sendable (Bytes) -> Event
  /// What the caller is told, in this carrier's words.
  package let write: @Sendable (Command, Context, inout Writer) -> Framing
  /// The constant text around audio that goes to the caller.
  package let envelope:
    @Sendable (_ stream: Name, _ prefix: inout Writer, _ suffix: inout Writer) -> Void
  /// A caller who sends faster than real time is held back by its own TCP window; a live one is
  /// not, since its carrier would drop the audio: there the oldest is dropped here, and counted.
  package let isHeldBack: Bool
  /// How its callers are spoken to; nil: not at all.
  package let playout: Pacing?
  /// Its messages may overtake each other; they state their order.
  package var isReordered = false
  /// Nobody can say which byte of its 16-bit samples comes first: it is heard from the audio.
  package var isByteOrderHeard = false
  /// The webhook's answer says what its callers are sent; otherwise it is what comes from them.
  package var takesChosenFormat = false

  /// How its users' guides word what happens, where they do.
  package var phrases = Phrases()

  /// How it vouches for its requests; nil: it does not.
  package var signature: Signature?
  /// How its webhooks are answered; nil: it asks none.
  package var webhook: Dialect?
  /// How it acts on a call when it is asked; nil: nobody can ask it.
  package var control: Control?
  /// What operators read of it; asked at start only.
  package let settings: @Sendable () -> Settings

  /// One line for each carrier: the one to add for a new one.
  package static let all: [Carrier] = [
    .twilio,
    .telnyx,
    .ucid,
    .raw,
  ]

  package static func index(of name: String) -> Int? {
    all.firstIndex { $0.name.description == name }
  }

  package static let messagesToRecogniseMax = 3
}

extension Carrier {
  /// A key that was pressed: a text of one character, or a number of one digit.
  static func key(_ value: JSON.Value?, in message: Bytes) -> Event {
    guard let value, value.kind == .string || value.kind == .number else {
      return .malformed("a dtmf event without one digit")
    }
    var text = JSON.Text(value, in: message)
    guard let key = text.next(), text.next() == nil, isKey(key) else {
      return .malformed("a dtmf event without one digit")
    }
    return .digit(key)
  }

  /// The name of a mark that the carrier sends back.
  static func mark(in message: Bytes) -> Event {
    guard let mark = JSON.find("mark", "name", in: message), mark.kind == .string else {
      return .malformed("a mark without a name")
    }
    return .mark(mark.range)
  }

  /// One of the sixteen keys of a telephone (ITU-T Q.23).
  private static func isKey(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "*"), UInt8(ascii: "#"),
      UInt8(ascii: "A")...UInt8(ascii: "D"), UInt8(ascii: "a")...UInt8(ascii: "d"):
      return true
    default: return false
    }
  }

  package struct Settings: Sendable {
    /// What people call it.
    package var displayName: String
    /// The default paths on which it calls.
    package var paths: [String]
  }

  /// Sentences by which the users of a carrier search a log. Empty: none of its own.
  package struct Phrases: Sendable {
    /// A call has started, and what its id is called there.
    package var started: StaticString = ""
    package var id: StaticString = ""
    /// The caller has said something, in front of what it was.
    package var heard: StaticString = ""
  }

  /// What is a carrier's own in the XML (TwiML, TeXML) that webhooks are answered with.
  package struct Dialect: Sendable {
    /// Whether a webhook comes from there.
    package let isIts: @Sendable (Request) -> Bool
    /// Further attributes of a `<Stream>` that talks both ways; the format is the chosen one.
    package let attributes: @Sendable (Format, inout Writer) -> Void

    /// What everybody gets whose webhook shows nothing else.
    static let plain = Self(isIts: { _ in false }, attributes: { _, _ in })
  }

  /// How a carrier wants to be sent audio.
  package struct Pacing: BitwiseCopyable, Sendable {
    package var payloadEncoding: Media.PayloadEncoding
    /// How far what was sent may be ahead of what is being played.
    package var leadMilliseconds: Int
    /// The largest piece in one message.
    package var pieceMilliseconds: Int
    /// No message holds less; what is missing at the end is silence.
    package var leastMilliseconds: Int
    /// It says what it has played.
    package var hasMarks: Bool
  }

  /// What a caller's message means. Ranges point into the message.
  package enum Event {
    /// Known and of no consequence, or unknown: carriers add events at any time.
    case ignored
    /// It greets; nothing is known of the call yet.
    case connected
    case started(Start)
    /// What it says of its audio, where that is not its start.
    case format(Format)
    /// A start that this relay cannot serve; the sentence says what was expected.
    case refused(StaticString)
    case digit(UInt8)
    case mark(Range<Int>)
    /// What the carrier says is wrong with what it was sent.
    case complaint(Range<Int>)
    case stopped
    /// The caller wants what was said so far as final now, or is done.
    case finalize, finish
    /// No sense can be made of it.
    case malformed(StaticString)
  }

  package struct Start {
    /// The inside of a JSON string, escapes and all.
    package var call: Range<Int>
    package var stream: Range<Int>
    package var format: Format
    /// What goes to the caller; nil: the same as comes from it.
    package var reply: Format?
    /// Two: the carrier sends both sides of the call as separate tracks.
    package var tracks: Int
    /// The JSON object of names and texts that the call's webhook gave it; empty without one.
    package var parameters = 0..<0
    /// The inside of a JSON string in which such an object stands, of a carrier that has it there.
    package var quotedParameters = 0..<0
    /// The number that was called, where the carrier says so: the inside of a JSON string.
    package var called = 0..<0
    /// The account to which the call belongs, of a carrier whose orders name it: the inside of a
    /// JSON string.
    package var account = 0..<0
    /// The message is audio as well, of a carrier that may leave out its start.
    package var isAudio = false
    package init(
      call: Range<Int>, stream: Range<Int>, format: Format, reply: Format? = nil, tracks: Int = 1,
      parameters: Range<Int> = 0..<0, isAudio: Bool = false
    ) {
      self.call = call
      self.stream = stream
      self.format = format
      self.reply = reply
      self.tracks = tracks
      self.parameters = parameters
      self.isAudio = isAudio
    }
  }

  /// What the query of a handshake says.
  package enum Opening {
    /// `call` is empty where the caller gave no id.
    case start(call: Name, format: Format)
    /// A parameter that cannot be served: its name, and what it may be.
    case refused(parameter: StaticString, allowed: StaticString)
  }

  /// What the caller may be told.
  package enum Command {
    case ready
    /// Words that the upstream heard; `text` and `confidence` are JSON as the upstream wrote it.
    /// `endsSpeech`: whether the speaker has paused behind them, where the upstream says so.
    case transcript(
      text: Bytes, isFinal: Bool, confidence: Bytes, channel: Int, channels: Int,
      endsSpeech: Bool? = nil)
    /// The upstream's own message, to be passed on untouched.
    case response(upstream: StaticString)
    /// `isFinal`: whether the call ends with it, where that is known. `words` are the upstream's
    /// own, plain; `request` is the id under which it knows the session.
    case error(
      code: StaticString, message: StaticString, isFinal: Bool? = nil, words: Bytes = .empty,
      request: Name = Name())
    /// The carrier shall say when it has played all that was sent before this.
    case mark(name: Bytes)
    /// What it has not yet played is void.
    case clear
  }

  /// What every answer may need.
  package struct Context {
    package var call: Name
    package var stream = Name()
    package var now: WallTime
    /// Where in the call the upstream's present session began, in microseconds of audio; 0 for the
    /// first.
    package var offsetMicroseconds: Int
  }

  /// What `write` has written.
  package enum Framing {
    /// Nothing: this carrier has no such message.
    case none
    /// The whole text message.
    case whole
    /// The text before the upstream's message; `suffix` bytes at the end of it belong behind.
    case around(suffix: Int)
  }
}
