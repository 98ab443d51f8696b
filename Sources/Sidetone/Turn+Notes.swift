// What becomes of what happened, each in one place: a tally is a counter, an event is a line, some
// of them a counter as well. Nothing about a call is counted or logged elsewhere.

extension Turn {
  /// Counts what has no line.
  @inline(__always) mutating func note(_ tally: Tally) {
    switch tally {
    case .bytesIn(let count): counters.bytesIn &+= count
    case .bytesOut(let count): counters.bytesOut &+= count
    case .bytesToUpstream(let count): counters.bytesToUpstreams &+= count
    case .delay(let span): delays.record(span)
    case .frame: counters.frames &+= 1
    case .frameBad: counters.framesBad &+= 1
    case .frameLost: counters.framesLost &+= 1
    case .frameLate: counters.framesLate &+= 1
    case .framesMissing(let count): counters.framesMissing &+= count
    case .silenceFilled(let milliseconds): counters.silenceFilled &+= milliseconds
    case .speechPiece: counters.speechPieces &+= 1
    case .speechSent: counters.speechSent &+= 1
    case .speechCut: counters.speechCut &+= 1
    case .speechLate: counters.speechLate &+= 1
    case .messageIgnored: counters.messagesIgnored &+= 1
    case .messageBad: counters.messagesBad &+= 1
    case .messageWaits: counters.messagesHeldBack &+= 1
    case .answerTooLong: counters.answersTooLong &+= 1
    case .request: counters.requests &+= 1
    case .guestDisplaced: counters.guestsDisplaced &+= 1
    case .keyLost: counters.keysLost &+= 1
    case .interruption: counters.interruptions &+= 1
    case .redial: counters.redials &+= 1
    case .fallback: counters.fallbacks &+= 1
    case .sessionReady(let span): answers.sessionReady(after: span)
    case .sideError: counters.sideErrors &+= 1
    }
  }

  /// Writes down what happened; `call` is the id of the call that it is about, nil for none.
  mutating func note(_ event: Event, of call: Name?) {
    switch event {
    case .call(let event): note(event, call)
    case .caller(let event): note(event, call)
    case .upstream(let event): if mayTell(event) { note(event, call) }
    case .agent(let event): note(event, call)
    case .words(let event): note(event, call ?? Name())
    case .wire(let event): note(event, call)
    case .peer(let event): note(event, call)
    case .record(let event): note(event, call)
    case .relay(let event): note(event)
    }
    if log.printsJSON || subscribers.count > 0 {
      Subscribers.tell(event, of: call, &self)
    }
  }

  /// The same of a call, whose record it may belong to as well.
  mutating func note(_ event: Event, of call: CallIdentity) {
    note(event, of: call.name)
    if call.key != 0 { entries.keep(event, of: call, at: log.wall(at: now)) }
  }

  /// A line whose only words are its detail.
  mutating func write(
    _ level: Log.Level, _ word: StaticString, _ call: Name?,
    _ detail: (inout Writer) -> Void = { _ in }
  ) {
    log.write(level, word, call: call, at: now, detail: detail)
  }

  /// A line with a sentence of its own in front of the detail.
  mutating func write(
    _ level: Log.Level, _ word: StaticString, _ call: Name?, _ sentence: StaticString,
    _ detail: (inout Writer) -> Void = { _ in }
  ) {
    log.write(
      level, word, call: call, at: now, sentence: { $0.write(sentence) }, detail: detail)
  }
}

// MARK: Lines of the log

