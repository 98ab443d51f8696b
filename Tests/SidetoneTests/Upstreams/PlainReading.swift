// Upstreams' messages read the plain way: each member is looked for by itself, from the message's
// beginning. Slow, and what the rows' own readers are compared with.

@testable import Sidetone

enum PlainReading {}

extension PlainReading {
  enum Deepgram {
    static func read(_ message: Bytes) -> Upstream.Event {
      var scanner = JSON.Scanner(message)
      guard scanner.value()?.kind == .object else { return .malformed }
      var news = Upstream.Event()
      news.heard = heard(message)
      if news.heard != nil { return news }
      if let type = JSON.find("type", in: message) {
        news.isFinished = JSON.text(type, in: message, equals: "Metadata")
      }
      return news
    }

    private static func stretch(_ message: Bytes) -> (start: Int, end: Int) {
      guard let start = JSON.find("start", in: message),
        let duration = JSON.find("duration", in: message),
        let from = JSON.decimal(start, scale: 6, in: message), from >= 0,
        let length = JSON.decimal(duration, scale: 6, in: message), length >= 0,
        !from.addingReportingOverflow(length).overflow
      else { return (-1, -1) }
      return (from, from + length)
    }

    private static func heard(_ message: Bytes) -> Upstream.Heard? {
      var heard = Upstream.Heard(
        text: 0..<0, confidence: 0..<0, isFinal: JSON.find("is_final", in: message)?.kind == .true,
        channel: 0, channels: 1, startMicroseconds: stretch(message).start,
        endMicroseconds: stretch(message).end,
        endsSpeech: JSON.find("speech_final", in: message).map { $0.kind == .true })
      var hasText = false
      if let index = JSON.find("channel_index", in: message), index.kind == .array {
        heard.channel =
          JSON.element(0, of: index, in: message).flatMap { JSON.integer($0, in: message) } ?? 0
        heard.channels =
          JSON.element(1, of: index, in: message).flatMap { JSON.integer($0, in: message) } ?? 1
      }
      if let list = JSON.find("channel", "alternatives", in: message), list.kind == .array,
        let first = JSON.element(0, of: list, in: message), first.kind == .object
      {
        if let text = JSON.find("transcript", in: message, under: first), text.kind == .string {
          heard.text = text.range
          hasText = true
        }
        if let confidence = JSON.find("confidence", in: message, under: first),
          confidence.kind == .number
        {
          heard.confidence = confidence.range
        }
        if heard.isFinal, let list = JSON.find("languages", in: message, under: first),
          list.kind == .array, let tag = JSON.element(0, of: list, in: message),
          tag.kind == .string
        {
          heard.language = tag.range
        }
      }
      let type = JSON.find("type", in: message)
      let isResult = type.map { JSON.text($0, in: message, equals: "Results") } ?? false
      return isResult || hasText ? heard : nil
    }
  }
}

extension PlainReading {
  enum OpenAI {
    static func read(_ message: Bytes) -> Upstream.Event {
      guard JSON.isValid(message), let type = JSON.find("type", in: message), type.kind == .string
      else { return .malformed }
      func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
      var news = Upstream.Event()
      if isNamed("session.updated") {
        news.isReady = true
        news.transcribes = transcribes(message)
      } else if isNamed("input_audio_buffer.speech_started") {
        news.isInterrupted = true
        news.item = text("item_id", in: message) ?? 0..<0
        news.speech = Upstream.Speech(start: microseconds("audio_start_ms", in: message))
      } else if isNamed("input_audio_buffer.speech_stopped") {
        news.item = text("item_id", in: message) ?? 0..<0
        news.speech = Upstream.Speech(end: microseconds("audio_end_ms", in: message))
      } else if isNamed("input_audio_buffer.committed") {
        news.transcriptsOwed = 1
        news.isCallerDone = true
        news.item = text("item_id", in: message) ?? 0..<0
      } else if isNamed("response.created") {
        news.isTurnBegun = true
        news.response = id(of: message)
      } else if isNamed("response.output_audio.done") || isNamed("response.audio.done") {
        news.isSpoken = true
        news.item = text("item_id", in: message) ?? 0..<0
        news.response = text("response_id", in: message) ?? 0..<0
      } else if isNamed("response.done") {
        news.response = id(of: message)
        news.ending = Upstream.Ending(.whole)
      } else if isNamed("error") {
        let complaint = complaint(JSON.find("error", in: message), in: message)
        news.isAskedTooEarly = message[complaint.code].equals(
          "conversation_already_has_active_response")
        if !news.isAskedTooEarly { news.complaint = complaint }
      } else if isNamed("response.function_call_arguments.done") {
        // It is said of a call that was cut short as well.
      } else if isNamed("response.output_item.done") {
        news.callsFunctions = isWholeCall(JSON.find("item", in: message), in: message)
      } else {
        readWords(type, message, &news)
      }
      return news
    }

