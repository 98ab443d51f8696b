// A vendor lives in one file. Its name may appear there, in the list that names it, in what
// settings call it, and in tests, fixtures and the lab; nowhere else, comments included.

enum Vendors {
  private static let names = [
    "twilio", "telnyx", "ozonetel", "kookoo", "plivo", "vonage", "exotel", "signalwire", "genesys",
    "deepgram", "openai", "gemini", "assemblyai", "speechmatics", "elevenlabs", "ultravox",
  ]

  /// Where any vendor may be named, each with its reason.
  private static let open = [
    "Sources/Sidetone/Carriers/Carrier.swift",  // the list
    "Sources/Sidetone/Upstreams/Upstream.swift",  // the list
    "Sources/Sidetone/Config.swift",  // what operators set
    "Sources/SidetoneSettings/",  // what operators write
    "Sources/SidetoneMain/",  // what operators read
  ]

  /// Where one vendor may be named beside its own file.
  private static let also: [String: [String]] = [
    // Twilio's way of signing is the relay's way of trusting a carrier.
    "twilio": [
      "Sources/Sidetone/Control/Refusal.swift",
      "Sources/Sidetone/Control/Admission+Proof.swift", "Sources/Sidetone/Control/Admission.swift",
      "Sources/Sidetone/Control/Exposure.swift",
    ],
    // And so is Telnyx's; the answer that connects a call is in its words or in Twilio's.
    "telnyx": [
      "Sources/Sidetone/Control/Refusal.swift", "Sources/Sidetone/Control/Admission+Proof.swift",
      "Sources/Sidetone/Control/Admission.swift", "Sources/Sidetone/Control/Connect.swift",
    ],
  ]

  static func check(_ file: SourceFile) -> [Finding] {
    guard file.path.hasPrefix("Sources/"), !open.contains(where: file.path.hasPrefix) else {
      return []
    }
    let own = file.name.lowercased()
    var findings: [Finding] = []
    for vendor in names where !own.hasPrefix(vendor) {
      if also[vendor, default: []].contains(file.path) { continue }
      for (index, line) in file.lines.enumerated() where line.lowercased().contains(vendor) {
        let what = "\(vendor) is named outside its own file"
        findings.append(Finding(path: file.path, number: index + 1, what: what))
      }
    }
    return findings
  }
}
