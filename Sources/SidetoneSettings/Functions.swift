// Functions that voice models may call: [[functions]] of the file, each named once, and the routes
// whose models are told of them.

import Sidetone

/// A function of the file, and where its parts stand.
struct WrittenFunction {
  var function = Config.Function()
  var place: Place
  var places: [String: Place] = [:]
  /// A value of it was refused.
  var isRefused = false

  func place(of key: String) -> Place { places[key] ?? place }
}

private let builtInNames = Config.Function.BuiltIn.allCases.map(\.rawValue)

extension Setting where Target == WrittenFunction {
  static let all: [Self] = [
    .text(
      "functions", "name", help: "What models and routes call it.", \.function.name,
      check: readFunctionName),
    Self(
      table: "functions", key: "description", form: "text",
      help: "What it does and when it is to be called, in words for the model."
    ) { written, value throws(Refusal) in
      written.function.description = try readProse(
        try value.text(), bytesMax: Limits.settingBytesMax)
    },
    Self(
      table: "functions", key: "parameters", form: "FILE, or JSON in quotes",
      standard: "none are taken",
      help: "The JSON schema of its arguments, an object."
    ) { written, value throws(Refusal) in
      (written.function.schema, written.function.required) = try readSchema(try value.text())
    },
    .text(
      "functions", "url", form: "URL", help: "Who is asked, by a POST for each call.",
      \.function.url, check: readHTTP),
    Self(
      table: "functions", key: "built_in", form: builtInNames.joined(separator: ", "),
      help: "What the relay does itself, instead of asking a url."
    ) { written, value throws(Refusal) in
      let word = try readWord(value, among: builtInNames)
      written.function.builtIn = Config.Function.BuiltIn(rawValue: word)
    },
    .text(
      "functions", "mcp", form: "https://…",
      help: "A server of tools (MCP) that the model asks itself, where it can, under this name.",
      \.function.server, check: readHTTP),
    .text(
      "functions", "key", help: "What the model shows that server: an OAuth access token.",
      \.function.key, check: readToken
    ).secret(),
    .list(
      "functions", "tools", form: "NAME, …", standard: "all of them",
      help: "Which of its tools the model may use.", \.function.tools, each: readTool),
    Self(
      table: "functions", key: "targets", form: "NUMBER or SIP address, …, or a table of them",
      help: "Whom a transfer may reach, by what the model calls them: names, or the addresses."
    ) { written, value throws(Refusal) in
      written.function.targets = try Config.Function.readTargets(value)
    },
    .toggle(
      "functions", "warm", standard: false,
      help: "The model may have a summary said to the caller before a transfer, where the carrier "
        + "can.", \.function.isWarm),
    .list(
      "functions", "secrets", form: "whsec_…, …",
      help: "What requests are signed with (Standard Webhooks); none: they are not signed.",
      \.function.secrets, each: readHookSecret
    ).secret(),
    .integer(
      "functions", "deadline_milliseconds", in: 100...60_000,
      standard: Config.Function().deadlineMilliseconds,
      help: "How long its server has; then the model is told that no answer came.",
      \.function.deadlineMilliseconds),
    .toggle(
      "functions", "talks_meanwhile", standard: false,
      help: "The model may go on talking while it runs, where the model knows how.",
      \.function.talksMeanwhile),
    .recording(
      "functions", "phrase",
      help: "A WAV file, or words, that the caller hears where it takes long, and nobody speaks.",
      \.function.phraseAudio),
    .integer(
      "functions", "phrase_after_milliseconds", in: 0...60_000,
      standard: Config.Function().phraseAfterMilliseconds,
      help: "So long it takes then, in milliseconds.", \.function.phraseAfterMilliseconds),
    .toggle(
      "functions", "plain", standard: false,
      help: "http:// will do, though it is not this machine.", \.function.isPlain),
  ]
}

// MARK: - Values

private func readFunctionName(_ text: String) throws(Refusal) -> String {
  let isName =
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
    && text.utf8.first.map { $0 == 0x5F || $0 >= 0x41 } ?? false
  guard isName else {
    throw Refusal(
      "must be 1 to 64 letters, digits, `_` or `-`, the first of them a letter or `_`")
  }
  return text
}

/// What goes into a header, or stands for somebody's right.
private func readToken(_ text: String) throws(Refusal) -> String {
  guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), text.utf8.count <= 1024 else {
    throw Refusal("must be at most 1024 visible letters, without spaces")
  }
  return text
}