    private static func readWords(
      _ type: JSON.Value, _ message: Bytes, _ news: inout Upstream.Event
    ) {
      func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
      if isNamed("response.output_audio_transcript.delta")
        || isNamed("response.audio_transcript.delta")
      {
        news.agentWords = words("delta", isWhole: false, in: message)
        news.item = text("item_id", in: message) ?? 0..<0
        news.response = text("response_id", in: message) ?? 0..<0
      } else if isNamed("response.output_audio_transcript.done")
        || isNamed("response.audio_transcript.done")
      {
        news.agentWords = words("transcript", isWhole: true, in: message)
        news.item = text("item_id", in: message) ?? 0..<0
        news.response = text("response_id", in: message) ?? 0..<0
      } else if isNamed("conversation.item.input_audio_transcription.delta") {
        news.item = text("item_id", in: message) ?? 0..<0
        news.callerWords = words("delta", isWhole: false, in: message)
      } else if isNamed("conversation.item.input_audio_transcription.updated") {
        news.item = text("item_id", in: message) ?? 0..<0
        news.callerWords = words("transcript", isWhole: true, in: message)
      } else if isNamed("conversation.item.input_audio_transcription.completed") {
        news.item = text("item_id", in: message) ?? 0..<0
        news.callerWords = words("transcript", isWhole: true, in: message)
        news.transcriptsOwed = -1
      } else if isNamed("conversation.item.input_audio_transcription.failed") {
        news.item = text("item_id", in: message) ?? 0..<0
        news.transcriptsOwed = -1
        news.complaint = complaint(JSON.find("error", in: message), in: message)
        news.complaint?.scope = .side
      }
    }

    private static func microseconds(_ name: StaticString, in message: Bytes) -> Int {
      let number = JSON.find(name, in: message).flatMap { JSON.integer($0, in: message) } ?? -1
      return (0...86_400_000).contains(number) ? number * 1000 : -1
    }

    private static func isWholeCall(_ item: JSON.Value?, in message: Bytes) -> Bool {
      guard let item, item.kind == .object else { return false }
      func isNamed(_ member: StaticString, _ word: StaticString) -> Bool {
        JSON.find(member, in: message, under: item).map {
          JSON.text($0, in: message, equals: word)
        } ?? false
      }
      return isNamed("type", "function_call")
        && (JSON.find("status", in: message, under: item) == nil || isNamed("status", "completed"))
    }

    private static func transcribes(_ message: Bytes) -> Bool {
      if JSON.find("session", "audio", "input", "transcription", in: message)?.kind == .object {
        return true
      }
      return JSON.find("session", "input_audio_transcription", in: message)?.kind == .object
    }

    private static func text(
      _ name: StaticString, in message: Bytes, under parent: JSON.Value? = nil
    ) -> Range<Int>? {
      let value = JSON.find(name, in: message, under: parent)
      return value?.kind == .string ? value?.range : nil
    }

    private static func words(
      _ name: StaticString, isWhole: Bool, in message: Bytes
    ) -> Upstream.Words? {
      text(name, in: message).map { Upstream.Words(text: $0, isWhole: isWhole) }
    }

    private static func id(of message: Bytes) -> Range<Int> {
      let value = JSON.find("response", "id", in: message)
      return value?.kind == .string ? value!.range : 0..<0
    }

    private static func complaint(_ error: JSON.Value?, in message: Bytes) -> Upstream.Complaint {
      guard let error, error.kind == .object else {
        return Upstream.Complaint(code: 0..<0, message: 0..<0)
      }
      var code = text("code", in: message, under: error) ?? 0..<0
      if code.isEmpty { code = text("type", in: message, under: error) ?? 0..<0 }
      return Upstream.Complaint(
        code: code, message: text("message", in: message, under: error) ?? 0..<0,
        verdict: nil, scope: scope(text("param", in: message, under: error), in: message))
    }

    private static func scope(
      _ place: Range<Int>?, in message: Bytes
    ) -> Upstream.Complaint.Scope {
      guard let place else { return .session }
      return message[place].containsIgnoringCase("transcription") ? .side : .session
    }
  }
}

