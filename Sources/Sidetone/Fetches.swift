// HTTP requests that the engine has made for it. It opens no connection: a request is a message for
// the fetcher, a process beside the relay's, and its answer a message back. Whoever asks is told
// exactly once what came of it, and never waits: an answer, a failure, or silence, which ends at
// the deadline.
//
//     begin ──▶ [ ring ] ──▶ driver ──▶ fetcher ──▶ server
//                                                     │
//     owner ◀── pieces, then the result ◀── driver ◀──┘
//       ▲
//       └── late: nothing came in time; lost: the fetcher is gone
//
// A message is a head of lines, an empty line, and a body:
//
//     fetch ID MILLISECONDS METHOD URL      cancel ID
//     bearer KEY, basic USER PASSWORD       answer ID STATUS whole|cut        (then the body)
//     sign WEBHOOK-ID SECRET …              failed ID KIND
//     form                                  piece ID                          (then a part of it)
//     stream
//
// An answer that is wanted as a stream comes in pieces where its status is 2xx, in their order; the
// body of `answer` is then what is left of it. Any other answer is one that no piece comes before.

/// A request, for as long as `begin` takes it.
struct FetchRequest {
  enum Method { case get, post }

  var method: Method
  /// http or https, checked when the settings were read.
  var url: Bytes
  /// How long the server has for its whole answer.
  var milliseconds: Int
  /// What `Authorization` says.
  var credentials = Credentials.none
  /// Its body is a form, else JSON.
  var isForm = false
  /// Its answer is wanted while it comes, as a stream of events.
  var isStream = false
  /// Secrets of Standard Webhooks, by which the fetcher signs; none: it is not signed.
  var secrets: [Text] = []
  /// The event's id where it is signed.
  var webhookID = Bytes.empty

  /// Visible ASCII; a user has no colon.
  enum Credentials {
    case none
    case bearer(Bytes)
    case basic(user: Bytes, password: Bytes)
  }

  init(_ method: Method, _ url: Bytes, milliseconds: Int) {
    self.method = method
    self.url = url
    self.milliseconds = milliseconds
  }
}

/// What came of a request. `body` is valid as long as the call that brings it.
enum FetchResult {
  /// `isCut`: the body was longer than `Fetches.answerBytesMax`.
  case answered(status: Int, body: Bytes, isCut: Bool)
  case failed(FetchFailure)
}

/// Why there is no answer.
enum FetchFailure: UInt8, Error, CaseIterable, BitwiseCopyable, Sendable {
  case full, late, lost, noName, noRoute, noTrust, broken, unsendable

  /// The fetcher's word for it.
  var word: StaticString {
    switch self {
    case .full: "full"
    case .late: "late"
    case .lost: "lost"
    case .noName: "no_name"
    case .noRoute: "no_route"
    case .noTrust: "no_trust"
    case .broken: "broken"
    case .unsendable: "unsendable"
    }
  }

  var sentence: StaticString {
    switch self {
    case .full: "there are as many requests under way as may be"
    case .late: "no answer came in time"
    case .lost: "the process that makes requests is gone, and is started again"
    case .noName: "its host name has no address"
    case .noRoute: "nobody takes the connection"
    case .noTrust: "its certificate could not be verified"
    case .broken: "the connection broke before the answer was whole"
    case .unsendable: "the request could not be made"
    }
  }
}

struct Fetches {
  /// Who is told what came of it.
  enum Owner: Equatable, BitwiseCopyable, Sendable {
    /// A row of the table of callers' keys (KeyChecks).
    case key(Int)
    /// A function that a call's model has called.
    case function(call: SlotID, place: Int)
    /// A call whose model thinks at a chat endpoint.
    case chat(call: SlotID)
  }

  /// Names one request; never the same again.
  typealias ID = UInt64

  /// The longest message, either way.
  static var messageBytesMax: Int { Limits.fetchBytesMax }
  /// What is kept of an answer's body.
  static var answerBytesMax: Int { messageBytesMax &- 4096 }
  /// The fetcher ends a request itself; where it does not, it is taken for lost so much later.
  private static let grace = Instant.Span.milliseconds(500)

  private struct UnderWay: BitwiseCopyable {
    var id: ID
    var owner: Owner
    var due: Instant
  }

  private var ring: ByteRing
  private let draft: Buffer
  private var underWay: [UnderWay] = []
  private var lastID: ID = 0
  /// Whether anybody makes requests.
  private var isServed = false
  /// The soonest deadline.
  private(set) var nextDue = Instant.never

