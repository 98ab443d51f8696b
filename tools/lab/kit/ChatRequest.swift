// What a client asks of a chat endpoint, refused in the way of OpenAI where it is not what the
// documents of theirs allow.

struct ChatRequest {
  let model: String
  /// What the answer must keep to; nil: nothing was asked for.
  let form: ChatTwin.Form?
  private let schema: JSON?
  private let messages: [(role: String, text: String)]
  /// The answer is to come chunk by chunk.
  let isStream: Bool
  /// The first function that it may call.
  let function: (name: String, parameters: JSON)?

  init(_ body: [UInt8]) throws(ChatRefusal) {
    guard let whole = JSON(body), whole.members != nil else {
      throw ChatRefusal(400, "We could not parse the JSON body of your request.")
    }
    guard let model = whole["model"]?.string, !model.isEmpty else {
      throw ChatRefusal(400, "you must provide a model parameter")
    }
    self.model = model
    isStream = whole["stream"] == true
    function = try Self.function(whole["tools"])
    messages = try Self.messages(whole["messages"])
    let format = whole["response_format"]
    switch format?["type"]?.string {
    case nil, "text": (form, schema) = (nil, nil)
    case "json_object":
      guard messages.contains(where: { $0.text.lowercased().contains("json") }) else {
        throw ChatRefusal(
          400, "'messages' must contain the word 'json' to use 'response_format' of 'json_object'.")
      }
      (form, schema) = (.object, nil)
    case "json_schema": (form, schema) = (.schema, try Self.schema(format?["json_schema"]))
    case let kind?: throw ChatRefusal(400, "Invalid value for response_format.type: '\(kind)'.")
    }
  }

  private static func messages(_ list: JSON?) throws(ChatRefusal) -> [(String, String)] {
    guard let list = list?.array, !list.isEmpty else {
      throw ChatRefusal(400, "messages: a list with one message at least is expected")
    }
    var messages: [(String, String)] = []
    // Calls that the messages behind them have to answer.
    var called: Set<String> = []
    for (index, message) in list.enumerated() {
      let roles = ["system", "developer", "user", "assistant", "tool"]
      guard let role = message["role"]?.string, roles.contains(role) else {
        throw ChatRefusal(400, "messages[\(index)].role: it is one of \(roles)")
      }
      if role == "tool" {
        guard called.remove(message["tool_call_id"]?.string ?? "") != nil else {
          throw ChatRefusal(
            400, "messages[\(index)]: role tool must answer a message before it with tool_calls")
        }
      } else if !called.isEmpty {
        throw ChatRefusal(400, "tool_calls must be followed by an answer to each tool_call_id")
      }
      if role == "assistant", let calls = message["tool_calls"]?.array {
        called = try Self.calls(calls, of: index)
        if message["content"] == JSON.null { continue }
      }
      let parts = message["content"]?.array?.compactMap { $0["text"]?.string }
      guard let text = message["content"]?.string ?? parts?.joined() else {
        throw ChatRefusal(400, "messages[\(index)].content: a text is expected")
      }
      messages.append((role, text))
    }
    guard called.isEmpty else {
      throw ChatRefusal(400, "tool_calls must be followed by an answer to each tool_call_id")
    }
    return messages
  }

  private static func calls(_ list: [JSON], of index: Int) throws(ChatRefusal) -> Set<String> {
    var ids: Set<String> = []
    for call in list {
      guard let id = call["id"]?.string, call["type"] == "function",
        call["function"]?["name"]?.string?.isEmpty == false,
        call["function"]?["arguments"]?.string != nil, ids.insert(id).inserted
      else { throw ChatRefusal(400, "messages[\(index)].tool_calls: invalid") }
    }
    return ids
  }

