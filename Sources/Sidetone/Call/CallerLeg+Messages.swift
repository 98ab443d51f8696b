// What a caller says beside audio: what each message means, what it asks of its call, and how long
// nonsense is borne.

extension CallerLeg {
  /// What its bytes hold beside audio (Call+Frames finds the audio).
  enum Input {
    /// Nothing more.
    case done
    /// A text message that is no audio, or none that can be understood yet.
    case text(Bytes)
    case binary(Bytes)
    /// A message that is not what it should be.
    case malformed(Bytes)
    /// Audio that cannot be read.
    case badAudio
    /// Audio of another rate, or of other channels, than the call's; in its message.
    case otherFormat(Media.Piece, Bytes)
    /// Audio of the track that is not listened to; in its message.
    case otherTrack(Media.Piece, Bytes)
    /// Binary audio that may be a file's first bytes, and so tell what it is.
    case head(Bytes)
    /// The audio has shown that its bytes lie the other way round.
    case byteOrder(isBigEndian: Bool)
    case close(UInt16)
    /// It broke the rules of the socket, with a message of so many bytes where that is too large.
    case broken(WebSocket.Failure, bytes: Int)
    case failed(Cause)

    /// Nothing can come behind it: all that counts of a call that is over.
    func endsSocket(_ turn: inout Turn) -> Bool {
      switch self {
      case .close, .broken, .failed: return true
      case .done, .text, .binary, .malformed, .badAudio, .otherFormat, .otherTrack, .head,
        .byteOrder:
        turn.note(.messageIgnored)
        return false
      }
    }

    /// Of a message that is not the call's audio.
    var bytesBesideAudio: Int {
      switch self {
      case .text(let message), .malformed(let message), .otherTrack(_, let message): message.count
      case .binary, .otherFormat, .head: 0
      case .done, .badAudio, .byteOrder, .close, .broken, .failed: 0
      }
    }
  }

  /// What a message of its asks of its call.
  enum Ask {
    case nothing
    /// It has said who it is: may it have this call, or another?
    case admission(Arrival)
    case mark(name: Bytes)
    case key(UInt8)
    /// What was said so far is wanted as final.
    case finalize
    /// It will say no more, or may not.
    case end(Cause)
    /// Its audio is not what it was said to be.
    case follow(AudioFinding)
  }

  /// What it has said of itself.
  struct Arrival {
    /// The message that said so: its start, or audio of one who has no start.
    var message: Bytes
    /// Nil: the query of its handshake has said everything.
    var start: Carrier.Start?
    /// The names and texts that its webhook gave it: a JSON object, or nothing.
    var parameters = Bytes.empty
  }

