// Functions of Deepgram's Voice Agent. One request may name several, of which the service runs some
// itself; the model waits for an answer to each of the others, also to those that an agent which
// its operator has stored was told of elsewhere. The model goes on by itself.

extension DeepgramAgent {
  static let functions = Upstream.Functions(
    call: { message, place in
      place < functionsMax ? function(place, in: message) : nil
    },
    cancelled: { message, place in
      guard let list = JSON.find("functions", in: message), list.kind == .array,
        let found = JSON.element(place, of: list, in: message)
      else { return nil }
      return found.kind == .object ? text("id", of: found, in: message) : 0..<0
    }, needsID: true, goesOn: true, goesOnWithWords: false, others: .unknown)

  private static let functionsMax = 16

  /// `,"functions":[…]`, where there are some.
  static func writeFunctions(_ functions: [Upstream.Function], _ writer: inout Writer) {
    if functions.isEmpty { return }
    writer.write(",\"functions\":[")
    for (place, function) in functions.enumerated() {
      writer.write(place == 0 ? "{\"name\":\"" : ",{\"name\":\"")
      writer.write(function.name.bytes)
      writer.write("\",\"description\":\"")
      writer.write(json: function.description.bytes)
      writer.write("\",\"parameters\":")
      writer.write(function.schema.bytes)
      writer.write("}")
    }
    writer.write("]")
  }

  static func writeAnswer(
    _ id: Bytes, _ name: Bytes, _ answer: Bytes, _ writer: inout Writer
  ) {
    writer.write("{\"type\":\"FunctionCallResponse\",\"id\":\"")
    writer.write(id)
    writer.write("\",\"name\":\"")
    writer.write(name)
    writer.write("\",\"content\":\"")
    writer.write(json: answer)
    writer.write("\"}")
  }

  /// What is added to the prompt is not repeated among the caller's words; nor is it answered.
  static func writeLateAnswer(_ name: Bytes, _ answer: Bytes, _ writer: inout Writer) {
    writer.write("{\"type\":\"UpdatePrompt\",\"prompt\":\"")
    writer.write(lateAnswerOf: name, answer)
    writer.write("\"}")
  }

  /// Of those that we are to call, the one at this place.
  private static func function(_ place: Int, in message: Bytes) -> Upstream.FunctionCall? {
    guard let list = JSON.find("functions", in: message), list.kind == .array else { return nil }
    var elements = JSON.Elements(of: list, in: message)
    var left = place
    while let found = elements.next() {
      guard found.kind == .object,
        JSON.find("client_side", in: message, under: found)?.kind != .false
      else { continue }
      if left > 0 {
        left -= 1
        continue
      }
      var call = Upstream.FunctionCall()
      call.id = text("id", of: found, in: message)
      call.name = text("name", of: found, in: message)
      call.arguments = JSON.find("arguments", in: message, under: found)
      return call
    }
    return nil
  }
}
