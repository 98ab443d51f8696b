// Every bound of the relay, the relations between them, and the memory that follows from them. A
// pool's size is a sum with one holder per line, so reading it shows what the relay needs in order
// to keep moving.

package struct Limits: Sendable {
  /// Calls at once.
  package var callsMax = 1000
  /// Connections that are no call: health checks, webhooks, handshakes, refusals.
  package var otherLinksMax = 128
  /// Programs that hear of calls while they go (`/events`); 0: none may.
  package var subscribersMax = 256
  /// TLS handshakes that one turn of the loop may take up again, after a step.
  package var handshakesPerTurnMax = 4
  /// Time between the beginnings of two turns of the loop while many calls run; 0: none.
  package var turnGapMicroseconds = 0
  /// Connections from one address on a listener with TLS that have proven nothing yet.
  package var handshakesPerAddressMax = 64
  /// The same on any listener, sockets that owe a token included; see `unprovenPerAddress`.
  package var unprovenPerAddressMax = 32
  /// Time for the first byte of a connection: of its TLS handshake, or of its request.
  package var firstByteSeconds = 2
  /// Time for a socket that owes a call token to show it: carriers send it as soon as it stands.
  package var tokenSeconds = 2

  /// Largest message from a carrier, and from an upstream.
  package var carrierMessageBytesMax = 64 * 1024
  package var upstreamMessageBytesMax = 1024 * 1024
  /// A request's head, and a webhook's body.
  package var headBytesMax = 8 * 1024
  package var bodyBytesMax = 16 * 1024

  /// Caller audio kept while the upstream is away, and the share of it that the plan provides for
  /// each call at 8 kHz µ-law.
  package var uplinkMillisecondsMax = 10_000
  package var uplinkMillisecondsPlanned = 5_000

  /// Calls with a voice model at once; memory for them is taken at start: a resampler each way, and
  /// room for what waits to be played.
  package var twoWayCallsMax = 250
  /// Those of them whose model's voice may have a socket of its own (Cascade).
  package var cascadeCallsMax = 0
  /// Audio of a voice model that waits for its moment, and the share of it that the plan provides
  /// for each two-way call at 8 kHz µ-law.
  package var playoutMillisecondsMax = 120_000
  package var playoutMillisecondsPlanned = 4_000
  /// Frames of 20 ms of voice models' audio that one turn of the loop may convert.
  package var conversionFramesPerTurnMax = 100

  /// What a socket that does not take its bytes may leave with us.
  package var outboxBytesMax = 256 * 1024

  /// Messages too large for a block that are being put together at once: up to 64 KiB, up to 1 MiB.
  package var mediumBuffersMax = 64
  package var largeBuffersMax = 4

  /// Messages without sense from one carrier before it is closed with 1008.
  package var badMessagesMax = 20

  package var handshakeSeconds = 10
  package var recogniseSeconds = 5
  package var finishSeconds = 5
  package var transferSeconds = 30
  package var pingSeconds = 20
  package var pongSeconds = 20
  package var callSecondsMax = 4 * 60 * 60
  package var drainSeconds = 10 * 60
  package var redialsMax = 6
  /// Attempts a second to reach one upstream again, of all calls that have lost it.
  package var redialsPerSecondMax = 200
  /// How long a caller who talks with somebody may hear nothing because no session stands.
  package var deadAirSeconds = 8

  /// Addresses whose rate is remembered.
  static let addressesMax = 1024
  /// New calls a second from one key, and from one address where nothing stronger identified the
  /// caller.
  package var callsPerSecondPerKey = 50
  package var callsPerSecondPerAddress = 50
  /// Signed webhooks a second of one carrier's account; see `webhooksPerAccount`.
  package var webhooksPerSecondPerAccount = 200

  /// TLS handshakes that one address may begin in a second: a call takes two where a webhook
  /// announces it.
  package var handshakesPerSecondPerAddress: Int {
    max(handshakesPerAddressMax, 2 * callsPerSecondPerAddress)
  }

  package init() {}

  /// What one read may bring, at most.
  static let readBytesMax = 64 * 1024
  /// Room for frame headers beside the longest message.
  static let bufferSlack = 256
  /// The longest text that is put together before it goes into an outbox.
  static let scratchBytes = 48 * 1024
  /// For what such a text is made from, where it must lie in one piece.
  static let sourceBytes = 16 * 1024
  /// The longest piece of audio that is converted or sent at once: 40 ms at 24 kHz, and more.
  static let frameBytesMax = 4 * 1024
  /// Lines for people that a slow writer has not taken yet.
  static let linesBytes = 256 * 1024
  /// The query of a call's handshake; a route's own options; both fit in a block with what is
  /// added.
  static let queryBytesMax = 1024
  package static let optionBytesMax = 512
  /// The longest instructions, and the longest of an upstream's other settings.
  package static let instructionBytesMax = 8 * 1024
  package static let settingBytesMax = 1024
  /// An upstream's url, and its key or any other secret.
  package static let urlBytesMax = 4 * 1024
  package static let secretBytesMax = 1024
  /// What a webhook may choose for its call, as the pool keeps it: one block.
  package static let choiceBytesMax = BlockPool.blockBytes
  /// Calls announced by a webhook whose sockets have not come yet.
  package static let tokensMax = 1024
  /// The longest message from and to the fetcher, requests that are under way, and what the fetcher
  /// may have waiting that it has not taken.
  static let fetchBytesMax = 60 * 1024
  static let fetchesMax = 256
  static let fetchRingBytes = 256 * 1024
  /// Keys of a LiteLLM proxy that are remembered; a digest and the proxy's words for each.
  static let checkedKeysMax = 1024
  static let checkedKeyBytes = 640
  /// Those that are asked about at once: so many requests are kept for them.
  static let keysAskedMax = 64
  /// The arguments of a call of a function, its answer, and room to put either into words.
  package static let functionArgumentsBytesMax = 16 * 1024
  static let functionAnswerBytesMax = 32 * 1024
  static let functionDraftBytes = 48 * 1024
  static let functionTextBytes = 160 * 1024
  /// What a chat endpoint is asked; while it is read, its answer's lines lie there.
  static let chatTextBytes = 56 * 1024
  /// A function's schema, and what all those of a route may take of a session's description.
  package static let functionSchemaBytesMax = 64 * 1024
  package static let functionsBytesMax = 96 * 1024
  /// The same of a route of a cascade, whose model is told with each request.
  package static let cascadeFunctionsBytesMax = 24 * 1024
  /// What the library keeps for one resampled direction of a call, as measured.
  static let resamplerBytes = 50 * 1024
  /// What is said in a call that talks, as items and as lines, and when answers came.
  package static let conversationBytes =
    MemoryLayout<Utterances.Memory>.stride + MemoryLayout<Transcript.Memory>.stride
    + MemoryLayout<AnswerWatch.Memory>.stride
  package static let greetingSecondsMax = 30
  /// Audio to the upstream that its socket has not taken; more waits in the call's ring.
  static let upstreamOutboxBytesMax = 16 * 1024
  /// Speech that a caller's socket has not taken; more waits in the call's ring.
  static let playoutOutboxBytesMax = 4 * 1024
  /// What is kept of the words of one item.
  static let wordsBytesMax = 14 * 1024
  /// What is printed of them in one line.
  static let printedWordsBytesMax = 3 * 1024
  /// What is kept of a conversation for sessions that are to go on with it.
  package static let historyBytesMax = 16 * 1024
  package static let historyEntriesMax = 64
  /// What is kept of what a function has answered.
  static let historyAnswerBytesMax = 2 * 1024
  /// What resumes a session.
  static let handleBytesMax = 4 * 1024
  /// Calls at once for whose longest answers the plan provides.
  static let longAnswers = 8
  /// Blocks that must be left free by the call that begins: for its answer, its choices, its audio.
  static let callBlocksMin = 16
  /// Audio that goes back to a caller who does not read; more is dropped.
  static let echoOutboxBytesMax = 64 * 1024
  /// Behind more than this no pong is queued.
  static let pongOutboxBytesMax = 16 * 1024
  /// Events that a subscriber's socket has not taken; it misses what comes then, and is told so.
  static let subscriberOutboxBytesMax = 32 * 1024
  /// What is written down of calls within a turn, and the longest entry: the longest words, with
  /// what stands around them.
  static let entryBytesMax = 16 * 1024
  /// All calls may end in one turn.
  package var entryRingBytes: Int { max(256 * 1024, callsMax * 1024) }
  var entriesBytes: Int { entryRingBytes + Self.entryBytesMax }
  /// The longest event, as JSON.
  static let eventBytesMax = 8 * 1024
  /// Events that are kept until each subscriber's turn has come, and their bytes.
  var recentEventsMax: Int { subscribersMax > 0 ? 256 : 0 }
  var recentEventsBytes: Int { subscribersMax > 0 ? 16 * Self.eventBytesMax : 0 }
  /// Blocks of one subscriber: what waits, the one that has begun to leave, pongs and a Close.
  var subscriberBlocks: Int { Self.subscriberOutboxBytesMax / BlockPool.blockBytes + 3 }
  /// Blocks that no subscriber takes: calls begin and go on with them.
  var blocksOfCalls: Int { heldBackBytesMin / BlockPool.blockBytes + Self.callBlocksMin }
  /// A held-back caller is read again when its ring has room for a message and a read.
  var heldBackBytesMin: Int { carrierMessageBytesMax + Self.readBytesMax }

  /// Sessions with a voice model that are opened beside another: all of them at once, where that
  /// model asks all of its callers to go.
  package var handOversMax: Int { min(twoWayCallsMax, callsMax) }

  /// Who has raised another bound on one address expects many from one, and means this one too. A
  /// share, of whatever is there, is a quarter at most.
  package var unprovenPerAddress: Int {
    let usual = Limits()
    guard unprovenPerAddressMax == usual.unprovenPerAddressMax else { return unprovenPerAddressMax }
    let raised = max(
      handshakesPerAddressMax > usual.handshakesPerAddressMax ? handshakesPerAddressMax : 0,
      callsPerSecondPerAddress > usual.callsPerSecondPerAddress ? callsPerSecondPerAddress : 0)
    return max(min(usual.unprovenPerAddressMax, otherLinksMax / 4), raised, 1)
  }

  /// Left alone, all calls of an upstream are with it again within two seconds.
  var redialsPerSecond: Int {
    redialsPerSecondMax == Limits().redialsPerSecondMax
      ? max(redialsPerSecondMax, callsMax / 2) : redialsPerSecondMax
  }

  /// As with unproven connections: who has raised the bound on an address means this one too.
  var webhooksPerAccount: Int {
    let isRaised = callsPerSecondPerAddress > Limits().callsPerSecondPerAddress
    return max(webhooksPerSecondPerAccount, isRaised ? callsPerSecondPerAddress : 0)
  }

  /// Links for answers that are on their way, beside all those who wait.
  private var answeredLinksMax: Int { min(16, max(2, otherLinksMax / 8)) }
  /// Operators' connections at once, on a listener of their own.
  package var operatorLinksMax: Int { min(8, max(2, otherLinksMax / 16)) }

  package var linksMax: Int {
    callsMax  // the carrier's side of each call
      + callsMax  // the upstream's side
      + handOversMax  // the next session, beside the one that it replaces
      + cascadeCallsMax  // those who speak for others
      + subscribersMax
      + otherLinksMax  // who has proven nothing yet: handshakes, requests
      + operatorLinksMax + answeredLinksMax  // operators' own, and whoever is answered
  }

  /// Blocks of the shared pool, by holder.
  package func blocks(twoWayCalls: Int) -> Int {
    let block = BlockPool.blockBytes
    func blocks(_ bytes: Int) -> Int { (bytes + block - 1) / block }
    // However few calls there are: a held-back caller is read again only beside so many free ones.
    let blocksMin = blocks(heldBackBytesMin) + Self.callBlocksMin + 1
    let sum =
      callsMax * blocks(uplinkMillisecondsPlanned * 8)  // audio kept for replay
      + callsMax * 1  // the block that the kept audio has begun
      + callsMax * 1  // the upstream's query, for the next dialling
      + twoWayCalls * blocks(playoutMillisecondsPlanned * 8)  // what waits to be played
      + min(twoWayCalls, Self.longAnswers)  // beside it, answers as long as they may be
      * max(0, blocks((playoutMillisecondsMax - playoutMillisecondsPlanned) * 8))
      + min(twoWayCalls, Self.tokensMax) * 1  // what webhooks chose for calls to come
      + callsMax * 4  // answers on their way to the caller
      + callsMax * 2  // frames on their way to the upstream
      + linksMax * 1  // the unfinished message of each link
      + otherLinksMax * 4  // answers to operators and webhooks
      + subscribersMax * subscriberBlocks  // events on their way to subscribers
      + 2 * blocks(outboxBytesMax)  // two peers that have stopped reading
    return max(sum, blocksMin)
  }
}
