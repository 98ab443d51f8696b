// A chat endpoint of the form that most servers of language models have: POST …/chat/completions
// with a model and messages. What a server makes of `response_format` differs; what this one takes
// is found out once and remembered:
//
//     schema   the server holds the model to the schema (`json_schema`)
//     object   the server holds the model to JSON (`json_object`); the schema stands in the prompt
//     plain    nothing is asked of the server; the schema stands in the prompt
//
// A refusal that is about the format, or comes before the form was ever taken, leads one down.

import Sidetone

package struct ChatMessage: Equatable, Sendable {
  package let role: String
  package let text: String
}

package struct ChatEndpoint: Sendable {
  package enum Form: Int, CaseIterable, Sendable { case schema, object, plain }

  /// Bytes of an answer; what is longer is no answer.
  package static let answerBytesMax = 1 << 20

  package let url: HTTPURL
  private let model: String
  private let key: String
  /// What the server takes, or may take.
  package private(set) var form = Form.schema
  private var taken: Set<Form> = []

  /// - Parameters:
  ///   - url: the whole URL, which ends in `/chat/completions`, or what stands before that; a URL
  ///     without a path gets `/v1` too.
  ///   - key: sent as a Bearer token; "" for none.
  package init(
    url: String, model: String, key: String, allowsPlain: Bool = false
  ) throws(CourierMistake) {
    do throws(HTTPURL.Mistake) {
      let given = try HTTPURL(url, allowsPlain: allowsPlain)
      self.url = try HTTPURL(Self.completed(given), allowsPlain: allowsPlain)
    } catch {
      throw CourierMistake(sentence: "`url` \(error.sentence)")
    }
    if model.isEmpty { throw CourierMistake(sentence: "`model` is empty") }
    guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw CourierMistake(sentence: "`key` has a space or a character that no key has")
    }
    self.model = model
    self.key = key
  }

  private static func completed(_ url: HTTPURL) -> String {
    let query = url.text.firstIndex(of: "?").map { url.text[$0...] } ?? ""
    var path = url.text.dropLast(query.count)
    while path.last == "/" { path.removeLast() }
    if path.hasSuffix("/chat/completions") { return String(path + query) }
    let isBare = path.hasSuffix("://\(url.place)")
    return String(path) + (isBare ? "/v1" : "") + "/chat/completions" + query
  }

  package func request(
    _ messages: [ChatMessage], schema: AskedSchema, form: Form, totalMilliseconds: Int
  ) -> HTTPRequest {
    var body: JSONTree = .made([
      "model": .text(model),
      "messages": .list(
        messages.map {
          .made(["role": .text($0.role), "content": .text($0.text)])
        }),
    ])
    switch form {
    case .schema:
      let named: JSONTree = .made([
        "name": "call", "strict": .bool(schema.isStrict), "schema": schema.tree,
      ])
      body.set("response_format", .made(["type": "json_schema", "json_schema": named]))
    case .object: body.set("response_format", .made(["type": "json_object"]))
    case .plain: break
    }
    var request = HTTPRequest(to: url)
    request.body = body.compact
    request.totalMilliseconds = totalMilliseconds
    request.answerBytesMax = Self.answerBytesMax
    request.add("Content-Type", "application/json")
    request.add("Accept", "application/json")
    if !key.isEmpty { request.add("Authorization", "Bearer \(key)") }
    return request
  }

  /// The server answered a request of this form.
  package mutating func took(_ form: Form) {
    taken.insert(form)
    if form.rawValue > self.form.rawValue, !taken.contains(self.form) { self.form = form }
  }

  /// In which form to ask again after a refusal; nil where the form is not what was refused.
  package mutating func formAfter(_ answer: HTTPAnswer, to form: Form) -> Form? {
    guard [400, 415, 422, 501].contains(answer.status),
      let lower = Form(rawValue: form.rawValue + 1)
    else { return nil }
    let words = ["response_format", "json_schema", "json_object", "structured output", "schema"]
    let said = String(decoding: answer.body.prefix(65_536), as: UTF8.self).lowercased()
    let isAboutFormat = words.contains { said.contains($0) }
    guard isAboutFormat || !taken.contains(form) else { return nil }
    if isAboutFormat {
      taken.remove(form)
      self.form = Form(rawValue: max(lower.rawValue, self.form.rawValue)) ?? lower
    }
    return lower
  }
}

/// What a chat endpoint's answer says.
package enum ChatReply: Equatable, Sendable {
  case content(String)
  /// The model, or what watches it, would not; with the words for it.
  case refused(String)
  /// The answer ends where the model was stopped, at a bound of its length.
  case cutOff
  /// The server says that something failed, in an answer that claims success.
  case failed(String)
  /// No answer of such an endpoint: a sentence.
  case unreadable(String)

  package init(_ answer: HTTPAnswer) {
    if answer.isCut {
      let megabytes = ChatEndpoint.answerBytesMax >> 20
      self = .unreadable("the answer is larger than \(megabytes) MiB")
      return
    }
    guard let tree = JSONTree(answer.body) else {
      self = .unreadable("the answer is not JSON")
      return
    }
    if let error = tree["error"], !error.isNull {
      self = .failed(printable((error["message"] ?? error).string ?? "an error without words"))
      return
    }
    guard let choice = tree["choices"]?.elements.first, let message = choice["message"] else {
      self = .unreadable("the answer has no message (`choices[0].message`)")
      return
    }
    let reason = choice["finish_reason"]?.string
    if let refusal = message["refusal"]?.string, !refusal.isEmpty {
      self = .refused(printable(refusal))
    } else if reason == "length" {
      self = .cutOff
    } else if reason == "content_filter" {
      self = .refused("its filter of contents stopped it")
    } else if let text = Self.text(message["content"] ?? .null) {
      self = .content(text)
    } else {
      self = .unreadable("the message has no content")
    }
  }

  /// A text, or a list of parts with texts.
  private static func text(_ content: JSONTree) -> String? {
    if let text = content.string { return text.isEmpty ? nil : text }
    let parts = content.elements.compactMap { $0["text"]?.string }
    return parts.isEmpty ? nil : parts.joined()
  }

  /// The JSON object in what a model wrote: all of it, or within fences, or with words around it.
  /// Where there are several the last counts: models think first.
  package static func object(in text: String) -> JSONTree? {
    let bytes = Array(text.utf8)
    if let whole = JSONTree(bytes), case .object = whole { return whole }
    var found: JSONTree?
    var at = 0
    var attempts = 0
    // Braces that close nothing would each be followed to the end.
    while attempts < 64, let start = bytes[at...].firstIndex(of: UInt8(ascii: "{")) {
      attempts += 1
      at = start + 1
      guard let end = endOfObject(bytes, from: start) else { continue }
      if let tree = JSONTree(Array(bytes[start...end])) {
        found = tree
        at = end + 1
      }
    }
    return found
  }

  /// The brace that closes the one at `start`, strings being passed over.
  private static func endOfObject(_ bytes: [UInt8], from start: Int) -> Int? {
    var depth = 0
    var isInString = false
    var isEscaped = false
    for place in start..<bytes.count {
      let byte = bytes[place]
      if isEscaped {
        isEscaped = false
      } else if isInString {
        if byte == UInt8(ascii: "\\") { isEscaped = true }
        if byte == UInt8(ascii: "\"") { isInString = false }
      } else if byte == UInt8(ascii: "\"") {
        isInString = true
      } else if byte == UInt8(ascii: "{") {
        depth += 1
      } else if byte == UInt8(ascii: "}") {
        depth -= 1
        if depth == 0 { return place }
      }
    }
    return nil
  }
}
