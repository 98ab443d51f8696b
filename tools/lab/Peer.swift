// One WebSocket of the lab, on the relay's own codec: the handshake of either side, whole messages
// in and out, pings answered, and the closing handshake kept. Its end is told exactly once.

import LabKit
import Sidetone

final class Peer {
  enum Event {
    case opened
    case text([UInt8])
    case binary([UInt8])
    case closed(End)
  }

  /// How it ended, for the one who asks what went wrong.
  enum End {
    /// The peer's Close; 1005 where it gave no code.
    case close(code: UInt16, reason: String)
    /// The server answered the handshake with something else than 101.
    case refused(status: Int, body: String)
    /// The connection broke, or the peer broke the protocol.
    case broken(String)
  }

  let stream: Stream
  var handle: (Event) -> Void = { _ in }
  /// The handshake succeeded, whatever came after it.
  private(set) var hasOpened = false

  private enum Phase { case handshake, refusal, open, closing, over }

  private let loop: Loop
  private let isClient: Bool
  private var phase = Phase.handshake
  private var codec: WebSocket
  private var buffer = Buffer(count: 65536)
  private var count = 0
  private var head: [UInt8] = []
  private var nonce = Upgrade.Nonce(low: .random(in: 0 ... .max), high: .random(in: 0 ... .max))
  private var peerEnd: End?

  static let messageBytesMax = 1 << 20
  private static let headBytesMax = 16384
  /// How long a peer may take to close after both have said Close.
  private static let closeSeconds = 3.0

  // MARK: Opening

  /// Dials; `opened` or `closed` follows. Each header is a whole line without its end.
  init(
    to target: Target, headers: [String] = [], trust: TLS.Trust = .system,
    messageBytesMax: Int = Peer.messageBytesMax, on loop: Loop
  ) throws(Failure) {
    self.loop = loop
    isClient = true
    codec = WebSocket(role: .client, messageBytesMax: messageBytesMax)
    stream = try Stream(to: target, on: loop, trust: trust)
    let (host, path, query) = (Text(target.host), Text(target.path), Text(target.query))
    let lines = Text(headers.map { $0 + "\r\n" }.joined())
    let request = Self.render(16384 + lines.bytes.count) { [nonce] out in
      Upgrade.beginRequest(
        host: host.bytes, port: target.port, isTLS: target.isTLS, path: path.bytes,
        query: query.bytes, nonce: nonce, into: &out)
      out.write(lines.bytes)
      Upgrade.endRequest(into: &out)
    }
    // Their bytes are borrowed above.
    withExtendedLifetime((host, path, query, lines)) {}
    stream.opened = { [unowned self] in stream.write(request) }
    listen()
  }

  /// Answers the request that comes on `stream`: `decide` sees its target and a way to its headers,
  /// and gives the lines to add to the 101, or a whole response of its own.
  init(
    accepted stream: Stream, messageBytesMax: Int = Peer.messageBytesMax, on loop: Loop,
    decide: @escaping (Request) -> Decision = { _ in .accept(headers: []) }
  ) {
    self.loop = loop
    self.stream = stream
    isClient = false
    codec = WebSocket(role: .server, messageBytesMax: messageBytesMax)
    self.decide = decide
    listen()
  }

  struct Request {
    let target: String
    /// The value of a header, empty where it is absent; to be asked only while deciding.
    let header: (StaticString) -> String
    var authorization: String { header("authorization") }
  }
  enum Decision {
    case accept(headers: [String])
    case refuse(response: [UInt8])
  }
  private var decide: (Request) -> Decision = { _ in .accept(headers: []) }

  private func listen() {
    // The loop holds the stream, and the stream holds us, until the end has been told.
    stream.received = { [self] bytes in take(bytes) }
    stream.ended = { [self] reason in streamEnded(reason) }
  }

  private func take(_ bytes: [UInt8]) {
    switch phase {
    case .handshake, .refusal:
      // Messages may come in the same breath as the answer, so only the head has a limit.
      guard phase == .handshake || head.count <= Self.headBytesMax else { return tellRefusal() }
      head += bytes
      head.withBytes { isClient ? readAnswer($0) : readRequest($0) }
    case .open, .closing: read(bytes)
    case .over: break
    }
  }

  private func readAnswer(_ bytes: Bytes) {
    guard phase == .handshake else { return }
    switch HTTP.parseResponse(bytes, limit: Self.headBytesMax) {
    case .needMore: break
    case .bad(let fault): fail("the answer is not HTTP: \(fault.sentence)")
    case .complete(let answer):
      switch Upgrade.check(answer, in: bytes, nonce: nonce) {
      case .accepted: open(then: bytes.dropping(answer.length).array)
      case .bad(let fault): fail("the server's 101 is wrong: \(fault)")
      case .refused:
        // The body follows; a server that says Connection: close ends it by closing.
        phase = .refusal
        loop.after(1) { [weak self] in self?.tellRefusal() }
      }
    }
  }

  private func tellRefusal() {
    guard phase == .refusal else { return }
    let end = head.withBytes { bytes -> End in
      guard case .complete(let answer) = HTTP.parseResponse(bytes, limit: Self.headBytesMax) else {
        return .broken("the answer is not HTTP")
      }
      return .refused(status: answer.status, body: bytes.dropping(answer.length).string)
    }
    finish(end)
  }

