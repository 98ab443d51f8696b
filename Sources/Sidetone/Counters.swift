// What has happened since the start, as counts. Only ever added to.

package struct Counters: BitwiseCopyable, Sendable {
  package var callsStarted = 0
  package var callsEnded = 0
  /// Of these, the ones that had started.
  package var callsEndedAfterStart = 0
  /// Requests of any kind that were refused.
  package var requestsRefused = 0
  /// Connections for which there was no slot.
  package var linksRefused = 0
  /// Hellos from addresses that had said too many in that second.
  package var handshakesRefused = 0
  /// Those that had proven nothing and gave way to a newcomer.
  package var guestsDisplaced = 0
  /// Times that a peer was read more slowly, and peers that were let go, for what they sent.
  package var peersSlowed = 0
  package var peersFlooding = 0
  package var requests = 0
  /// Keys that a LiteLLM proxy was asked about, by what it said.
  package var keysGood = 0
  package var keysRefused = 0
  package var keysUnjudged = 0
  /// Settings that were read anew and count, and those that were refused.
  package var reloads = 0
  package var reloadsRefused = 0
  /// Calls whose files, or whose journal, were not there when their callers were closed; and whose
  /// files cannot be written.
  package var recordsLate = 0
  package var recordsFailed = 0
  package var recordsForgotten = 0
  /// Events for which a subscriber had no room.
  package var subscriberEventsMissed = 0
  package var bytesIn = 0
  package var bytesOut = 0
  /// Audio handed to upstreams.
  package var bytesToUpstreams = 0
  package var frames = 0
  /// Audio that was no base64 or cut a sample in two.
  package var framesBad = 0
  /// Numbered audio that came twice or too late, and that which never came.
  package var framesLate = 0
  package var framesMissing = 0
  /// Milliseconds of silence that stand in for audio which carriers' clocks passed over.
  package var silenceFilled = 0
  /// Milliseconds of callers' silence that upstreams were not sent, of calls that have ended.
  package var silenceSkipped = 0
  /// Audio for which there was no room.
  package var framesLost = 0
  /// Bytes of callers' audio that no upstream ever got.
  package var audioLost = 0
  package var messagesBad = 0
  package var messagesIgnored = 0
  /// Messages that had to wait for a buffer, and those of upstreams that were too large.
  package var messagesHeldBack = 0
  package var messagesTooLarge = 0
  /// Transcripts too long to be repeated beside the upstream's own message.
  package var answersTooLong = 0
  /// Results with words.
  package var transcripts = 0
  /// Pieces of speech that came from upstreams, messages of speech that went to callers.
  package var speechPieces = 0
  package var speechSent = 0
  /// Pieces for which there was no room, and those of an item that was already interrupted.
  package var speechCut = 0
  package var speechLate = 0
  /// Keys for which there was no room.
  package var keysLost = 0
  package var interruptions = 0
  /// Answers without sound, those that the model cut off itself, and those that never began.
  package var answersSilent = 0
  package var answersCut = 0
  package var answersMissing = 0
  /// Items of which the rest had no room, and lines of a transcript that were too long.
  package var itemsCut = 0
  package var wordsCut = 0
  /// Turns of conversations that are too old to be told to another session.
  package var historyCut = 0
  /// Calls of functions by models, by what came of them.
  package var functionsAnswered = 0
  package var functionsFailed = 0
  package var functionsCancelled = 0
  package var functionsRefused = 0
  package var upstreamsLost = 0
  package var redials = 0
  /// Sessions that were kept warm: those that callers got, those that grew old, and those that were
  /// lost or gave way.
  package var warmTaken = 0
  package var warmAged = 0
  package var warmLost = 0
  /// Calls that went on with their route's fallback.
  package var fallbacks = 0
  /// Errors of upstreams' side channels, which end nothing.
  package var sideErrors = 0
  /// What upstreams could not be told.
  package var commandsLost = 0
  /// Stretches of callers' voices that no model answered.
  package var unanswered = 0
  /// Calls that ended since their callers heard nothing for too long.
  package var deadAir = 0
  /// Recorded lines that callers heard while no session stood, and before their calls ended.
  package var holds = 0
  package var goodbyes = 0
  /// How often models kept their callers waiting for too long; so did callers, and were spoken to,
  /// and were given up.
  package var modelsQuiet = 0
  package var reprompts = 0
  package var callersGivenUp = 0
  package var modelsGivenUp = 0
  /// Recorded lines that callers heard while functions ran.
  package var functionPhrases = 0
  package init() {}
}
