// What an upstream must state, and THE LIST. An upstream is a row, as a carrier is: how to knock,
// how audio is wrapped on its way there and where it lies on its way back, what its messages mean,
// what it must be told now and then, and what operators set of it (`Upstream+Settings.swift`). An
// upstream with a `voice` talks back; one without only listens.

package struct Upstream: Sendable {
  package let name: StaticString
  /// False: nobody is dialled; the caller's audio goes back to the caller.
  package let isDialled: Bool
  package let needsKey: Bool
  /// The header that carries the key, and what stands before the key in it, with its space.
  package let keyHeader: StaticString
  package let keyScheme: StaticString
  /// The format in which it wants the audio of a caller who sends this; nil: it can take none of
  /// it. The session's options may have a say.
  package let hears: @Sendable (_ caller: Format, _ session: Session) -> Format?
  /// How it talks; nil: it only listens.
  package let voice: Voice?
  /// The constant text around base64 audio that goes to it; nothing written: audio goes as binary
  /// messages.
  package let envelope: @Sendable (_ hears: Format, inout Writer, inout Writer) -> Void
  /// The options that a caller may set, as a refusal's sentence names them: "a, b, c".
  package let allowed: StaticString
  /// The query of its handshake.
  package let query: @Sendable (Session, inout Writer) -> Void
  /// The first message of a session; nothing written: it is ready as soon as the socket stands,
  /// otherwise when it says so.
  package let setup: @Sendable (Session, inout Writer) -> Void
  package let read: @Sendable (Bytes) -> Event
  /// The text message for a command; nothing written: it has none.
  package let write: @Sendable (Command, Session, inout Writer) -> Void
  /// What a refused handshake or a close in mid-call means.
  package let refused: @Sendable (_ status: Int) -> Verdict
  package let closed: @Sendable (_ code: UInt16, _ reason: Bytes) -> Verdict
  package let timing: Timing
  /// How much silence it has to hear behind words to find that they are over, in milliseconds; nil:
  /// it has to be sent all silence that there is.
  package var silenceBehindWords: (@Sendable (Session) -> Int)?
  /// The silence behind words that the relay itself takes for their end, in milliseconds; nil: the
  /// service finds where they end.
  package var turnSilence: (@Sendable (Session) -> Int?)?
  /// The ends of its models that are known.
  package var ends: [ModelEnd] = []
  /// Sentences by which its users search a log: it is being dialled; its session stands.
  package var phrases = Phrases()
  /// What operators read and set of it; asked at start only.
  package let settings: @Sendable () -> Settings
  /// Where it says why it refuses a handshake.
  package var reasonHeaders = ReasonHeaders()
  /// It only listens by itself: a chat endpoint thinks, and this service speaks (Cascade).
  package var speaker: Synthesizer?

  /// One line for each upstream: the one to add for a new one.
  package static let all: [Upstream] =
    [
      .deepgram,
      .openai,
      .gemini,
      .deepgramAgent,
    ] + Synthesizer.all.map(Upstream.cascade) + [.echo]

  package static func index(of kind: String) -> Int? {
    all.firstIndex { $0.name.description == kind }
  }

  /// What callers may choose of a voice model, whoever makes it: `allowed` of rows with a voice.
  static let voiceOptions: StaticString = "model, voice, language, system_instruction"

  /// Whether a caller may set this option.
  package func allows(_ option: Bytes) -> Bool { Self.isName(option, in: allowed) }

  /// Whether a name is one of those in "a, b, c".
  static func isName(_ name: Bytes, in list: StaticString) -> Bool {
    var rest = list.bytes
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.count
      if rest.prefix(end).equals(name) { return true }
      rest = rest.dropping(min(end + 2, rest.count))
    }
    return false
  }
}

extension Upstream {
  /// What one session is made from. The queries are percent-encoded already.
  package struct Session {
    /// What is sent to it and what it sends; the caller's own format before that is settled.
    package var hears: Format
    package var says: Format
    /// What the operator wrote behind the upstream's path and is no option: sent as it is.
    package var fixed: Bytes
    /// The operator's options, each name from one place; a caller's wish for it goes first.
    package var options: Bytes
    /// The caller's own query, of which only options that `allows` knows are taken.
    package var callers: Bytes
    /// Samples a second that the operator wants it to get; 0: the caller's own, where it may be.
    package var rate = 0
    /// What resumes the session before it, as `Event.handle` told; empty where there is none.
    package var handle = Bytes.empty
    /// What was said in the call before it, where nothing resumes it.
    package var history = History.none
    /// What its model may call.
    package var functions: [Function] = []

    package init(
      hears: Format, says: Format, fixed: Bytes = .empty, options: Bytes = .empty,
      callers: Bytes = .empty, rate: Int = 0, handle: Bytes = .empty, functions: [Function] = []
    ) {
      self.hears = hears
      self.says = says
      self.fixed = fixed
      self.options = options
      self.callers = callers
      self.rate = rate
      self.handle = handle
      self.functions = functions
    }

    /// The operator's value of an option, percent-encoded; nil where it is not set.
    package func value(of name: StaticString) -> Bytes? { Self.value(of: name, in: options) }

    /// The caller's value of an option that `allows` knows, else the operator's.
    package func wish(for name: StaticString) -> Bytes? {
      Self.value(of: name, in: callers) ?? value(of: name)
    }

    private static func value(of name: StaticString, in query: Bytes) -> Bytes? {
      Query.value(of: name, in: query).flatMap { $0.isEmpty ? nil : $0 }
    }
  }

