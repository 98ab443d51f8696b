// The upstream's side of a call: dialled, asked, listened to, told to finish, let go of.

extension Relay {
  // MARK: Dialling

  func dial(_ call: Int, _ now: Instant) {
    guard calls[call].isDialled else {
      perform(calls[call].life.opened(), call, now)
      return
    }
    guard let id = links.take() else {
      upstreamLost(
        call,
        .init(
          retry: true, cause: .noMemory, code: "no_memory",
          sentence: "the relay has no connection left"), pause: .zero, now)
      return
    }
    links[id.index] = Link()
    links[id.index].phase = .dialling
    links[id.index].call = calls.id(at: call)
    links[id.index].lastHeard = now
    calls[call].dialled = id
    calls[call].dialledAt = now
    setDeadline(id.index, now + .seconds(limits.handshakeSeconds))
    want(.dial, id.index)
  }

  /// The connection stands: ask for the WebSocket.
  func sendUpgrade(_ index: Int, _ now: Instant) {
    let call = links[index].call.index
    let upstream = upstreams[calls[call].upstream]
    links[index].phase = .upgrade
    calls[call].nonce = Upgrade.Nonce(low: random.next64(), high: random.next64())
    var writer = Writer(scratch.bytes.prefix(Limits.scratchBytes / 2))
    var query = Writer(scratch.bytes.dropping(Limits.scratchBytes / 2))
    Upstream.all[calls[call].kind].query(session(call), &query)
    Upgrade.beginRequest(
      host: upstream.host.bytes, port: upstream.port, isTLS: upstream.isTLS,
      path: upstream.path.bytes, query: query.written, nonce: calls[call].nonce, into: &writer)
    if !upstream.authorization.bytes.isEmpty {
      HTTP.writeField(upstream.keyHeader, upstream.authorization.bytes, into: &writer)
    }
    writer.write("User-Agent: sidetone\r\n")
    Upgrade.endRequest(into: &writer)
    precondition(!writer.overflowed && !query.overflowed, "a request is smaller than the scratch")
    guard links[index].outbox.append(writer.written, from: pool) else {
      reset(index)
      upstreamBroke(call, .noMemory, now)
      return
    }
    want(.write, index)
  }

  /// The answer to our request, which may bring the first messages with it.
  func takeAnswer(_ index: Int, _ window: Bytes, _ now: Instant) {
    let call = links[index].call.index
    let upstream = calls[call].upstream
    switch HTTP.parseResponse(window, limit: limits.headBytesMax) {
    case .needMore:
      if !keepHead(index, of: window) {
        reset(index)
        upstreamBroke(call, .noMemory, now)
      }
    case .bad:
      reset(index)
      upstreamBroke(call, .reset, now)
    case .complete(let head):
      switch Upgrade.check(head, in: window, nonce: calls[call].nonce) {
      case .accepted: opened(index, window.dropping(head.length), now)
      case .refused(let status):
        let verdict = Upstream.all[calls[call].kind].refused(status)
        let seconds = min(Upgrade.retryAfterSeconds(head, in: window) ?? 0, 60)
        log(.warning, "upstream_refused", call: call, at: now) {
          $0.write(decimal: status)
          $0.write(" from ")
          $0.write(self.upstreams[upstream].name.bytes)
          $0.write(": ")
          $0.write(verdict.sentence)
        }
        calls[call].dialled = .none
        leave(index, now)
        upstreamLost(call, verdict, pause: .seconds(seconds), now)
      case .bad:
        reset(index)
        upstreamBroke(call, .reset, now)
      }
    }
  }

  /// The WebSocket stands. A session that has to be described is, and is ready when it says so.
  private func opened(_ index: Int, _ rest: Bytes, _ now: Instant) {
    let call = links[index].call.index
    links[index].webSocket = WebSocket(
      role: .client, messageBytesMax: limits.upstreamMessageBytesMax)
    var writer = Writer(scratch.bytes)
    Upstream.all[calls[call].kind].setup(session(call), &writer)
    if writer.count == 0 {
      ready(index, now)
    } else {
      links[index].phase = .setup
      setDeadline(index, now + .seconds(limits.handshakeSeconds))
      guard !writer.overflowed, seal(.text, writer.written, on: index) else {
        reset(index)
        return upstreamBroke(call, .noMemory, now)
      }
    }
    guard links[index].phase == .upstream || links[index].phase == .setup else { return }
    if rest.isEmpty { releaseInbox(index) } else { takeFromUpstream(index, rest, now) }
  }

