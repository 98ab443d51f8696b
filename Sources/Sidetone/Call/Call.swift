// One call as it lies in its slot: two links, the state that couples them, the caller's audio
// between them, and what has to be remembered about it. It decides nothing; Life does.

package struct Call: BitwiseCopyable, Sendable {
  // What a frame touches comes first, so that it lies in few cache lines.

  package var life: Life
  /// The two legs: the caller's link, and the upstream's; `none` where there is none (any more).
  package var caller: SlotID
  package var dialled = SlotID.none
  /// Index into Carrier.all, or -1 until it is recognised.
  package var carrier = -1
  /// Its caller has said who it is and what it sends, and that can be served.
  package var isStarted = false
  /// Whether there is an upstream to dial; an echo has none.
  package var isDialled = true
  /// What was said so far was asked for as final, and nothing has been said since.
  package var isFinalized = true
  package var saidFirstAudio = false
  /// The upstream has said that its results are complete.
  package var isConfirmed = false
  /// Where two tracks become two channels: what waits for its partner lies in a block of its own.
  package var pairingBlock: Int32 = -1
  /// Where messages may overtake each other: those that wait for one lie in a block of their own.
  package var orderBlock: Int32 = -1
  package var chunkBytesMax = 0
  /// When the caller last sent audio; `never` before the first.
  package var lastAudio = Instant.never
  /// When the upstream last had something from us: audio, or a sign of life.
  package var lastSign = Instant.never
  package var framesIn = 0
  package var bytesSent = 0
  package var uplink = Uplink()
  /// A copy of the carrier's row, so that no row is looked up for a frame.
  package var media = Media.binary
  /// The shape of the caller's audio, and of the agent's.
  package var learned = LearnedMessage()
  package var learnedSpeech = LearnedMessage()
  /// What the upstream is sent: in its own format, as binary messages or wrapped in text.
  package var hears = Format.mulaw8k
  package var toUpstream = Conversion()
  package var isWrapped = false
  package var keepsForReplay = true
  package var wrapping = Envelope()
  /// Whether the upstream talks back, where its audio lies in its messages, and what of it waits.
  package var isTwoWay = false
  package var speech = SpeechPath.none
  package var carriage = Media.Carriage.base64
  package var downlink = Downlink()
  /// What comes belongs to a turn that was interrupted.
  package var isVoid = false

  package var order = Reorder()
  package var orderAt = Instant.never
  package var byteOrder = ByteOrder(rate: 8000)

  // The rest is rare.

  /// Indices into Config.routes and Config.upstreams, and into Upstream.all.
  package var route: Int
  package var upstream: Int
  package var kind: Int
  package var tracks = 1
  package var format = Format.mulaw8k
  package var pairing = Pairing(silence: 0)
  package var pairAt = Instant.never
  /// What the caller is sent, and what the upstream says it in.
  package var reply = Format.mulaw8k
  package var says = Format.mulaw8k
  package var name = Name()
  package var stream = Name()
  package var envelope = Envelope()
  /// Which of the route's bots it talks to.
  package var bot = 0
  /// What was chosen for this call, by its own query or by its webhook: kept for every dialling.
  package var choices = Chain()
  package var dialledAt = Instant.zero
  /// What is known of its caller: enough to take free text from it, or nothing before a token is
  /// seen.
  package var isKnown = false
  package var needsToken = false
  /// Dialled on a webhook's word; its caller is still to come.
  package var isAhead = false
  /// The upstream has said that it will leave: another session takes over in a quiet moment before.
  package var leaveAt = Instant.never
  package var nonce = Upgrade.Nonce(low: 0, high: 0)

  package var peer = Address.none
  package var startedAt: Instant
  package var startedWall: WallTime

  /// Where each channel's final results end on the session's clock, in microseconds.
  package var finalsEnd = InlineArray<2, Int>(repeating: 0)
  package var messagesSeen = 0
  package var messagesBad = 0
  package var transcripts = 0
  /// Whether the session writes down what the caller says, and how much of it is still to come.
  package var transcribes = false
  package var transcriptsOwed = 0
  package var callerWords = Chain()
  package var hasGreeted = false
  /// The agent's turn is not over; a key that was pressed meanwhile is answered when it is.
  package var isTurnOpen = false
  package var isAnswerOwed = false
  /// Keys that were pressed before the upstream stood.
  package var digits = InlineArray<16, UInt8>(repeating: 0)
  package var digitCount = 0
  /// What resumes the session; empty where nothing does.
  package var handle = Chain()
  package var interruptions = 0
  package var generatedMilliseconds = 0
  package var heardMilliseconds = 0
  /// When the next line about bad messages may be written.
  package var complainAt = Instant.zero

  package init(
    route: Int, upstream: Int, kind: Int, caller: SlotID, peer: Address, limits: Limits,
    at now: Instant, wall: WallTime
  ) {
    self.route = route
    self.upstream = upstream
    self.kind = kind
    self.caller = caller
    self.peer = peer
    life = Life(limits: limits, at: now)
    startedAt = now
    startedWall = wall
  }
}