  /// How an upstream talks.
  package struct Voice: Sendable {
    /// The format in which it talks to a caller who wants this.
    package let says: @Sendable (_ caller: Format, _ session: Session) -> Format
    /// Where the audio lies in its messages.
    package let speech: SpeechPath
    /// Whether it names its answers and the items that it says in them, so that what is void is
    /// known, and it can be told what was heard.
    package let hasItems: Bool
    /// How its calls of functions are read; nil: it is not told of any.
    package let functions: Functions?
    /// How a session that begins in mid-call is told of what was said.
    package let history: History.Telling

    package init(
      says: @escaping @Sendable (_ caller: Format, _ session: Session) -> Format,
      speech: SpeechPath, hasItems: Bool, functions: Functions? = nil, history: History.Telling
    ) {
      self.says = says
      self.speech = speech
      self.hasItems = hasItems
      self.functions = functions
      self.history = history
    }
  }

  package enum Command {
    case keepAlive, finalize, finish
    /// The agent shall speak first; the text is what it is asked to do, percent-encoded.
    case greet(Bytes)
    /// Of this item, named as `Event.item` did, only so much was heard; or none of it, so it was
    /// never said.
    case truncate(item: Bytes, milliseconds: Int)
    case forget(item: Bytes)
    /// Keys that the caller pressed, of 0 to 9, *, #, A to D.
    case keys(Bytes)
    /// The caller says nothing; what the model is to do about it. It is answered by itself, or when
    /// `respond` follows, as keys are.
    case reprompt(Bytes)
    /// What it was told last shall be answered; only while it is not talking.
    case respond
    /// What a function that was called has answered: a JSON object. `id` as the call had it.
    case answer(id: Bytes, function: Bytes, Bytes)
    /// The same, to a session that has not called it: the one that did is gone.
    case lateAnswer(function: Bytes, Bytes)
  }

  /// What one message says. Most say one thing; some upstreams put several into one. Ranges point
  /// into the message; texts are the inside of a JSON string, escapes and all.
  package struct Event {
    package var isMalformed = false
    /// Of a type that is not known here: its name, empty where it has none.
    package var unknown: Range<Int>?
    /// The session is set up as it was asked for: audio may flow.
    package var isReady = false
    /// With `isReady`: what the caller says will be transcribed, so that it is owed.
    package var transcribes = false
    /// With `isReady`: in which format it takes audio and sends it, where it says so itself.
    package var takes = StatedFormat.unsaid
    package var sends = StatedFormat.unsaid
    /// Speech to text: a stretch of audio was listened to.
    package var heard: Heard?
    /// The session is complete; a close follows.
    package var isFinished = false

    /// The caller has begun to speak: what the agent has not yet said is void.
    package var isInterrupted = false
    /// What the caller said is whole, and will be answered.
    package var isCallerDone = false
    /// With `isCallerDone`: that follows from a silence behind the words.
    package var isSilenceHeard = false
    /// With `isCallerDone`: the words were asked for as final.
    package var isFinalAsAsked = false
    /// It was heard to begin, and said nothing.
    package var isFalseStart = false
    /// An answer begins.
    package var isTurnBegun = false
    /// What was asked for last is refused, because an answer is open.
    package var isAskedTooEarly = false
    /// Words of the caller that are still to be transcribed: one more (1), one less (-1).
    package var transcriptsOwed = 0
    package var callerWords: Words?
    package var agentWords: Words?
    /// Where in the session's audio the caller spoke `item`, as far as the message says.
    package var speech: Speech?
    /// What `isSpoken`, `isCallerDone` and words belong to; empty where that is not named.
    package var item = 0..<0
    /// The answer that the message is about; empty where it has no name.
    package var response = 0..<0
    /// All audio of the item has come.
    package var isSpoken = false
    /// The agent's turn is over.
    package var ending: Ending?
    package var isTurnOver: Bool { ending != nil }
    package var complaint: Complaint?
    /// It calls functions, or does not want some calls any more: `Functions` says which.
    package var callsFunctions = false
    /// It has another server answer, or has had.
    package var servedCall: ServedCall?
    package var cancelsFunctions = false
    /// What will resume this session.
    package var handle: Range<Int>?
    /// It will end the session in so long.
    package var leavesWithin: Instant.Span?
    /// Something is said of the session itself, beside the words in it.
    var saysMore: Bool {
      isFinished || complaint != nil || handle != nil || leavesWithin != nil
    }
    /// It is understood, and of no concern.
    var saysNothing: Bool {
      let isOfTurn =
        isInterrupted || isCallerDone || isTurnBegun || isAskedTooEarly || isSpoken || isTurnOver
        || isFalseStart
      let isOfWords =
        callerWords != nil || agentWords != nil || transcriptsOwed != 0 || speech != nil
      let isOfFunctions = callsFunctions || cancelsFunctions || servedCall != nil
      return !isOfTurn && !isOfWords && !isOfFunctions && !saysMore && !isMalformed
        && unknown == nil
    }

    package init() {}

    package static var malformed: Event {
      var news = Event()
      news.isMalformed = true
      return news
    }
  }

