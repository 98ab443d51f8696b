// What is wrong with the settings, and where. A mistake never repeats a secret's value.

/// Where a setting was written.
package enum Place: Sendable, Hashable {
  /// A line of the TOML file or of `.env`; line 0: the file as a whole.
  case file(String, line: Int)
  case environment(String)
  case flag(String)
  /// Nobody wrote it.
  case standard
}

extension Place {
  /// Whether both stand in one file, both in the environment, or both are flags: neither takes the
  /// other's place, as what stands in the environment does with what a file says.
  func isBeside(_ other: Place) -> Bool {
    switch (self, other) {
    case (.file(let name, _), .file(let another, _)): name == another
    case (.environment, .environment), (.flag, .flag): true
    default: false
    }
  }
}

extension Place: CustomStringConvertible {
  package var description: String {
    switch self {
    case .file(let name, 0): name
    case .file(let name, let line): "\(name):\(line)"
    case .environment(let name): "environment \(name)"
    case .flag(let name): name
    case .standard: "default"
    }
  }
}

package struct Mistake: Sendable, Hashable, CustomStringConvertible {
  package var place: Place
  package var text: String

  package init(_ place: Place, _ text: String) {
    self.place = place
    self.text = text
  }
  package var description: String { "\(place): \(text)" }
}

/// Every mistake that was found, in the order in which they are read: files by line, then the rest.
package struct Mistakes: Error, Sendable {
  package var all: [Mistake]
  /// What was noticed beside them: it may be why something is missing.
  package var warnings: [Mistake] = []

  init(_ found: [Mistake], _ warnings: [Mistake]) {
    self.init(found)
    self.warnings = Mistakes(warnings).all
  }

  init(_ found: [Mistake]) {
    func key(_ mistake: Mistake) -> (String, Int) {
      if case .file(let name, let line) = mistake.place { return (name, line) }
      return ("\u{10FFFF}", 0)
    }
    let kept = found.enumerated().sorted { a, b in
      let (left, right) = (key(a.element), key(b.element))
      return left == right ? a.offset < b.offset : left < right
    }
    var seen = Set<Mistake>()
    all = kept.map(\.element).filter { seen.insert($0).inserted }
  }
}

/// Why one value was refused; the reader adds the place.
struct Refusal: Error {
  var text: String
  init(_ text: String) { self.text = text }
}

/// The name that was probably meant, or nil when none is near.
package func nearest(
  to word: String, among names: [String], within edits: Int? = nil
) -> String? {
  let bound = edits ?? max(1, word.utf8.count / 3)
  let ranked = names.map { (name: $0, distance: distance(word.lowercased(), $0.lowercased())) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance <= bound ? best.name : nil
}

/// "in [listen] `adress` is not known; did you mean `address`?", or, where no name is near, the
/// names to choose from.
package func unknown(_ what: String, _ word: String, among names: [String]) -> String {
  let beginning = (what.isEmpty ? "" : "\(what) ") + "`\(word)` is not known"
  if let name = nearest(to: word, among: names) { return "\(beginning); did you mean `\(name)`?" }
  if names.isEmpty { return beginning }
  let known =
    names.count > 40
    ? "`sidetone serve --help` lists what is" : "known are \(names.joined(separator: ", "))"
  return "\(beginning); \(known)"
}

/// Edits between two words: insert, remove, replace, or swap two neighbours.
private func distance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8.prefix(64)), Array(b.utf8.prefix(64)))
  if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
  var rows = [Array(0...b.count)]
  for i in 1...a.count {
    var row = [i]
    for j in 1...b.count {
      let replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
      var best = min(replaced, rows[i - 1][j] + 1, row[j - 1] + 1)
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
        best = min(best, rows[i - 2][j - 2] + 1)
      }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
