// The caller's side of a call: who it is, what its messages mean, and what it is told. Its audio
// takes the way of every frame (Call+Frames); what is here is rare.

package struct CallerLeg: BitwiseCopyable, Sendable {
  /// Its connection; `none` where there is none (yet, or any more).
  private(set) var link: SlotID
  /// It has said who it is and what it sends, and that can be served.
  private(set) var stage = Stage.unknown
  /// Who sends faster than real time is made to wait, or loses audio.
  private(set) var pressure = Pressure.dropsOldest
  /// A copy of the carrier's row, so that no row is looked up for a frame.
  private(set) var media = Media.binary
  /// What it sends, and what it is sent.
  private(set) var input = Format.mulaw8k
  private(set) var output = Format.mulaw8k

  /// Index into Carrier.all, or -1 until it is recognised.
  private(set) var row = -1
  private(set) var tracks = 1
  private var stream = Name()
  /// What is known of it: enough to take free text from it, or nothing before a token is seen.
  let proof: Proof
  private var messagesSeen = 0
  private(set) var messagesBad = 0
  /// When the next line about its messages may be written.
  private var complainAt = Instant.zero

  enum Stage: BitwiseCopyable { case unknown, started }
  enum Pressure: BitwiseCopyable { case dropsOldest, waits }
  package enum Proof: BitwiseCopyable, Sendable { case anyone, known, tokenOwed }

  private static let complaintsEvery = Instant.Span.seconds(10)
  private static let envelopeBytesMax = 256

  init(_ link: SlotID, _ proof: Proof, input: Format = .mulaw8k) {
    self.link = link
    self.proof = proof
    self.input = input
    output = input
  }

  var isStarted: Bool { @inline(__always) get { stage == .started } }
  var carrier: Carrier { Carrier.all[row] }

  @_noAllocation func isOpen(_ store: Store) -> Bool {
    store.links.holds(link) && store.links[link.index].phase == .caller
  }

  // MARK: Who is it

  enum Recognition { case known, notYet, givenUp }

  /// Asks each carrier that the route accepts; not known where nobody knows the message, or more
  /// than one does.
  mutating func recognise(_ message: Bytes, among carriers: [Int]) -> Recognition {
    messagesSeen &+= 1
    var found = -1
    var claims = 0
    for row in carriers {
      if let recognise = Carrier.all[row].recognise, recognise(message) {
        found = row
        claims &+= 1
      }
    }
    if claims == 1 {
      become(found)
      return .known
    }
    return messagesSeen >= Carrier.messagesToRecogniseMax ? .givenUp : .notYet
  }

  /// A binary first message is a raw client's, where the route accepts one.
  mutating func recogniseBinary(among carriers: [Int]) -> Recognition {
    if let row = carriers.first(where: { Carrier.all[$0].open != nil }) {
      become(row)
      return .known
    }
    messagesSeen &+= 1
    return messagesSeen >= Carrier.messagesToRecogniseMax ? .givenUp : .notYet
  }

  mutating func become(_ row: Int) {
    self.row = row
    media = carrier.media
    pressure = carrier.isHeldBack ? .waits : .dropsOldest
  }

  /// It has come for a call that was dialled ahead: the same caller, with nothing of its own.
  init(as other: CallerLeg) {
    self.init(other.link, other.proof)
    messagesSeen = other.messagesSeen
    messagesBad = other.messagesBad
    become(other.row)
  }

  // MARK: The start

  /// What its start message says of formats: for what comes from it, and what goes to it.
  mutating func describe(_ start: Carrier.Start, stream: Name, hasUpstream: Bool, _ config: Config) {
    self.stream = stream
    tracks = start.tracks
    input = hasUpstream ? ordered(start.format, config) : start.format
    if let reply = start.reply {
      output = hasUpstream ? ordered(reply, config) : reply
    } else if carrier.takesChosenFormat {
      output = config.chosenFormat
    } else {
      output = start.format
      output.channels = 1
    }
  }

  /// Where a carrier cannot say which byte comes first, what was chosen holds until it is heard.
  private func ordered(_ format: Format, _ config: Config) -> Format {
    guard carrier.isByteOrderHeard else { return format }
    return Format(
      codec: format.codec, rate: format.rate, channels: format.channels,
      isBigEndian: config.chosenIsBigEndian)
  }

  /// Both of its tracks become one stream of two channels.
  mutating func pairTracks() { input.channels = 2 }

  mutating func started() { stage = .started }

  /// Its samples lie the other way round than was believed; false where what is heard changes
  /// nothing.
  mutating func turnByteOrder(isBigEndian: Bool, isTwoWay: Bool) -> Bool {
    guard carrier.isByteOrderHeard, input.codec == .linear16, input.isBigEndian != isBigEndian
    else { return false }
    input.isBigEndian = isBigEndian
    if output.codec == .linear16, isTwoWay { output.isBigEndian = isBigEndian }
    return true
  }

  /// The constant text around audio that goes to it.
  func envelope(_ store: Store) -> Envelope {
    var prefix = Writer(store.scratch.prefix(Self.envelopeBytesMax))
    var suffix = Writer(store.scratch[Self.envelopeBytesMax..<2 * Self.envelopeBytesMax])
    carrier.envelope(stream, &prefix, &suffix)
    guard let envelope = Envelope(prefix: prefix.written, suffix: suffix.written) else {
      preconditionFailure("a carrier's row bounds its envelope")
    }
    return envelope
  }

  // MARK: Messages without sense

  /// Counts one; how many there were where a line about it is due.
  mutating func countBad(at now: Instant) -> Int? {
    messagesBad &+= 1
    return mayComplain(at: now) ? messagesBad : nil
  }

  /// Whether a line about what it sends may be written now.
  mutating func mayComplain(at now: Instant) -> Bool {
    guard complainAt <= now else { return false }
    complainAt = now + Self.complaintsEvery
    return true
  }

  /// Audio of another rate than the call's; true where that is let pass: some carriers begin with
  /// one such message.
  mutating func forgivesRate(isFirst: Bool) -> Bool {
    guard isFirst, messagesBad == 0 else { return false }
    messagesBad &+= 1
    return true
  }
}

