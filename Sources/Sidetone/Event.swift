// Everything about a call that is counted (Tally), or that somebody may want to read (Event): one
// case each. A part of a call says what happened with `Turn.note`; what becomes of it (a counter, a
// line of the log, a line of the transcript) is decided in Turn+Notes, in one place for each.

/// What is only counted; some of it comes with every frame.
package enum Tally: BitwiseCopyable, Sendable {
  /// Bytes from a peer, bytes to one, audio handed to an upstream.
  case bytesIn(Int)
  case bytesOut(Int)
  case bytesToUpstream(Int)
  /// So late was a frame whose bytes its peer's socket has just taken.
  case delay(Instant.Span)
  /// A caller's audio: taken; without sense; without room; twice or late; never seen (so many).
  case frame
  case frameBad
  case frameLost
  case frameLate
  case framesMissing(Int)
  /// Silence of so many milliseconds, for audio that the carrier's clock passed over.
  case silenceFilled(Int)
  /// An agent's speech: a piece that came; a message to its caller; no room for a piece; a piece of
  /// what was interrupted.
  case speechPiece
  case speechSent
  case speechCut
  case speechLate
  /// Messages: of no concern; without sense; too long to be repeated beside the original.
  case messageIgnored
  case messageBad
  case answerTooLong
  /// One waits, and its socket with it, until there is a buffer for it.
  case messageWaits
  /// Whole requests.
  case request
  /// Somebody who had proven nothing gave way to a newcomer.
  case guestDisplaced
  /// A key was pressed for which there was no room.
  case keyLost
  /// An agent was cut short; another session is dialled.
  case interruption
  case redial
  case fallback
  /// A session took so long to be ready, from its dialling.
  case sessionReady(Instant.Span)
  /// An error of an upstream's side channel.
  case sideError
}

