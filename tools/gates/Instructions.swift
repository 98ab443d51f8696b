// Instructions of user mode for each frame relayed, held to a number that is kept here and changed
// on purpose only. Two loads differ in nothing but their length, so that the difference is what
// frames cost: starting, setting up and ending calls cancel out. Few calls, so that a turn of the
// loop carries about one frame, as it does where the processor is not busy.

import Foundation
import Harness

/// The numbers that are kept: `gates instructions .build/release --keep` prints this table anew.
enum Kept {
  struct Row {
    var calls: Calls.Kind
    var isTLS = false
    /// Instructions a frame, those of libsoxr left out: they are another project's.
    var instructions: Int

    var name: String { calls.rawValue + (isTLS ? "-tls" : "") }
  }

  static let compiler = "Swift 6.3, -O, x86-64 with AVX2"
  static let date = "2026-11-27"
  static let frames = [
    Row(calls: .twilioDeepgram, instructions: 7369),
    Row(calls: .twilioDeepgram, isTLS: true, instructions: 23406),
    Row(calls: .rawDeepgram, instructions: 6772),
    Row(calls: .twilioOpenAI, instructions: 8769),
    Row(calls: .ucidOpenAI, instructions: 26617),
  ]
  /// By how much of itself a number may be missed, either way.
  static let tolerance = 0.05
}

enum Instructions {
  static let cannotRun: Int32 = 77

  static func run(in build: String, _ arguments: [String]) -> Int32 {
    if let hindrance = Callgrind.hindrance {
      tell(hindrance)
      return cannotRun
    }
    let keeps = arguments.contains("--keep")
    let names = Set(arguments.filter { $0 != "--keep" })
    let rows = Kept.frames.filter { names.isEmpty || names.contains($0.name) }
    var table: [String] = []
    var kept = 0
    for row in rows {
      do throws(HarnessError) {
        let cost = try measure(row, in: build)
        if judge(cost, row) { kept += 1 }
        table.append(
          "    Row(calls: .\(row.calls)\(row.isTLS ? ", isTLS: true" : ""), "
            + "instructions: \(cost.instructions)),")
      } catch {
        tell("FAIL \(row.name): \(error)")
      }
    }
    if keeps {
      for line in table { tell(line) }
      return table.count == rows.count ? 0 : 1
    }
    tell("\(kept) of \(rows.count) counts of instructions within 5 % of what is kept")
    return kept == rows.count && kept > 0 ? 0 : 1
  }

  /// What frames cost, and by which parts.
  struct Cost {
    var profile: Profile
    var frames: Int

    private var all: Int { profile.total / frames }
    var resampler: Int {
      profile.own.filter { $0.key.stage == .resampler }.values.reduce(0, +) / frames
    }
    var instructions: Int { all - resampler }
    var waits: Double { Double(profile.waits) / Double(frames) }
  }

  private static func measure(_ row: Kept.Row, in build: String) throws(HarnessError) -> Cost {
    let callgrind = try Callgrind(build: build)
    let house = House(build: build, calls: try Calls(row.calls, isTLS: row.isTLS))
    defer { house.endAll() }
    var settings = [
      "SIDETONE_LIMITS_CALLS_MAX": "8", "SIDETONE_LIMITS_TWO_WAY_CALLS_MAX": "8",
    ]
    // Starting is mostly reading the system's authorities, and takes long here: one is enough.
    let authority = if let known = house.calls.certificate { known } else { try Certificate() }
    for upstream in ["DEEPGRAM", "OPENAI", "GEMINI"] {
      settings["SIDETONE_UPSTREAMS_\(upstream)_CA_FILE"] = authority.path
    }
    let relay = try house.startRelay(settings, command: callgrind.command, seconds: 120)
    // Of two calls with TLS the second resumes the first one's session with the upstream if it
    // comes late enough: a whole handshake more or less, which would not cancel out.
    let calls = row.isTLS ? 1 : 2
    // What happens once in a process happens in the first load.
    _ = try load(calls, frames: 25, on: relay, in: house, callgrind)
    let short = try load(calls, frames: 100, on: relay, in: house, callgrind)
    let long = try load(calls, frames: 500, on: relay, in: house, callgrind)
    return Cost(profile: long.profile.minus(short.profile), frames: long.frames - short.frames)
  }

  /// Deepgram's results come ten times a second: interim ones included, that is the most that one
  /// sees.
  private static func load(
    _ calls: Int, frames: Int, on relay: Program, in house: House, _ callgrind: Callgrind
  ) throws(HarnessError) -> Cost {
    let report = try house.startLoad(
      [
        "--short-calls", "\(calls)", "--calls", "\(calls)", "--frames", "\(frames)",
        "--result-frames", "5",
      ], on: relay
    ).report()
    return Cost(profile: try callgrind.take(from: relay), frames: report.framesArrived)
  }

  /// Whether the number is what is kept.
  private static func judge(_ cost: Cost, _ row: Kept.Row) -> Bool {
    let deviation = Double(cost.instructions) / Double(max(row.instructions, 1)) - 1
    let isKept = abs(deviation) <= Kept.tolerance
    let percent = String(format: "%+.1f %%", deviation * 100)
    var line = "\(isKept ? "ok  " : "FAIL") \(row.name): \(cost.instructions) instructions a frame"
    if cost.resampler > 0 { line += " beside libsoxr's \(cost.resampler)" }
    line += ", \(row.instructions) kept (\(percent))"
    tell(isKept ? line : line + ", since \(Kept.date) with \(Kept.compiler)")
    tell("       \(cost.frames) frames, \(cost.waits.shown) waits a frame")
    for part in cost.profile.stages {
      let dearest = part.functions.prefix(4)
      let names = readable(dearest.map(\.name)).map { $0.prefix(48) }
      let list = zip(dearest, names).map { "\($1) \($0.count / cost.frames)" }
      tell(
        "       \(part.count / cost.frames) \(part.stage.rawValue): "
          + list.joined(separator: ", "))
    }
    return isKept
  }

  /// Swift's names as people write them, where the tool for it is installed.
  private static func readable(_ names: [Substring]) -> [String] {
    let mangled = names.filter { $0.hasPrefix("$s") }.map(String.init)
    let told = Program.run(["swift", "demangle", "--compact", "--simplified"] + mangled)
    var lines = told.text.split(separator: "\n").map(String.init)[...]
    guard told.status == 0, lines.count == mangled.count else { return names.map(String.init) }
    return names.map { name in
      name.hasPrefix("$s") ? lines.removeFirst() : String(name)
    }
  }
}