  /// The session is as it was asked for: audio may flow.
  private func ready(_ index: Int, _ now: Instant) {
    let call = links[index].call.index
    links[index].phase = .upstream
    setDeadline(index, now + .seconds(limits.pingSeconds))
    healths[calls[call].upstream].opened()
    log(.info, "upstream_connected", call: call, at: now) {
      $0.write(self.upstreams[self.calls[call].upstream].name.bytes)
      $0.write(" after ")
      $0.write(decimal: (now - self.calls[call].dialledAt).milliseconds)
      $0.write(" ms")
    }
    calls[call].lastSign = now
    calls[call].finalsEnd = InlineArray(repeating: 0)
    calls[call].uplink.beginSession(at: now)
    // What is sent again must be asked for as final again.
    if calls[call].uplink.backlog > 0 { calls[call].isFinalized = false }
    let id = calls.id(at: call)
    perform(calls[call].life.opened(), call, now)
    if calls.holds(id), calls[call].isTwoWay { beginTalk(call, now) }
  }

  // MARK: Listening

  func takeFromUpstream(_ index: Int, _ window: Bytes, _ now: Instant) {
    while links[index].phase == .upstream || links[index].phase == .setup {
      switch links[index].webSocket.nextEvent(in: window) {
      case .needMore:
        if !keepRest(index, of: window) { breakUpstream(index, now) }
        return
      case .text(let range), .binary(let range): take(window[range], on: index, now)
      case .ping(let range): answerPing(window[range], on: index)
      case .pong: break
      case .close(let code, let reason):
        upstreamClosed(index, code, window[reason], now)
        return
      case .failed:
        breakUpstream(index, now)
        return
      }
    }
  }

  private func take(_ message: Bytes, on index: Int, _ now: Instant) {
    let call = links[index].call.index
    if links[index].phase == .setup {
      setUp(index, message, now)
    } else if calls[call].isTwoWay {
      heed(call, message, now)
      heardLastWords(call, now)
    } else {
      hear(call, message, now)
    }
  }

  /// A call that ends waits for the transcript of what was said last.
  private func heardLastWords(_ call: Int, _ now: Instant) {
    guard calls.isInUse(call), calls[call].life.state == .closing(.waiting),
      calls[call].transcriptsOwed == 0
    else { return }
    perform(calls[call].life.upstreamFinished(), call, now)
  }

  /// The answer to a session's description. A complaint now means that it was not understood: the
  /// session would go on without what was asked for.
  private func setUp(_ index: Int, _ message: Bytes, _ now: Instant) {
    let call = links[index].call.index
    let news = Upstream.all[calls[call].kind].read(message)
    if let complaint = news.complaint {
      warn(complaint, message, call, now)
      reset(index)
      return upstreamLost(
        call,
        complaint.verdict
          ?? Upstream.Verdict(
            retry: false, cause: .upstreamRefused, code: "upstream_refused",
            sentence: "the upstream refused the session's settings: see the log"),
        pause: .zero, now)
    }
    guard news.isReady else { return }
    calls[call].transcribes = news.transcribes
    ready(index, now)
  }

  /// An error that the upstream reports; some of them end the session.
  func complained(_ complaint: Upstream.Complaint, _ message: Bytes, _ call: Int, _ now: Instant) {
    warn(complaint, message, call, now)
    guard let verdict = complaint.verdict, links.holds(calls[call].dialled) else { return }
    let index = calls[call].dialled.index
    calls[call].dialled = .none
    closeUpstream(index, 1000, now)
    upstreamLost(call, verdict, pause: .zero, now)
  }

  private func warn(
    _ complaint: Upstream.Complaint, _ message: Bytes, _ call: Int, _ now: Instant
  ) {
    log(.warning, "upstream_error", call: call, at: now) {
      $0.write(message[complaint.code])
      $0.write(": ")
      $0.write(message[complaint.message])
    }
  }

