// The caller's side of a call: who it is, what its messages mean, and what it is told. Its audio
// takes the way of every frame (Call+Frames); what is here is rare.

package struct CallerLeg: BitwiseCopyable, Sendable {
  /// Its connection; `none` where there is none (yet, or any more).
  private(set) var link: SlotID
  /// It has said who it is and what it sends, and that can be served.
  private(set) var stage = Stage.unknown
  /// Who sends faster than real time is made to wait, or loses audio.
  private(set) var pressure = Pressure.dropsOldest
  /// Where its carrier's audio lies, copied from the row, so that none is looked up for a frame.
  private(set) var media = Media.binary
  /// The shape of its last audio message.
  private var learned = LearnedMessage()
  /// What it sends, and what it is sent.
  private(set) var input = Format.mulaw8k
  private(set) var output = Format.mulaw8k

  /// Index into Carrier.all, or -1 until it is recognised.
  private(set) var row = -1
  /// Which of its tracks are listened to.
  private(set) var tracks = Tracks.one(.inbound)
  private var stream = Name()
  /// What is known of it: enough to take free text from it, or nothing before a token is seen.
  let proof: Proof
  private(set) var messagesSeen = 0
  var messagesBad = 0
  var nonsense = Nonsense()
  /// When the next line about its messages may be written.
  var complainAt = Instant.zero
  var hasToldIgnored = false
  /// Whether it may be told to forget what it has not played.
  var takesCommands = true
  /// Audio that came before its start, and waits for it.
  var waiting = EarlyMessages()
  /// Rate and channels of the latest audio that was not of the call's format.
  var stray = (rate: 0, channels: 0)
  /// What of a file's head has come: before its audio, and where it goes on in the next message.
  var head = WaveHead()
  /// Where in the call the upstream's present session began, in microseconds; told with results.
  var sessionOffset = 0
  /// Why we let go of its socket, where it did not ask for that itself; for the call to act on.
  private(set) var dropped = Cause.none

  /// The loss of a session that it was told of, and that nothing has mended since.
  private var lossTold = Cause.none

  /// Greeted: it said `connected`, in words that several carriers have.
  enum Stage: BitwiseCopyable { case unknown, greeted, started }
  /// One of the two tracks that a carrier may send: the other one would be the second channel. Of
  /// one alone: nobody could take the other.
  enum Tracks: BitwiseCopyable {
    case one(Media.Track)
    case only(Media.Track)
    case both

    var areBoth: Bool { if case .both = self { true } else { false } }

    @inline(__always) func holds(_ track: Media.Track) -> Bool {
      switch self {
      case .one(let own), .only(let own): own == track
      case .both: true
      }
    }
  }
  enum Pressure: BitwiseCopyable { case dropsOldest, waits }
  package enum Proof: BitwiseCopyable, Sendable { case anyone, known, tokenOwed }

  static let complaintsEvery = Instant.Span.seconds(10)
  private static let envelopeBytesMax = 256

  init(_ link: SlotID, _ proof: Proof, input: Format = .mulaw8k) {
    self.link = link
    self.proof = proof
    self.input = input
    output = input
  }

  var isStarted: Bool { @inline(__always) get { stage == .started } }
  var carrier: Carrier { Carrier.all[row] }

  /// Where the audio lies in a message of its.
  @inline(__always) mutating func locate(_ message: Bytes) -> Media.Located {
    learned.locate(message, by: media)
  }

  /// Whether audio is of its format, as far as its message says.
  @inline(__always) func sends(_ piece: Media.Piece) -> Bool {
    (piece.rate <= 0 || piece.rate == input.rate)
      && (piece.channels <= 0 || piece.channels == input.channels)
  }

  /// Whether binary audio has to be looked at first: it may be, or go on with, a file's head. Later
  /// than at the beginning less than a file's first words is a small piece of audio.
  @inline(__always) func mayBeHead(_ message: Bytes, after lastAudio: Instant) -> Bool {
    lastAudio == .never || head.isOpen
      || message.count >= WaveHead.leastBytes && WaveHead.begins(message)
  }

  @inline(__always) func isOpen(_ store: Store) -> Bool {
    store.links.holds(link) && store.links[link.index].phase == .caller
  }

  // MARK: Who is it

  enum Recognition {
    case known, notYet, unknown, givenUp
    /// Audio as one of them sends it, before it has said who it is; or a key.
    case early, earlyKey
  }

  /// Asks each carrier that the route accepts; not known where nobody knows the message, or more
  /// than one does. Only messages that make no sense are numbered; the others are bounded in time.
  mutating func recognise(_ message: Bytes, among carriers: [Int]) -> Recognition {
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
    if claims == 0, carriers.contains(where: { Carrier.all[$0].media.isAudio(message) }) {
      return .early
    }
    switch Self.sense(of: message, among: carriers) {
    case .connected:
      stage = .greeted
      return .notYet
    case .digit: return .earlyKey
    case .mark, .complaint, .stopped, .finalize, .finish: return .notYet
    default: break
    }
    if Carrier.isSignOfLife(message) { return .notYet }
    if stage != .greeted {
      messagesSeen &+= 1
      if messagesSeen >= Carrier.messagesToRecogniseMax { return .givenUp }
    }
    return claims == 0 ? .unknown : .notYet
  }

  /// What a message means to the first of some carriers that knows such an event.
  private static func sense(of message: Bytes, among carriers: [Int]) -> Carrier.Event {
    for row in carriers {
      let event = Carrier.all[row].read(message)
      switch event {
      case .ignored, .malformed: continue
      default: return event
      }
    }
    return .ignored
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
    nonsense = other.nonsense
    waiting = other.waiting
    become(other.row)
  }

  // MARK: The start

  /// An id, out of the inside of a JSON string: with nothing in it that needs an escape in JSON, in
  /// a path or in a log, and as much of it as a name holds.
  static func name(_ text: Bytes, _ scratch: Bytes) -> Name {
    var writer = Writer(scratch.prefix(min(text.count, scratch.count)))
    JSON.unescape(
      JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text, to: &writer)
    return name(plain: writer.written)
  }

  /// The same of a plain text, which is changed where it lies.
  static func name(plain text: Bytes) -> Name {
    let name = text.prefix(min(text.count, Name.bytesMax))
    var check = UTF8Validator()
    let isText = check.accept(name) && check.isComplete
    for index in 0..<name.count {
      let byte = name[index]
      // Nor what a line of the log is divided by.
      let isPlain =
        byte > 0x20 && byte != 0x22 && byte != 0x5c && byte != 0x7f && byte != 0x5b && byte != 0x5d
      if !isPlain || byte >= 0x80 && !isText { name[index] = UInt8(ascii: "_") }
    }
    return Name(name) ?? Name()
  }

  /// What its start message says of formats: for what comes from it, and what goes to it.
  /// `settings`: what is set about its carrier.
  mutating func describe(
    _ start: Carrier.Start, stream: Name, hasUpstream: Bool, _ settings: PreparedCarrier
  ) {
    self.stream = stream
    tracks = start.tracks == 2 ? .both : .one(.inbound)
    input = hasUpstream ? ordered(start.format, settings) : start.format
    if let reply = start.reply {
      output = hasUpstream ? ordered(reply, settings) : reply
    } else if carrier.takesChosenFormat {
      output = settings.chosen
    } else {
      output = start.format
      output.channels = 1
    }
  }

  /// Where a carrier cannot say which byte comes first, what was chosen holds until it is heard.
  private func ordered(_ format: Format, _ settings: PreparedCarrier) -> Format {
    guard carrier.isByteOrderHeard else { return format }
    return Format(
      codec: format.codec, rate: format.rate, channels: format.channels,
      isBigEndian: settings.isBigEndian)
  }

  /// Both of its tracks become one stream of two channels.
  mutating func pairTracks() {
    tracks = .both
    input.channels = 2
  }

  /// Both announced tracks become two channels, where its upstream only listens; true then.
  mutating func settleTracks(isListener: Bool) -> Bool {
    guard case .both = tracks else { return false }
    if isListener { pairTracks() } else { listen(to: .inbound, isForGood: true) }
    return isListener
  }

  /// Only one of its tracks is listened to: so far this one, or for good.
  mutating func listen(to track: Media.Track, isForGood: Bool) {
    tracks = isForGood ? .only(track) : .one(track)
  }

  /// What it sends is of this format.
  mutating func sends(_ format: Format) { input = format }

  mutating func started() { stage = .started }

  /// Writes down that its call has begun, in the words of its carrier's users.
  func noteStart(
    of record: borrowing CallRecord, to upstream: UpstreamLeg, isTwoWay: Bool, _ store: Store,
    _ turn: inout Turn
  ) {
    if isTwoWay { turn.note(.caller(.recognised(carrier.name)), of: record.name) }
    var sentence = carrier.phrases.started
    if sentence.utf8CodeUnitCount == 0 {
      sentence = isTwoWay ? "Phone call connected" : "Start Message received"
    }
    let start = Event.Start(
      carrier: carrier.name, upstream: upstream.prepared(store).name.bytes,
      service: upstream.rowName, model: upstream.session(store).wish(for: "model") ?? .empty,
      path: upstream.preparedRoute(store).path.bytes, sentence: sentence, id: carrier.phrases.id,
      stream: stream, isTwoWay: isTwoWay, parameters: record.parameters(in: store.pool),
      parametersLeftOut: Int(record.parametersLeftOut))
    turn.note(.call(.started(start)), of: record.identity)
  }

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
}

