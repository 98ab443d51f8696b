// What of that which happened is written down of a call, each kind in one place. The kinds and
// their members are those of docs/journal.md. Texts are the inside of JSON strings where they come
// from a peer, and go on as they are.

extension Entries {
  /// Writes down what happened at `wall`, where it belongs into the record of its call.
  mutating func keep(_ event: Event, of call: CallIdentity, at wall: WallTime) {
    switch event {
    case .call(.started(let start)): keep(start, of: call)
    case .call(.ended(let ending)): keep(ending, of: call, at: wall)
    case .caller(.key(let key)):
      put("key", of: call.key, at: wall) {
        $0.write(",\"key\":\"")
        $0.write(byte: key)
        $0.write("\"")
      }
    case .upstream(.tookOver(let name, let milliseconds, let request)):
      put("connected", of: call.key, at: wall) {
        $0.write(",\"upstream\":\"")
        $0.write(json: name)
        $0.write("\",\"milliseconds\":")
        $0.write(decimal: milliseconds)
        $0.write(",\"request\":\"")
        request.write(json: &$0)
        $0.write("\"")
      }
    case .upstream(.sessionLost(let sentence)):
      put("lost", of: call.key, at: wall) {
        $0.write(",\"sentence\":\"")
        $0.write(json: sentence)
        $0.write("\"")
      }
    case .upstream(.triedAgain(_, _, let attempt, _)):
      put("redial", of: call.key, at: wall) {
        $0.write(",\"attempt\":")
        $0.write(decimal: attempt)
      }
    case .upstream(.fellBack(let former, let other, let sentence)):
      put("fallback", of: call.key, at: wall) {
        $0.write(",\"from\":\"")
        $0.write(json: former)
        $0.write("\",\"upstream\":\"")
        $0.write(json: other)
        $0.write("\",\"sentence\":\"")
        $0.write(json: sentence)
        $0.write("\"")
      }
    case .words(let words): keep(words, of: call, at: wall)
    case .agent(.function(let function)): keep(function, of: call, at: wall)
    case .agent(.answered(let times)):
      put("turn", of: call.key, at: wall) { $0.write(times, since: call.startedAt) }
    default: break
    }
  }
}

// MARK: Beginning and end

extension Entries {
  private mutating func keep(_ start: Event.Start, of call: CallIdentity) {
    put("started", of: call.key, at: call.startedWall) {
      $0.write(",\"id\":\"")
      call.name.write(json: &$0)
      $0.write("\",\"stream\":\"")
      start.stream.write(json: &$0)
      $0.write("\",\"path\":\"")
      $0.write(json: start.path)
      $0.write("\",\"carrier\":\"")
      $0.write(start.carrier)
      $0.write("\",\"peer\":\"")
      $0.write(call.peer)
      $0.write("\",\"upstream\":\"")
      $0.write(json: start.upstream)
      $0.write("\",\"service\":\"")
      $0.write(start.service)
      $0.write("\",\"model\":\"")
      $0.write(jsonOfEncoded: start.model)
      $0.write("\",\"two_way\":")
      $0.write(start.isTwoWay ? "true" : "false")
      if start.parametersLeftOut > 0 {
        $0.write(",\"parameters_left_out\":")
        $0.write(decimal: start.parametersLeftOut)
      }
      guard !start.parameters.isEmpty else { return }
      $0.write(",\"parameters\":")
      $0.write(start.parameters)
    }
  }

  private mutating func keep(
    _ ending: Event.Ending, of call: CallIdentity, at wall: WallTime
  ) {
    put("ended", of: call.key, at: wall) {
      $0.write(",\"cause\":\"")
      $0.write(ending.cause.word)
      $0.write("\",\"sentence\":\"")
      $0.write(ending.cause.recordSentence)
      $0.write("\",\"milliseconds\":")
      $0.write(decimal: ending.milliseconds)
      $0.write(",\"caller\":{\"frames\":")
      $0.write(decimal: ending.frames)
      $0.write(",\"bytes\":")
      $0.write(decimal: ending.receivedBytes)
      $0.write(",\"lost_bytes\":")
      $0.write(decimal: ending.lostBytes)
      $0.write(",\"late_frames\":")
      $0.write(decimal: ending.lateFrames)
      $0.write(",\"missing_frames\":")
      $0.write(decimal: ending.missingFrames)
      $0.write("},\"upstream\":{\"bytes\":")
      $0.write(decimal: ending.sentBytes)
      $0.write(",\"results\":")
      $0.write(decimal: ending.results)
      $0.write(",\"cut_milliseconds\":")
      $0.write(decimal: ending.cutMilliseconds)
      if ending.skippedMilliseconds > 0 {
        $0.write(",\"skipped_milliseconds\":")
        $0.write(decimal: ending.skippedMilliseconds)
      }
      $0.write("},\"heard_milliseconds\":")
      $0.write(decimal: ending.heardMilliseconds)
      $0.write(",\"generated_milliseconds\":")
      $0.write(decimal: ending.generatedMilliseconds)
      $0.write(",\"interruptions\":")
      $0.write(decimal: ending.interruptions)
      $0.write(ending.delays)
      $0.write(ending.levels)
      $0.write(",\"request\":\"")
      ending.request.write(json: &$0)
      $0.write("\",\"words\":\"")
      $0.write(json: ending.words)
      $0.write("\"")
    }
  }
}

