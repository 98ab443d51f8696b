// The program itself, started as others start it: with few descriptors, with little memory, with a
// library loaded beside it, and under signals. Needs the built program beside the tests.

import Foundation
import Testing

@Suite(.enabled(if: Program.isBuilt))
struct ProcessTests {
  // MARK: What the machine has

  @Test func `with few descriptors the check says how many calls there will be`() throws {
    let (status, out, errors) = try Program.run("ulimit -n 64; exec sidetone check")
    #expect(status == 0 && errors.isEmpty)
    #expect(out.contains("only 64 descriptors are allowed"))
    #expect(out.contains(#/for each of \d\d? calls/#))
  }

  @Test(arguments: ["check", "serve"])
  func `with hardly any descriptor one sentence says so`(_ verb: String) throws {
    let (status, out, errors) = try Program.run("ulimit -n 12; exec sidetone \(verb)")
    #expect(status == 2 && !out.contains("ok"))
    let said = errors.split(separator: "\n").filter { $0.contains("descriptors are allowed") }
    #expect(said.count == 1 && errors.split(separator: "\n").count <= 2, "\(errors)")
  }

  @Test(arguments: ["check", "serve"])
  func `a plan that is too large is one sentence, not a trap`(_ verb: String) throws {
    let (status, _, errors) = try Program.run(
      "ulimit -v 1000000; exec sidetone \(verb) --limits-calls-max 50000")
    #expect(status == 2)
    #expect(errors.contains("lower limits.calls_max"), "\(errors)")
    #expect(errors.split(separator: "\n").count <= 2 && !errors.contains("Fatal"))
  }

  // MARK: What stands beside it

  @Test func `a library that sets a variable before the start takes no word away`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data(
      """
      #include <stdlib.h>
      __attribute__((constructor)) static void begin(void) { setenv("AGENT_IS_HERE", "1", 1); }
      """.utf8
    ).write(to: folder.appendingPathComponent("agent.c"))
    let library = folder.appendingPathComponent("agent.so").path
    let (made, _, _) = try Program.run(
      "cd \(folder.path) && (clang -shared -fPIC -o \(library) agent.c "
        + "|| cc -shared -fPIC -o \(library) agent.c)")
    guard made == 0 else { return }
    let (status, out, errors) = try Program.run("LD_PRELOAD=\(library) exec sidetone version")
    #expect(status == 0 && out.hasPrefix("sidetone ") && errors.isEmpty, "\(errors)")
  }

  // MARK: What is printed

  @Test func `a journal that could not be printed whole is said, and exit 1`() throws {
    let (status, out, errors) = try Program.run(
      "sidetone records journal --directory nowhere > /dev/full")
    #expect(status == 1 && out.isEmpty)
    #expect(errors.contains("standard output took not all of it: No space left"), "\(errors)")
    let (same, lines, none) = try Program.run("sidetone records journal --directory nowhere")
    #expect(same == 1 && lines.contains("unreadable") && none.isEmpty)
  }

  // MARK: Signals

  @Test func `signals that mean nothing are told, and SIGTERM drains`() throws {
    let (status, _, errors) = try Program.run(
      """
      sidetone serve --listen-address 127.0.0.1:0 --output-level info & relay=$!
      for try in $(seq 200); do grep -q '"listening"' errors && break; sleep 0.05; done
      for signal in USR1 ALRM; do kill -$signal $relay; sleep 0.2; done
      kill -0 $relay || exit 9
      kill -TERM $relay
      wait $relay
      """)
    #expect(status == 0, "\(errors)")
    let lines = errors.split(separator: "\n").filter { $0.contains("signal_ignored") }
    #expect(lines.count == 2 && lines[0].contains("SIGUSR1") && lines[1].contains("SIGALRM"))
    for line in errors.split(separator: "\n") {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
  }
}

/// The program that was built beside these tests.
enum Program {
  /// Where test and program were built.
  static let folder: String = {
    let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
    let line = maps.split(separator: "\n").first { $0.hasSuffix(".xctest") }
    guard let place = line?.firstIndex(of: "/").map({ String(line?[$0...] ?? "") }) else {
      return ""
    }
    return URL(fileURLWithPath: place).deletingLastPathComponent().path
  }()

  static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: folder + "/sidetone") }

  /// Runs a script that finds the program by its name, in an empty folder and with no settings.
  static func run(_ script: String) throws -> (status: Int32, out: String, errors: String) {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    let (out, errors) = (
      place.appendingPathComponent("out"), place.appendingPathComponent("errors")
    )
    for file in [out, errors] { try Data().write(to: file) }
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", script]
    shell.currentDirectoryURL = place
    shell.environment = [
      "PATH": "\(folder):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
      "SWIFT_BACKTRACE": "enable=no",
    ]
    shell.standardOutput = try FileHandle(forWritingTo: out)
    shell.standardError = try FileHandle(forWritingTo: errors)
    try shell.run()
    shell.waitUntilExit()
    return (
      shell.terminationStatus, try String(contentsOf: out, encoding: .utf8),
      try String(contentsOf: errors, encoding: .utf8)
    )
  }
}