// MARK: What it is told

extension CallerLeg {
  /// Tells it something, in its carrier's words. One who does not read is let go of (`dropped`).
  /// `body`: the upstream's own message.
  mutating func send(
    _ answer: Carrier.Command, body: Bytes = .empty, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) {
    guard row >= 0, isOpen(store), !store.links[link.index].outbox.isCloseSent else { return }
    if case .clear = answer, !takesCommands { return }
    let index = link.index
    let context = Carrier.Context(
      call: name, stream: stream, now: turn.log.wall(at: turn.now),
      offsetMicroseconds: sessionOffset)
    var writer = Writer(store.scratch)
    let framing = carrier.write(answer, context, &writer)
    if body.isEmpty, writer.count > 0 { turn.note(.wire(.toCaller(writer.written)), of: name) }
    precondition(!writer.overflowed || body.isEmpty, "what is said about a message is short")
    // One long message does not make a caller slow; what waits in front of it does.
    let isSlow = store.links[index].outbox.count > store.limits.outboxBytesMax
    let isSealed: Bool
    switch framing {
    case .none: return
    case .whole where writer.overflowed:
      // A transcript longer than the scratch is not repeated: the caller has it in the upstream's
      // own message.
      return turn.note(.answerTooLong)
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
      // What its socket has not begun to take gives way to the Close, which says why, if it is
      // read in time.
      store.links[index].outbox.takeBack(in: store.pool)
      close(.tooSlow, store, &turn)
      dropped = .tooSlow
    }
  }