extension PlainReading {
  enum Gemini {
    static func read(_ message: Bytes) -> Upstream.Event {
      // A binary message has not been judged as text by anybody.
      guard JSON.isValid(message) else { return .malformed }
      var scanner = JSON.Scanner(message)
      guard scanner.next() == UInt8(ascii: "{"), let whole = scanner.value() else {
        return .malformed
      }
      var news = Upstream.Event()
      var members = JSON.Members(of: whole, in: message)
      while let member = members.next() {
        if JSON.text(member.name, in: message, equals: "setupComplete") {
          news.isReady = true
        } else if JSON.text(member.name, in: message, equals: "toolCall") {
          news.ending = Upstream.Ending(.calls)
          news.callsFunctions = true
        } else if JSON.text(member.name, in: message, equals: "toolCallCancellation") {
          news.cancelsFunctions = true
        } else if JSON.text(member.name, in: message, equals: "serverContent") {
          readContent(member.value, message, &news)
        } else if JSON.text(member.name, in: message, equals: "goAway") {
          news.leavesWithin = timeLeft(member.value, in: message)
        } else if JSON.text(member.name, in: message, equals: "sessionResumptionUpdate") {
          news.handle = handle(member.value, in: message)
        } else if JSON.text(member.name, in: message, equals: "toolCall") {
          news.ending = Upstream.Ending(.whole)
        }
      }
      return news
    }

    private static func readContent(
      _ content: JSON.Value, _ message: Bytes, _ news: inout Upstream.Event
    ) {
      var members = JSON.Members(of: content, in: message)
      var goesOn = false
      while let member = members.next() {
        let isTrue = member.value.kind == .true
        if JSON.text(member.name, in: message, equals: "interrupted") {
          news.isInterrupted = isTrue
        } else if JSON.text(member.name, in: message, equals: "generationComplete") {
          news.isSpoken = isTrue
        } else if JSON.text(member.name, in: message, equals: "turnComplete") {
          if isTrue { news.ending = Upstream.Ending(.whole) }
        } else if JSON.text(member.name, in: message, equals: "interactionStatus") {
          goesOn = JSON.text(member.value, in: message, equals: "IN_PROGRESS")
        } else if JSON.text(member.name, in: message, equals: "inputTranscription") {
          news.callerWords = words(member.value, in: message)
        } else if JSON.text(member.name, in: message, equals: "outputTranscription") {
          news.agentWords = words(member.value, in: message)
        }
      }
      if goesOn { news.ending = nil }
    }

    /// Pieces, each of which continues the one before; some bring no text.
    private static func words(_ value: JSON.Value, in message: Bytes) -> Upstream.Words? {
      guard value.kind == .object, let text = JSON.find("text", in: message, under: value),
        text.kind == .string, !text.range.isEmpty
      else { return nil }
      let language = JSON.find("languageCode", in: message, under: value)
      return Upstream.Words(
        text: text.range, isWhole: false,
        language: language?.kind == .string ? language?.range ?? 0..<0 : 0..<0)
    }

    /// While it talks, and while it waits for a function, a session cannot be resumed: the handle
    /// is then empty.
    private static func handle(_ value: JSON.Value, in message: Bytes) -> Range<Int>? {
      guard value.kind == .object,
        JSON.find("resumable", in: message, under: value)?.kind == .true,
        let handle = JSON.find("newHandle", in: message, under: value), handle.kind == .string,
        !handle.range.isEmpty
      else { return nil }
      return handle.range
    }

    /// A duration is a string of seconds that ends with s, or an object with `seconds`. Where there
    /// is none, or less than none, the end may come at any time.
    private static func timeLeft(_ value: JSON.Value, in message: Bytes) -> Instant.Span {
      guard value.kind == .object, let left = JSON.find("timeLeft", in: message, under: value)
      else {
        return .zero
      }
      var seconds = left
      if left.kind == .object {
        guard let whole = JSON.find("seconds", in: message, under: left) else { return .zero }
        seconds = whole
      } else if left.kind == .string, !left.range.isEmpty,
        message[left.range.upperBound &- 1] == UInt8(ascii: "s")
      {
        seconds = JSON.Value(.string, left.range.dropLast())
      }
      let milliseconds = JSON.decimal(seconds, scale: 3, in: message) ?? 0
      return .milliseconds(min(max(milliseconds, 0), 3_600_000))
    }
  }
}