  private func readRequest(_ bytes: Bytes) {
    switch HTTP.parseRequest(bytes, limit: Self.headBytesMax) {
    case .needMore: break
    case .bad(let fault):
      refuse(Self.render(2048) { HTTP.writeError(fault, into: &$0) })
    case .complete(let request):
      guard case .valid(let key) = Upgrade.check(request, in: bytes) else {
        refuse(
          Self.render(2048) { out in
            HTTP.writeError(.upgradeRequired, "This is a WebSocket.", into: &out)
          })
        return
      }
      let asked = Request(
        target: request.target.bytes(in: bytes).string,
        header: { request.fields.value(of: $0, in: bytes).string })
      switch decide(asked) {
      case .refuse(let response): refuse(response)
      case .accept(let headers):
        var answer = Self.render(2048) { Upgrade.writeAccept(key: key.bytes(in: bytes), into: &$0) }
        answer.removeLast(2)
        answer += (headers.map { $0 + "\r\n" }.joined() + "\r\n").utf8
        stream.write(answer)
        open(then: bytes.dropping(request.length).array)
      }
    }
  }

  private func refuse(_ response: [UInt8]) {
    stream.write(response)
    stream.closeWhenWritten()
    finish(.broken("the handshake was refused"))
  }

  private func open(then rest: [UInt8]) {
    phase = .open
    hasOpened = true
    handle(.opened)
    read(rest)
  }

  // MARK: Messages

  private func read(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty && (phase == .open || phase == .closing) {
      makeRoom()
      let step = min(rest.count, buffer.bytes.count - count)
      Array(rest.prefix(step)).withBytes { buffer.bytes.copy($0, at: count) }
      count += step
      rest = rest.dropFirst(step)
      takeEvents()
      count = codec.carry(from: buffer.bytes.prefix(count), to: buffer.bytes)
    }
  }

  /// A buffer in which the frame under way can be finished.
  private func makeRoom() {
    let wanted = max(codec.bytesWanted, count + 1)
    guard buffer.bytes.count < wanted else { return }
    let larger = Buffer(count: max(wanted, buffer.bytes.count * 2))
    count = codec.carry(from: buffer.bytes.prefix(count), to: larger.bytes)
    buffer = larger
  }

  private func takeEvents() {
    let window = buffer.bytes.prefix(count)
    while true {
      switch codec.nextEvent(in: window) {
      case .needMore: return
      case .text(let range): handle(.text(window[range].array))
      case .binary(let range): handle(.binary(window[range].array))
      case .ping(let range): if phase == .open { send(.pong, window[range].array) }
      case .pong: break
      case .close(let code, let reason):
        return peerClosed(.close(code: code, reason: window[reason].string), answer: code)
      case .failed(let failure):
        let reason = "\(failure.reason)"
        return peerClosed(
          .broken("the peer broke the protocol: \(reason)"), answer: failure.closeCode)
      }
    }
  }

  /// Nothing more will come: answers with Close where we have not said it, and the server closes.
  private func peerClosed(_ end: End, answer code: UInt16) {
    if phase == .open { sendClose(code, "") }
    phase = .closing
    peerEnd = end
    if isClient {
      // RFC 6455 §7.1.1: the server closes the connection first.
      loop.after(Self.closeSeconds) { [weak self] in self?.finish(end) }
    } else {
      stream.closeWhenWritten()
      finish(end)
    }
  }

  func send(text: String) { send(.text, Array(text.utf8)) }
  func send(binary bytes: [UInt8]) { send(.binary, bytes) }

  /// A message, in frames of at most so many bytes (RFC 6455 §5.4).
  func send(_ opcode: WebSocket.Opcode, _ payload: [UInt8], frameBytes: Int = .max) {
    guard phase == .open else { return }
    var rest = payload[...]
    var opcode = opcode
    while rest.count > frameBytes {
      write(opcode, Array(rest.prefix(frameBytes)), isFinal: false)
      rest = rest.dropFirst(frameBytes)
      opcode = .continuation
    }
    write(opcode, Array(rest))
  }

  /// Says Close; what the peer still has to say, for so many seconds, arrives before `closed`.
  func close(_ code: UInt16 = 1000, _ reason: String = "", wait: Double = Peer.closeSeconds) {
    guard phase == .open else { return }
    sendClose(code, reason)
    phase = .closing
    loop.after(wait) { [weak self] in
      guard let self, peerEnd == nil else { return }
      finish(.broken("the peer did not answer our Close within \(wait) s"))
      stream.close()
    }
  }

  private func sendClose(_ code: UInt16, _ reason: String) {
    let text = Array(reason.utf8.prefix(WebSocket.controlBytesMax - 2))
    let isCoded = code != WebSocket.noCode
    write(.close, isCoded ? [UInt8(code >> 8), UInt8(code & 0xff)] + text : [])
  }

  private func write(_ opcode: WebSocket.Opcode, _ payload: [UInt8], isFinal: Bool = true) {
    let key: UInt32? = isClient ? .random(in: 0 ... .max) : nil
    stream.write(
      Self.render(payload.count + WebSocket.headerBytesMax) { out in
        payload.withBytes { WebSocket.encode(opcode, $0, key: key, isFinal: isFinal, into: &out) }
      })
  }

  private static func render(_ bytesMax: Int, _ body: (inout Writer) -> Void) -> [UInt8] {
    let arena = Buffer(count: bytesMax)
    var writer = Writer(arena.bytes)
    body(&writer)
    precondition(!writer.overflowed, "the lab writes less than it made room for")
    return writer.written.array
  }

  // MARK: The end

  /// Breaks the connection without a word.
  func reset() {
    stream.reset()
    finish(.broken("we broke the connection"))
  }

  private func fail(_ reason: String) { finish(.broken(reason)) }

  private func streamEnded(_ reason: String?) {
    if phase == .refusal { return tellRefusal() }
    finish(peerEnd ?? .broken(reason ?? "the peer closed the connection without a Close frame"))
  }

  private func finish(_ end: End) {
    guard phase != .over else { return }
    phase = .over
    if isClient { stream.close() }
    handle(.closed(end))
    handle = { _ in }
    stream.received = { _ in }
    stream.ended = { _ in }
  }
}
