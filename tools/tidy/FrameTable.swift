// The README shows the path of one frame as tables: step, file, function. This holds them to the
// truth, against the calls in the code:
//
//     | 4 | `Sources/Sidetone/Wire/WebSocket.swift` | `nextEvent` | unmasked in place … |
//
// 1. Each file exists and declares the function.
// 2. Each function is called by one that stands above it in its table, directly or by way of others
//    in that one's file.
// 3. A file of the engine on the path begins with "Every frame.", and the function carries the
//    compiler's proof, or says in its comment why it is "Not marked".
// 4. Each file is left once: its steps stand together.

import Foundation

enum FrameTable {
  private static let path = "README.md"
  private static let stepsMin = 6

  private struct Step {
    var number: Int
    var file: SourceFile
    var function: Substring
    /// The function's lines, and those of every function of its file that it calls.
    var reach: String
  }

  static func check() -> [Finding] {
    guard let text = FileManager.default.contents(atPath: path) else {
      return [Finding(path: path, number: 1, what: "there is no README")]
    }
    let lines = String(decoding: text, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    var findings: [Finding] = []
    var steps: [Step] = []
    var count = 0
    for (index, line) in lines.enumerated() {
      func found(_ what: String) {
        findings.append(Finding(path: path, number: index + 1, what: what))
      }
      let cells = line.split(separator: "|").map { $0.filter { $0 != " " && $0 != "`" } }
      guard cells.count >= 3, Int(cells[0]) != nil, cells[1].hasSuffix(".swift") else {
        if !line.hasPrefix("|") { steps = [] }
        continue
      }
      count += 1
      guard let step = step(index + 1, cells) else {
        found("\(cells[1]) has no function `\(cells[2])`")
        continue
      }
      if !steps.isEmpty, !steps.contains(where: { calls(step.function, in: $0) }) {
        found("nothing above it in this table calls `\(step.function)`")
      }
      let isBack = step.file.path.hasPrefix("Sources/SidetoneLinux/")
      if let last = steps.last, last.file.path != step.file.path, !isBack,
        steps.contains(where: { $0.file.path == step.file.path })
      {
        found("the path leaves \(step.file.path) twice")
      }
      findings += proof(of: step)
      steps.append(step)
    }
    if count < stepsMin {
      findings.append(Finding(path: path, number: 1, what: "the table of one frame is missing"))
    }
    return findings
  }

  private static func step(_ number: Int, _ cells: [String]) -> Step? {
    guard let file = SourceFile(path: cells[1]) else { return nil }
    let bodies = bodies(of: file)
    let function = Substring(cells[2])
    guard bodies[function] != nil else { return nil }
    var reached: Set<Substring> = [function]
    var pending = [function]
    while let name = pending.popLast() {
      for other in bodies.keys where !reached.contains(other) {
        guard isCalled(other, in: bodies[name, default: ""]) else { continue }
        reached.insert(other)
        pending.append(other)
      }
    }
    let reach = reached.map { bodies[$0, default: ""] }.joined(separator: "\n")
    return Step(number: number, file: file, function: function, reach: reach)
  }

  /// The lines of each function of a file, by its name; those that share one are taken together.
  private static func bodies(of file: SourceFile) -> [Substring: String] {
    var bodies: [Substring: String] = [:]
    for (index, line) in file.code.enumerated() {
      guard let name = Functions.name(on: line) else { continue }
      let length = Functions.length(from: index, in: file.code)
      // The declaration itself is no call.
      let body = file.code[(index + 1)..<(index + length)].joined(separator: "\n")
      bodies[name, default: ""] += body + "\n"
    }
    return bodies
  }

  private static func calls(_ function: Substring, in step: Step) -> Bool {
    isCalled(function, in: step.reach)
  }

  private static func isCalled(_ function: Substring, in code: String) -> Bool {
    var rest = code[...]
    while let found = rest.range(of: "\(function)(") {
      let before =
        found.lowerBound == code.startIndex
        ? " " : code[code.index(before: found.lowerBound)]
      if !Words.isPart(before) { return true }
      rest = rest[found.upperBound...]
    }
    return false
  }

  /// The compiler's proof, or the reason why there is none.
  private static func proof(of step: Step) -> [Finding] {
    guard step.file.isEngine else { return [] }
    var findings: [Finding] = []
    if step.file.header.first != " Every frame." {
      findings.append(
        Finding(
          path: step.file.path, number: 1, what: "on every frame's path, and does not say so"))
    }
    for (index, line) in step.file.code.enumerated()
    where Functions.name(on: line) == step.function {
      if !Engine.isProven(index, in: step.file) {
        let what = "`\(step.function)` is on every frame's path without proof or reason"
        findings.append(Finding(path: step.file.path, number: index + 1, what: what))
      }
    }
    return findings
  }
}