// MARK: Functions

extension Entries {
  private mutating func keep(
    _ function: Event.Function, of call: CallIdentity, at wall: WallTime
  ) {
    put("function", of: call.key, at: wall) {
      $0.write(",\"name\":\"")
      $0.write(json: function.name.prefix(min(function.name.count, 64)))
      $0.write("\",\"id\":\"")
      function.id.write(json: &$0)
      $0.write("\",\"milliseconds\":")
      $0.write(decimal: function.milliseconds)
      $0.write(",\"outcome\":\"")
      $0.write(function.outcome.word)
      $0.write("\",\"error\":\"")
      $0.write(json: function.sentence)
      $0.write("\",\"status\":")
      $0.write(decimal: function.status)
    }
  }
}

// MARK: Words

extension Entries {
  private mutating func keep(
    _ words: Event.OfWords, of call: CallIdentity, at wall: WallTime
  ) {
    switch words {
    case .heard(let text, let isFinal, let side, _, let when, let confidence, let language):
      guard isFinal || wants == .interims else { return }
      put(isFinal ? "final" : "interim", of: call.key, at: wall) {
        $0.write(",\"side\":\"")
        $0.write(named: side)
        $0.write("\"")
        $0.write(text: text, named: ",\"text\":\"")
        $0.write(when, language)
        guard (1...Self.numberBytesMax).contains(confidence.count) else { return }
        $0.write(",\"confidence\":")
        $0.write(confidence)
      }
    case .said(let text, let item, let when, let language):
      put("said", of: call.key, at: wall) {
        $0.write(",\"item\":\"")
        item.write(json: &$0)
        $0.write("\"")
        $0.write(text: text, named: ",\"text\":\"")
        $0.write(when, language)
      }
    case .interrupted(
      let heard, let generated, let words, let cut, let wereSaid, let item, let when, let language):
      put("interrupted", of: call.key, at: wall) {
        $0.write(",\"item\":\"")
        item.write(json: &$0)
        $0.write("\",\"heard_milliseconds\":")
        $0.write(decimal: heard)
        $0.write(",\"generated_milliseconds\":")
        $0.write(decimal: generated)
        $0.write(text: words.prefix(cut), named: ",\"heard\":\"")
        $0.write(text: words.dropping(cut), named: ",\"unheard\":\"")
        $0.write(wereSaid ? ",\"were_said\":true" : ",\"were_said\":false")
        $0.write(when, language)
      }
    }
  }
}

extension Entries {
  /// Longer numbers say nothing that shorter ones could not.
  private static let numberBytesMax = 32
}

extension Writer {
  /// Words of a peer who need not keep to UTF-8, as one in binary messages: what is none is shown
  /// as question marks, since an entry must be readable as a whole.
  fileprivate mutating func write(readable text: Bytes) {
    var check = UTF8Validator()
    if check.accept(text), check.isComplete { return write(jsonText: text) }
    for index in 0..<text.count {
      write(byte: text[index] < 0x80 ? text[index] : UInt8(ascii: "?"))
    }
  }

  /// Words, of which no more than a line may hold is kept; `cut` says where that is less.
  fileprivate mutating func write(text: Bytes, named name: StaticString) {
    write(name)
    let isWhole = text.count <= Limits.wordsBytesMax
    let cut = isWhole ? text.count : JSON.wholePrefix(of: text, upTo: Limits.wordsBytesMax)
    write(readable: text.prefix(cut))
    write("\"")
    if !isWhole { write(",\"cut\":true") }
  }

  fileprivate mutating func write(_ when: Event.When, _ language: LanguageTag) {
    if !language.isEmpty {
      write(",\"language\":\"")
      language.write(to: &self)
      write("\"")
    }
    if when.start >= 0 {
      write(",\"start\":")
      write(decimal: when.start)
    }
    guard when.end >= 0 else { return }
    write(",\"end\":")
    write(decimal: when.end)
  }

  /// A side where each line names one: of a call with one that is listened to, the caller.
  fileprivate mutating func write(named side: Event.Side) {
    switch side {
    case .only, .caller: write("caller")
    case .agent: write("agent")
    case .channel(let number):
      write("channel ")
      write(decimal: number)
    }
  }
}
