// What a chat endpoint is asked: who the model is, what was said so far, what it may call, and what
// became of what it has called in this answer. The endpoint remembers nothing, so each request
// holds all of it.

extension Chat {
  /// `round`: the messages of calls of functions that this request goes on from, as `writeCalls`
  /// and `writeAnswer` wrote them one behind the other; empty: none.
  package static func write(
    _ session: Upstream.Session, round: Bytes = .empty, into writer: inout Writer
  ) {
    writer.write("{\"stream\":true")
    if let model = session.wish(for: "model") { write("model", model, &writer) }
    if let temperature = session.value(of: "temperature") {
      writer.write(",\"temperature\":")
      writer.write(temperature)
    }
    writeFunctions(session.functions, &writer)
    writer.write(",\"messages\":[")
    let prompt = session.wish(for: "system_instruction") ?? session.value(of: "instructions")
    if let prompt {
      writer.write("{\"role\":\"system\",\"content\":\"")
      writer.write(jsonOfEncoded: prompt)
      writer.write("\"}")
    }
    var history = session.history
    if prompt != nil, !history.isEmpty { writer.write(",") }
    let isFirst = prompt == nil && history.isEmpty
    let isOwnWord = round.isEmpty && endsWithAgent(history)
    history.write(
      into: &writer, from: "{\"role\":\"assistant\",\"content\":\"",
      others: "{\"role\":\"user\",\"content\":\"", end: "\"}")
    writer.write(isFirst ? round.dropping(min(1, round.count)) : round)
    // Behind its own words a model is asked for nothing: some refuse that, or go on in the middle.
    if isOwnWord { writer.write(",{\"role\":\"user\",\"content\":\"(Go on.)\"}") }
    writer.write("]}")
  }

  /// What was said last the agent said.
  private static func endsWithAgent(_ history: Upstream.History) -> Bool {
    var (rest, isAgents) = (history, false)
    while let entry = rest.next() { isAgents = entry.isAgents }
    return isAgents
  }

  /// One more member of the body, where its value is percent-encoded.
  private static func write(_ name: StaticString, _ value: Bytes, _ writer: inout Writer) {
    writer.write(",\"")
    writer.write(name)
    writer.write("\":\"")
    writer.write(jsonOfEncoded: value)
    writer.write("\"")
  }

  private static func writeFunctions(
    _ functions: [Upstream.Function], _ writer: inout Writer
  ) {
    if functions.isEmpty { return }
    writer.write(",\"tools\":[")
    for (place, function) in functions.enumerated() {
      writer.write(place == 0 ? "" : ",")
      writer.write("{\"type\":\"function\",\"function\":{\"name\":\"")
      writer.write(function.name.bytes)
      writer.write("\",\"description\":\"")
      writer.write(json: function.description.bytes)
      writer.write("\",\"parameters\":")
      writer.write(function.schema.bytes)
      writer.write("}}")
    }
    writer.write("]")
  }

  /// The answer in which it has called: `calls` as `ChatCalls` has put them together, `text`, the
  /// inside of a JSON string, what it has said before them.
  package static func writeCalls(_ calls: Bytes, after text: Bytes, _ writer: inout Writer) {
    writer.write(",{\"role\":\"assistant\",\"content\":")
    if text.isEmpty {
      writer.write("null")
    } else {
      writer.write("\"")
      writer.write(jsonText: text)
      writer.write("\"")
    }
    writer.write(",\"tool_calls\":")
    writer.write(calls)
    writer.write("}")
  }

  /// What one of them has answered: `id` as the call had it, the inside of a JSON string.
  package static func writeAnswer(_ id: Bytes, _ answer: Bytes, _ writer: inout Writer) {
    writer.write(",{\"role\":\"tool\",\"tool_call_id\":\"")
    writer.write(id)
    writer.write("\",\"content\":\"")
    writer.write(json: answer)
    writer.write("\"}")
  }

  // MARK: How calls are read

  /// Of what `ChatCalls` has put together.
  package static let functions = Upstream.Functions(
    call: { message, place in
      guard let list = JSON.whole(of: message),
        let found = JSON.element(place, of: list, in: message),
        let function = JSON.find("function", in: message, under: found)
      else { return nil }
      var call = Upstream.FunctionCall()
      call.id = text("id", of: found, in: message)
      call.name = text("name", of: function, in: message)
      call.arguments = JSON.find("arguments", in: message, under: function)
      return call
    },
    cancelled: { _, _ in nil }, needsID: true, goesOn: false)
}
