// Functions of Gemini Live. One message may call several, and another takes calls back, which are
// then not answered. A model without `behavior` waits or not as its family does, and some take no
// such key:
//
//     family                      waits where nothing is said   takes `behavior`
//     2.5 native audio            yes                           yes
//     3.1                         yes                           no
//     3.8 live                    no                            yes
//     3.8 live extended thinking  no                            only that it does not wait

extension Gemini {
  static let functions = Upstream.Functions(
    call: functionCall, cancelled: cancelledCall, needsID: false, goesOn: true)

  /// `"tools":[…],`, where there are some.
  static func writeFunctions(
    _ functions: [Upstream.Function], _ family: Family, _ writer: inout Writer
  ) {
    if functions.isEmpty { return }
    writer.write("\"tools\":[{\"functionDeclarations\":[")
    for (place, function) in functions.enumerated() {
      writer.write(place == 0 ? "{\"name\":\"" : ",{\"name\":\"")
      writer.write(function.name.bytes)
      writer.write("\",\"description\":\"")
      writer.write(json: function.description.bytes)
      writer.write("\",")
      writeBehavior(function, family, &writer)
      writer.write("\"parametersJsonSchema\":")
      writer.write(function.schema.bytes)
      writer.write("}")
    }
    writer.write("]}],")
  }

  private static func writeBehavior(
    _ function: Upstream.Function, _ family: Family, _ writer: inout Writer
  ) {
    switch family {
    case .budgeted, .live:
      writer.write(
        function.talksMeanwhile
          ? "\"behavior\":\"NON_BLOCKING\"," : "\"behavior\":\"BLOCKING\",")
    case .levelled, .thinking: break
    }
  }

  /// Without an id, as the enterprise service may call, it is answered by its name.
  static func writeAnswer(
    _ id: Bytes, _ name: Bytes, _ answer: Bytes, _ writer: inout Writer
  ) {
    writer.write("{\"toolResponse\":{\"functionResponses\":[{")
    if !id.isEmpty {
      writer.write("\"id\":\"")
      writer.write(id)
      writer.write("\",")
    }
    writer.write("\"name\":\"")
    writer.write(name)
    writer.write("\",\"response\":")
    writer.write(answer)
    writer.write("}]}}")
  }

  private static func functionCall(
    in message: Bytes, at place: Int
  ) -> Upstream.FunctionCall? {
    guard let calls = JSON.find("toolCall", "functionCalls", in: message),
      let found = JSON.element(place, of: calls, in: message)
    else { return nil }
    var call = Upstream.FunctionCall()
    guard found.kind == .object else { return call }
    func text(_ name: StaticString) -> Range<Int> {
      guard let value = JSON.find(name, in: message, under: found), value.kind == .string else {
        return 0..<0
      }
      return value.range
    }
    call.id = text("id")
    call.name = text("name")
    call.arguments = JSON.find("args", in: message, under: found)
    return call
  }

  private static func cancelledCall(in message: Bytes, at place: Int) -> Range<Int>? {
    guard let ids = JSON.find("toolCallCancellation", "ids", in: message),
      let id = JSON.element(place, of: ids, in: message)
    else { return nil }
    return id.kind == .string ? id.range : 0..<0
  }
}
