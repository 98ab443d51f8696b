// What operators and their tools read: `/health`, `/ready`, `/stats`, `/metrics`. Written from a
// plain snapshot that the relay fills, so nothing here reaches into a call. Call ids are personal
// data: they stand in `/stats` only, which admission guards.

package struct Pages: Sendable {
  private let service: Text

  /// `service` is the name that `/health` gives.
  package init(service: String) { self.service = Text(service) }

  package func writeHealth(_ now: Snapshot, isHead: Bool = false, into out: inout Writer) {
    writeState(.ok, "healthy", now, isHead, &out) { _ in }
  }

  package func writeReady(_ now: Snapshot, isHead: Bool = false, into out: inout Writer) {
    writeState(now.readiness.status, now.readiness.reason, now, isHead, &out) {
      Self.write("transcription", now.transcription, into: &$0)
      Self.write("voice", now.voice, into: &$0)
      if let records = now.records { Self.write(records, into: &$0) }
    }
  }

  private static func write(_ kind: StaticString, _ places: Places, into out: inout Writer) {
    guard places.max > 0 else { return }
    out.write(",\"")
    out.write(kind)
    out.write("\":{\"free\":")
    out.write(decimal: places.free)
    out.write(",\"max\":")
    out.write(decimal: places.max)
    out.write("}")
  }

  private func writeState(
    _ status: HTTP.Status, _ word: StaticString, _ now: Snapshot, _ isHead: Bool,
    _ out: inout Writer, more: (inout Writer) -> Void
  ) {
    var response = HTTP.Response(status, isHead: isHead, into: &out)
    response.beginBody("application/json", into: &out)
    out.write("{\"status\":\"")
    out.write(word)
    out.write("\",\"service\":\"")
    out.write(json: service.bytes)
    out.write("\",\"active_connections\":")
    out.write(decimal: now.callsActive)
    out.write(",\"timestamp\":\"")
    out.write(timestamp: now.wall)
    out.write("\"")
    more(&out)
    out.write("}\n")
    response.end(into: &out)
  }

  // MARK: Stats

  /// `/stats` is written in three steps: this, `writeRow` for each running call, `endStats`.
  package func beginStats(
    _ now: Snapshot, isHead: Bool = false, into out: inout Writer
  ) -> Stats {
    var response = HTTP.Response(.ok, isHead: isHead, into: &out)
    response.beginBody("application/json", into: &out)
    out.write("{\"active_connections\":")
    out.write(decimal: now.callsActive)
    out.write(",\"total_bytes_processed\":")
    out.write(decimal: now.totals.bytesToUpstreams)
    out.write(",\"total_transcriptions\":")
    out.write(decimal: now.totals.transcripts)
    out.write(",\"connections\":[")
    return Stats(response: response)
  }

  package struct Stats: BitwiseCopyable {
    fileprivate var response: HTTP.Response
    fileprivate var rows = 0
    /// Rows that did not fit any more.
    fileprivate var omitted = 0

    /// What `end` may still need behind the rows.
    private static let tailBytes = 48

    fileprivate init(response: HTTP.Response) { self.response = response }

    /// A row that does not fit is left out and counted in `connections_omitted`.
    package mutating func write(_ row: CallRow, into out: inout Writer) {
      let mark = out.count
      if omitted == 0 {
        if rows > 0 { out.write(",") }
        Pages.write(row, into: &out)
        rows &+= 1
        if !out.overflowed, out.free >= Self.tailBytes { return }
        out.rewind(to: mark)
      }
      omitted &+= 1
    }

    package func end(into out: inout Writer) {
      out.write("]")
      if omitted > 0 {
        out.write(",\"connections_omitted\":")
        out.write(decimal: omitted)
      }
      out.write("}\n")
      response.end(into: &out)
    }
  }

  private static func write(_ row: CallRow, into out: inout Writer) {
    out.write("{\"connection_id\":\"")
    out.write(row.peer)
    out.write(":")
    out.write(decimal: Int(row.peer.port))
    out.write("-")
    out.write(decimal: Int(row.startedWall.nanoseconds / 1_000_000_000))
    out.write("\",\"call_id\":\"")
    Bytes.withTemporary(Name.bytesMax) { scratch in
      var name = Writer(scratch)
      name.write(row.name)
      out.write(json: name.written)
    }
    out.write("\",\"started_at\":\"")
    out.write(timestamp: row.startedWall)
    out.write("\",\"bytes_sent\":")
    out.write(decimal: row.bytesSent)
    out.write(",\"transcription_count\":")
    out.write(decimal: row.transcripts)
    out.write(",\"duration_seconds\":")
    write(seconds: row.duration, into: &out)
    if !row.parameters.isEmpty {
      out.write(",\"parameters\":")
      out.write(row.parameters)
    }
    out.write("}")
  }

  private static func write(seconds span: Instant.Span, into out: inout Writer) {
    let milliseconds = max(span.milliseconds, 0)
    out.write(decimal: milliseconds / 1000)
    out.write(".")
    out.write(decimal: milliseconds % 1000, width: 3)
  }

  // MARK: Metrics

  /// The text format of Prometheus, version 0.0.4. `delays`: what was added to each frame.
  package func writeMetrics(
    _ now: Snapshot, delays: LatencyHistogram, turns: LatencyHistogram = LatencyHistogram(),
    lags: LatencyHistogram = LatencyHistogram(), waits: LatencyHistogram = LatencyHistogram(),
    answers: AnswerHistograms = AnswerHistograms(), isHead: Bool = false, into out: inout Writer
  ) {
    var response = HTTP.Response(.ok, isHead: isHead, into: &out)
    response.beginBody("text/plain; version=0.0.4", into: &out)
    writeGauges(now, &out)
    writeDelays(delays, &out)
    writeWorst("sidetone_turn_worst_nanoseconds", "The longest turn of the loop.", turns, &out)
    write(turns, "sidetone_turn_seconds", "How long turns of the loop last.", &out)
    writeWorst("sidetone_loop_lag_worst_nanoseconds", "The latest turn of the loop.", lags, &out)
    write(lags, "sidetone_loop_lag_seconds", "How late the loop wakes up for what is due.", &out)
    if waits.count > 0 {
      writeWorst(
        "sidetone_arrival_wait_worst_nanoseconds", "What was read latest after it came.", waits,
        &out)
      write(
        waits, "sidetone_arrival_wait_seconds", "From the kernel's stamp to reading a frame.", &out)
    }
    writeMetrics(answers, &out)
    writeDoor(now, &out)
    writeCounters(now, &out)
    writeWarm(now.totals, &out)
    writeFunctions(now.totals, &out)
    if let records = now.records { writeMetrics(records, &out) }
    response.end(into: &out)
  }

  private func writeGauges(_ now: Snapshot, _ out: inout Writer) {
    func gauge(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "gauge", help, value, &out)
    }
    let isReady = now.readiness == .ready ? 1 : 0
    gauge("sidetone_ready", "Whether a new call would be served.", isReady)
    gauge("sidetone_uptime_seconds", "Since the start.", now.uptime.milliseconds / 1000)
    gauge("sidetone_calls_active", "Running calls.", now.callsActive)
    gauge("sidetone_sessions_ahead", "Of these, sessions that wait for a caller.", now.ahead)
    gauge("sidetone_calls_max", "Calls that can run at once.", now.callsMax)
    gauge(
      "sidetone_transcription_places_free", "More calls to upstreams that only listen.",
      now.transcription.free)
    gauge("sidetone_transcription_places_max", "As many at most.", now.transcription.max)
    gauge("sidetone_voice_places_free", "More calls to voice models.", now.voice.free)
    gauge("sidetone_voice_places_max", "As many at most.", now.voice.max)
    gauge("sidetone_unproven", "Connections that have proven nothing yet.", now.guests)
    gauge("sidetone_unproven_max", "As many may wait at once.", now.guestsMax)
    gauge("sidetone_subscribers", "Programs that hear of calls.", now.subscribers)
    gauge("sidetone_subscribers_max", "As many may at once.", now.subscribersMax)
    gauge("sidetone_links_in_use", "Connections, upstreams included.", now.links)
    gauge("sidetone_links_max", "Connections that can be open at once.", now.linksMax)
    gauge("sidetone_blocks_in_use", "Memory blocks that hold bytes.", now.blocks)
    gauge("sidetone_blocks_max", "Memory blocks in the pool.", now.blocksMax)
  }

  /// Who came, and who was turned away.
  private func writeDoor(_ now: Snapshot, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    let totals = now.totals
    counter("sidetone_requests_total", "Whole requests.", totals.requests)
    counter("sidetone_requests_refused_total", "Requests refused.", totals.requestsRefused)
    counter(
      "sidetone_key_checks_good_total", "Keys that LiteLLM was asked about, and takes.",
      totals.keysGood)
    counter(
      "sidetone_key_checks_refused_total", "Those that it refused.", totals.keysRefused)
    counter(
      "sidetone_key_checks_unjudged_total", "Those of which it said nothing that helps.",
      totals.keysUnjudged)
    counter("sidetone_links_refused_total", "Connections refused.", totals.linksRefused)
    counter(
      "sidetone_handshakes_refused_total", "TLS handshakes refused, for their number.",
      totals.handshakesRefused)
    counter(
      "sidetone_unproven_displaced_total", "Of those that had proven nothing, who gave way.",
      totals.guestsDisplaced)
    counter(
      "sidetone_peers_slowed_total", "Times that a peer sent too much, and had to wait.",
      totals.peersSlowed)
    counter(
      "sidetone_peers_flooding_total", "Peers that were let go, for what they sent.",
      totals.peersFlooding)
    counter(
      "sidetone_subscriber_events_missed_total", "Events for which a subscriber had no room.",
      totals.subscriberEventsMissed)
    counter("sidetone_reloads_total", "Settings read anew that count.", totals.reloads)
    counter(
      "sidetone_reloads_refused_total", "Settings read anew that were refused.",
      totals.reloadsRefused)
    counter("sidetone_calls_started_total", "Calls that said who they are.", totals.callsStarted)
    counter("sidetone_calls_ended_total", "Calls that have ended.", totals.callsEnded)
    counter(
      "sidetone_fallbacks_total", "Calls that went on with another upstream.", totals.fallbacks)
  }

  /// What models have called.
  private func writeFunctions(_ totals: Counters, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    counter(
      "sidetone_functions_answered_total", "Functions that models called, and that answered.",
      totals.functionsAnswered)
    counter("sidetone_functions_failed_total", "Those that failed.", totals.functionsFailed)
    counter(
      "sidetone_functions_cancelled_total", "Those that nobody waited for any more.",
      totals.functionsCancelled)
    counter(
      "sidetone_functions_refused_total", "Calls of functions that made no sense.",
      totals.functionsRefused)
  }

  private func writeWarm(_ totals: Counters, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    counter("sidetone_warm_taken_total", "Warm sessions that callers got.", totals.warmTaken)
    counter("sidetone_warm_aged_total", "Those that were left, too old.", totals.warmAged)
    counter("sidetone_warm_lost_total", "Those that were lost, or gave way.", totals.warmLost)
  }

  private func writeSilences(_ totals: Counters, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    counter(
      "sidetone_unanswered_total", "Stretches of callers' voices that no model answered.",
      totals.unanswered)
    counter(
      "sidetone_dead_air_total", "Calls ended because their callers heard nothing for too long.",
      totals.deadAir)
    counter(
      "sidetone_holds_total", "Hold lines that callers heard while no session stood.",
      totals.holds)
    counter(
      "sidetone_goodbyes_total", "Goodbyes that callers heard since no session would stand.",
      totals.goodbyes)
    counter(
      "sidetone_model_quiet_total", "Times that a model said nothing for model_quiet_seconds.",
      totals.modelsQuiet)
    counter(
      "sidetone_reprompts_total", "Times that a silent caller was spoken to again.",
      totals.reprompts)
    counter(
      "sidetone_callers_given_up_total", "Calls ended because their callers stayed silent.",
      totals.callersGivenUp)
    counter(
      "sidetone_models_given_up_total", "Calls ended because their models did not answer.",
      totals.modelsGivenUp)
    counter(
      "sidetone_function_phrases_total", "Lines that callers heard while functions ran.",
      totals.functionPhrases)
  }

  private func writeCounters(_ now: Snapshot, _ out: inout Writer) {
    func counter(_ name: StaticString, _ help: StaticString, _ value: Int) {
      metric(name, "counter", help, value, &out)
    }
    let totals = now.totals
    counter("sidetone_received_bytes_total", "Bytes from all peers.", totals.bytesIn)
    counter("sidetone_sent_bytes_total", "Bytes to all peers.", totals.bytesOut)
    counter("sidetone_upstream_bytes_total", "Audio sent to upstreams.", totals.bytesToUpstreams)
    counter("sidetone_frames_total", "Audio messages from callers.", totals.frames)
    counter("sidetone_frames_dropped_total", "Of these, lost here.", totals.framesLost)
    counter("sidetone_frames_bad_total", "Audio messages without sense.", totals.framesBad)
    counter("sidetone_audio_lost_bytes_total", "Audio never sent.", totals.audioLost)
    counter("sidetone_frames_late_total", "Numbered audio, twice or late.", totals.framesLate)
    counter("sidetone_frames_missing_total", "Numbered audio never seen.", totals.framesMissing)
    counter(
      "sidetone_silence_filled_milliseconds_total", "Silence where carriers' clocks jumped.",
      totals.silenceFilled)
    counter(
      "sidetone_silence_skipped_milliseconds_total", "Callers' silence that was not sent.",
      totals.silenceSkipped)
    counter("sidetone_speech_received_total", "Pieces of agents' speech.", totals.speechPieces)
    counter("sidetone_speech_sent_total", "Messages of it to callers.", totals.speechSent)
    counter("sidetone_keys_lost_total", "Keys for which no room was.", totals.keysLost)
    counter("sidetone_answers_silent_total", "Answers without sound.", totals.answersSilent)
    counter(
      "sidetone_answers_incomplete_total", "Answers that a model cut off.", totals.answersCut)
    counter(
      "sidetone_answers_missing_total", "Answers that never began.", totals.answersMissing)
    counter(
      "sidetone_items_cut_total", "Items for the rest of which no room was.", totals.itemsCut)
    counter("sidetone_words_cut_total", "Transcripts that were too long.", totals.wordsCut)
    counter(
      "sidetone_history_cut_total", "Turns too old to be told to another session.",
      totals.historyCut)
    counter(
      "sidetone_messages_held_back_total", "Messages that waited for a buffer.",
      totals.messagesHeldBack)
    counter(
      "sidetone_messages_too_large_total", "Messages of upstreams that were too large.",
      totals.messagesTooLarge)
    counter("sidetone_speech_cut_total", "Pieces for which no room was.", totals.speechCut)
    counter("sidetone_speech_void_total", "Pieces after an interruption.", totals.speechLate)
    counter("sidetone_interruptions_total", "Agents that were cut short.", totals.interruptions)
    counter("sidetone_messages_bad_total", "Messages without sense.", totals.messagesBad)
    counter("sidetone_messages_ignored_total", "Messages of no concern.", totals.messagesIgnored)
    counter("sidetone_transcripts_total", "Results with words.", totals.transcripts)
    counter(
      "sidetone_transcripts_cut_total", "Of these, too long to be repeated.",
      totals.answersTooLong)
    counter("sidetone_upstreams_lost_total", "Sessions lost in mid-call.", totals.upstreamsLost)
    counter("sidetone_redials_total", "Further attempts to open one.", totals.redials)
    counter(
      "sidetone_upstream_side_errors_total",
      "Errors of upstreams beside the talk, which goes on.", totals.sideErrors)
    writeSilences(totals, &out)
    counter(
      "sidetone_commands_lost_total", "What upstreams could not be told.", totals.commandsLost)
    writeFiles(totals, &out)
    counter("sidetone_lines_dropped_total", "Lines that found no room.", now.linesDropped)
    counter(
      "sidetone_transcript_lines_dropped_total", "Of these, lines of the transcript.",
      now.transcriptsDropped)
    counter("sidetone_warnings_total", "What somebody must look at.", now.warnings)
    counter("sidetone_errors_total", "Calls that failed.", now.errors)
    counter("sidetone_lines_repeated_total", "Complaints like the last.", now.linesRepeated)
  }

  /// From 50 µs to a second; the budget of a frame lies at 1 ms.
  private static let delayBounds: [Int] = [
    50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000,
  ]

  /// From the turn in which a frame was read to the moment at which the other socket had it: as a
  /// histogram, and for whoever reads it by eye as percentiles, to the next step up.
  private func writeDelays(_ delays: LatencyHistogram, _ out: inout Writer) {
    func gauge(_ name: StaticString, _ help: StaticString, _ delay: Instant.Span) {
      metric(name, "gauge", help, Int(delay.nanoseconds), &out)
    }
    gauge(
      "sidetone_relay_delay_p50_nanoseconds", "Half of the frames.",
      delays.percentile(perMille: 500))
    gauge(
      "sidetone_relay_delay_p99_nanoseconds", "99 % of the frames.",
      delays.percentile(perMille: 990))
    gauge(
      "sidetone_relay_delay_p999_nanoseconds", "99.9 % of the frames.",
      delays.percentile(perMille: 999))
    gauge("sidetone_relay_delay_worst_nanoseconds", "The slowest frame.", delays.worst)
    write(
      delays, "sidetone_relay_delay_seconds", "From reading a frame to having written it.", &out)
  }

  private func writeWorst(
    _ name: StaticString, _ help: StaticString, _ times: LatencyHistogram, _ out: inout Writer
  ) {
    metric(name, "gauge", help, Int(times.worst.nanoseconds), &out)
  }

  /// `bounds`: in microseconds.
  func write(
    _ times: LatencyHistogram, _ name: StaticString, _ help: StaticString,
    upTo bounds: [Int] = delayBounds, _ out: inout Writer
  ) {
    head(name, "histogram", help, &out)
    for bound in bounds {
      out.write(name)
      out.write("_bucket{le=\"")
      write(microseconds: bound, into: &out)
      out.write("\"} ")
      out.write(decimal: Int(times.count(upTo: .microseconds(bound))))
      out.write("\n")
    }
    out.write(name)
    out.write("_bucket{le=\"+Inf\"} ")
    out.write(decimal: Int(times.count))
    out.write("\n")
    out.write(name)
    out.write("_sum ")
    write(microseconds: times.sum.microseconds, into: &out)
    out.write("\n")
    out.write(name)
    out.write("_count ")
    out.write(decimal: Int(times.count))
    out.write("\n")
  }

  private func write(microseconds: Int, into out: inout Writer) {
    out.write(decimal: microseconds / 1_000_000)
    out.write(".")
    out.write(decimal: microseconds % 1_000_000, width: 6)
  }

  func metric(
    _ name: StaticString, _ type: StaticString, _ help: StaticString, _ value: Int,
    _ out: inout Writer
  ) {
    head(name, type, help, &out)
    out.write(name)
    out.write(" ")
    out.write(decimal: value)
    out.write("\n")
  }

  private func head(
    _ name: StaticString, _ type: StaticString, _ help: StaticString, _ out: inout Writer
  ) {
    out.write("# HELP ")
    out.write(name)
    out.write(" ")
    out.write(help)
    out.write("\n# TYPE ")
    out.write(name)
    out.write(" ")
    out.write(type)
    out.write("\n")
  }
}