  /// One thing that came from it and is not simply audio. `frames`: how much audio has come before.
  mutating func handle(
    _ input: Input, after frames: Int, among carriers: [Int], as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Ask {
    switch input {
    case .done: return .nothing
    case .text(let message): return handle(message, frames, among: carriers, name, store, &turn)
    case .binary(let message): return binary(message, frames, among: carriers, name, store, &turn)
    case .malformed(let message):
      if Carrier.isSignOfLife(message) {
        turn.note(.messageIgnored)
        return .nothing
      }
      return complain(
        "the message is not JSON, or media without its payload", frames, name, store, &turn)
    case .badAudio:
      return complain(media.unreadable, of: .frameBad, frames, name, store, &turn)
    case .otherFormat(let piece, let message):
      return other(piece, message, frames, name, store, &turn)
    case .otherTrack(let piece, let message): return .follow(.otherTrack(piece, message))
    case .head(let message): return .follow(.head(message))
    case .byteOrder(let isBigEndian): return .follow(.byteOrder(isBigEndian: isBigEndian))
    case .close:
      store.links[link.index].releaseInbox(store)
      return .end(.closed)
    case .broken(let failure, let bytes):
      let most = store.limits.carrierMessageBytesMax
      turn.note(
        .caller(
          .odd(
            failure == .messageTooLarge
              ? .tooLarge(bytes: bytes, of: most) : .broke(failure.reason))), of: name)
      let cause = Cause(failure)
      close(cause, saying: failure == .messageTooLarge ? nil : failure.reason, store, &turn)
      return .end(cause)
    case .failed(let cause):
      // Its Close goes out at once, and the call's last words are still fetched.
      close(cause, store, &turn)
      return .end(cause)
    }
  }

  // MARK: Who is it

  private mutating func handle(
    _ message: Bytes, _ frames: Int, among carriers: [Int], _ name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Ask {
    turn.note(.wire(.fromCaller(message)), of: name)
    if row < 0 {
      switch recognise(message, among: carriers) {
      case .known: break
      case .notYet:
        // Several carriers greet in the same words.
        if isGreeting(message, among: carriers) { turn.note(.caller(.connected), of: name) }
        turn.note(.messageIgnored)
        return .nothing
      case .early: return early(message, name, store, &turn)
      case .earlyKey: return earlyKey(message, store, &turn)
      case .unknown, .givenUp: return strange(message, among: carriers, name, store, &turn)
      }
    }
    return handle(message, frames, name, store, &turn)
  }

  private func isGreeting(_ message: Bytes, among carriers: [Int]) -> Bool {
    for row in carriers {
      if case .connected = Carrier.all[row].read(message) { return true }
    }
    return false
  }

  private mutating func binary(
    _ message: Bytes, _ frames: Int, among carriers: [Int], _ name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Ask {
    guard row < 0 else {
      return complain(
        "a binary message, but this carrier's audio comes as text", frames, name, store, &turn)
    }
    switch recogniseBinary(among: carriers) {
    case .known: return .admission(Arrival(message: message))
    case .notYet, .early, .earlyKey:
      turn.note(.messageIgnored)
      return .nothing
    case .unknown, .givenUp: return strange(.empty, among: carriers, name, store, &turn)
    }
  }

  /// Nobody of the route's knows it: the log says once what came, and whose it may be.
  private mutating func strange(
    _ message: Bytes, among carriers: [Int], _ name: Name, _ store: Store, _ turn: inout Turn
  ) -> Ask {
    turn.note(.messageIgnored)
    let ask = messagesSeen >= Carrier.messagesToRecogniseMax ? Ask.end(.unrecognised) : .nothing
    guard !hasToldIgnored else { return ask }
    hasToldIgnored = true
    var text = Writer(store.source.prefix(Carrier.shapeBytesMax))
    Carrier.describe(message, to: &text, among: carriers)
    turn.note(.caller(.odd(.unrecognised(text.written))), of: name)
    return ask
  }

  /// Audio that came before the start waits for it.
  private mutating func early(
    _ message: Bytes, _ name: Name, _ store: Store, _ turn: inout Turn
  ) -> Ask {
    if waiting.isEmpty { turn.note(.caller(.odd(.early)), of: name) }
    if !waiting.put(message, in: store.pool) { turn.note(.frameLost) }
    return .nothing
  }

  /// So does a key.
  private mutating func earlyKey(_ message: Bytes, _ store: Store, _ turn: inout Turn) -> Ask {
    if !waiting.put(message, in: store.pool) { turn.note(.keyLost) }
    return .nothing
  }

  // MARK: What it means

  /// What a message of its carrier means.
  private mutating func handle(
    _ message: Bytes, _ frames: Int, _ name: Name, _ store: Store, _ turn: inout Turn
  ) -> Ask {
    if !isStarted, media.isAudio(message), carrier.recognise?(message) == false {
      return early(message, name, store, &turn)
    }
    switch carrier.read(message) {
    case .ignored:
      turn.note(.messageIgnored)
      tell(ignored: message, name, store, &turn)
    case .connected:
      turn.note(.caller(.connected), of: name)
      turn.note(.messageIgnored)
    case .complaint(let text):
      turn.note(.messageIgnored)
      if mayComplain(at: turn.now) { turn.note(.caller(.complains(message[text])), of: name) }
    case .mark(let mark): return .mark(name: message[mark])
    case .digit where !isStarted: return earlyKey(message, store, &turn)
    case .digit(let digit): return .key(digit)
    case .started(let start): return arrival(start, message, name, &turn)
    case .format: return stated(message, frames, name, store, &turn)
    case .refused(let sentence):
      turn.note(.call(.refused(sentence)), of: name)
      return .end(.unsupported)
    case .stopped:
      turn.note(.call(.stopReceived), of: name)
      return .end(.stopped)
    case .finalize: return .finalize
    case .finish: return .end(.closed)
    case .malformed(let sentence):
      if Carrier.isSignOfLife(message) {
        turn.note(.messageIgnored)
      } else {
        return complain(sentence, frames, name, store, &turn)
      }
    }
    return .nothing
  }

  private mutating func arrival(
    _ start: Carrier.Start, _ message: Bytes, _ name: Name, _ turn: inout Turn
  ) -> Ask {
    // A second start changes nothing: one socket is one call.
    guard !isStarted else {
      turn.note(.messageIgnored)
      return .nothing
    }
    guard start.stream.count <= Name.bytesMax else {
      turn.note(.call(.refused("the stream's id is longer than 96 bytes")), of: name)
      return .end(.unsupported)
    }
    let parameters = start.parameters.isEmpty ? Bytes.empty : message[start.parameters]
    return .admission(Arrival(message: message, start: start, parameters: parameters))
  }

  /// Audio of another rate or of other channels, as its message says. Before any other audio it may
  /// be what this call has; some carriers begin with one message of another rate.
  private mutating func other(
    _ piece: Media.Piece, _ message: Bytes, _ frames: Int, _ name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Ask {
    let isSame = stray.rate == piece.rate && stray.channels == piece.channels
    let isFirst = stray.rate == 0 && stray.channels == 0
    stray = (piece.rate, piece.channels)
    guard frames == 0, isSame || isFirst && piece.rate <= 0 || piece.rate == input.rate else {
      if isFirst, frames == 0 {
        turn.note(.frameBad)
        return .nothing
      }
      return complain(
        "audio of another rate, or of other channels, than the call's", of: .frameBad, frames, name,
        store, &turn)
    }
    guard let format = format(of: piece) else {
      turn.note(
        .call(.refused("the samples must be of 8000 to 48000 Hz, in one channel or two")),
        of: name)
      return .end(.unsupported)
    }
    return .follow(.reformat(format, piece, message))
  }

  /// A text says what its audio is: heeded, or refused, as long as none has come.
  private mutating func stated(
    _ message: Bytes, _ frames: Int, _ name: Name, _ store: Store, _ turn: inout Turn
  ) -> Ask {
    switch Carrier.audio(statedIn: message, orAs: input) {
    case .format(let format): return .follow(.format(format))
    case .refused(let sentence) where frames == 0: return .follow(.unserved(sentence))
    default:
      turn.note(.messageIgnored)
      tell(ignored: message, name, store, &turn)
      return .nothing
    }
  }

  private func format(of piece: Media.Piece) -> Format? {
    let rate = piece.rate > 0 ? piece.rate : input.rate
    let channels = piece.channels > 0 ? piece.channels : input.channels
    guard Format.rates.contains(rate), channels <= 2 else { return nil }
    return Format(codec: input.codec, rate: rate, channels: channels)
  }

  // MARK: Nonsense

  /// The first text that is of no concern is named in the log; the others are counted.
  private mutating func tell(
    ignored message: Bytes, _ name: Name, _ store: Store, _ turn: inout Turn
  ) {
    guard !hasToldIgnored else { return }
    hasToldIgnored = true
    var text = Writer(store.source.prefix(Carrier.shapeBytesMax))
    Carrier.describe(message, to: &text)
    turn.note(.caller(.odd(.ignored(text.written))), of: name)
  }

  /// A message without sense: counted; said now and then; too many in a short time end the call.
  private mutating func complain(
    _ sentence: StaticString, of tally: Tally = .messageBad, _ frames: Int, _ name: Name,
    _ store: Store, _ turn: inout Turn
  ) -> Ask {
    messagesBad &+= 1
    turn.note(tally)
    if mayComplain(at: turn.now) {
      turn.note(.caller(.badMessage(sentence, soFar: messagesBad)), of: name)
    }
    let isTooMuch = nonsense.add(after: frames, atMost: store.limits.badMessagesMax, at: turn.now)
    return isTooMuch ? .end(.badMessages) : .nothing
  }

  /// Whether a line about what it sends may be written now.
  private mutating func mayComplain(at now: Instant) -> Bool {
    guard complainAt <= now else { return false }
    complainAt = now + Self.complaintsEvery
    return true
  }
}

/// How much nonsense came lately: so many messages a minute are borne, however long the call is,
/// and more where there is much more sense between them.
struct Nonsense: BitwiseCopyable {
  /// One message of it in so much audio is no matter.
  private static let framesBetween = 5
  /// Each message costs its share of a minute; up to here all is paid.
  private var paidUntil = Instant.zero
  private var frames = 0

  /// One more; true: it is too much.
  mutating func add(after frames: Int, atMost most: Int, at now: Instant) -> Bool {
    let audio = frames &- self.frames
    self.frames = frames
    if audio >= Self.framesBetween { return false }
    let minute = Instant.Span.seconds(60)
    paidUntil = max(paidUntil, now) + Instant.Span(nanoseconds: minute.nanoseconds / Int64(most))
    return paidUntil > now + minute
  }
}

/// Messages that wait for the start of their call, in blocks of the pool: each behind its length.
struct EarlyMessages: BitwiseCopyable {
  /// Who has not yet said who it is may keep so much.
  private static let bytesMax = 8 * BlockPool.blockBytes
  private var chain = Chain()

  var isEmpty: Bool { chain.isEmpty }

  /// False where there is no room.
  mutating func put(_ message: Bytes, in pool: BlockPool) -> Bool {
    let count = message.count
    guard count < 1 << 16, chain.count &+ count &+ 2 <= Self.bytesMax else { return false }
    return Bytes.withTemporary(2) { length in
      length.store(UInt16(count), at: 0)
      let before = chain.count
      if chain.append(length, from: pool), chain.append(message, from: pool) { return true }
      chain.truncate(to: before, in: pool)
      return false
    }
  }

  /// The oldest, moved into `place`; nil where there is none, empty where it does not fit.
  mutating func take(into place: Bytes, in pool: BlockPool) -> Bytes? {
    guard !chain.isEmpty else { return nil }
    let length = Int(
      chain.whole(2, at: chain.first(), scratch: place, in: pool)
        .load(UInt16.self, at: 0))
    chain.drop(2, in: pool)
    var taken = 0
    while taken < length {
      let run = chain.front(in: pool)
      let count = min(run.count, length &- taken)
      if length <= place.count { place.copy(run.prefix(count), at: taken) }
      chain.drop(count, in: pool)
      taken &+= count
    }
    return place.prefix(length <= place.count ? length : 0)
  }

  mutating func release(to pool: BlockPool) { chain.clear(in: pool) }
}
