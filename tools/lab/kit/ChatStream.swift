// The streamed answer of a chat endpoint: `chat.completion.chunk` after chunk as server-sent
// events, a word or a few letters of a call in each.

/// A body that comes in pieces.
package struct WebStream: Equatable, Sendable {
  package var type: String
  package var pieces: [[UInt8]]
  /// Between one piece and the next.
  package var milliseconds: Int
  /// In front of the first.
  package var lateMilliseconds = 0
  /// The connection breaks behind the last piece.
  package var isBroken = false
}

struct ChatStream {
  private let id: String
  private let model: String
  private let created: Int64
  private(set) var events: [String] = []

  init(id: String, model: String, created: Int64) {
    self.id = id
    self.model = model
    self.created = created
    add(["role": "assistant", "content": ""])
  }

  /// The words of an answer, each with the space in front of it.
  mutating func say(_ text: String) {
    var word = ""
    for letter in text {
      if letter.isWhitespace, !word.isEmpty {
        add(["content": .string(word)])
        word = ""
      }
      word.append(letter)
    }
    if !word.isEmpty { add(["content": .string(word)]) }
  }

  /// A call of a function, its arguments a few letters at a time.
  mutating func call(_ name: String, _ arguments: String, id: String) {
    add(call: ["id": .string(id), "type": "function"], name: name, "")
    var rest = arguments[...]
    while !rest.isEmpty {
      add(call: [:], name: nil, String(rest.prefix(5)))
      rest = rest.dropFirst(5)
    }
  }

  private mutating func add(call: JSON, name: String?, _ arguments: String) {
    var function: JSON = ["arguments": .string(arguments)]
    if let name { function["name"] = .string(name) }
    var call = call
    call["index"] = 0
    call["function"] = function
    add(["tool_calls": [call]])
  }

  /// Why it is over, what it has cost, and the end.
  mutating func end(_ reason: String, tokens: Int) {
    add([:], reason: .string(reason))
    var usage = chunk(choices: [])
    usage["usage"] = [
      "prompt_tokens": JSON(tokens), "completion_tokens": JSON(events.count),
      "total_tokens": JSON(tokens + events.count),
    ]
    events.append("data: \(usage.text)\n\n")
    events.append("data: [DONE]\n\n")
  }

  private mutating func add(_ delta: JSON, reason: JSON = nil) {
    let choice: JSON = ["index": 0, "delta": delta, "logprobs": nil, "finish_reason": reason]
    events.append("data: \(chunk(choices: [choice]).text)\n\n")
  }

  private func chunk(choices: JSON) -> JSON {
    [
      "id": .string(id), "object": "chat.completion.chunk", "created": .number(Double(created)),
      "model": .string(model), "choices": choices,
    ]
  }
}
