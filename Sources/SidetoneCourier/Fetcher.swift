// The fetcher: HTTP requests that a relay has made for it, as one process of the courier's program
// beside the one that delivers records, so that no slow disk stands between a call and what it
// asks for. It keeps nothing and decides nothing: each message is a request, each answer a message
// (Fetches in the engine has their form). Its end is the relay's end of the socket.

import CLinux
import Glibc
import Sidetone

package final class Fetcher {
  /// The longest message, either way.
  static var messageBytesMax: Int { Relay.fetchBytesMax }
  /// What is kept of an answer's body; the head of its message has the rest.
  static var answerBytesMax: Int { messageBytesMax - 4096 }
  /// What is kept of all pieces of an answer.
  static let streamBytesMax = 4 << 20
  static let pieceBytesMax = 16 << 10
  /// Answers that wait for the relay to read them. More are not made: nothing is read from it then.
  private static let waitingMax = 64
  /// With so many waiting no more pieces are taken: their servers wait as well.
  private static let waitingForPiecesMax = 16

  private let socket: Int32
  private let http: HTTPClient
  /// The relay's ids, by those of requests under way.
  private var asked: [UInt64: UInt64] = [:]
  private var waiting: [[UInt8]] = []
  private var space = [UInt8](repeating: 0, count: Fetcher.messageBytesMax)

  /// - Parameter authorities: as `HTTPClient` has it.
  package init(socket: Int32, authorities: String = "") throws(Trouble) {
    self.socket = socket
    http = try HTTPClient(authorities: authorities)
  }

  /// Until the relay is gone.
  package func run() {
    while receive() {
      flush()
      for ended in http.advance() { answer(ended) }
      takePieces()
      wait()
    }
  }

  /// Last before `wait`: what is left then is waited for with the socket's room.
  private func takePieces() {
    while waiting.count < Self.waitingForPiecesMax, let piece = http.takePiece() {
      if let id = asked[piece.id] { say("piece \(id)\n", body: piece.bytes) }
    }
  }

  private func wait() {
    var polled = [
      pollfd(
        fd: socket,
        events: Int16((isBehind ? 0 : POLLIN) | (waiting.isEmpty ? 0 : POLLOUT)), revents: 0),
      pollfd(fd: http.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    let milliseconds = http.waitMilliseconds.map { Int32(clamping: $0) } ?? -1
    _ = unsafe poll(&polled, 2, milliseconds)
  }

  private var isBehind: Bool { waiting.count >= Self.waitingMax }

  // MARK: From the relay

  /// Takes what has come; false at its end.
  private func receive() -> Bool {
    while !isBehind {
      let count = space.withMutableBytes { bytes in
        unsafe recv(socket, bytes.base, bytes.count, Int32(MSG_DONTWAIT))
      }
      if count > 0 {
        guard obey(Array(space[..<count])) else { return false }
      } else if count == 0 || (errno != EINTR && errno != EAGAIN) {
        return false
      } else if errno == EAGAIN {
        return true
      }
    }
    return true
  }

  /// False: it is to end.
  private func obey(_ message: [UInt8]) -> Bool {
    let order = FetchOrder(message)
    switch order {
    case .fetch(let id, let request): asked[http.begin(request)] = id
    case .unsendable(let id): say("failed \(id) unsendable")
    case .cancel(let id):
      guard let (number, _) = asked.first(where: { $0.value == id }) else { return true }
      asked[number] = nil
      http.cancel(number)
    case .end: return false
    // Of a later relay.
    case .unknown: break
    }
    return true
  }

  // MARK: To the relay

  private func answer(_ ended: HTTPClient.Ended) {
    guard let id = asked.removeValue(forKey: ended.id) else { return }
    switch ended.result {
    case .success(let answer):
      say(
        "answer \(id) \(answer.status) \(answer.isCut ? "cut" : "whole")\n", body: answer.body)
    case .failure(let failure):
      if !ended.rest.isEmpty { say("piece \(id)\n", body: ended.rest) }
      say("failed \(id) \(failure.kind.word)")
    }
  }

  private func say(_ head: String, body: [UInt8] = []) {
    waiting.append(Array((head + "\n").utf8) + body)
    flush()
  }

  private func flush() {
    while let message = waiting.first {
      let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      let result = message.withBytes { unsafe send(socket, $0.base, $0.count, flags) }
      if result < 0, errno == EINTR { continue }
      if result < 0, errno == EAGAIN || errno == ENOBUFS { return }
      // Where the relay is gone `receive` sees its end.
      waiting.removeFirst()
    }
  }
}

extension HTTPFailure.Kind {
  /// As the engine's FetchFailure has it.
  fileprivate var word: String {
    switch self {
    case .noName: "no_name"
    case .noRoute: "no_route"
    case .noTrust: "no_trust"
    case .tooSlow: "late"
    case .broken: "broken"
    case .ourMistake: "unsendable"
    }
  }
}

/// One message of the relay.
enum FetchOrder {
  case fetch(UInt64, HTTPRequest)
  /// It names a request that cannot be made.
  case unsendable(UInt64)
  case cancel(UInt64)
  case end
  case unknown

  init(_ message: [UInt8]) {
    let head = message.prefix { $0 != 0x0a }
    let words = String(decoding: head, as: UTF8.self).split(separator: " ")
    switch words.first {
    case "drain": self = .end
    case "cancel" where words.count == 2: self = UInt64(words[1]).map { .cancel($0) } ?? .unknown
    case "fetch" where words.count == 5:
      guard let id = UInt64(words[1]), let milliseconds = Int(words[2]) else {
        self = .unknown
        return
      }
      let rest = Array(message.dropFirst(head.count + 1))
      self =
        Self.request(String(words[3]), String(words[4]), milliseconds, rest)
        .map { .fetch(id, $0) } ?? .unsendable(id)
    default: self = .unknown
    }
  }

  private static func request(
    _ method: String, _ address: String, _ milliseconds: Int, _ rest: [UInt8]
  ) -> HTTPRequest? {
    // What may leave this machine unencrypted was judged when the settings were read.
    guard let url = try? HTTPURL(address, allowsPlain: true) else { return nil }
    var request = HTTPRequest(to: url)
    request.isGet = method == "GET"
    request.connectMilliseconds = min(milliseconds, request.connectMilliseconds)
    request.totalMilliseconds = milliseconds
    request.answerBytesMax = Fetcher.answerBytesMax
    var lines = rest[...]
    var signing: Substring?
    var type = "application/json"
    while let end = lines.firstIndex(of: 0x0a) {
      let line = String(decoding: lines[..<end], as: UTF8.self)
      lines = lines[(end + 1)...]
      if line.isEmpty { break }
      if line.hasPrefix("bearer ") {
        request.add("Authorization", "Bearer \(line.dropFirst(7))")
      } else if line.hasPrefix("basic "), let space = line.dropFirst(6).firstIndex(of: " ") {
        let password = line[line.index(after: space)...]
        request.add(
          "Authorization", "Basic \(base64("\(line[..<space].dropFirst(6)):\(password)"))")
      } else if line == "form" {
        type = "application/x-www-form-urlencoded"
      } else if line == "stream" {
        request.add("Accept", "text/event-stream")
        request.pieceBytesMax = Fetcher.pieceBytesMax
        request.answerBytesMax = Fetcher.streamBytesMax
      } else if line.hasPrefix("sign ") {
        signing = Substring(line.dropFirst(5))
      }
    }
    request.body = Array(lines)
    if !request.isGet { request.add("Content-Type", type) }
    if let signing { request.sign(signing) }
    return request
  }
}

private func base64(_ text: String) -> String {
  let bytes = Array(text.utf8)
  let out = Buffer(count: Base64.encodedCount(of: bytes.count))
  return bytes.withBytes { out.bytes.prefix(Base64.encode($0, into: out.bytes)).string }
}

extension HTTPRequest {
  /// `words`: the id, then the secrets.
  fileprivate mutating func sign(_ words: Substring) {
    let words = words.split(separator: " ")
    let secrets = words.dropFirst().compactMap { try? WebhookSecret(String($0)) }
    guard let id = words.first.map(String.init), !secrets.isEmpty else { return }
    let timestamp = CourierLoop.now / 1000
    add("webhook-id", id)
    add("webhook-timestamp", "\(timestamp)")
    add(
      "webhook-signature",
      WebhookSignature.header(id: id, timestamp: timestamp, body: body, secrets: secrets))
  }
}

/// Runs a fetcher until its relay is gone; the exit status.
package func runFetcher(socket: Int32) -> Int32 {
  do throws(Trouble) {
    try Fetcher(socket: socket).run()
    return 0
  } catch {
    RelayWord(socket).log(.error, "library_missing", error.sentence)
    return 1
  }
}