extension Turn {
  private mutating func note(_ event: Event.OfCall, _ call: Name?) {
    switch event {
    case .started(let start):
      counters.callsStarted &+= 1
      log.write(.info, "call_started", call: call, at: now) {
        $0.write(start.sentence)
        guard let call, start.id.utf8CodeUnitCount > 0 else { return }
        $0.write(" (")
        $0.write(start.id)
        $0.write(": ")
        $0.write(call)
        $0.write(")")
      } detail: {
        $0.write(start.carrier)
        $0.write(" to ")
        $0.write(start.upstream)
        $0.write(" on ")
        $0.write(start.path)
        $0.write(parameters: start.parameters)
      }
    case .refused(let sentence): write(.warning, "call_refused", call) { $0.write(sentence) }
    case .choiceRefused(let words): write(.warning, "call_refused", call) { $0.write(words) }
    case .firstAudio(let milliseconds, let bytes):
      log.write(.info, "first_audio", call: call, at: now) {
        $0.write("Media message received: ")
        $0.write(decimal: bytes)
        $0.write(" bytes")
      } detail: {
        $0.write(decimal: milliseconds)
        $0.write(" ms after the start")
      }
    case .stopReceived:
      write(.info, "stop_received", call, "🛑 Stop event received from telephony vendor")
    case .resultsMissing:
      write(.warning, "results_missing", call) {
        $0.write("the upstream did not confirm the last words")
      }
    case .unanswered:
      counters.unanswered &+= 1
      write(.info, "unanswered", call) {
        $0.write("the model did not answer what it was sent of the caller's voice")
      }
    case .deadAir, .hold, .goodbye, .modelQuiet, .callerQuiet, .callerGivenUp,
      .modelGivenUp, .functionPhrase:
      guard let line = event.silence else { return }
      counters[keyPath: line.count] &+= 1
      write(line.level, line.event, call) { event.writeSilence(to: &$0) }
    case .ended(let ending):
      counters.callsEnded &+= 1
      if ending.hasStarted { counters.callsEndedAfterStart &+= 1 }
      counters.audioLost &+= ending.lostBytes
      counters.silenceSkipped &+= ending.skippedMilliseconds
      let unshown = call.map { log.unshown(of: $0) } ?? 0
      log.write(ending.cause.level, "call_ended", call: call, at: now) {
        $0.write("⏱️ Total call duration: ")
        $0.write(decimal: ending.milliseconds)
        $0.write("ms (")
        $0.write(decimal: ending.milliseconds / 1000)
        $0.write("s)")
      } detail: {
        Self.write(ending, into: &$0)
        guard unshown > 0 else { return }
        $0.write(", complaints not shown ")
        $0.write(decimal: unshown)
      }
    }
  }

  private static func write(_ ending: Event.Ending, into line: inout Writer) {
    line.write(ending.cause.word)
    line.write(" after ")
    line.write(decimal: ending.milliseconds)
    line.write(" ms (")
    line.write(decimal: ending.milliseconds / 1000)
    line.write(".")
    line.write(decimal: ending.milliseconds % 1000, width: 3)
    line.write(" s), ")
    line.write(decimal: ending.frames)
    line.write(" frames, ")
    line.write(decimal: ending.results)
    line.write(" results")
    if ending.isTwoWay {
      line.write(", heard ")
      line.write(decimal: ending.heardMilliseconds)
      line.write(" of ")
      line.write(decimal: ending.generatedMilliseconds)
      line.write(" ms that the agent said, interrupted ")
      line.write(decimal: ending.interruptions)
      line.write(" times")
    }
    if ending.lostBytes > 0 {
      line.write(", lost ")
      line.write(decimal: ending.lostBytes)
      line.write(" bytes of audio")
    }
    if ending.skippedMilliseconds > 0 {
      line.write(", left out ")
      line.write(decimal: ending.skippedMilliseconds)
      line.write(" ms of silence")
    }
    if let first = ending.ready.first {
      line.write(", upstream ready after ")
      line.write(decimal: first)
      line.write(" ms")
    }
    if let worst = ending.ready.laterWorst {
      line.write(", again after ")
      line.write(decimal: worst)
      line.write(" ms at most")
    }
    if !ending.words.isEmpty {
      line.write(", the upstream said \"")
      line.write(ending.words)
      line.write("\"")
    }
    write(ending.request, into: &line)
  }

  /// An upstream's own words, in front of ours.
  private static func write(quoted words: Bytes, into line: inout Writer) {
    guard !words.isEmpty else { return }
    line.write("\"")
    line.write(words)
    line.write("\"; ")
  }

  /// The id under which an upstream knows a session.
  private static func write(_ request: Name, into line: inout Writer) {
    guard !request.isEmpty else { return }
    line.write(", request ")
    line.write(request)
  }