private func readTool(_ text: String) throws(Refusal) -> String {
  guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
  else { throw Refusal("must be names of at most 128 letters, without spaces") }
  return text
}

/// A schema, in a file or as it is, and the names that it requires. Not every model follows
/// references.
private func readSchema(_ written: String) throws(Refusal) -> (text: String, required: [String]) {
  let most = Limits.functionSchemaBytesMax
  let isInline = trimmed(Substring(written)).hasPrefix("{")
  let text = isInline ? written : try readTextFile(try oneLine(written), bytesMax: most)
  guard text.utf8.count <= most else {
    throw Refusal("must be a schema of at most \(most / 1024) KiB")
  }
  guard !text.contains("\"$ref\"") else {
    throw Refusal("has a `$ref`, which not every model follows: write out what it names")
  }
  let required = Array(text.utf8).withBytes { bytes -> [String]? in
    guard JSON.isValid(bytes), let schema = JSON.whole(of: bytes), schema.kind == .object,
      let type = JSON.find("type", in: bytes, under: schema),
      JSON.text(type, in: bytes, equals: "object")
    else { return nil }
    guard let list = JSON.find("required", in: bytes, under: schema) else { return [] }
    var names: [String] = []
    var elements = JSON.Elements(of: list, in: bytes)
    while let name = elements.next() { names.append(JSON.string(name, in: bytes)) }
    return names
  }
  guard let required else {
    throw Refusal("must be a JSON schema of an object, such as {\"type\":\"object\",…}")
  }
  if let mistake = FunctionSchema.mistake(in: text) { throw Refusal(mistake) }
  return (text, required)
}

// MARK: - From the file

extension Draft {
  mutating func readFunction(file: String, _ node: TOMLNode) {
    var written = WrittenFunction(place: .file(file, line: node.line))
    guard case .table(let members) = node.value else {
      return refuse(written.place, "functions are a list of tables: write [[functions]]")
    }
    let rows = Setting<WrittenFunction>.all
    for member in members {
      let place = Place.file(file, line: member.line)
      written.places[member.key] = place
      guard let row = rows.first(where: { $0.key == member.key }) else {
        refuse(place, unknown("in [[functions]]", member.key, among: rows.map(\.key)))
        continue
      }
      do throws(Refusal) {
        try row.assign(&written, .node(member))
      } catch {
        written.isRefused = true
        refuse(place, "[[functions]] \(row.key) \(error.text)")
      }
    }
    for member in members {
      noteValue(
        "functions \(written.function.name).\(member.key)", .node(member),
        namesFile: ["parameters", "phrase"].contains(member.key))
    }
    functions.append(written)
  }
}

// MARK: - What no single value can tell

extension Draft {
  mutating func finishFunctions(_ routes: inout [WrittenRoute]) {
    for (place, written) in functions.enumerated() {
      let name = written.function.name
      judge(written, isTaken: functions[..<place].contains { $0.function.name == name })
      functions[place].function.takeBuiltInSchema()
    }
    for place in routes.indices { addFunctions(to: &routes[place]) }
    let named = Set(routes.flatMap(\.functions))
    for written in functions
    where !written.function.name.isEmpty && !named.contains(written.function.name) {
      warn(
        written.place,
        "[[functions]] \(written.function.name) is not called: no route names it in `functions`")
    }
    // Memory for them is taken at start, or not at all.
    if let former, !former.config.usesFunctions {
      for place in routes.indices { routes[place].route.functions = [] }
    }
  }

  private mutating func judge(_ written: WrittenFunction, isTaken: Bool) {
    if written.isRefused { return }
    let function = written.function
    if function.name.isEmpty { refuse(written.place, "[[functions]] needs a name") }
    if isTaken {
      refuse(
        written.place(of: "name"), "[[functions]] name \(function.name) is taken already")
    }
    if function.description.isEmpty {
      refuse(written.place, "[[functions]] needs a description: by it a model knows when to call")
    }
    judgeKeys(of: written)
    if function.phraseAudio == nil, written.places["phrase_after_milliseconds"] != nil {
      refuse(
        written.place(of: "phrase_after_milliseconds"),
        "[[functions]] phrase_after_milliseconds is for functions with a phrase")
    }
    if function.phraseAudio != nil, let builtIn = function.builtIn, !builtIn.takesTime {
      refuse(
        written.place(of: "phrase"),
        "[[functions]] phrase is for what others take time for, not for \(builtIn.rawValue)")
    }
    if function.builtIn == .transfer, function.targets.isEmpty {
      refuse(
        written.place,
        "[[functions]] needs targets, such as targets = { sales = \"+15550100\" }: a transfer "
          + "reaches nobody else")
    }
    if function.builtIn == nil, function.url.isEmpty, function.server.isEmpty {
      refuse(
        written.place,
        "[[functions]] needs a url, or built_in: \(builtInNames.joined(separator: ", ")), or mcp")
    }
    judgeServer(of: written)
    judge(
      function.url, isPlain: function.isPlain, "[[functions]] url", at: written.place(of: "url"))
  }