  /// - Parameter isOn: Whether anything in the settings asks for requests; else no memory is taken.
  init(isOn: Bool) {
    ring = ByteRing(bytes: isOn ? Limits.fetchRingBytes : 1)
    draft = Buffer(count: isOn ? Self.messageBytesMax : 1)
    underWay.reserveCapacity(isOn ? Limits.fetchesMax : 0)
  }

  var count: Int { underWay.count }

  /// Begins a request, of which the owner will be told. Throws why it cannot be begun; then nobody
  /// is told again.
  mutating func begin(
    _ owner: Owner, _ request: FetchRequest, body: Bytes = .empty, at now: Instant
  ) throws(FetchFailure) -> ID {
    guard isServed else { throw .lost }
    // A function's server that says nothing keeps no caller from being let in.
    var placesMax = Limits.fetchesMax
    if case .key = owner {} else { placesMax -= Limits.keysAskedMax }
    guard underWay.count < placesMax else { throw .full }
    var message = Writer(draft.bytes)
    write(request, lastID &+ 1, into: &message)
    message.write("\n")
    message.write(body)
    guard !message.overflowed else { throw .unsendable }
    guard put(message.written) else { throw .full }
    lastID &+= 1
    let due = now + .milliseconds(request.milliseconds) + Self.grace
    underWay.append(UnderWay(id: lastID, owner: owner, due: due))
    nextDue = min(nextDue, due)
    return lastID
  }

  private func write(_ request: FetchRequest, _ id: ID, into message: inout Writer) {
    message.write("fetch ")
    message.write(decimal: Int(id))
    message.write(" ")
    message.write(decimal: request.milliseconds)
    message.write(request.method == .get ? " GET " : " POST ")
    message.write(request.url)
    message.write("\n")
    switch request.credentials {
    case .none: break
    case .bearer(let key):
      message.write("bearer ")
      message.write(key)
      message.write("\n")
    case .basic(let user, let password):
      message.write("basic ")
      message.write(user)
      message.write(" ")
      message.write(password)
      message.write("\n")
    }
    if request.isForm { message.write("form\n") }
    if request.isStream { message.write("stream\n") }
    if !request.secrets.isEmpty {
      message.write("sign ")
      message.write(request.webhookID)
      for secret in request.secrets {
        message.write(" ")
        message.write(secret.bytes)
      }
      message.write("\n")
    }
  }

  private mutating func put(_ message: Bytes) -> Bool {
    guard message.count &+ 2 <= ring.free else { return false }
    ring.append(length: message.count)
    ring.append(message)
    return true
  }

  /// Nobody wants the answer any more, and nobody is told of it. What reached the server stays
  /// there.
  mutating func cancel(_ id: ID) {
    guard let place = underWay.firstIndex(where: { $0.id == id }) else { return }
    remove(place)
    var message = Writer(draft.bytes)
    message.write("cancel ")
    message.write(decimal: Int(id))
    message.write("\n\n")
    // Without room the answer comes, and is not wanted.
    _ = put(message.written)
  }

  // MARK: The driver's end

  var hasMessage: Bool { !ring.isEmpty }

  /// The next message for the fetcher goes into `place`, which has `messageBytesMax`.
  mutating func take(into place: Bytes) -> Int? {
    guard !ring.isEmpty else { return nil }
    precondition(place.count >= Self.messageBytesMax)
    return ring.take(ring.takeLength(), into: place)
  }

  /// A fetcher is there from now on.
  mutating func serve() { isServed = true }

  /// None is. What was asked for and not taken is not asked of the next one: whoever wanted it is
  /// told by `lose`.
  mutating func forsake() {
    isServed = false
    while !ring.isEmpty { _ = ring.take(ring.takeLength(), into: .empty) }
  }

  /// The owner of this request, to whom more of its answer has come; nil: it is over.
  func owner(of id: ID) -> Owner? { underWay.first { $0.id == id }?.owner }

  /// The owner of this request, which is over; nil: it was over already.
  mutating func finish(_ id: ID) -> Owner? {
    guard let place = underWay.firstIndex(where: { $0.id == id }) else { return nil }
    return remove(place)
  }

  /// The owner of the oldest request, whose fetcher is gone.
  mutating func lose() -> Owner? { underWay.isEmpty ? nil : remove(0) }

  /// The owner of a request that is late; nil: none is.
  mutating func expire(at now: Instant) -> Owner? {
    guard nextDue <= now else { return nil }
    guard let place = underWay.firstIndex(where: { $0.due <= now }) else { return nil }
    return remove(place)
  }

  @discardableResult private mutating func remove(_ place: Int) -> Owner {
    let owner = underWay.remove(at: place).owner
    nextDue = underWay.reduce(.never) { min($0, $1.due) }
    return owner
  }
}
