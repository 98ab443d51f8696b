// What a voice model's row says of functions: how those that it may call are declared stands in its
// `setup`, how it is answered in its `write`; here is how its calls are read. Nobody else knows.
//
//     setup ──▶ declared      message ──▶ call, cancelled      answer ──▶ write

extension Upstream {
  /// A function as a model is told of it.
  package struct Function: Sendable {
    /// Letters, digits, `_` and `-`: it needs no escape.
    package let name: Text
    package let description: Text
    /// The JSON schema of its arguments, an object.
    package let schema: Text
    /// The model may go on talking while it runs.
    package let talksMeanwhile: Bool
    /// The model has this server answer, without us; nil: it calls us.
    package let server: Server?

    /// One that offers tools (Model Context Protocol).
    package struct Server: Sendable {
      package let url: Text
      /// What the model shows it as a bearer's; empty: nothing.
      package let key: Text
      /// Which of its tools the model may use; none: all.
      package let tools: [Text]

      package init(url: String, key: String, tools: [String]) {
        self.url = Text(url)
        self.key = Text(key)
        self.tools = tools.map { Text($0) }
      }
    }

    package init(
      name: String, description: String, schema: String, talksMeanwhile: Bool,
      server: Server? = nil
    ) {
      self.server = server
      self.name = Text(name)
      self.description = Text(description)
      self.schema = Text(schema)
      self.talksMeanwhile = talksMeanwhile
    }
  }

  /// A model calls a function. Texts are the inside of JSON strings, escapes and all.
  package struct FunctionCall {
    /// Empty where the model has not said it.
    package var id = 0..<0
    package var name = 0..<0
    /// An object, or a string that holds one; nil: none came.
    package var arguments: JSON.Value?

    package init() {}
  }

  /// What a model says of a call that it has another server answer: its id, and how far it is.
  package struct ServedCall {
    package enum Stage {
      /// By the server of this name.
      case begun(Range<Int>)
      case answered, failed
    }
    package var id: Range<Int>
    package var stage: Stage

    package init(id: Range<Int>, _ stage: Stage) {
      self.id = id
      self.stage = stage
    }
  }

  /// How calls are read, of messages whose event says that there are some.
  package struct Functions: Sendable {
    /// The call at that place in a message (`Event.callsFunctions`); nil: behind the last.
    package let call: @Sendable (_ message: Bytes, _ place: Int) -> FunctionCall?
    /// The id of the call at that place that is not wanted any more (`Event.cancelsFunctions`).
    package let cancelled: @Sendable (_ message: Bytes, _ place: Int) -> Range<Int>?
    /// Without an id no call can be answered.
    package let needsID: Bool
    /// It goes on by itself as soon as it has the answers; else it is asked to.
    package let goesOn: Bool
    /// The same where it is told in words what another session's call has come to.
    package let goesOnWithWords: Bool
    /// What it may call beside what its route has us do.
    package let others: Others

    package enum Others: Sendable {
      case none
      /// Functions that it was told of by others: it waits for answers to these as well.
      case unknown
      /// Tools of servers that it is told of, which it asks without us.
      case served
    }

    package init(
      call: @escaping @Sendable (_ message: Bytes, _ place: Int) -> FunctionCall?,
      cancelled: @escaping @Sendable (_ message: Bytes, _ place: Int) -> Range<Int>?,
      needsID: Bool, goesOn: Bool, goesOnWithWords: Bool? = nil, others: Others = .none
    ) {
      self.call = call
      self.cancelled = cancelled
      self.needsID = needsID
      self.goesOn = goesOn
      self.goesOnWithWords = goesOnWithWords ?? goesOn
      self.others = others
    }
  }
}

extension Upstream {
  /// What is in an answer instead of sound, where no function was declared.
  static let callOfNone: StaticString = "a call of a function, of which there are none"
}

extension Writer {
  /// What a session is told of a call that another one has made, as the inside of a JSON string.
  mutating func write(lateAnswerOf function: Bytes, _ answer: Bytes) {
    write("The function ")
    write(function)
    write(", called before the connection was interrupted, has answered: ")
    write(json: answer)
  }
}
