// The twin of a voice model (OpenAI Realtime, Gemini Live or Deepgram's Voice Agent), or of
// Deepgram's or ElevenLabs' voices, on a loopback port: sockets and handshakes around sessions that
// the kit's twins decide. What happens in them is told as it happens, with the moment.

import Glibc
import LabKit

final class VoiceServer {
  struct Settings {
    var service = VoiceRequest.Service.openai
    var port: UInt16 = 0
    /// The only key that is let in; nil: any.
    var key: String?
    var manner = VoiceManner()
    /// Tell every message too, but for audio.
    var isVerbose = false
    /// Where the callers' audio is written, a WAV file for each session.
    var recordings: String?
  }

  private(set) var port: UInt16 = 0
  var sessionOpened: () -> Void = {}
  /// Called with whatever happens in a session, and the time on the loop's clock.
  var happened: (VoiceEvent, Double) -> Void = { _, _ in }
  var sessionEnded: () -> Void = {}
  /// Called with lines for the person who watches.
  var note: (String) -> Void = { _ in }

  /// OpenAI takes 15 MiB of audio in one message, in base64.
  private static let messageBytesMax = 21 << 20

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

  /// Where a client finds it.
  var url: String {
    switch settings.service {
    case .openai: "ws://127.0.0.1:\(port)/v1/realtime"
    case .gemini:
      "ws://127.0.0.1:\(port)/ws/google.ai.generativelanguage.v1beta.GenerativeService."
        + "BidiGenerateContent"
    case .agent: "ws://127.0.0.1:\(port)/v1/agent/converse"
    case .speak: "ws://127.0.0.1:\(port)/v1/speak"
    }
  }

  /// A session that was let in.
  private final class Session {
    let number: Int
    var twin: any VoiceTwin
    let frameBytes: Int
    let isBeta: Bool
    var timer: Int?
    /// The audio of the caller, as it came.
    var audio: [Int16] = []
    var rate = 0
    init(_ number: Int, _ twin: any VoiceTwin, frameBytes: Int, isBeta: Bool) {
      self.number = number
      self.twin = twin
      self.frameBytes = frameBytes
      self.isBeta = isBeta
    }
  }

  // MARK: Handshakes

  private func accept(_ stream: Stream) {
    var session: Session?
    let peer = Peer(accepted: stream, messageBytesMax: Self.messageBytesMax, on: loop) {
      [self] asked in
      do throws(VoiceRequest.Refusal) {
        let request = try VoiceRequest(
          settings.service, target: asked.target, header: asked.header)
        session = try admit(request)
        return .accept(headers: request.subprotocol.map { ["Sec-WebSocket-Protocol: \($0)"] } ?? [])
      } catch {
        note("refused \(error.status): \(error.message)")
        return .refuse(response: Self.response(error))
      }
    }
    peer.handle = { [self] event in
      if let session { take(event, of: session, on: peer) }
    }
  }

  private func admit(_ request: VoiceRequest) throws(VoiceRequest.Refusal) -> Session {
    var manner = settings.manner
    manner.misbehaviour = behaviour(for: request)
    if let status = manner.misbehaviour.refusal {
      var refusal = VoiceRequest.refusal(request.service, status)
      refusal.retryAfter = manner.misbehaviour.retryAfter
      throw refusal
    }
    if let key = settings.key, request.key != key {
      throw VoiceRequest.refusal(request.service, 401)
    }
    sessions += 1
    let twin: any VoiceTwin =
      switch request.service {
      case .openai:
        OpenAITwin(
          model: request.model, number: sessions, clock: time(nil), manner: manner, at: Loop.now)
      case .gemini: GeminiTwin(number: sessions, manner: manner, at: Loop.now)
      case .agent: AgentTwin(number: sessions, manner: manner, at: Loop.now)
      case .speak where request.hasContexts:
        ContextTwin(number: sessions, format: request.format, manner: manner, at: Loop.now)
      case .speak:
        SpeakTwin(number: sessions, format: request.format, manner: manner, at: Loop.now)
      }
    return Session(
      sessions, twin, frameBytes: manner.misbehaviour.frameBytes ?? .max, isBeta: request.isBeta)
  }

  /// The order of this session if its key brings one, else the order of the command line, while
  /// either is in force.
  private func behaviour(for request: VoiceRequest) -> VoiceMisbehaviour {
    let order = VoiceMisbehaviour.order(in: request.key)
    let ordered = order.flatMap { try? VoiceMisbehaviour($0) } ?? settings.manner.misbehaviour
    misbehaved[order ?? "", default: 0] += 1
    return misbehaved[order ?? "", default: 0] <= ordered.first ? ordered : VoiceMisbehaviour()
  }