  /// One message: its words to the caller and the terminal, its place in the audio to the ring.
  private func hear(_ call: Int, _ message: Bytes, _ now: Instant) {
    let kind = Upstream.all[calls[call].kind]
    let news = kind.read(message)
    guard !news.isMalformed else {
      totals.messagesBad &+= 1
      return
    }
    if let heard = news.heard {
      calls[call].life.progressed()
      if !heard.text.isEmpty { deliver(heard, message, call, now) }
    }
    tell(call, .response(upstream: kind.name), body: message, now)
    if let heard = news.heard, heard.isFinal { acknowledge(heard, call) }
    // A session that was dialled ahead may end, or say how it goes on, before its caller comes.
    keepHandle(news, message, call)
    if let complaint = news.complaint { return complained(complaint, message, call, now) }
    if news.isFinished {
      calls[call].isConfirmed = true
      perform(calls[call].life.upstreamFinished(), call, now)
    }
  }

  private func deliver(
    _ heard: Upstream.Heard, _ message: Bytes, _ call: Int, _ now: Instant
  ) {
    calls[call].transcripts &+= 1
    totals.transcripts &+= 1
    say(call, message[heard.text], isFinal: heard.isFinal, at: now)
    tell(
      call,
      .transcript(
        text: message[heard.text], isFinal: heard.isFinal, confidence: message[heard.confidence],
        channel: heard.channel, channels: heard.channels), now)
  }

  /// What is final need not be replayed. With two channels both must have come so far.
  private func acknowledge(_ heard: Upstream.Heard, _ call: Int) {
    guard heard.channel == 0 || heard.channel == 1 else { return }
    calls[call].finalsEnd[heard.channel] = max(
      calls[call].finalsEnd[heard.channel], heard.endMicroseconds)
    let end =
      heard.channels < 2
      ? heard.endMicroseconds : min(calls[call].finalsEnd[0], calls[call].finalsEnd[1])
    calls[call].uplink.acknowledge(sessionMicroseconds: end, in: pool)
    resumeCaller(call)
  }

  // MARK: Telling

  func isUpstreamOpen(_ call: Int) -> Bool {
    links.holds(calls[call].dialled) && links[calls[call].dialled.index].phase == .upstream
  }

  func command(_ command: Upstream.Command, _ call: Int, _ now: Instant) {
    guard isUpstreamOpen(call) else { return }
    var writer = Writer(scratch.bytes)
    Upstream.all[calls[call].kind].write(command, &writer)
    if writer.count == 0 { return }
    if seal(.text, writer.written, on: calls[call].dialled.index) { calls[call].lastSign = now }
  }

  /// Where an upstream never says that it has finished, it has when the last transcript is there.
  func finishUpstream(_ call: Int, _ now: Instant) {
    command(.finish, call, now)
    let lastWords = Upstream.all[calls[call].kind].habits.lastWordsWithin
    guard lastWords != .never else { return }
    if calls[call].transcriptsOwed == 0 {
      perform(calls[call].life.upstreamFinished(), call, now)
    } else {
      calls[call].life.hurry(until: now + lastWords)
    }
  }

  /// What was said so far is wanted as final.
  func finalize(_ call: Int, _ now: Instant) {
    // A call that ends asks for more than that.
    guard !calls[call].life.isClosing else { return }
    // Behind a backlog the request would come too early: the timer asks again when it is sent.
    guard calls[call].uplink.backlog == 0 else {
      calls[call].lastAudio = now + (.zero - Upstream.all[calls[call].kind].habits.finalizeAfter)
      return
    }
    calls[call].isFinalized = true
    command(.finalize, call, now)
  }

  /// A sign of life where there was no audio for a while; before the first audio of a session,
  /// silence.
  func keepAlive(_ call: Int, _ now: Instant) {
    let habits = Upstream.all[calls[call].kind].habits
    guard calls[call].life.state == .talking, isUpstreamOpen(call),
      calls[call].lastSign + habits.keepAliveAfter <= now
    else { return }
    if calls[call].uplink.isSessionSilent, habits.openingSilenceMilliseconds > 0 {
      let milliseconds = habits.openingSilenceMilliseconds
      let silence = scratch.bytes.prefix(calls[call].hears.bytes(forMilliseconds: milliseconds))
      silence.fill(calls[call].hears.silence)
      if seal(.binary, silence, on: calls[call].dialled.index) {
        calls[call].uplink.insertedSilence(
          bytes: calls[call].format.bytes(forMilliseconds: milliseconds))
      }
    }
    command(.keepAlive, call, now)
  }

