// What the summaries of seeds 1 to 3,000 were when they were last recorded, one digest for each
// block of 50: a change that should change nothing is held to them. One that should change
// something records them anew: `tools/checks/simulation --record`.

import Glibc
import TestSupport
import Testing

struct Goldens {
  private static let blockSeeds = 50
  private let file: TextFile

  init(_ name: String, source: String = #filePath) {
    let folder = source.split(separator: "/").dropLast().joined(separator: "/")
    file = TextFile("/\(folder)/Goldens/\(name).txt")
  }

  /// Blocks of which every seed was run are compared, the others are not.
  func expectEqual(_ summaries: [Int: String]) {
    guard let text = file.read() else {
      Issue.record("no goldens: \(file.path)")
      return
    }
    let recorded = Set(text.split(separator: "\n").map(String.init))
    for line in blocks(summaries) where !recorded.contains(line) {
      let first = line.prefix { $0 != " " }
      guard recorded.contains(where: { $0.hasPrefix("\(first) ") }) else { continue }
      Issue.record("not as recorded: the \(Self.blockSeeds) seeds from \(first) in \(file.path)")
    }
  }

  func record(_ summaries: [Int: String]) {
    file.write(blocks(summaries).map { $0 + "\n" }.joined())
  }

  /// The first seed and the digest of each whole block.
  private func blocks(_ summaries: [Int: String]) -> [String] {
    stride(from: 1, through: summaries.keys.max() ?? 0, by: Self.blockSeeds).compactMap { first in
      let block = (first..<first + Self.blockSeeds).compactMap { summaries[$0] }
      guard block.count == Self.blockSeeds else { return nil }
      var digest = FNV()
      for summary in block { digest.add(Array("\(summary)\n".utf8)) }
      return "\(first) \(digest)"
    }
  }
}

struct TextFile {
  let path: String
  init(_ path: String) { self.path = path }

  func read() -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    precondition(count < bytes.count, "goldens are short")
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  func write(_ text: String) {
    guard let file = fopen(path, "w") else {
      Issue.record("cannot write \(path)")
      return
    }
    defer { fclose(file) }
    let bytes = Array(text.utf8)
    if fwrite(bytes, 1, bytes.count, file) != bytes.count { Issue.record("cannot write \(path)") }
  }
}
