// The README shows the path of one frame as a table: step, file, function. This holds the table to
// the truth: each file must exist and declare the function.
//
//     | 4 | `Sources/Sidetone/Wire/WebSocket.swift` | `nextEvent` | unmasked in place … |

import Foundation

enum FrameTable {
  private static let path = "README.md"
  private static let stepsMin = 6

  static func check() -> [Finding] {
    guard let text = FileManager.default.contents(atPath: path) else {
      return [Finding(path: path, number: 1, what: "there is no README")]
    }
    let lines = String(decoding: text, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    var findings: [Finding] = []
    var steps = 0
    for (index, line) in lines.enumerated() {
      let cells = line.split(separator: "|").map { $0.filter { $0 != " " && $0 != "`" } }
      guard cells.count >= 3, Int(cells[0]) != nil, cells[1].hasSuffix(".swift") else { continue }
      steps += 1
      let source = SourceFile(path: cells[1])
      let isThere = source?.code.contains { Functions.name(on: $0).map { $0 == cells[2] } ?? false }
      if isThere != true {
        let what = "\(cells[1]) has no function `\(cells[2])`"
        findings.append(Finding(path: path, number: index + 1, what: what))
      }
    }
    if steps < stepsMin {
      findings.append(Finding(path: path, number: 1, what: "the table of one frame is missing"))
    }
    return findings
  }
}