  // MARK: Losing

  private func upstreamClosed(_ index: Int, _ code: UInt16, _ reason: Bytes, _ now: Instant) {
    let call = links[index].call.index
    var verdict = Upstream.all[calls[call].kind].closed(code, reason)
    if links[index].phase == .setup, !calls[call].handle.isEmpty {
      // Perhaps only what should have resumed the session was refused: the next one begins anew.
      calls[call].handle.clear(in: pool)
      verdict.retry = true
    }
    // After it was told to finish, a close without complaint says that it has.
    let isWell = code == 1000 || code == 1001 || code == WebSocket.noCode
    let isFinished = isWell && calls[call].life.state == .closing(.waiting)
    if !isFinished {
      log(.warning, "upstream_closed", call: call, at: now) {
        $0.write(decimal: Int(code))
        $0.write(" ")
        $0.write(reason)
      }
    }
    calls[call].dialled = .none
    closeUpstream(index, code, now)
    if isFinished {
      calls[call].isConfirmed = true
      perform(calls[call].life.upstreamFinished(), call, now)
    } else {
      upstreamLost(call, verdict, pause: .zero, now)
    }
  }

  private func breakUpstream(_ index: Int, _ now: Instant) {
    let call = links[index].call.index
    reset(index)
    upstreamBroke(call, .reset, now)
  }

  /// The connection to the upstream failed or was never made.
  func upstreamBroke(_ call: Int, _ failure: LinkFailure, _ now: Instant) {
    calls[call].dialled = .none
    log(.warning, "upstream_lost", call: call, at: now) {
      $0.write(self.upstreams[self.calls[call].upstream].name.bytes)
      $0.write(": ")
      $0.write(failure.sentence)
    }
    upstreamLost(
      call,
      Upstream.Verdict(
        retry: failure != .certificateRefused, cause: .upstreamLost, code: "upstream_lost",
        sentence: failure.sentence), pause: .zero, now)
  }

  private func upstreamLost(
    _ call: Int, _ verdict: Upstream.Verdict, pause: Instant.Span, _ now: Instant
  ) {
    calls[call].dialled = .none
    upstreamFellSilent(call, now)
    totals.upstreamsLost &+= 1
    healths[calls[call].upstream].failed(verdict, at: now)
    if !verdict.code.bytes.isEmpty {
      tell(call, .error(code: verdict.code, message: verdict.sentence), now)
    }
    let action = calls[call].life.upstreamLost(
      retry: verdict.retry, pause: pause, cause: verdict.cause, at: now)
    if action == .rest { totals.redials &+= 1 }
    perform(action, call, now)
  }

  /// Answers the upstream's Close, or says ours, and lets go.
  private func closeUpstream(_ index: Int, _ code: UInt16, _ now: Instant) {
    if links[index].phase == .upstream || links[index].phase == .setup, !links[index].isCloseSent {
      let echoed = WebSocket.isSendable(closeCode: code) ? code : 1000
      links[index].isCloseSent = WebSocket.sealClose(
        code: echoed, key: random.next(), into: &links[index].outbox, from: pool)
    }
    leave(index, now)
  }

  func letGoOfUpstream(_ call: Int, _ now: Instant) {
    guard links.holds(calls[call].dialled) else { return }
    let index = calls[call].dialled.index
    calls[call].dialled = .none
    switch links[index].phase {
    case .upstream, .setup: closeUpstream(index, 1000, now)
    case .request, .caller, .dialling, .upgrade, .leaving, .gone: reset(index)
    }
  }
}

extension LinkFailure {
  var sentence: StaticString {
    switch self {
    case .refused: return "the connection was refused"
    case .unreachable: return "the network is unreachable"
    case .timedOut: return "no answer in time"
    case .reset: return "the connection broke"
    case .nameNotFound: return "the host name does not exist"
    case .nameTimedOut: return "the host name could not be resolved in time"
    case .tlsFailed: return "the TLS handshake failed"
    case .certificateRefused: return "the certificate could not be verified"
    case .noDescriptor: return "the relay has no descriptor left"
    case .noMemory: return "the relay has no buffer left"
    }
  }
}
