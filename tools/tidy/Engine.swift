// What the engine may not do, read from its sources: import the system, use unsafe code outside its
// one folder, or have a function on the path of every frame that the compiler does not check for
// allocations.

enum Engine {
  private static let imports: Set<Substring> = ["CKernels", "CDigest", "CSoxr"]

  /// Files outside `Memory/` that call C: each unsafe expression there must be such a call.
  private static let callers: Set = [
    "Sources/Sidetone/Wire/Base64.swift", "Sources/Sidetone/Wire/Digest.swift",
    "Sources/Sidetone/Wire/JSON+Scanner.swift", "Sources/Sidetone/Wire/LearnedMessage.swift",
    "Sources/Sidetone/Wire/UTF8.swift",
    "Sources/Sidetone/Wire/WebSocket.swift",
    "Sources/Sidetone/Wire/WebSocket+Seal.swift", "Sources/Sidetone/Audio/Resampler.swift",
    "Sources/Sidetone/Audio/Loudness.swift", "Sources/Sidetone/Audio/SoundMeter.swift",
    "Sources/Sidetone/Audio/VoiceDetector.swift",
    "Sources/Sidetone/Audio/Samples.swift",
    "Sources/SidetoneRecords/JournalFormat.swift",
  ]
  /// What the journal asks of the system, and its ring; what the courier asks of the system and of
  /// its libraries.
  private static let records: Set = [
    "Sources/SidetoneRecords/EntryRing.swift", "Sources/SidetoneRecords/LinuxDisk.swift",
    "Sources/SidetoneRecords/Thread.swift",
    "Sources/SidetoneCourier/Database.swift", "Sources/SidetoneCourier/FileSystem.swift",
    "Sources/SidetoneCourier/RelayWord.swift", "Sources/SidetoneCourier/Trouble.swift",
    "Sources/SidetoneCourier/Waiting.swift", "Sources/SidetoneCourier/HTTPClient.swift",
    "Sources/SidetoneCourier/Fetcher.swift",
  ]
  /// Beginnings of the names of C; `octets` is how a digest takes its bytes.
  private static let calls = [
    "ck_", "csoxr_", "octets", "EVP_", "SHA1", "SHA256", "HMAC", "CRYPTO_",
  ]

  private static let everyFrame = " Every frame."
  private static let proofs = ["@_noAllocation", "@_noLocks", "@inline(__always)"]

  static func check(_ file: SourceFile) -> [Finding] {
    guard file.isSwift else { return [] }
    var findings: [Finding] = []
    for (index, line) in file.code.enumerated() {
      func found(_ what: String) {
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
      if file.isEngine, let module = imported(on: line), !imports.contains(module) {
        found("the engine imports \(module)")
      }
      if Words.contains(line, "unsafe"), !mayBeUnsafe(file, at: index) {
        found("unsafe code outside Memory/, and not a call of C in a file listed for it")
      }
    }
    if file.isEngine, file.header.first == everyFrame { findings += unproven(in: file) }
    return findings
  }

  private static func imported(on line: String) -> Substring? {
    let words = Words.all(in: line)
    guard let index = words.firstIndex(of: "import"), index + 1 < words.count else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "typealias"]
    return words[(index + 1)...].first { !kinds.contains($0) }
  }

  /// A call of C may take a few lines, and so may the look at its result.
  private static func mayBeUnsafe(_ file: SourceFile, at index: Int) -> Bool {
    if file.path.hasPrefix("Sources/Sidetone/Memory/") { return true }
    if file.path.hasPrefix("Sources/SidetoneLinux/") { return true }
    if records.contains(file.path) { return true }
    // What the courier asks of libcurl.
    if file.path == "Sources/SidetoneCourier/HTTPClient.swift" { return true }
    if !file.path.hasPrefix("Sources/") { return true }
    let near = file.code[max(0, index - 2)..<min(file.code.count, index + 3)]
    return callers.contains(file.path)
      && near.contains { line in calls.contains { line.contains($0) } }
  }

  /// Functions of the engine on every frame's path without the compiler's proof. Private and
  /// inlined ones are proven in those that call them; generic ones, and members of generic types,
  /// cannot carry the mark; what is given back at the end of the process is on nobody's path.
  private static func unproven(in file: SourceFile) -> [Finding] {
    var findings: [Finding] = []
    var generic: Set<Substring> = []
    var isExempt = false
    for (index, line) in file.code.enumerated() {
      if let type = typeName(on: line) {
        if line.contains("\(type)<") { generic.insert(type) }
        isExempt = generic.contains(type) || line.contains("private ")
      }
      guard let name = Functions.name(on: line), !["init", "deallocate"].contains(name) else {
        continue
      }
      if isExempt || line.contains("private ") || line.contains("\(name)<") { continue }
      if !isProven(index, in: file) {
        let what = "`\(name)` is on every frame's path without @_noAllocation"
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
    }
    return findings
  }

  /// The type that a line at file level declares or extends.
  private static func typeName(on line: String) -> Substring? {
    guard line.first != " " else { return nil }
    let words = Words.all(in: line)
    let kinds: Set<Substring> = ["struct", "enum", "class", "protocol", "extension"]
    guard let kind = words.firstIndex(where: kinds.contains), kind + 1 < words.count else {
      return nil
    }
    return words[kind + 1]
  }

  /// The line of a declaration, and the lines of attributes directly above it.
  private static func attributes(of index: Int, in code: [String]) -> [String] {
    let above = code[..<index].reversed().prefix { $0.drop { $0 == " " }.hasPrefix("@") }
    return [code[index]] + above
  }

  /// Whether the function declared on this line carries the compiler's proof, or says in its
  /// comment why it is "Not marked".
  static func isProven(_ index: Int, in file: SourceFile) -> Bool {
    if attributes(of: index, in: file.code).contains(where: isProof) { return true }
    let above = file.lines[..<index].reversed().prefix { $0.drop { $0 == " " }.hasPrefix("///") }
    return above.contains { $0.contains("Not marked") }
  }

  private static func isProof(_ line: String) -> Bool {
    proofs.contains { line.contains($0) }
  }
}
