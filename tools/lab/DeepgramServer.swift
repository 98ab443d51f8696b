// The twin of Deepgram on a loopback port: sockets and handshakes around the sessions of
// `DeepgramTwin`. Every answer carries dg-request-id, every refusal dg-error and the service's
// body.

import Glibc
import LabKit

final class DeepgramServer {
  struct Settings {
    var port: UInt16 = 0
    /// The only key that is let in; nil: any.
    var key: String?
    var misbehaviour = Misbehaviour()
    var isVerbose = false
  }

  private(set) var port: UInt16 = 0
  /// Called with each piece of audio and the time at which it was read.
  var audioArrived: ([UInt8], Double) -> Void = { _, _ in }
  var sessionOpened: () -> Void = {}
  /// Called with every word that became final when a session ends.
  var sessionEnded: ([HeardWord]) -> Void = { _ in }

  private let settings: Settings
  private let loop: Loop
  private var listener: Listener?
  private var sessions = 0
  /// How many sessions each order to misbehave has had.
  private var misbehaved: [String: Int] = [:]

  init(_ settings: Settings, on loop: Loop) throws(Failure) {
    self.settings = settings
    self.loop = loop
    listener = try Listener(port: settings.port, on: loop) { [unowned self] in accept($0) }
    port = listener?.port ?? 0
  }

  /// A session that was let in.
  private final class Session {
    let number: Int
    var twin: DeepgramTwin
    var timer: Int?
    init(_ number: Int, _ twin: DeepgramTwin) {
      self.number = number
      self.twin = twin
    }
  }

  private func accept(_ stream: Stream) {
    let requestID = Identifier.uuid()
    var session: Session?
    let peer = Peer(accepted: stream, on: loop) { [self] request in
      do throws(DeepgramRefusal) {
        let made = try admit(request, requestID: requestID)
        session = made
        return .accept(headers: ["dg-request-id: \(requestID)"])
      } catch {
        note("refused \(error.status): \(error.message)")
        return .refuse(response: Self.response(error, requestID: requestID))
      }
    }
    peer.handle = { [self] event in
      if let session { take(event, of: session, on: peer) }
    }
  }

  private func admit(_ asked: Peer.Request, requestID: String) throws(DeepgramRefusal) -> Session {
    let request = try DeepgramRequest(target: asked.target, authorization: asked.authorization)
    let behaviour = try behaviour(for: request)
    if let status = behaviour.refusal {
      throw .standard(status, retryAfter: behaviour.retryAfter)
    }
    if let key = settings.key, request.key != key { throw .standard(401) }
    sessions += 1
    let twin = DeepgramTwin(
      request, requestID: requestID, created: Self.wallTime(), behaviour: behaviour, at: Loop.now)
    note("session \(sessions): \(asked.target)")
    return Session(sessions, twin)
  }

  /// The order of this session if it brings one, else the order of the command line, while either
  /// is in force.
  private func behaviour(for request: DeepgramRequest) throws(DeepgramRefusal) -> Misbehaviour {
    var ordered = settings.misbehaviour
    let order = Misbehaviour.order(in: request)
    if let order {
      do throws(Misbehaviour.Unknown) {
        ordered = try Misbehaviour(order)
      } catch {
        throw .badParameter("the twin cannot misbehave like this: \(error.name)")
      }
    }
    misbehaved[order ?? "", default: 0] += 1
    return misbehaved[order ?? "", default: 0] <= ordered.first ? ordered : Misbehaviour()
  }

  // MARK: Sessions

  private func take(_ event: Peer.Event, of session: Session, on peer: Peer) {
    let now = Loop.now
    switch event {
    case .opened:
      sessionOpened()
      perform([], of: session, on: peer)
    case .text(let bytes):
      note("session \(session.number): \(String(decoding: bytes, as: UTF8.self))")
      perform(session.twin.text(bytes, at: now), of: session, on: peer)
    case .binary(let bytes):
      audioArrived(bytes, now)
      perform(session.twin.binary(bytes, at: now), of: session, on: peer)
      holdBack(peer, of: session)
    case .closed(let end):
      loop.cancel(session.timer)
      session.twin.disconnected()
      let words = session.twin.heard
      let text = words.map(\.text).joined(separator: " ")
      note("session \(session.number): over after \(session.twin.seconds) s of audio: \(end)")
      note("session \(session.number): heard: \(text)")
      sessionEnded(words)
    }
  }

