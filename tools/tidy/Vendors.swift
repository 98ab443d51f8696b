// A vendor lives in the files of its row, which begin with its name, and on its own line of the
// list of rows. Nowhere else is it named in the sources, comments included: settings, help,
// refusals and default routes are made from the rows.

enum Vendors {
  /// Vendors that there are, built in or not; what is built in is read from the lists as well.
  private static let known: Set = [
    "twilio", "telnyx", "ozonetel", "kookoo", "plivo", "vonage", "exotel", "signalwire", "genesys",
    "deepgram", "openai", "gemini", "assemblyai", "speechmatics", "elevenlabs", "ultravox",
  ]
  private static let lists = [
    "Sources/Sidetone/Carriers/Carrier.swift", "Sources/Sidetone/Upstreams/Upstream.swift",
    "Sources/Sidetone/Upstreams/Synthesizer.swift",
  ]
  /// Rows that are named for what they are.
  private static let plain: Set = ["raw", "ucid", "echo"]

  static func check(_ files: [SourceFile]) -> [Finding] {
    let listed = files.filter { lists.contains($0.path) }.flatMap { $0.code.compactMap(row(on:)) }
    let names = known.union(listed).subtracting(plain).sorted()
    return files.filter { $0.path.hasPrefix("Sources/") }.flatMap { check($0, names) }
  }

  private static func check(_ file: SourceFile, _ names: [String]) -> [Finding] {
    let own = file.name.lowercased()
    var findings: [Finding] = []
    for vendor in names where !own.hasPrefix(vendor) {
      for (index, line) in file.lines.enumerated() where line.lowercased().contains(vendor) {
        // A vendor may have several rows, whose names begin with its own.
        let isItsRow = row(on: file.code[index])?.hasPrefix(vendor) == true
        if isItsRow, lists.contains(file.path) { continue }
        let what = "\(vendor) is named outside its own files and its line of the list"
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
    }
    return findings
  }

  /// The row that this line of a list names, and nothing else: `.name,`.
  private static func row(on line: String) -> String? {
    let text = line.drop { $0 == " " }
    guard text.first == ".", text.last == "," else { return nil }
    let name = text.dropFirst().dropLast()
    return !name.isEmpty && name.allSatisfy(\.isLetter) ? name.lowercased() : nil
  }
}