  private mutating func note(_ event: Event.OfCaller, _ call: Name?) {
    switch event {
    case .accepted(let path, let peer, let isTwoWay):
      write(
        .info, "socket_accepted", call,
        isTwoWay ? "Phone WebSocket connection accepted" : "NEW WEBSOCKET CONNECTION ACCEPTED"
      ) {
        $0.write("from ")
        $0.write(peer)
      }
      log.write(.info, "socket_path", call: call, at: now) {
        $0.write("WebSocket path: ")
        $0.write(path)
      }
    case .connected: write(.info, "carrier_connected", call, "Connected Message received")
    case .recognised(let carrier):
      log.write(.info, "carrier_recognised", call: call, at: now) {
        $0.write("Telephony provider detected: ")
        $0.write(carrier)
      }
    case .badMessage(let sentence, let soFar):
      write(.warning, "bad_message", call) {
        $0.write("from the caller: ")
        $0.write(sentence)
        $0.write("; so far: ")
        $0.write(decimal: soFar)
      }
    case .odd(let event): note(event, call)
    case .complains(let text):
      write(.warning, "carrier_complains", call) {
        $0.write("the caller's side says: ")
        $0.write(text)
      }
    case .byteOrder(let isBigEndian):
      write(.info, "byte_order", call) {
        $0.write(isBigEndian ? "big-endian, as heard" : "little-endian, as heard")
      }
    case .key(let key):
      log.print(of: call ?? Name()) {
        $0.write("[DTMF] ")
        $0.write(byte: key)
      }
    }
  }

  private mutating func note(_ event: Event.OfUpstream, _ call: Name?) {
    switch event {
    case .dialled(let name, let sentence):
      write(.info, "upstream_dialled", call, sentence) { $0.write(name) }
    case .connected(let name, let milliseconds, let sentence, let request):
      write(.info, "upstream_connected", call, sentence) {
        $0.write(name)
        $0.write(" after ")
        $0.write(decimal: milliseconds)
        $0.write(" ms")
        Self.write(request, into: &$0)
      }
    case .tookOver: break
    case .refused(let name, let status, let sentence, let words, let request):
      write(.warning, "upstream_refused", call) {
        $0.write(decimal: status)
        $0.write(" from ")
        $0.write(name)
        $0.write(": ")
        Self.write(quoted: words, into: &$0)
        $0.write(sentence)
        Self.write(request, into: &$0)
      }
    case .error(let name, let code, let message, let isAside):
      write(.warning, "upstream_error", call) {
        $0.write(name)
        $0.write(": ")
        $0.write(code)
        if !code.isEmpty, !message.isEmpty { $0.write(": ") }
        $0.write(message)
        if isAside { $0.write(" (the talk goes on without it; said once in a call)") }
      }
    case .closed(let name, let code, let reason):
      write(.warning, "upstream_closed", call) {
        $0.write(name)
        $0.write(": ")
        $0.write(code: code, reason)
      }
    case .tooLarge(let bytesMax): write(tooLarge: bytesMax, call)
    case .untold: writeUntold(call)
    case .strange(let name, let type): write(name, unknown: type, call)
    case .format(let name, let format, let isHeeded): write(name, format, isHeeded, call)
    case .notJSON(let name, let text): write(name, bad: text, call)
    case .unreadable(let name): write(unreadable: name, call)
    case .broke(let name, let failure):
      write(.warning, "upstream_lost", call) {
        $0.write(name)
        $0.write(": ")
        $0.write(failure.sentence)
      }
    case .triedAgain(_, let milliseconds, let attempt, let all):
      write(.info, "upstream_redial", call) {
        $0.write("in ")
        $0.write(decimal: milliseconds)
        $0.write(" ms, attempt ")
        $0.write(decimal: attempt)
        $0.write(" of ")
        $0.write(decimal: all)
      }
    case .sessionLost: counters.upstreamsLost &+= 1
    case .givenUp(_, let sentence):
      write(.warning, "upstream_given_up", call) {
        $0.write("no other attempt is made, and the call ends: ")
        $0.write(sentence)
      }
    case .fellBack(let upstream, let other, let sentence):
      noteFallback(from: upstream, to: other, sentence, call)
    }
  }

  private mutating func noteFallback(
    from upstream: Bytes, to other: Bytes, _ why: StaticString, _ call: Name?
  ) {
    write(.warning, "upstream_fallback", call) {
      $0.write(other)
      $0.write(" takes over from ")
      $0.write(upstream)
      $0.write(": ")
      $0.write(why)
    }
  }

