// The messages in Tests/Fixtures: one folder for each row of a list, one message in each file. A
// file's name begins with what the row must make of it: `started-both-tracks.json` is a `started`.

import Glibc
import Testing

struct FixtureFile: CustomTestStringConvertible, Sendable {
  let row: String
  let name: String
  let text: String

  /// The event that the row must read.
  var event: String { String(name.prefix { $0 != "-" && $0 != "." }) }
  var testDescription: String { "\(row)/\(name)" }

  /// All of a row, in the order of their names; empty where the row has no folder.
  static func all(of row: String, source: String = #filePath) -> [FixtureFile] {
    let tests = source.split(separator: "/").dropLast(3).joined(separator: "/")
    let folder = "/\(tests)/Fixtures/\(row)"
    return names(in: folder).filter { $0.hasSuffix(".json") }.sorted().map {
      FixtureFile(row: row, name: $0, text: read("\(folder)/\($0)"))
    }
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  static func read(_ path: String) -> String {
    guard let file = fopen(path, "r") else { preconditionFailure("cannot read \(path)") }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    precondition(count < bytes.count, "a fixture is one short message")
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    return String(text.reversed().drop { $0.isNewline }.reversed())
  }
}

extension FixtureFile {
  /// The same message written differently: spaces wherever they may stand, and members that nobody
  /// knows.
  var variants: [String] {
    let unknown = #""x_new":{"event":"stop","type":"Metadata","list":[1,-2.5e3,null,{"a":"\"}"}]}"#
    return [
      spread(" "), spread("\r\n\t "), "  " + text + " \n",
      "{\(unknown),\(text.dropFirst())", "\(text.dropLast()),\(unknown)}",
    ]
  }

  private func spread(_ space: String) -> String {
    var result = ""
    var isInString = false
    var isEscaped = false
    for character in text {
      if !isInString, "{}[]:,".contains(character) {
        result += space + String(character) + space
      } else {
        result.append(character)
      }
      if character == "\"", !isEscaped { isInString.toggle() }
      isEscaped = character == "\\" && !isEscaped
    }
    return result
  }
}
