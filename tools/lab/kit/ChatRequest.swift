// What a client asks of a chat endpoint, refused in the way of OpenAI where it is not what the
// documents of theirs allow.

struct ChatRequest {
  let model: String
  /// What the answer must keep to; nil: nothing was asked for.
  let form: ChatTwin.Form?
  private let schema: JSON?
  private let messages: [(role: String, text: String)]

  init(_ body: [UInt8]) throws(ChatRefusal) {
    guard let whole = JSON(body), whole.members != nil else {
      throw ChatRefusal(400, "We could not parse the JSON body of your request.")
    }
    guard let model = whole["model"]?.string, !model.isEmpty else {
      throw ChatRefusal(400, "you must provide a model parameter")
    }
    self.model = model
    if whole["stream"] == true { throw ChatRefusal(400, "stream: this endpoint answers at once") }
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
    for (index, message) in list.enumerated() {
      let roles = ["system", "developer", "user", "assistant"]
      guard let role = message["role"]?.string, roles.contains(role) else {
        throw ChatRefusal(400, "messages[\(index)].role: it is one of \(roles)")
      }
      let parts = message["content"]?.array?.compactMap { $0["text"]?.string }
      guard let text = message["content"]?.string ?? parts?.joined() else {
        throw ChatRefusal(400, "messages[\(index)].content: a text is expected")
      }
      messages.append((role, text))
    }
    return messages
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
