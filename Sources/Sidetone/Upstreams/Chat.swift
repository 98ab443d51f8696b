// A chat endpoint as most servers of language models have it, `POST …/chat/completions`, whose
// answer is a stream of `chat.completion.chunk`. Rules that shape this file, from the API reference
// that others follow and from what they make of it:
// - a chunk says a few letters (`delta.content`), a piece of a call of a function
//   (`delta.tool_calls`), why the answer ended (`finish_reason`), or what it has cost: then it has
//   no choice, and may come behind the end;
// - `[DONE]` ends the stream, or the body's end does;
// - an error in mid-stream is an event with `error`, or the connection breaks;
// - a server that does not stream sends one `chat.completion`, with `message` for `delta`;
// - what else stands in a chunk is of no concern.

package enum Chat {
  /// What one event says. Ranges point into it; texts are the inside of a JSON string.
  package struct Chunk {
    package var isMalformed = false
    /// Nothing follows.
    package var isDone = false
    package var content = 0..<0
    /// It says why it does not answer, in place of `content`: words to whoever has asked.
    package var refusal = 0..<0
    /// It thinks before it answers, as one server or another calls it.
    package var isThinking = false
    /// An array: pieces of calls of functions.
    package var calls: JSON.Value?
    package var finish: Finish?
    package var complaint: Upstream.Complaint?

    package init() {}
  }

  /// Why an answer is over.
  package enum Finish: BitwiseCopyable, Sendable {
    case stop
    /// At a bound of its length.
    case length
    case calls
    /// Somebody who watches the model would not have it.
    case filtered
    case unknown
  }

  package static func read(_ event: Bytes) -> Chunk {
    var chunk = Chunk()
    if event.equals("[DONE]") {
      chunk.isDone = true
      return chunk
    }
    guard JSON.isValid(event), let whole = JSON.whole(of: event), whole.kind == .object else {
      chunk.isMalformed = true
      return chunk
    }
    if let error = JSON.find("error", in: event), error.kind != .null {
      chunk.complaint = complaint(error, in: event)
      return chunk
    }
    guard let choices = JSON.find("choices", in: event), choices.kind == .array,
      let choice = JSON.element(0, of: choices, in: event), choice.kind == .object
    else { return chunk }
    read(choice, in: event, &chunk)
    return chunk
  }

  private static func read(_ choice: JSON.Value, in event: Bytes, _ chunk: inout Chunk) {
    if let reason = JSON.find("finish_reason", in: event, under: choice), reason.kind == .string {
      chunk.finish = finish(reason, in: event)
    }
    var delta = JSON.find("delta", in: event, under: choice)
    if delta == nil { delta = JSON.find("message", in: event, under: choice) }
    guard let delta, delta.kind == .object else { return }
    chunk.content = text("content", of: delta, in: event)
    chunk.refusal = text("refusal", of: delta, in: event)
    chunk.isThinking =
      !text("reasoning_content", of: delta, in: event).isEmpty
      || !text("reasoning", of: delta, in: event).isEmpty
    if let calls = JSON.find("tool_calls", in: event, under: delta), calls.kind == .array {
      chunk.calls = calls
    }
  }

  private static func finish(_ reason: JSON.Value, in event: Bytes) -> Finish {
    func isNamed(_ name: StaticString) -> Bool { JSON.text(reason, in: event, equals: name) }
    if isNamed("stop") { return .stop }
    if isNamed("length") { return .length }
    if isNamed("tool_calls") || isNamed("function_call") { return .calls }
    if isNamed("content_filter") { return .filtered }
    return .unknown
  }

  /// An error is an object, or no more than its sentence.
  private static func complaint(_ error: JSON.Value, in event: Bytes) -> Upstream.Complaint {
    if error.kind == .string { return Upstream.Complaint(code: 0..<0, message: error.range) }
    func find(_ name: StaticString) -> Range<Int> {
      let value = JSON.find(name, in: event, under: error)
      return value.flatMap { $0.kind == .string || $0.kind == .number ? $0.range : nil } ?? 0..<0
    }
    let code = find("code")
    return Upstream.Complaint(code: code.isEmpty ? find("type") : code, message: find("message"))
  }

  /// What the body of a refused request says of it, as `read` has it of an event; nil: nothing.
  package static func complaint(of body: Bytes) -> Upstream.Complaint? {
    let chunk = read(body)
    return chunk.complaint
  }

  static func text(
    _ name: StaticString, of object: JSON.Value, in event: Bytes
  ) -> Range<Int> {
    let value = JSON.find(name, in: event, under: object)
    return value?.kind == .string ? value?.range ?? 0..<0 : 0..<0
  }
}

// MARK: - What it means that a request was refused

extension Chat {
  package static func refused(_ status: Int) -> Upstream.Verdict {
    switch status {
    case 401, 403:
      Upstream.Verdict(
        retry: false, cause: .upstreamKey, code: "upstream_key",
        sentence: "the chat endpoint refused the relay's key")
    case 402:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_payment",
        sentence: "the chat endpoint's account has no credit left")
    case 429:
      Upstream.Verdict(
        retry: true, cause: .upstreamBusy, code: "upstream_busy",
        sentence: "the chat endpoint's limit of requests is reached")
    case 408, 500...599:
      Upstream.Verdict(
        retry: true, cause: .upstreamLost, code: "upstream_unavailable",
        sentence: "the chat endpoint is not available")
    case 400, 404, 422:
      Upstream.Verdict(
        retry: false, cause: .upstreamRefused, code: "upstream_refused",
        sentence: "the chat endpoint refused the request: check url, model and options")
    default: .misplaced(status)
    }
  }
}
