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

  // The rest is rare.

  /// Indices into Config.routes and Config.upstreams, and into Upstream.all.
  package var route: Int
  package var upstream: Int
  package var kind: Int
  package var tracks = 1
  package var format = Format.mulaw8k
  package var pairing = Pairing(silence: 0)
  package var pairAt = Instant.never
  package var name = Name()
  package var stream = Name()
  package var envelope = Envelope()
  /// The upstream's query, kept for the next dialling.
  package var query = Chain()
  package var nonce = Upgrade.Nonce(low: 0, high: 0)

  package var peer = Address.none
  package var startedAt: Instant
  package var startedWall: WallTime

  /// Where each channel's final results end on the session's clock, in microseconds.
  package var finalsEnd = InlineArray<2, Int>(repeating: 0)
  package var messagesSeen = 0
  package var messagesBad = 0
  package var transcripts = 0
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