  /// How an answer ended, and what the model says about that.
  package struct Ending {
    package enum How: BitwiseCopyable, Sendable {
      case whole
      /// By the caller, or by us.
      case cancelled
      /// The model stopped in the middle of it.
      case cut
      case failed
      /// Nothing is under way any more, whatever was: no answer of its own.
      case idle
      /// It calls functions, and goes on when they are answered.
      case calls
    }
    package var how: How
    /// Why, in the model's words: its code, then its sentence. May be empty.
    package var reason = 0..<0
    package var message = 0..<0
    /// What else is in it instead of sound, in our words.
    package var instead: StaticString = ""
    /// The reason passes by itself, after so long at the soonest.
    package var passesAfter: Instant.Span?

    package init(_ how: How) { self.how = how }
  }

  /// What a session says of audio.
  package enum StatedFormat: BitwiseCopyable, Equatable, Sendable {
    case unsaid
    case format(Format)
    /// One that is not known here.
    case unknown
  }

  package struct Words {
    package var text: Range<Int>
    /// Instead of all increments before it.
    package var isWhole: Bool
    /// A text of its own: there is a space between what came before and it.
    package var isApart = false
    /// Of the caller's: they want no answer.
    package var isMurmur = false
    /// A tag; empty where it does not say.
    package var language: Range<Int>
    package init(text: Range<Int>, isWhole: Bool, language: Range<Int> = 0..<0) {
      self.text = text
      self.isWhole = isWhole
      self.language = language
    }
  }

  /// What the caller said as one item: where it begins and ends, in microseconds of audio since
  /// this session began; -1 where that is not said.
  package struct Speech: BitwiseCopyable, Equatable, Sendable {
    package var startMicroseconds: Int
    package var endMicroseconds: Int

    package init(start: Int = -1, end: Int = -1) {
      startMicroseconds = start
      endMicroseconds = end
    }
  }

  /// An error that does not end the session by itself.
  package struct Complaint {
    /// What it is about: the session, or something beside the talk, such as the transcription of
    /// what the caller says, without which the talk goes on; or no more than a word of warning.
    package enum Scope: BitwiseCopyable, Sendable { case session, side, warning }

    /// May be empty.
    package var code: Range<Int>
    package var message: Range<Int>
    /// The session is of no more use; what that means.
    package var verdict: Verdict?
    package var scope: Scope
    package init(
      code: Range<Int>, message: Range<Int>, verdict: Verdict? = nil, scope: Scope = .session
    ) {
      self.code = code
      self.message = message
      self.verdict = verdict
      self.scope = scope
    }
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
    /// Where the stretch begins and ends, in microseconds of audio since this session began; -1
    /// where it does not say.
    package var startMicroseconds = -1
    package var endMicroseconds: Int
    /// Whether the speaker has paused behind it; nil where it does not say.
    package var endsSpeech: Bool?
    /// In which language, mostly; empty where it does not say.
    package var language = 0..<0
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

  package struct Phrases: Sendable {
    package var dialled: StaticString = ""
    package var connected: StaticString = ""
  }

  package struct Timing: BitwiseCopyable, Sendable {
    /// Without audio for so long it wants a sign of life; `never` where it does not.
    package var keepAliveAfter: Instant.Span
    /// Without audio for so long what was said is asked for as final.
    package var finalizeAfter: Instant.Span
    /// Silence that is sent to a session that never had audio, before its first sign of life, in
    /// milliseconds; 0: none is needed.
    package var openingSilenceMilliseconds: Int
    /// The largest chunk of audio in one message, in milliseconds.
    package var chunkMillisecondsMax: Int
    /// It says how far its results are final, so what it lost can be said again; where it does not,
    /// audio is let go of as it is sent.
    package var acknowledges = true
    /// How long its last words are awaited when a call ends, where it never says that it has
    /// finished; `never` where it does.
    package var lastWordsWithin = Instant.Span.never
    /// How long one of its sessions lasts at most; `never` where that is said in time.
    package var sessionLasts = Instant.Span.never
  }
}
