// A small web server on a loopback port, on the relay's own reader of HTTP: whole requests in, and
// what the kit decides about each out, one after another on a connection. Its clients are programs
// that are tried out, so a request that cannot be read is answered with what is wrong.

import CLinux
import LabKit
import Sidetone

final class WebServer {
  struct Request {
    let isPost: Bool
    /// With the query, if there is one.
    let target: String
    let body: [UInt8]
    fileprivate let headers: [String: String]

    /// The value of a header by its name in small letters, "" where it is absent.
    func header(_ name: String) -> String { headers[name] ?? "" }
  }

  private(set) var port: UInt16 = 0
  private let loop: Loop
  private let react: (Request) -> Reaction
  private var listener: Listener?

  init(
    port: UInt16, on loop: Loop, _ react: @escaping (Request) -> Reaction
  ) throws(Failure) {
    self.loop = loop
    self.react = react
    listener = try Listener(port: port, on: loop) { [unowned self] stream in
      Connection(stream, loop, self.react).listen()
    }
    self.port = listener?.port ?? 0
  }

  var url: String { "http://127.0.0.1:\(port)/" }

  // MARK: One connection

  private final class Connection {
    private static let headBytesMax = 16_384
    private static let bodyBytesMax = 32 << 20

    private let stream: Stream
    private let loop: Loop
    private let react: (Request) -> Reaction
    private var bytes: [UInt8] = []
    /// A request is being answered, or never will be.
    private var isBusy = false
    private var hasContinued = false
    private var timer: Int?

    init(_ stream: Stream, _ loop: Loop, _ react: @escaping (Request) -> Reaction) {
      self.stream = stream
      self.loop = loop
      self.react = react
    }

    /// The loop holds the stream, and the stream holds us, until it has ended.
    func listen() {
      stream.received = { [self] more in
        bytes += more
        readRequests()
      }
      stream.ended = { [self] _ in
        loop.cancel(timer)
        stream.received = { _ in }
      }
    }

    private func readRequests() {
      while !isBusy, !bytes.isEmpty {
        switch bytes.withBytes({ HTTP.parseRequest($0, limit: Self.headBytesMax) }) {
        case .needMore: return
        case .bad(let fault): return complain(fault)
        case .complete(let head): guard readBody(behind: head) else { return }
        }
      }
    }

    /// False where more has to come first.
    private func readBody(behind head: HTTP.RequestHead) -> Bool {
      var body = Array(bytes[head.length...])
      let outcome = body.withMutableBytes {
        HTTP.body(head.framing, in: $0, limit: Self.bodyBytesMax)
      }
      switch outcome {
      case .needMore:
        // Large bodies are announced by some clients, which wait for this.
        if !hasContinued, header("expect", head).lowercased() == "100-continue" {
          hasContinued = true
          stream.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        return false
      case .bad(let fault):
        complain(fault)
        return false
      case .complete(let count, let consumed):
        let request = Request(
          isPost: head.method == .post, target: text(head.target), body: Array(body[..<count]),
          headers: headers(head))
        let isLast = head.version == .one0 || request.header("connection").lowercased() == "close"
        bytes = Array(body[consumed...])
        hasContinued = false
        isBusy = true
        perform(react(request), isLast: isLast)
        return true
      }
    }

    private func perform(_ reaction: Reaction, isLast: Bool) {
      switch reaction {
      case .hang: break
      case .drop: stream.reset()
      case .stream(let body):
        timer = loop.after(Double(body.lateMilliseconds) / 1000) { [self] in
          begin(body, isLast: isLast)
        }
      case .answer(let answer, 0): send(answer, isLast: isLast)
      case .answer(let answer, let late):
        timer = loop.after(Double(late) / 1000) { [self] in
          send(answer, isLast: isLast)
          readRequests()
        }
      }
    }

    private func send(_ answer: WebAnswer, isLast: Bool) {
      let lines =
        ["HTTP/1.1 \(answer.status) \(Self.reason(answer.status))"]
        + ["Content-Type: \(answer.type)", "Content-Length: \(answer.body.count)"]
        + (isLast ? ["Connection: close"] : []) + answer.headers
      stream.write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + answer.body)
      finish(isLast: isLast)
    }

    private func begin(_ body: WebStream, isLast: Bool) {
      let lines = [
        "HTTP/1.1 200 OK", "Content-Type: \(body.type)", "Transfer-Encoding: chunked",
        "Cache-Control: no-cache",
      ]
      stream.write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
      send(body, from: 0, isLast: isLast)
    }

    /// The pieces from that one on, each when it is due.
    private func send(_ body: WebStream, from first: Int, isLast: Bool) {
      var place = first
      while place < body.pieces.count {
        let piece = body.pieces[place]
        place += 1
        stream.write(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10])
        guard body.milliseconds > 0, place < body.pieces.count else { continue }
        let next = place
        timer = loop.after(Double(body.milliseconds) / 1000) { [self] in
          send(body, from: next, isLast: isLast)
        }
        return
      }
      if body.isBroken {
        stream.received = { _ in }
        return stream.closeWhenWritten()
      }
      stream.write(Array("0\r\n\r\n".utf8))
      finish(isLast: isLast)
      readRequests()
    }

    /// The answer is written.
    private func finish(isLast: Bool) {
      if isLast {
        stream.received = { _ in }
        stream.closeWhenWritten()
      }
      isBusy = isLast
    }

    private func complain(_ fault: HTTP.Fault) {
      isBusy = true
      send(WebAnswer(400, ["error": ["message": .string("\(fault.sentence)")]]), isLast: true)
    }

    private func text(_ place: HTTP.Place) -> String {
      String(decoding: bytes[place.start..<place.end], as: UTF8.self)
    }

    private func header(_ name: String, _ head: HTTP.RequestHead) -> String {
      headers(head)[name] ?? ""
    }

    private func headers(_ head: HTTP.RequestHead) -> [String: String] {
      var found: [String: String] = [:]
      bytes.withBytes { all in
        var at = 0
        while let field = head.fields.next(&at, in: all) {
          found[field.name.bytes(in: all).string.lowercased()] = field.value.bytes(in: all).string
        }
      }
      return found
    }

    private static func reason(_ status: Int) -> String {
      let names = [
        200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
        404: "Not Found", 405: "Method Not Allowed", 410: "Gone", 429: "Too Many Requests",
        500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
      ]
      return names[status] ?? "Status"
    }
  }
}

/// Ends a loop when the person at the terminal, or whoever started the lab, says so.
final class Signals: Pollable {
  let descriptor: Int32
  let wantsRead = true
  let wantsWrite = false
  private let loop: Loop

  init(ending loop: Loop) {
    self.loop = loop
    descriptor = cl_counter_create(false)
    _ = cl_signals_to(descriptor)
    loop.watch(self)
  }

  func isReady(broken: Bool) { loop.stop() }
}