  private static func function(_ tools: JSON?) throws(ChatRefusal) -> (String, JSON)? {
    guard let tools else { return nil }
    guard let list = tools.array, !list.isEmpty else {
      throw ChatRefusal(400, "tools: an array with one function at least is expected")
    }
    for tool in list {
      guard tool["type"] == "function", tool["function"]?["name"]?.string?.isEmpty == false,
        tool["function"]?["parameters"]?["type"] == "object"
      else { throw ChatRefusal(400, "tools: invalid") }
    }
    let first = list[0]["function"]
    return (first?["name"]?.string ?? "", first?["parameters"] ?? [:])
  }

  private static func schema(_ named: JSON?) throws(ChatRefusal) -> JSON {
    guard let name = named?["name"]?.string, !name.isEmpty, name.utf8.count <= 64,
      name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") })
    else {
      throw ChatRefusal(400, "response_format.json_schema.name: a-z A-Z 0-9 _ - are expected")
    }
    guard let schema = named?["schema"], schema.members != nil else {
      throw ChatRefusal(400, "Missing required parameter: 'response_format.json_schema.schema'.")
    }
    if named?["strict"] == true, let fault = Self.looseness(of: schema, at: "()") {
      throw ChatRefusal(400, "Invalid schema for response_format '\(name)': \(fault)")
    }
    return schema
  }

  /// What the strict form does not allow: an object that leaves properties open, or allows others.
  private static func looseness(of schema: JSON, at place: String) -> String? {
    if let properties = schema["properties"]?.members {
      if schema["additionalProperties"] != false {
        return
          "In context=\(place), 'additionalProperties' is required to be supplied and to be false."
      }
      let required = Set((schema["required"]?.array ?? []).compactMap(\.string))
      if let missing = properties.all.first(where: { !required.contains($0.key) }) {
        return "In context=\(place), 'required' is required to be supplied and to be an array "
          + "including every key in properties. Missing '\(missing.key)'."
      }
    }
    for (name, value) in schema.members?.all ?? [] {
      let within: [(String, JSON)] =
        switch name {
        case "properties", "$defs", "definitions":
          value.members?.all.map { ($0.key, $0.value) } ?? []
        case "items": [(name, value)]
        case "anyOf": (value.array ?? []).map { (name, $0) }
        default: []
        }
      for (key, inner) in within {
        if let fault = looseness(of: inner, at: "('\(name)', '\(key)')") { return fault }
      }
    }
    return nil
  }

  /// What a person reads of the form.
  var formName: String { form?.rawValue ?? "plain" }

  /// Letters of all messages.
  var letters: Int { messages.reduce(0) { $0 + $1.text.utf8.count } }

  /// The answer that follows from the schema and what the first user says; without one an echo.
  var content: String {
    let said = messages.first { $0.role == "user" }?.text ?? ""
    guard let schema = schema ?? promptedSchema else { return "You said: \(said)" }
    return SchemaFiller(schema, transcript: said).filled().text
  }

  /// What is said where a conversation is held: the caller's words, or what a function answered.
  var spoken: String {
    if let last = messages.last, last.role == "tool" { return "the function says: \(last.text)" }
    let said = messages.last { $0.role == "user" }
    return said.map { "you said: \($0.text)" } ?? VoiceManner.greeting
  }

  /// A call of the first function, with what the caller's words give for its arguments; nil: it
  /// may call none, or has just been answered.
  var call: (name: String, arguments: String)? {
    guard let function, messages.last?.role != "tool" else { return nil }
    let said = messages.last { $0.role == "user" }?.text ?? ""
    let arguments = SchemaFiller(function.parameters, transcript: "caller: \(said)").filled()
    return (function.name, arguments.text)
  }

  /// Where the server is not told the schema the model may be, in words.
  private var promptedSchema: JSON? {
    for message in messages where message.role == "system" || message.role == "developer" {
      guard let start = message.text.firstIndex(of: "{"), let end = message.text.lastIndex(of: "}"),
        start < end, let schema = JSON(message.text[start...end].utf8), schema["properties"] != nil
      else { continue }
      return schema
    }
    return nil
  }
}