  private func perform(_ outputs: [DeepgramTwin.Output], of session: Session, on peer: Peer) {
    for output in outputs {
      switch output {
      case .text(let text): peer.send(text: text)
      case .close(let code, let reason): peer.close(code, reason)
      case .reset: peer.reset()
      case .stopReading: peer.stream.wantsRead = false
      }
    }
    loop.cancel(session.timer)
    session.timer = session.twin.wakeTime.map { time in
      loop.at(time) { [self] in
        perform(session.twin.advance(to: Loop.now), of: session, on: peer)
      }
    }
  }

  /// Leaves what comes too fast in the socket for a while.
  private func holdBack(_ peer: Peer, of session: Session) {
    let time = session.twin.takesAudioAt
    guard time > Loop.now, peer.stream.wantsRead else { return }
    peer.stream.wantsRead = false
    loop.at(time) { peer.stream.wantsRead = true }
  }

  // MARK: Words on the wire

  private func note(_ line: String) { if settings.isVerbose { Console.say(line) } }

  private static func response(_ refusal: DeepgramRefusal, requestID: String) -> [UInt8] {
    let body = refusal.body(requestID: requestID)
    var head = "HTTP/1.1 \(refusal.status) Refused\r\nConnection: close\r\n"
    head += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
    head += "dg-request-id: \(requestID)\r\ndg-error: \(refusal.message)\r\n"
    if let seconds = refusal.retryAfterSeconds { head += "Retry-After: \(seconds)\r\n" }
    return Array((head + "\r\n" + body).utf8)
  }

  /// RFC 3339 in UTC.
  private static func wallTime() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))T"
      + "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)).000Z"
  }
}

extension DeepgramServer {
  static let verb = Verb(
    name: "upstream deepgram", usage: "[options]",
    summary: "a twin of Deepgram on loopback, which hears the lab's tones",
    description: """
      Speaks Deepgram's streaming protocol (/v1/listen) on 127.0.0.1 by the service's own rules:
      strict about the request, silent until it has audio, closing with 1011 after ten seconds
      without audio or KeepAlive. The words it answers are those that it hears in the audio
      (linear16, mulaw, alaw; several channels), so a transcript is right only if the sound
      survived. Point a relay at it with DEEPGRAM_URL=ws://127.0.0.1:PORT/v1/listen and any
      DEEPGRAM_API_KEY. Runs until it is stopped.
      """,
    options: [
      .port,
      .key,
      Option("misbehave", "LIST", "go wrong in these ways, separated by commas"),
      Option("verbose", "print every session, its messages and its words"),
    ],
    notes: """
      Ways to go wrong:

      \(Misbehaviour.help.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

      One session can be ordered by itself, with a key or a tag of the form misbehave:LIST.

      """,
    run: { arguments throws(Failure) in
      guard arguments.rest.isEmpty else {
        throw Failure.misuse("too many words: \(arguments.rest)")
      }
      var settings = Settings()
      settings.port = try arguments.port("port") ?? 0
      settings.key = arguments.text("key")
      settings.isVerbose = arguments.has("verbose")
      do throws(Misbehaviour.Unknown) {
        settings.misbehaviour = try Misbehaviour(arguments.text("misbehave") ?? "")
      } catch {
        throw Failure.misuse("--misbehave \(error.name): see sidetone-lab upstream deepgram --help")
      }
      let loop = Loop()
      let server = try DeepgramServer(settings, on: loop)
      Console.say("deepgram twin on ws://127.0.0.1:\(server.port)/v1/listen")
      loop.run()
      return withExtendedLifetime(server) { 0 }
    })
}
