// The one door for counting and logging: what becomes of each event, in one place. A tally is a
// counter, and may come with every frame; an event is a line, and often a counter too.

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
    }
  }

  /// Writes down what happened to a call; `call` is nil for what is about none.
  mutating func note(_ event: Event, of call: Name?) {
    count(event)
    switch event {
    case .callStarted, .callRefused, .firstAudio, .stopReceived, .resultsMissing, .callEnded:
      noteCall(event, call)
    case .badMessage, .carrierComplains, .byteOrder: noteCaller(event, call)
    case .upstreamConnected, .upstreamRefused, .upstreamError, .upstreamClosed, .upstreamBroke:
      noteUpstream(event, call)
    case .heard, .said, .interrupted, .digit: noteWords(event, call ?? Name())
    case .draining, .refused: noteRelay(event)
    case .interruption, .upstreamLost, .redial: break
    }
  }

  private mutating func count(_ event: Event) {
    switch event {
    case .callStarted: counters.callsStarted &+= 1
    case .callEnded(let ending):
      counters.callsEnded &+= 1
      if ending.hasStarted { counters.callsEndedAfterStart &+= 1 }
      counters.audioLost &+= ending.lostBytes
    case .upstreamLost: counters.upstreamsLost &+= 1
    case .redial: counters.redials &+= 1
    case .interruption: counters.interruptions &+= 1
    case .refused: counters.requestsRefused &+= 1
    case .heard: counters.transcripts &+= 1
    case .callRefused, .firstAudio, .stopReceived, .resultsMissing, .badMessage,
      .carrierComplains, .byteOrder, .digit, .upstreamConnected, .upstreamRefused,
      .upstreamError, .upstreamClosed, .upstreamBroke, .said, .interrupted, .draining:
      break
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
  private mutating func noteCall(_ event: Event, _ call: Name?) {
    switch event {
    case .callStarted(let carrier, let upstream, let path):
      write(.info, "call_started", call) {
        $0.write(carrier)
        $0.write(" to ")
        $0.write(upstream)
        $0.write(" on ")
        $0.write(path)
      }
    case .callRefused(let sentence):
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
    case .callEnded(let ending):
      write(.info, "call_ended", call) { Self.write(ending, into: &$0) }
    default: preconditionFailure("sorted by `note`")
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

  private mutating func noteCaller(_ event: Event, _ call: Name?) {
    switch event {
    case .badMessage(let sentence, let soFar):
      write(.warning, "bad_message", call) {
        $0.write(sentence)
        $0.write("; so far: ")
        $0.write(decimal: soFar)
      }
    case .carrierComplains(let text):
      write(.warning, "carrier_complains", call) { $0.write(text) }
    case .byteOrder(let isBigEndian):
      write(.info, "byte_order", call) {
        $0.write(isBigEndian ? "big-endian, as heard" : "little-endian, as heard")
      }
    default: preconditionFailure("sorted by `note`")
    }
  }

  private mutating func noteUpstream(_ event: Event, _ call: Name?) {
    switch event {
    case .upstreamConnected(let name, let milliseconds):
      write(.info, "upstream_connected", call) {
        $0.write(name)
        $0.write(" after ")
        $0.write(decimal: milliseconds)
        $0.write(" ms")
      }
    case .upstreamRefused(let name, let status, let sentence):
      write(.warning, "upstream_refused", call) {
        $0.write(decimal: status)
        $0.write(" from ")
        $0.write(name)
        $0.write(": ")
        $0.write(sentence)
      }
    case .upstreamError(let code, let message):
      write(.warning, "upstream_error", call) {
        $0.write(code)
        $0.write(": ")
        $0.write(message)
      }
    case .upstreamClosed(let code, let reason):
      write(.warning, "upstream_closed", call) {
        $0.write(decimal: Int(code))
        $0.write(" ")
        $0.write(reason)
      }
    case .upstreamBroke(let name, let failure):
      write(.warning, "upstream_lost", call) {
        $0.write(name)
        $0.write(": ")
        $0.write(failure.sentence)
      }
    default: preconditionFailure("sorted by `note`")
    }
  }

  private mutating func noteRelay(_ event: Event) {
    switch event {
    case .draining(let calls):
      write(.info, "draining", nil) {
        $0.write(decimal: calls)
        $0.write(" calls")
      }
    case .refused(let code, let peer, let withheld):
      guard let withheld else { return }
      write(.info, "refused", nil) {
        $0.write(code)
        $0.write(" to ")
        $0.write(peer)
        if withheld > 0 {
          $0.write("; not shown before: ")
          $0.write(decimal: withheld)
        }
      }
    default: preconditionFailure("sorted by `note`")
    }
  }
}

// MARK: Lines of the transcript

extension Turn {
  private mutating func noteWords(_ event: Event, _ call: Name) {
    switch event {
    case .heard(let text, let isFinal):
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
    case .digit(let digit):
      log.print(of: call) {
        $0.write("[DTMF] ")
        $0.write(byte: digit)
      }
    default: preconditionFailure("sorted by `note`")
    }
  }
}

extension Writer {
  /// A text that is the inside of a JSON string, as people read it.
  fileprivate mutating func write(words text: Bytes) {
    JSON.unescape(JSON.Value(.string, 0..<text.count, hasEscapes: true), in: text, to: &self)
  }
}