/// What somebody may want to read, by whom it is about.
package enum Event: Sendable {
  case call(OfCall)
  case caller(OfCaller)
  case upstream(OfUpstream)
  case agent(OfAgent)
  case words(OfWords)
  case wire(OfWire)
  case peer(OfPeer)
  case record(OfRecord)
  case relay(OfRelay)

  /// A call's beginning and end.
  package enum OfCall: Sendable {
    case started(Start)
    case refused(StaticString)
    /// What it asks for cannot be had: why, and how to mend it.
    case choiceRefused(Bytes)
    case firstAudio(milliseconds: Int, bytes: Int = 0)
    case stopReceived
    case resultsMissing
    /// What the caller said was not answered in time.
    case unanswered
    /// The caller heard nothing for so long, since no session stood; why there was none.
    case deadAir(seconds: Int, Cause)
    /// The caller is asked to hold, since no session stands; hears a goodbye, since none will.
    case hold
    case goodbye
    /// The model has said nothing for so long where it was its turn; whether the caller hears so.
    case modelQuiet(seconds: Int, isToldSo: Bool)
    /// So has the caller, and the model speaks to it again.
    case callerQuiet(seconds: Int, reprompt: Int, of: Int)
    /// It went on so, and the call ends.
    case callerGivenUp, modelGivenUp
    /// A function takes long, and the caller hears so.
    case functionPhrase(Bytes)
    case ended(Ending)
  }

  /// What becomes of what is written down of a call.
  package enum OfRecord: Sendable {
    /// It is on its way to the disk.
    case saving
    /// Its files are in place; the transcript's name, without its directory.
    case saved(Bytes)
    /// Why they cannot be written.
    case failed(Bytes)
    /// What was not there in time, which was so long.
    case late(Late, Instant.Span)
    /// More calls than are remembered wait for their files: of the oldest nothing more is said.
    case forgotten(isFirst: Bool)

    package enum Late: Equatable, BitwiseCopyable, Sendable { case sync, files }
  }

  /// Who talks to whom.
  package struct Start: Sendable {
    var carrier: StaticString
    /// The upstream's name in the settings, and whose service it is.
    var upstream: Bytes
    var service: StaticString
    /// As it was asked for, percent-encoded; empty: the service's own choice.
    var model = Bytes.empty
    var path: Bytes
    /// As its carrier's users know it, and what they call its id.
    var sentence: StaticString = ""
    var id: StaticString = ""
    /// The carrier's own name of the stream.
    var stream = Name()
    var isTwoWay: Bool
    /// A JSON object, or nothing.
    var parameters = Bytes.empty
    /// Those for which there was no room.
    var parametersLeftOut = 0
  }

  /// Its caller.
  package enum OfCaller: Sendable {
    /// Its socket is open; it has greeted; it is known who it is, to a model that talks.
    case accepted(path: Bytes, from: Address, isTwoWay: Bool)
    case connected
    case recognised(StaticString)
    case badMessage(StaticString, soFar: Int)
    /// What is odd about what it sends.
    case odd(OfOddity)
    case complains(Bytes)
    case byteOrder(isBigEndian: Bool)
    /// A key that was pressed. It may be one of a card's number: for a terminal, never for the log.
    case key(UInt8)
  }

  /// Its upstream, by the name that the settings give it.
  package enum OfUpstream: Sendable {
    /// `sentence`: as its users know it.
    case dialled(Bytes, sentence: StaticString = "")
    case connected(Bytes, milliseconds: Int, sentence: StaticString = "", request: Name)
    case refused(Bytes, status: Int, StaticString, words: Bytes, request: Name)
    /// A session of it is the call's from now on: for the call's record.
    case tookOver(Bytes, milliseconds: Int, request: Name)
    /// Its own words are plain text, cleaned as a `Reason` is. `isAside`: it concerns something
    /// beside the talk, which goes on.
    case error(Bytes, code: Bytes, message: Bytes, isAside: Bool)
    case closed(Bytes, code: UInt16, reason: Bytes)
    /// A message of it was larger than what it may send.
    case tooLarge(bytesMax: Int)
    /// It could not be told something: there is no room for that.
    case untold
    case broke(Bytes, LinkFailure)
    /// A session is gone, or did not come to be: why. What was the matter is said before.
    case sessionLost(StaticString)
    /// What follows a loss: another attempt, so many of so many; or none.
    case triedAgain(Bytes, milliseconds: Int, attempt: Int, of: Int)
    case givenUp(Bytes, StaticString)
    /// Another one takes over from it, and why.
    case fellBack(Bytes, to: Bytes, StaticString)
    /// Messages of its that are not understood: what is odd about the first.
    case strange(Bytes, type: Bytes)
    case notJSON(Bytes, text: Bytes)
    /// A piece of its audio that is no base64.
    case unreadable(Bytes)
    /// Its audio is of another format than it was asked for, or had until now; nil: of none that is
    /// known here.
    case format(Bytes, Audio?, isHeeded: Bool)
  }

  /// What the agent says, or does not.
  package enum OfAgent: Sendable {
    /// An answer brought no sound; one was cut off by the model, or never began.
    case answerSilent(Answer)
    case answerCut(Answer)
    case answerMissing
    /// For the rest of an item there was no room: so much of it is heard.
    case speechCut(keptMilliseconds: Int)
    /// What one side said is longer than a line can be.
    case wordsCut
    /// So many turns, the oldest, would not be told to another session any more.
    case historyCut(turns: Int, isSaid: Bool)
    /// It has called a function, of which this came.
    case function(Function)
    /// An answer is heard, or never will be: when its stages were reached.
    case answered(AnswerTimes)
  }

  /// How an answer ended, in the model's words; what was in it instead of sound, in ours. It is
  /// asked for again in so many milliseconds, or not at all.
  package struct Answer: Sendable {
    var reason: Bytes
    var message: Bytes
    var instead: StaticString
    var repeatsIn: Int?
  }

  /// What was said. Texts are the inside of a JSON string, escapes and all.
  package enum OfWords: Sendable {
    /// `sentence`: what says the same in the log, for carriers whose users look for it there.
    /// `confidence`: a JSON number, or nothing. `language`: as the upstream says.
    case heard(
      Bytes, isFinal: Bool, side: Side = .only, sentence: StaticString = "", when: When = When(),
      confidence: Bytes = .empty, language: LanguageTag = LanguageTag())
    /// `item`: as the model names what it says.
    case said(
      Bytes, item: Name = Name(), when: When = When(), language: LanguageTag = LanguageTag())
    /// Of `generated` milliseconds only `heard` were; the words are cut where that is by estimate.
    /// Without words: nobody knows them, or they `wereSaid` before, as the latest of that item.
    case interrupted(
      heard: Int, generated: Int, words: Bytes, cut: Int, wereSaid: Bool = false,
      item: Name = Name(), when: When = When(), language: LanguageTag = LanguageTag())
  }

  /// Milliseconds since the call began; negative where that is not known.
  package struct When: BitwiseCopyable, Sendable {
    var start = -1
    var end = -1
  }

  /// A message that is neither audio nor frequent, whole: for lines of the level debug.
  package enum OfWire: Sendable {
    case fromCaller(Bytes)
    case toCaller(Bytes)
    case fromUpstream(Bytes)
    case toUpstream(Bytes)
  }

  /// Whose words they are.
  package enum Side: Sendable {
    /// The caller's, where nobody else is listened to: a printed line needs no name for it.
    case only
    case caller, agent
    case channel(Int)

    /// `isPaired`: a carrier's two tracks, the caller's first. `isAgents`: only the other one of
    /// them is listened to.
    package init(_ channel: Int, of channels: Int, isPaired: Bool, isAgents: Bool) {
      if channels < 2 {
        self = isAgents ? .agent : .only
      } else if isPaired {
        self = channel == 0 ? .caller : .agent
      } else {
        self = .channel(channel)
      }
    }
  }

  /// A peer that costs more than a call needs (Account): it waits, then it is let go.
  package enum OfPeer: Sendable {
    case slowed(Leg)
    case flooding(Leg)
    package enum Leg: Sendable { case caller, upstream }
  }

  /// The relay itself; no call.
  package enum OfRelay: Sendable {
    case draining(calls: Int)
    /// Somebody came for whom there was no slot.
    case linkRefused(Address)
    /// A request was.
    case refused(Refused)
    /// A LiteLLM proxy did not say whether a key is good, or needs its operator.
    case keysUnjudged(Bytes, withheld: Int)
    /// A caller or webhook asked for a model that has ended.
    case modelReplaced(Name, by: StaticString, upstream: Bytes)
  }

  /// A request that was refused.
  package struct Refused {
    var code: StaticString
    var peer: Address
    /// What was asked for, as far as it may be shown; empty where that was not understood.
    var path: Bytes
    /// What is wrong, and how to mend it; may be empty.
    var words: Bytes
    var isWarning: Bool
    /// How many lines were withheld before this one; nil: this one is, too.
    var withheld: Int?
  }

  /// What a caller's wire has that is not documented.
  package enum OfOddity: Sendable {
    /// It broke this rule of the socket.
    case broke(StaticString)
    /// A message of its has so many bytes, of at most so many.
    case tooLarge(bytes: Int, of: Int)
    /// Its first messages are nobody's: what came.
    case unrecognised(Bytes)
    /// The first message of no concern: what came.
    case ignored(Bytes)
    /// Audio came before the start.
    case early
    /// Its id is longer than the part of it that is kept.
    case idCut(bytes: Int)
    /// So many of its parameters are not kept: together they are longer than may be, or they are
    /// in a text that is no object.
    case parametersLeftOut(Int, bytesMax: Int)
    /// The carrier has taken a transfer, and did not end its stream for so long.
    case transferUnended(seconds: Int)
    /// Another socket has the same id.
    case isSecond
    /// What its audio says of itself holds, or comes too late to.
    case format(Audio, isHeeded: Bool)
    /// Its audio is a file of this kind, not raw samples.
    case isFile(StaticString)
    /// The carrier sends both tracks: the other one is a channel of its own, or is left out.
    case otherTrack(StaticString, isHeard: Bool)
    /// So much more audio comes than its format allows for, in hundredths.
    case tooFast(percent: Int, Audio)
  }

  /// What audio is made of, in words.
  package struct Audio: Sendable {
    var codec: StaticString
    var rate: Int
    var channels: Int
  }

  /// The last line of a call.
  package struct Ending: Sendable {
    var cause: Cause
    var milliseconds: Int
    var frames: Int
    var results: Int
    var isTwoWay: Bool
    var heardMilliseconds: Int
    var generatedMilliseconds: Int
    var interruptions: Int
    /// Of the caller's audio: what came, what went to the upstream, what was lost.
    var receivedBytes = 0
    var sentBytes = 0
    var lostBytes: Int
    var hasStarted: Bool
    /// How late frames were made; nil where none was sent on.
    var delays: Delays?
    /// The caller's messages: twice or too late, and never seen.
    var lateFrames = 0
    var missingFrames = 0
    /// Of a model's speech, what had no room.
    var cutMilliseconds = 0
    /// Of the caller's silence, what the upstream was not sent.
    var skippedMilliseconds = 0
    var ready = ReadyTimes()
    var levels = Levels()
    /// What the upstream said last of what went wrong, and under which id it knows the session.
    var words = Bytes.empty
    var request = Name()
  }
}

