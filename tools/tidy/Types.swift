// How large a type of the engine may become, over all its files: lines of code, what it stores,
// flags beside its states. And who may reach into a call.

enum Types {
  private static let codeLinesMax = 700
  private static let storedMax = 25
  private static let relayStoredMax = 14
  private static let flagsMax = 4
  private static let kinds: Set<Substring> = ["struct", "class", "enum", "extension"]

  /// Plain lists of settings, limits, counters, and what one message says: nothing in them decides.
  private static let lists: Set<Substring> = [
    "Config", "Config.Upstream", "Config.Route", "Limits", "Counters", "Snapshot", "Upstream",
    "Upstream.Event", "Carrier", "Utterance",
  ]

  private struct Tally {
    var path = ""
    var number = 0
    var codeLines = 0
    var stored = 0
    var flags = 0
  }

  static func check(_ files: [SourceFile]) -> [Finding] {
    let engine = files.filter { $0.isEngine && $0.isSwift }
    var tallies: [Substring: Tally] = [:]
    for file in engine { count(file, in: &tallies) }
    var findings: [Finding] = []
    for (type, tally) in tallies.sorted(by: { $0.key < $1.key }) {
      func found(_ what: String) {
        findings.append(Finding(path: tally.path, number: tally.number, what: "`\(type)` \(what)"))
      }
      if tally.codeLines > codeLinesMax {
        found("has \(tally.codeLines) lines of code, more than \(codeLinesMax)")
      }
      if lists.contains(type) { continue }
      let storedMax = type == "Relay" ? relayStoredMax : storedMax
      if tally.stored > storedMax { found("stores \(tally.stored) things, more than \(storedMax)") }
      if tally.flags > flagsMax {
        found("has \(tally.flags) flags, more than \(flagsMax): say it with a state")
      }
    }
    return findings + engine.flatMap(reachIntoCalls)
  }

  /// Adds what a file says of each type, by the type's whole name (`Upstream.News`).
  private static func count(_ file: SourceFile, in tallies: inout [Substring: Tally]) {
    var depth = 0
    var open: [(name: Substring, depth: Int)] = []
    for (index, line) in file.code.enumerated() {
      let words = Words.all(in: line)
      if let type = open.last, line.contains(where: { $0 != " " }) {
        tallies[open[0].name, default: Tally()].codeLines += 1
        if depth == type.depth + 1, let isFlag = stored(line, words) {
          tallies[type.name, default: Tally()].stored += 1
          if isFlag { tallies[type.name, default: Tally()].flags += 1 }
        }
      }
      if let kind = words.firstIndex(where: kinds.contains), kind + 1 < words.count,
        line.hasSuffix("{"), !words.contains("func"), !words.contains("case")
      {
        let outer = open.last.map { "\($0.name)." } ?? ""
        let name = Substring(outer + declared(line, after: words[kind]))
        open.append((name, depth))
        if tallies[name] == nil { tallies[name] = Tally(path: file.path, number: index + 1) }
      }
      for character in line {
        if character == "{" { depth += 1 }
        if character == "}" { depth -= 1 }
      }
      while let last = open.last, depth <= last.depth { open.removeLast() }
    }
  }

  /// The name behind `struct` or `extension`, with its dots.
  private static func declared(_ line: String, after kind: Substring) -> Substring {
    let rest = line[kind.endIndex...].drop { $0 == " " }
    return rest.prefix { Words.isPart($0) || $0 == "." }
  }

  /// Whether the line declares something stored, and if so whether that is a flag; nil: it does
  /// not.
  private static func stored(_ line: String, _ words: [Substring]) -> Bool? {
    guard !line.contains("{"), !words.contains("static"), !words.contains("func"),
      let kind = words.firstIndex(where: { $0 == "var" || $0 == "let" }), kind + 1 < words.count,
      kind <= 4, !line.hasPrefix("    guard"), !words[..<kind].contains("if")
    else { return nil }
    return words.contains("Bool") || words.last == "true" || words.last == "false"
  }

  /// A call's slot is reached by the relay and by Callers, its part that sees two calls; everything
  /// about a call is asked of the call. Its slot is freed in one place: where the calls are kept.
  private static func reachIntoCalls(_ file: SourceFile) -> [Finding] {
    let isRelay = file.name.hasPrefix("Relay")
    let seesCalls = isRelay || file.path.contains("/Call/") || file.path.contains("/Callers/")
    let keepsCalls = file.path.hasSuffix("/Call/Calls.swift")
    var findings: [Finding] = []
    for (index, line) in file.code.enumerated() {
      func found(_ what: String) {
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
      let words = Words.all(in: line)
      if !isRelay, let at = words.firstIndex(of: "extension"), at + 1 < words.count,
        words[at + 1] == "Relay"
      {
        found("`extension Relay` outside Relay*.swift")
      }
      if !seesCalls, line.contains("calls[") {
        found("only the relay and Callers reach into a call's slot")
      }
      if !keepsCalls, line.contains("Slab<Call>") { found("calls are kept in one place") }
      if line.contains("calls.release(") { found("a call's slot is freed in one place") }
    }
    return findings + (keepsCalls ? freedOnce(file) : [])
  }

  /// Where calls are kept, `settle` alone gives a slot back.
  private static func freedOnce(_ file: SourceFile) -> [Finding] {
    let places = file.code.indices.filter { file.code[$0].contains("slots.release(") }
    let settle = file.code.indices.first { Functions.name(on: file.code[$0]) == "settle" }
    let body = settle.map { $0..<$0 + Functions.length(from: $0, in: file.code) } ?? 0..<0
    let other = places.first { !body.contains($0) }
    if places.count == 1, other == nil { return [] }
    let what = "a call's slot is freed in one place, `settle`"
    return [Finding(path: file.path, number: (other ?? body.lowerBound) + 1, what: what)]
  }
}