  /// What its socket has not begun to take is taken back: it was said to nobody. A client that
  /// reads text has other messages in it as well. True: something still waited for it.
  func takeBackAudio(_ store: Store) -> Bool {
    guard isOpen(store), !store.links[link.index].outbox.isCloseSent,
      !store.links[link.index].outbox.isEmpty
    else { return false }
    if pressure == .dropsOldest { store.links[link.index].outbox.takeBack(in: store.pool) }
    return true
  }

  /// It was made to wait, and may go on.
  func resume(_ store: Store, _ turn: inout Turn) {
    store.links[link.index].hold = .none
    store.links[link.index].ask(.resume, &turn)
  }

  @inline(__always) func isHeldBack(_ store: Store) -> Bool {
    store.links.holds(link) && store.links[link.index].hold == .room
  }

  // MARK: Its end

  /// Gives back what it keeps.
  mutating func release(_ store: Store) { waiting.release(to: store.pool) }

  /// Its connection is gone.
  mutating func forgetLink() { link = .none }

  /// Its upstream's session is lost, or was not to be had.
  /// `reason`: what it says itself.
  mutating func sendLoss(
    _ verdict: Upstream.Verdict, isFinal: Bool, _ reason: Reason, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) {
    guard !verdict.code.bytes.isEmpty else { return }
    lossTold = verdict.cause
    send(
      .error(
        code: verdict.code, message: verdict.sentence, isFinal: isFinal,
        words: reason.words(in: store.pool), request: reason.request), as: name, store, &turn)
  }

  /// A session stands again.
  mutating func forgetLoss() { lossTold = .none }

  /// The last thing that it is told before its Close: why the call failed, or that last words may
  /// be missing (true).
  mutating func sendEnd(
    _ cause: Cause, isOwedWords: Bool, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    if cause.closeCode == 1011 || cause.closeCode == 1013 {
      // The loss that ended the call was told already, in finer words.
      if lossTold == cause { return false }
      send(
        .error(code: cause.word, message: cause.sentence, isFinal: true), as: name, store, &turn)
      return false
    }
    guard isOwedWords else { return false }
    send(
      .error(
        code: "results_missing",
        message: "the upstream did not confirm the last words in time; some may be missing"),
      as: name, store, &turn)
    return true
  }

  /// Closes its socket with the code and sentence of `cause`, and lets go of it.
  mutating func close(
    _ cause: Cause, saying sentence: StaticString? = nil, _ store: Store, _ turn: inout Turn
  ) {
    guard store.links.holds(link) else { return }
    let index = link.index
    link = .none
    if store.links[index].phase == .caller {
      store.links[index].outbox.sealClose(
        cause.closeCode, (sentence ?? cause.sentence).bytes, key: nil, from: store.pool)
    }
    store.links[index].leave(store, &turn)
  }
}