  private static func response(_ refusal: VoiceRequest.Refusal) -> [UInt8] {
    var head = "HTTP/1.1 \(refusal.status) Refused\r\nConnection: close\r\n"
    if let seconds = refusal.retryAfter { head += "Retry-After: \(seconds)\r\n" }
    head += "Content-Type: application/json\r\nContent-Length: \(refusal.body.utf8.count)\r\n"
    return Array((head + "\r\n" + refusal.body).utf8)
  }

  // MARK: Sessions

  private func take(_ event: Peer.Event, of session: Session, on peer: Peer) {
    let now = Loop.now
    switch event {
    case .opened:
      note("session \(session.number): open")
      sessionOpened()
      if session.isBeta { return closeBeta(peer) }
      perform(session.twin.opened(at: now), of: session, on: peer)
    case .text(let bytes):
      show(bytes, of: session, "<")
      perform(session.twin.text(bytes, at: now), of: session, on: peer)
    case .binary(let bytes):
      perform(session.twin.audio(bytes, at: now), of: session, on: peer)
    case .closed(let end):
      loop.cancel(session.timer)
      for output in session.twin.disconnected(at: now) {
        if case .happened(let event) = output { tell(event, of: session, at: now) }
      }
      write(session)
      note("session \(session.number): over: \(end)")
      sessionEnded()
    }
  }

  /// The beta interface was switched off: such a client is let in, told, and sent away.
  private func closeBeta(_ peer: Peer) {
    let reason = "The Realtime Beta API is no longer supported."
    let error: JSON = [
      "type": "error", "event_id": "event_1",
      "error": [
        "type": "invalid_request_error", "code": "beta_api_shape_disabled",
        "message": .string(reason), "param": nil, "event_id": nil,
      ],
    ]
    peer.send(text: error.text)
    peer.close(4000, reason)
  }

  private func perform(_ outputs: [VoiceOutput], of session: Session, on peer: Peer) {
    for output in outputs {
      switch output {
      case .message(let text):
        let bytes = Array(text.utf8)
        show(bytes, of: session, ">")
        // Gemini's JSON comes in binary frames.
        peer.send(
          settings.service == .gemini ? .binary : .text, bytes, frameBytes: session.frameBytes)
      case .audio(let bytes): peer.send(.binary, bytes, frameBytes: session.frameBytes)
      case .happened(let event): tell(event, of: session, at: Loop.now)
      case .close(let code, let reason): peer.close(code, reason)
      case .reset: peer.reset()
      }
    }
    loop.cancel(session.timer)
    session.timer = session.twin.wakeTime.map { time in
      loop.at(time) { [self] in
        perform(session.twin.advance(to: Loop.now), of: session, on: peer)
      }
    }
  }

  // MARK: What is told

  private func tell(_ event: VoiceEvent, of session: Session, at now: Double) {
    happened(event, now)
    if case .audio(let bytes, let format) = event, settings.recordings != nil {
      if session.rate != format.rate { session.audio = [] }
      session.rate = format.rate
      session.audio += format.read(bytes)
    }
    if let line = event.line { note("session \(session.number): \(line)") }
  }

  private func show(_ message: [UInt8], of session: Session, _ direction: String) {
    guard settings.isVerbose else { return }
    let text = String(decoding: message.prefix(400), as: UTF8.self)
    note("session \(session.number): \(direction) \(text)\(message.count > 400 ? "…" : "")")
  }

  private func write(_ session: Session) {
    guard let folder = settings.recordings, !session.audio.isEmpty else { return }
    let path = "\(folder)/session-\(session.number).wav"
    mkdir(folder, 0o755)
    do throws(Failure) {
      try File.write(Recording(rate: session.rate, channels: [session.audio]).wav, to: path)
      note("session \(session.number): its audio is in \(path)")
    } catch {
      note(error.text)
    }
  }
}

extension VoiceEvent {
  /// The event as a line for a person; nil for audio.
  var line: String? {
    switch self {
    case .audio: nil
    case .speechStarted(let interrupts): interrupts ? "interrupted" : "the caller speaks"
    case .heard(let words): "heard: \(words)"
    case .read(let text): "read: \(text)"
    case .said(let text, let item, let milliseconds):
      "said: \(text) (\(item), \(milliseconds) ms)"
    case .truncated(let item, let milliseconds, let whole, let heard):
      "was told that \(milliseconds) of \(whole) ms of \(item) were heard: \(heard)"
    case .deleted(let item): "was told to forget \(item)"
    case .refused(let why): "refused a message: \(why)"
    }
  }
}