// MARK: What it is told

extension CallerLeg {
  /// Tells it something, in its carrier's words; false where it had to be let go of, since it does
  /// not read. `body`: the upstream's own message. `offset`: where the upstream's present session
  /// began, in microseconds of the call.
  mutating func send(
    _ answer: Carrier.Answer, body: Bytes = .empty, as name: Name, offset: Int, _ store: Store,
    _ turn: inout Turn
  ) -> Bool {
    guard row >= 0, isOpen(store), !store.links[link.index].outbox.isCloseSent else { return true }
    let index = link.index
    let facts = Carrier.Facts(
      call: name, stream: stream, now: turn.log.wall(at: turn.now), offsetMicroseconds: offset)
    var writer = Writer(store.scratch)
    let framing = carrier.write(answer, facts, &writer)
    precondition(!writer.overflowed || body.isEmpty, "what is said about a message is short")
    // One long message does not make a caller slow; what waits in front of it does.
    let isSlow = store.links[index].outbox.count > store.limits.outboxBytesMax
    let isSealed: Bool
    switch framing {
    case .none: return true
    case .whole where writer.overflowed:
      // A transcript longer than the scratch is not repeated: the caller has it in the upstream's
      // own message.
      turn.note(.answerTooLong)
      return true
    case .whole: isSealed = store.links[index].seal(.text, writer.written, store, &turn)
    case .around(let suffix):
      let cut = writer.count - suffix
      isSealed = store.links[index].seal(
        .text, writer.written.prefix(cut), body, writer.written.dropping(cut), store, &turn)
    }
    // A message for which the pool has no room may be left out, where it is longer than all that an
    // outbox may hold: its reader is not slow.
    if !isSealed, !isSlow, body.count > store.limits.outboxBytesMax {
      turn.note(.answerTooLong)
    } else if !isSealed || isSlow {
      store.links[index].reset(&turn)
      link = .none
      return false
    }
    return true
  }

  // MARK: Its end

  /// Its connection is gone.
  mutating func forgetLink() { link = .none }

  /// Closes its socket with the code and sentence of `cause`, and lets go of it.
  mutating func close(_ cause: Cause, _ store: Store, _ turn: inout Turn) {
    guard store.links.holds(link) else { return }
    let index = link.index
    link = .none
    if store.links[index].phase == .caller {
      store.links[index].outbox.sealClose(
        cause.closeCode, cause.sentence.bytes, key: nil, from: store.pool)
    }
    store.links[index].leave(store, &turn)
  }
}