  private mutating func note(_ event: Event.OfRelay) {
    switch event {
    case .draining(let calls):
      write(.info, "draining", nil) {
        $0.write(decimal: calls)
        $0.write(" calls")
      }
    case .linkRefused(let peer):
      counters.linksRefused &+= 1
      write(.warning, "links_refused", nil) {
        $0.write(peer)
        $0.write(" and others find no free connection, and are cut off: those there are are kept ")
        $0.write("busy by calls, by the dials that these are owed, and by answers on their way; ")
        $0.write("more with limits.calls_max, limits.other_links_max")
      }
    case .keysUnjudged(let sentence, let withheld):
      write(.warning, "keys_unjudged", nil) {
        $0.write("LiteLLM was asked about a key: ")
        $0.write(sentence)
        if withheld > 0 {
          $0.write("; ")
          $0.write(decimal: withheld)
          $0.write(" such lines were left out before it")
        }
      }
    case .modelReplaced(let model, let replacement, let upstream):
      write(.warning, "model_replaced", nil) {
        $0.write(upstream)
        $0.write(" was asked for ")
        $0.write(model)
        $0.write(", which has ended; its calls get ")
        $0.write(replacement)
        $0.write(": name that where they choose the model")
      }
    case .refused(let refused):
      counters.requestsRefused &+= 1
      guard let withheld = refused.withheld else { return }
      write(refused.isWarning ? .warning : .info, "refused", nil) {
        $0.write(refused.code)
        $0.write(" to ")
        $0.write(refused.peer)
        if !refused.path.isEmpty {
          $0.write(" for ")
          $0.write(refused.path)
        }
        if !refused.words.isEmpty {
          $0.write(": ")
          $0.write(refused.words)
        }
        if withheld > 0 {
          $0.write("; not shown before: ")
          $0.write(decimal: withheld)
        }
      }
    }
  }
}

// MARK: Lines about the wire

extension Turn {
  private mutating func note(_ event: Event.OfPeer, _ call: Name?) {
    switch event {
    case .slowed(let leg):
      counters.peersSlowed &+= 1
      write(.warning, "peer_slowed", call) {
        $0.write(leg == .caller ? "the caller" : "the upstream")
        $0.write(" sends far more frames or bytes than a call needs: it is read more slowly")
      }
    case .flooding(let leg):
      counters.peersFlooding &+= 1
      write(.warning, "peer_flooding", call) {
        $0.write(leg == .caller ? "the caller" : "the upstream")
        $0.write(" went on for ")
        $0.write(decimal: Account.floodSpan.milliseconds / 1000)
        $0.write(" s to send far more frames or bytes than a call needs: ")
        $0.write(leg == .caller ? "its socket is closed" : "its session is given up")
      }
    }
  }

  private mutating func note(_ event: Event.OfWire, _ call: Name?) {
    guard log.shows(.debug) else { return }
    switch event {
    case .fromCaller(let message): show(message, "from the caller: ", call)
    case .toCaller(let message): show(message, "to the caller: ", call)
    case .fromUpstream(let message): show(message, "from the upstream: ", call)
    case .toUpstream(let message): show(message, "to the upstream: ", call)
    }
  }

  private mutating func show(_ message: Bytes, _ way: StaticString, _ call: Name?) {
    write(.debug, "wire", call) {
      $0.write(way)
      $0.write(excerptOf: message)
    }
  }
}

extension Cause {
  /// How bad it is that a call ends so: the relay or its upstream failed; somebody must look at
  /// what calls; or it is life.
  fileprivate var level: Log.Level {
    switch self {
    case .noMemory, .upstreamRefused, .upstreamLost, .upstreamBusy, .upstreamKey, .modelQuiet:
      .error
    case .unrecognised, .unsupported, .badMessages, .malformedFrames, .notUTF8, .tooLarge,
      .tooSlow, .flooding, .noToken, .wrongToken, .wrongChoice, .crowded:
      .warning
    case .none, .stopped, .closed, .left, .hungUp, .callerQuiet, .transferred, .silent, .tooLong,
      .draining, .shutDown, .unclaimed:
      .info
    }
  }
}

extension Writer {
  fileprivate mutating func write(code: UInt16, _ reason: Bytes) {
    write(decimal: Int(code))
    write(" ")
    write(reason)
  }
}