extension Event {
  /// How late the relay made frames, to the next step of a histogram up.
  package struct Delays: BitwiseCopyable, Equatable, Sendable {
    package var frames: Int
    package var median: Instant.Span
    package var high: Instant.Span
    package var worst: Instant.Span
  }

  /// What a side of a call was like.
  package struct SideFigures: BitwiseCopyable, Equatable, Sendable {
    /// Nil: nobody looked.
    package var sound: Sound?
    package var gaps: Gaps?

    package struct Gaps: BitwiseCopyable, Equatable, Sendable {
      package var count: UInt32 = 0
      package var milliseconds: UInt32 = 0
    }
  }

  /// The sides of a call, or its channels; nil: nothing is known.
  package struct Levels: BitwiseCopyable, Equatable, Sendable {
    package var caller: SideFigures?
    package var agent: SideFigures?
    /// They are channels of which nobody says whose they are.
    package var areChannels = false
  }
}

/// Whose an event is: what names a call, and tells it from every other.
package struct CallIdentity: BitwiseCopyable, Sendable {
  /// The call's id, as its carrier gave it.
  package var name = Name()
  /// What tells it from every other call where it is written down; 0: it is not.
  package var key: UInt64 = 0
  /// The caller's address, and when it came.
  package var peer: Address
  package var startedAt: Instant
  package var startedWall: WallTime
}

extension Format {
  /// For a line about it.
  var described: Event.Audio { Event.Audio(codec: codec.word, rate: rate, channels: channels) }
}