  /// A server that the model asks itself.
  private mutating func judgeServer(of written: WrittenFunction) {
    let server = written.function.server
    guard !server.isEmpty else {
      for key in ["key", "tools"] where written.places[key] != nil {
        refuse(written.place(of: key), "[[functions]] \(key) is for functions with mcp")
      }
      return
    }
    if !server.hasPrefix("https://") {
      refuse(
        written.place(of: "mcp"),
        "[[functions]] mcp must begin with https://: it is asked by the model's vendor, not by us")
    }
    let others = [
      "url", "built_in", "parameters", "secrets", "deadline_milliseconds", "targets", "warm",
      "talks_meanwhile", "plain",
    ]
    for key in others where written.places[key] != nil {
      refuse(
        written.place(of: key),
        "[[functions]] \(key) is not for mcp: the model asks that server without the relay")
    }
  }

  /// Settings that only other functions have.
  private mutating func judgeKeys(of written: WrittenFunction) {
    let ours = Config.Function.BuiltIn.allCases
    if !written.function.server.isEmpty { return }
    let keys = [
      "url", "parameters", "secrets", "deadline_milliseconds", "targets", "warm",
      "talks_meanwhile", "plain",
    ]
    for key in keys where written.places[key] != nil {
      let place = written.place(of: key)
      let takers = ours.filter { $0.takes.contains(key) }.map(\.rawValue)
      let isOfServers = key != "targets" && key != "warm"
      if let builtIn = written.function.builtIn {
        if builtIn.takes.contains(key) { continue }
        let whose = takers.isEmpty || isOfServers ? "functions with a url" : takers[0]
        refuse(place, "[[functions]] \(key) is for \(whose)")
      } else if !isOfServers {
        refuse(place, "[[functions]] \(key) is for built_in = \"\(takers[0])\"")
      }
    }
  }

  private mutating func addFunctions(to written: inout WrittenRoute) {
    let place = written.place(of: "functions")
    var names: Set<String> = []
    for name in written.functions {
      guard let function = functions.first(where: { $0.function.name == name }) else {
        refuse(
          place,
          "[[routes]] functions: "
            + unknown("function", name, among: functions.map(\.function.name)))
        continue
      }
      if !names.insert(name).inserted {
        refuse(place, "[[routes]] functions names \(name) twice")
      }
      written.route.functions.append(function.function)
      judgeCarriers(of: written.route, for: function.function, at: place)
    }
    let bytes = written.route.functions.reduce(0) {
      $0 + $1.schema.utf8.count + 2 * $1.description.utf8.count + 256
        + $1.server.utf8.count + $1.key.utf8.count + $1.tools.reduce(0) { $0 + $1.utf8.count + 3 }
    }
    if bytes > Limits.functionsBytesMax {
      refuse(
        place,
        "[[routes]] functions: their descriptions and schemas have \(bytes) bytes together, of "
          + "\(Limits.functionsBytesMax) that a session may be told")
    }
    guard !written.functions.isEmpty, written.route.kind == .call else { return }
    for index in config.upstreams(of: written.route) {
      let upstream = config.upstreams[index]
      if upstreamRow(of: upstream.kind)?.row.speaker != nil,
        bytes > Limits.cascadeFunctionsBytesMax
      {
        refuse(
          place,
          "[[routes]] functions: their descriptions and schemas have \(bytes) bytes together, of "
            + "\(Limits.cascadeFunctionsBytesMax) that \(upstream.name) can tell with each request")
      } else if upstreamRow(of: upstream.kind)?.row.voice?.functions == nil {
        refuse(
          place, "[[routes]] functions are for voice models, and \(upstream.name) is none")
      } else if upstreamRow(of: upstream.kind)?.row.voice?.functions?.others != .served,
        let served = written.route.functions.first(where: { !$0.server.isEmpty })
      {
        refuse(
          place,
          "[[routes]] functions: \(served.name) has mcp, and \(upstream.name) asks no such server")
      }
    }
  }
}
