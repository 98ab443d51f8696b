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
    case .speechPiece: counters.speechPieces &+= 1
    case .speechSent: counters.speechSent &+= 1
    case .speechCut: counters.speechCut &+= 1
    case .speechLate: counters.speechLate &+= 1
    case .messageIgnored: counters.messagesIgnored &+= 1
    case .messageBad: counters.messagesBad &+= 1
    case .answerTooLong: counters.answersTooLong &+= 1
    case .request: counters.requests &+= 1
    case .linkRefused: counters.linksRefused &+= 1
    case .interruption: counters.interruptions &+= 1
    case .sessionLost: counters.upstreamsLost &+= 1
    case .redial: counters.redials &+= 1
    case .sideError: counters.sideErrors &+= 1
    }
  }

  /// Writes down what happened; `call` is the id of the call that it is about, nil for none.
  mutating func note(_ event: Event, of call: Name?) {
    switch event {
    case .call(let event): note(event, call)
    case .caller(let event): note(event, call)
    case .upstream(let event): note(event, call)
    case .words(let event): note(event, call ?? Name())
    case .relay(let event): note(event)
    }
  }

  private mutating func write(
    _ level: Log.Level, _ word: StaticString, _ call: Name?,
    _ detail: (inout Writer) -> Void = { _ in }
  ) {
    log.write(level, word, call: call, at: now, detail)
  }
}

// MARK: Lines of the log

extension Turn {
  private mutating func note(_ event: Event.OfCall, _ call: Name?) {
    switch event {
    case .started(let carrier, let upstream, let path):
      counters.callsStarted &+= 1
      write(.info, "call_started", call) {
        $0.write(carrier)
        $0.write(" to ")
        $0.write(upstream)
        $0.write(" on ")
        $0.write(path)
      }
    case .refused(let sentence):
      write(.warning, "call_refused", call) { $0.write(sentence) }
    case .firstAudio(let milliseconds):
      write(.info, "first_audio", call) {
        $0.write(decimal: milliseconds)
        $0.write(" ms after the start")
      }
    case .stopReceived: write(.info, "stop_received", call)
    case .resultsMissing:
      write(.warning, "results_missing", call) {
        $0.write("the upstream did not confirm the last words")
      }
    case .unanswered:
      counters.unanswered &+= 1
      write(.info, "unanswered", call) {
        $0.write("the model did not answer what it was sent of the caller's voice")
      }
    case .deadAir(let seconds):
      counters.deadAir &+= 1
      write(.warning, "dead_air", call) {
        $0.write("the caller heard nothing for ")
        $0.write(decimal: seconds)
        $0.write(" s, since no session could be had; the call ends (limits.dead_air_seconds)")
      }
    case .ended(let ending):
      counters.callsEnded &+= 1
      if ending.hasStarted { counters.callsEndedAfterStart &+= 1 }
      counters.audioLost &+= ending.lostBytes
      write(.info, "call_ended", call) { Self.write(ending, into: &$0) }
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
  }

  private mutating func note(_ event: Event.OfCaller, _ call: Name?) {
    switch event {
    case .badMessage(let sentence, let soFar):
      write(.warning, "bad_message", call) {
        $0.write(sentence)
        $0.write("; so far: ")
        $0.write(decimal: soFar)
      }
    case .complains(let text):
      write(.warning, "carrier_complains", call) { $0.write(text) }
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
    case .connected(let name, let milliseconds):
      write(.info, "upstream_connected", call) {
        $0.write(name)
        $0.write(" after ")
        $0.write(decimal: milliseconds)
        $0.write(" ms")
      }
    case .refused(let name, let status, let sentence):
      write(.warning, "upstream_refused", call) {
        $0.write(decimal: status)
        $0.write(" from ")
        $0.write(name)
        $0.write(": ")
        $0.write(sentence)
      }
    case .error(let code, let message, let isAside):
      write(.warning, "upstream_error", call) {
        $0.write(code)
        $0.write(": ")
        $0.write(message)
        if isAside { $0.write(" (the talk goes on without it; said once in a call)") }
      }
    case .closed(let code, let reason):
      write(.warning, "upstream_closed", call) {
        $0.write(decimal: Int(code))
        $0.write(" ")
        $0.write(reason)
      }
    case .broke(let name, let failure):
      write(.warning, "upstream_lost", call) {
        $0.write(name)
        $0.write(": ")
        $0.write(failure.sentence)
      }
    }
  }

  private mutating func note(_ event: Event.OfRelay) {
    switch event {
    case .draining(let calls):
      write(.info, "draining", nil) {
        $0.write(decimal: calls)
        $0.write(" calls")
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

// MARK: Lines of the transcript

extension Turn {
  private mutating func note(_ event: Event.OfWords, _ call: Name) {
    switch event {
    case .heard(let text, let isFinal):
      counters.transcripts &+= 1
      log.print(of: call) {
        $0.write(isFinal ? "[FINAL] Transcription: " : "[INTERIM] Transcription: ")
        $0.write(words: text)
      }
    case .said(let text):
      log.print(of: call) {
        $0.write("[AGENT] ")
        $0.write(words: text)
      }
    case .interrupted(let heard, let generated, let words, let cut):
      write(.info, "interrupted", call) {
        $0.write("heard ")
        $0.write(decimal: heard)
        $0.write(" of ")
        $0.write(decimal: generated)
        $0.write(" ms generated")
      }
      log.print(of: call) {
        $0.write("[INTERRUPTED] heard ")
        $0.write(decimal: heard)
        $0.write(" of ")
        $0.write(decimal: generated)
        $0.write(" ms: ")
        $0.write(words: words.prefix(cut))
        $0.write(" |")
        $0.write(words: words.dropping(cut))
      }
    }
  }
}

extension Writer {
  /// A text that is the inside of a JSON string, as people read it.
  fileprivate mutating func write(words text: Bytes) {
    JSON.unescape(JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text, to: &self)
  }
}
