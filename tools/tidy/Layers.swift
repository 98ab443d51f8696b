// Inside the engine, references point one way. A file may name the types of its own folder and of
// the folders below it:
//
//     0  Memory, Time, Address, Limits, Config, Cause, Lines, Counters, …
//     1  Wire, Audio                      (do not know each other)
//     2  Carriers, Upstreams, Output      (do not know each other)
//     3  Exposure, Plan, Event
//     4  Prepared
//     5  Log, Link, Store, Turn,          (one ring: what an input is lent)
//        Subscribers
//     6  Call
//     7  Operations, Records              (only render)
//     8  Requests
//     9  Callers
//    10  Relay
//
// The size of a type is no knowledge of it: the memory plan may ask for any.

struct Layers {
  private static let top = "Sources/Sidetone/"
  private static let ranks = [
    "Memory": 0, "Time": 0, "Address": 0, "Limits": 0, "Config": 0, "Cause": 0, "Lines": 0,
    "Mark": 0, "Counters": 0, "Delivery": 0, "Drain": 0, "Guests": 0, "LatencyHistogram": 0,
    "LineLimit": 0,
    "Wire": 1, "Audio": 1,
    "Carriers": 2, "Upstreams": 2, "Output": 2,
    "Exposure": 3, "Plan": 3, "Event": 3,
    "Prepared": 4,
    "Log": 5, "Link": 5, "Store": 5, "Turn": 5, "Subscribers": 5, "Entries": 5, "Fetches": 5,
    "Call": 6,
    "Operations": 7,
    "Requests": 8,
    "Callers": 9,
    "Relay": 10,
  ]
  /// Parts that are lent together, and may name each other.
  private static let lent = 5
  private static let kinds: Set<Substring> = ["struct", "enum", "class", "protocol", "typealias"]

  private let files: [SourceFile]
  /// The part that declares each type of the engine at file level.
  private var owners: [Substring: Substring] = [:]

  init(_ files: [SourceFile]) {
    self.files = files.filter { $0.isEngine && $0.isSwift }
    for file in self.files {
      for line in file.code where line.first != " " {
        let words = Words.all(in: line)
        guard let kind = words.firstIndex(where: Self.kinds.contains) else { continue }
        if kind + 1 < words.count { owners[words[kind + 1]] = part(of: file) }
      }
    }
  }

  func check() -> [Finding] { files.flatMap(check) }

  private func check(_ file: SourceFile) -> [Finding] {
    let part = part(of: file)
    guard let rank = Self.ranks[String(part)] else {
      return [Finding(path: file.path, number: 1, what: "\(part) has no place in the layers")]
    }
    var findings: [Finding] = []
    let nested = nestedTypes(in: file)
    for (index, line) in file.code.enumerated() where !line.contains("MemoryLayout<") {
      for name in Set(freeNames(in: line)).subtracting(nested) {
        guard let owner = owners[name], owner != part, let other = Self.ranks[String(owner)]
        else { continue }
        if other > rank || (other == rank && rank != 0 && rank != Self.lent) {
          let what = "\(part) refers to `\(name)` of \(owner)"
          findings.append(Finding(path: file.path, number: index + 1, what: what))
        }
      }
    }
    return findings
  }

  /// The folder of a file, or its name without the ending where it lies on top.
  private func part(of file: SourceFile) -> Substring {
    let rest = file.path.dropFirst(Self.top.count)
    return rest.prefix { $0 != "/" && $0 != "." && $0 != "+" }
  }

  /// Types declared inside others in this file: they may share a name with a type elsewhere.
  private func nestedTypes(in file: SourceFile) -> Set<Substring> {
    var names: Set<Substring> = []
    for line in file.code where line.first == " " {
      let words = Words.all(in: line)
      guard let kind = words.firstIndex(where: Self.kinds.contains) else { continue }
      if kind + 1 < words.count { names.insert(words[kind + 1]) }
    }
    return names
  }

  /// Names in a line that are not members of something.
  private func freeNames(in line: String) -> [Substring] {
    Words.all(in: line).filter { word in
      word.first?.isUppercase == true
        && (word.startIndex == line.startIndex || line[line.index(before: word.startIndex)] != ".")
    }
  }
}
