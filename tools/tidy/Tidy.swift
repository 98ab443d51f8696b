// Keeps the house in order: style that a compiler does not check, the direction of the engine's
// parts, where a vendor may be named, and what the built objects may ask of the system. It prints
// `file:line: what is wrong` and exits 1 when it printed anything. It changes nothing.
//
//     tidy                  reads the sources
//     tidy objects DIR      reads the engine's objects and the daemon in a build directory

import Foundation

@main
struct Tidy {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    let findings: [Finding]
    switch (arguments.first, arguments.count) {
    case (nil, 0): findings = sources()
    case ("objects", 2): findings = objects(in: arguments[1])
    default:
      print("usage: tidy | tidy objects BUILD-DIRECTORY")
      exit(2)
    }
    for finding in findings { print(finding.line) }
    exit(findings.isEmpty ? 0 : 1)
  }

  private static func sources() -> [Finding] {
    let files = SourceFile.all()
    var findings = files.flatMap { file in Style.check(file) + Engine.check(file) }
    findings += Vendors.check(files)
    findings += Layers(files).check()
    findings += Types.check(files)
    findings += FrameTable.check()
    return findings
  }
}

/// One thing that is wrong, and where.
struct Finding {
  var path: String
  var number: Int
  var what: String

  var line: String { "\(path):\(number): \(what)" }
}
