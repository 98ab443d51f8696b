// What a service that speaks text must state, and THE LIST of them: the voice of a cascade. It is a
// row, as an upstream is: how to knock, how it is told what to say, what its messages mean and
// where the audio lies in them. It is sent a few words at a time, and speaks as they come.
//
//     say, flush, say, end ──▶ audio … ──▶ flushed
//     clear ──▶ (audio that was on its way) ──▶ cleared, or what comes names another answer

package struct Synthesizer: Sendable {
  package let name: StaticString
  /// What the upstream is called for which it speaks: the kind of a cascade.
  package let cascade: StaticString
  /// What people call it, and the voice and the model that it has where nobody chooses others;
  /// empty: the service's own.
  package let displayName: String
  package let standardVoice: String
  package let standardModel: String
  /// The header that carries the key, and what stands before the key in it, with its space.
  package let keyHeader: StaticString
  package let keyScheme: StaticString
  /// The format in which it speaks to a caller who wants this.
  package let says: @Sendable (_ caller: Format) -> Format
  /// The path of its handshake, from the service's own or the operator's; nil: that one as it is.
  package var path: (@Sendable (Session, _ base: Bytes, inout Writer) -> Void)?
  /// The query of its handshake.
  package let query: @Sendable (Session, inout Writer) -> Void
  /// Where the audio lies in its messages.
  package let speech: SpeechPath
  /// Its audio names the answer that it belongs to (`SpeechPath.Piece.item`); where it does not,
  /// what comes before `Event.isCleared` is of what was cleared.
  package let namesAnswers: Bool
  /// It is told to clear an answer as that it ends, and only once.
  package var clearsByEnding = false
  /// The text message for a command; nothing written: it needs none.
  package let write: @Sendable (Command, Session, inout Writer) -> Void
  package let read: @Sendable (Bytes) -> Event
  /// What a refused handshake or a close in mid-call means.
  package let refused: @Sendable (_ status: Int) -> Upstream.Verdict
  package let closed: @Sendable (_ code: UInt16, _ reason: Bytes) -> Upstream.Verdict
  /// It takes no more of `flush` and `end` in a minute.
  package let flushesPerMinuteMax: Int
  /// Where it is dialled, as operators read and set it; asked at start only.
  package let service: @Sendable () -> Upstream.Service

  /// One line for each: the one to add for a new one.
  package static let all: [Synthesizer] = [
    .deepgramSpeak,
    .cartesia,
    .elevenLabs,
  ]

  /// What most of them speak: G.711 as it is; linear samples at a rate that they have, which need
  /// not be the caller's.
  static func usualFormat(_ caller: Format) -> Format {
    if caller.codec != .linear16, caller.rate == 8000 {
      return Format(codec: caller.codec, rate: 8000)
    }
    switch caller.rate {
    case 8000, 16_000, 24_000, 48_000: return Format(codec: .linear16, rate: caller.rate)
    default: return Format(codec: .linear16, rate: 24_000)
    }
  }

  package enum Command {
    /// Words to be spoken, UTF-8.
    case say(Bytes)
    /// What was said so far is spoken now, however little it is.
    case flush
    /// The same, and nothing more of this answer is said.
    case end
    /// What was not spoken yet of this answer shall not be.
    case clear
    case finish
  }

  /// What a session is made from. Texts are percent-encoded, as operators' options are; empty where
  /// the service's own default holds.
  package struct Session {
    package var says: Format
    package var voice = Bytes.empty
    package var model = Bytes.empty
    package var language = Bytes.empty
    /// Which answer is being spoken: the number grows with each.
    package var answer = 1

    package init(says: Format) { self.says = says }

    /// Whether what a message says is about this answer, or about all of them: one that was cleared
    /// may still be heard of.
    package func concerns(_ event: Event, in message: Bytes) -> Bool {
      event.answer.isEmpty || message[event.answer].decimal == answer
    }
  }

  /// What one message says. Ranges point into it.
  package struct Event {
    package var isMalformed = false
    /// Of a type that is not known here: its name, empty where it has none.
    package var unknown: Range<Int>?
    /// The number of the answer that it is about, as `Session.answer` was when it was told of it;
    /// empty where it names none.
    package var answer = 0..<0
    /// All audio of what was said before a `flush` or `end` has come.
    package var isFlushed = false
    /// No audio of what was said before the clearing comes any more.
    package var isCleared = false
    package var complaint: Upstream.Complaint?

    package init() {}

    package static var malformed: Event {
      var news = Event()
      news.isMalformed = true
      return news
    }
  }
}
