// Functions of OpenAI's voice models. A call is an item of an answer, and whole when
// `response.output_item.done` says that it is completed. That its arguments are done is said of
// one that was cut short as well, and says nothing here. The answer is an item of the conversation
// as well, and the model goes on when it is asked to, once its own answer is over.

extension OpenAI {
  static let functions = Upstream.Functions(
    call: { message, place in place == 0 ? functionCall(in: message) : nil },
    cancelled: { _, _ in nil }, needsID: true, goesOn: false, others: .served)

  /// `"tools":[…],`, where there are some.
  static func writeFunctions(_ functions: [Upstream.Function], _ writer: inout Writer) {
    if functions.isEmpty { return }
    writer.write("\"tools\":[")
    for (place, function) in functions.enumerated() {
      if place > 0 { writer.write(",") }
      if let server = function.server {
        write(server, of: function, &writer)
        continue
      }
      writer.write("{\"type\":\"function\",\"name\":\"")
      writer.write(function.name.bytes)
      writer.write("\",\"description\":\"")
      writer.write(json: function.description.bytes)
      writer.write("\",\"parameters\":")
      writer.write(function.schema.bytes)
      writer.write("}")
    }
    writer.write("],\"tool_choice\":\"auto\",")
  }

  /// A server whose tools the model uses without us, and without asking whether it may.
  private static func write(
    _ server: Upstream.Function.Server, of function: Upstream.Function, _ writer: inout Writer
  ) {
    writer.write("{\"type\":\"mcp\",\"server_label\":\"")
    writer.write(function.name.bytes)
    writer.write("\",\"server_description\":\"")
    writer.write(json: function.description.bytes)
    writer.write("\",\"server_url\":\"")
    writer.write(json: server.url.bytes)
    if !server.key.bytes.isEmpty {
      writer.write("\",\"authorization\":\"")
      writer.write(json: server.key.bytes)
    }
    writer.write("\",\"require_approval\":\"never\"")
    for (place, tool) in server.tools.enumerated() {
      writer.write(place == 0 ? ",\"allowed_tools\":[\"" : "\",\"")
      writer.write(json: tool.bytes)
    }
    if !server.tools.isEmpty { writer.write("\"]") }
    writer.write("}")
  }

  static func writeAnswer(_ id: Bytes, _ answer: Bytes, _ writer: inout Writer) {
    writer.write("{\"type\":\"conversation.item.create\",\"item\":{")
    writer.write("\"type\":\"function_call_output\",\"call_id\":\"")
    writer.write(id)
    writer.write("\",\"output\":\"")
    writer.write(json: answer)
    writer.write("\"}}")
  }

  /// The call that a message completes; nil: none. One that was cut short is no call.
  static func functionCall(in message: Bytes) -> Upstream.FunctionCall? {
    guard let type = JSON.find("type", in: message) else { return nil }
    func text(_ value: JSON.Value?) -> Range<Int> {
      value.flatMap { $0.kind == .string ? $0.range : nil } ?? 0..<0
    }
    var call = Upstream.FunctionCall()
    guard JSON.text(type, in: message, equals: "response.output_item.done"),
      let item = JSON.find("item", in: message), item.kind == .object,
      isNamed("type", "function_call", of: item, in: message),
      JSON.find("status", in: message, under: item) == nil
        || isNamed("status", "completed", of: item, in: message)
    else { return nil }
    call.id = text(JSON.find("call_id", in: message, under: item))
    call.name = text(JSON.find("name", in: message, under: item))
    call.arguments = JSON.find("arguments", in: message, under: item)
    return call
  }

  /// The call of another server that a message of this type begins or ends; nil: none.
  static func servedCall(
    of type: JSON.Value, item: Range<Int>?, in message: Bytes
  ) -> Upstream.ServedCall? {
    func isNamed(_ name: StaticString) -> Bool { JSON.text(type, in: message, equals: name) }
    if isNamed("response.output_item.added") { return servedCall(begunBy: message) }
    if isNamed("response.output_item.done") { return servedCall(endedBy: message) }
    guard let item else { return nil }
    if isNamed("response.mcp_call.completed") { return Upstream.ServedCall(id: item, .answered) }
    return isNamed("response.mcp_call.failed") ? Upstream.ServedCall(id: item, .failed) : nil
  }

  /// Said of every item, also where nothing else says that a server has answered.
  private static func servedCall(endedBy message: Bytes) -> Upstream.ServedCall? {
    guard let begun = servedCall(begunBy: message) else { return nil }
    let error = JSON.find("item", "error", in: message)
    let isAnswered = error == nil || error?.kind == .null
    return Upstream.ServedCall(id: begun.id, isAnswered ? .answered : .failed)
  }

  private static func servedCall(begunBy message: Bytes) -> Upstream.ServedCall? {
    guard let item = JSON.find("item", in: message), item.kind == .object,
      isNamed("type", "mcp_call", of: item, in: message),
      let id = JSON.find("id", in: message, under: item), id.kind == .string,
      let label = JSON.find("server_label", in: message, under: item), label.kind == .string
    else { return nil }
    return Upstream.ServedCall(id: id.range, .begun(label.range))
  }

  private static func isNamed(
    _ member: StaticString, _ word: StaticString, of item: JSON.Value, in message: Bytes
  ) -> Bool {
    JSON.find(member, in: message, under: item).map { JSON.text($0, in: message, equals: word) }
      ?? false
  }
}
