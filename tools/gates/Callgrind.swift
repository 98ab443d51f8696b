// The daemon under valgrind's callgrind, which counts every instruction of user mode exactly. The
// kernel's part is not in it.

import Foundation
import Harness

final class Callgrind {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("sidetone-callgrind-\(UUID().uuidString)")
  private let program: String
  private var dumps = 0

  /// Why nothing can be counted on this machine; nil where it can.
  static var hindrance: String? {
    #if arch(x86_64)
      for tool in ["valgrind", "vgdb", "strip"] where !Program.isFound(tool) {
        return "\(tool) is not installed (Debian: valgrind, binutils)"
      }
      let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      if !processor.contains(" avx2 ") { return "the numbers are kept for processors with AVX2" }
      let probe = Program.run(["valgrind", "--tool=none", "-q", "true"])
      return probe.status == 0 ? nil : "valgrind does not run here: \(probe.text)"
    #else
      return "the numbers are kept for x86-64"
    #endif
  }

  /// Works on a copy of the program: this valgrind may not know the debug information that Swift
  /// writes, and needs none.
  init(build: String) throws(HarnessError) {
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    program = folder.path + "/sidetone"
    let made = Program.run(["strip", "--strip-debug", "-o", program, "\(build)/sidetone"])
    guard made.status == 0 else { throw HarnessError("no copy of sidetone: \(made.text)") }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private var profilePath: String { folder.path + "/profile" }
  private var prefix: String { "--vgdb-prefix=\(folder.path)/vgdb" }

  /// The daemon, to be started in the place of itself.
  var command: [String] {
    [
      "valgrind", "--tool=callgrind", "--vgdb=yes", prefix, "--compress-strings=no",
      "--compress-pos=no", "--callgrind-out-file=\(profilePath)", program, "serve",
    ]
  }

  /// What was executed since the last time, or since the start.
  func take(from relay: Program) throws(HarnessError) -> Profile {
    let asked = Program.run(["vgdb", prefix, "--pid=\(relay.identifier)", "dump"])
    dumps += 1
    let path = "\(profilePath).\(dumps)"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw HarnessError("callgrind gave no profile: \(asked.text)\n\(relay.tail)")
    }
    return Profile(text)
  }
}

/// Instructions by function, and how often the loop waited.
struct Profile {
  struct Function: Hashable {
    /// The last part of the path of the program or library.
    var object: Substring
    var name: Substring
  }

  private(set) var own: [Function: Int] = [:]
  private(set) var waits = 0
  var total: Int { own.values.reduce(0, +) }

  /// The format stands in valgrind's manual, "Callgrind Format Specification".
  init(_ text: String) {
    var function = Function(object: "", name: "")
    var callee = function
    var isCall = false
    for line in text.split(separator: "\n") {
      guard let first = line.utf8.first else { continue }
      if first >= 0x30 && first <= 0x39 {
        // "line cost"; behind a `calls` line the cost is the callee's.
        let cost = line.split(separator: " ").last.flatMap { Int($0) } ?? 0
        if isCall { noteCall(from: function, to: callee, cost) }
        if !isCall { own[function, default: 0] += cost }
        if isCall { callee.object = function.object }
        isCall = false
      } else if line.hasPrefix("ob=") {
        function.object = Self.last(of: line.dropFirst(3))
        callee.object = function.object
      } else if line.hasPrefix("fn=") {
        function.name = line.dropFirst(3)
      } else if line.hasPrefix("cob=") {
        callee.object = Self.last(of: line.dropFirst(4))
      } else if line.hasPrefix("cfn=") {
        callee.name = line.dropFirst(4)
      } else if line.hasPrefix("calls=") {
        isCall = true
        if callee.name.hasPrefix("cl_epoll_wait"), function.name != callee.name {
          waits += line.dropFirst(6).split(separator: " ").first.flatMap { Int($0) } ?? 0
        }
      }
    }
  }

  /// What libsoxr lets libc do is libsoxr's.
  private mutating func noteCall(from caller: Function, to callee: Function, _ cost: Int) {
    guard caller.object.hasPrefix("libsoxr"), callee.object.hasPrefix("libc.") else { return }
    own[callee, default: 0] -= cost
    own[Function(object: caller.object, name: callee.name), default: 0] += cost
  }

  private static func last(of path: Substring) -> Substring {
    path.split(separator: "/").last ?? ""
  }

  /// What this one executed more than another.
  func minus(_ other: Profile) -> Profile {
    var difference = self
    for (function, count) in other.own { difference.own[function, default: 0] -= count }
    difference.waits -= other.waits
    return difference
  }
}

extension Profile {
  /// The parts of a frame's way, as far as the names of functions tell: what the compiler put into
  /// another function counts there.
  enum Stage: String, CaseIterable {
    case json = "JSON"
    case base64
    case integers = "samples as decimals"
    case webSocket = "WebSocket"
    case audio = "audio"
    case relay = "relay (call, ring, outbox, outputs)"
    case machine = "wait, dispatch, read, write"
    case tls = "TLS"
    case libc
    case resampler = "libsoxr"
  }

  /// Instructions by part, and its functions with theirs, the dearest first.
  var stages: [(stage: Stage, count: Int, functions: [(name: Substring, count: Int)])] {
    let groups = Dictionary(grouping: own.filter { $0.value > 0 }, by: \.key.stage)
    return Stage.allCases.compactMap { stage in
      guard let group = groups[stage] else { return nil }
      let functions = group.map { (name: $0.key.name, count: $0.value) }
      return (
        stage, functions.reduce(0) { $0 + $1.count }, functions.sorted { $0.count > $1.count }
      )
    }
  }
}

extension Profile.Function {
  /// Pieces of the names, mangled as they are; the first that fits says what the function is.
  private static let parts: [(Profile.Stage, [String])] = [
    (.relay, ["8Envelope"]), (.integers, ["8Integers"]),
    (.base64, ["6Base64", "ck_base64", "decode_avx2", "encode_avx2"]),
    (.webSocket, ["9WebSocket", "ck_mask", "ck_ascii", "4UTF8"]),
    (.json, ["4JSON", "5Media", "10SpeechPath", "8Deepgram", "6OpenAI", "6Twilio", "ck_json"]),
    (
      .audio,
      ["10Conversion", "9Resampler", "8Samples", "ck_mulaw", "ck_widen", "ck_round", "ck_swap"]
    ),
    (.tls, ["13SidetoneLinux3TLS", "9TLSMemory", "7TLSLink", "Secure"]),
    (.machine, ["13SidetoneLinux", "cl_"]),
  ]

  var stage: Profile.Stage {
    if object.hasPrefix("libsoxr") { return .resampler }
    if object.hasPrefix("libssl") || object.hasPrefix("libcrypto") { return .tls }
    if !object.hasPrefix("sidetone") { return .libc }
    let known = Self.parts.first { $0.1.contains { name.contains($0) } }
    return known?.0 ?? .relay
  }
}
