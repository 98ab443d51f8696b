// What an upstream must state, and THE LIST. An upstream is a row, as a carrier is: how to knock,
// what its messages mean, what it must be told now and then. Audio goes to it as binary messages in
// the call's own format.

package struct Upstream: Sendable {
  package let name: StaticString
  /// False: nobody is dialled; the caller's audio goes back to the caller.
  package let isDialled: Bool
  package let needsKey: Bool
  /// What stands before the key in the `Authorization` header, with its space.
  package let keyScheme: StaticString
  /// The format it takes, or what it would take instead.
  package let takes: @Sendable (Format) -> Bool
  /// Whether a caller may set this option.
  package let allows: @Sendable (_ option: Bytes) -> Bool
  /// The names of these options, for a refusal's sentence.
  package let allowed: StaticString
  /// The query of its handshake.
  package let query: @Sendable (Session, inout Writer) -> Void
  package let read: @Sendable (Bytes) -> Event
  /// The text message for a command; nothing written: it has none.
  package let write: @Sendable (Command, inout Writer) -> Void
  /// What a refused handshake or a close in mid-call means.
  package let refused: @Sendable (_ status: Int) -> Verdict
  package let closed: @Sendable (_ code: UInt16) -> Verdict
  package let habits: Habits

  /// The one line to add for a new upstream.
  package static let all: [Upstream] = [.deepgram, .echo]

  package static func index(of kind: String) -> Int? {
    all.firstIndex { $0.name.description == kind }
  }
}

extension Upstream {
  /// What one session's query is made from; all three queries are percent-encoded already.
  package struct Session {
    package var format: Format
    /// What the operator wrote behind the upstream's path.
    package var fixed: Bytes
    /// The route's options; a caller's wish for the same name goes first.
    package var options: Bytes
    /// The caller's own query, of which only options that `allows` knows are taken.
    package var callers: Bytes
  }

  package enum Command { case keepAlive, finalize, finish }

  /// What an upstream's message means. Ranges point into the message.
  package enum Event {
    /// Nothing that the call must act on.
    case other
    case heard(Heard)
    /// The session is complete; a close follows.
    case finished
    case malformed
  }

  /// A stretch of audio that was listened to.
  package struct Heard {
    /// The words as a JSON string's inside, escapes and all; empty for silence.
    package var text: Range<Int>
    /// As a JSON number; empty where there is none.
    package var confidence: Range<Int>
    /// It will not be revised.
    package var isFinal: Bool
    package var channel: Int
    package var channels: Int
    /// Where the stretch ends, in microseconds of audio since this session began.
    package var endMicroseconds: Int
  }

  package struct Verdict: Equatable {
    /// Another attempt can help.
    package var retry: Bool
    package var cause: Cause
    /// For the client's error message.
    package var code: StaticString
    package var sentence: StaticString

    package static func == (a: Verdict, b: Verdict) -> Bool {
      a.retry == b.retry && a.cause == b.cause
    }
  }

  package struct Habits: BitwiseCopyable, Sendable {
    /// Without audio for so long it wants a sign of life; `never` where it does not.
    package var keepAliveAfter: Instant.Span
    /// Without audio for so long what was said is asked for as final.
    package var finalizeAfter: Instant.Span
    /// Silence that is sent to a session that never had audio, before its first sign of life, in
    /// milliseconds; 0: none is needed.
    package var openingSilenceMilliseconds: Int
    /// The largest chunk of audio in one message, in milliseconds.
    package var chunkMillisecondsMax: Int
  }
}
