// The binary `sidetone`: reads what was typed, reads the settings, and starts what was asked for.

import Glibc
import Sidetone
import SidetoneSettings

@main struct Main {
  static let version = "0.1.0"

  static func main() {
    let arguments: Arguments
    do throws(Arguments.Misuse) {
      arguments = try Arguments(Array(CommandLine.arguments.dropFirst()))
    } catch {
      complain("sidetone: \(error.text)\n\n\(Help.overview)")
      exit(2)
    }
    switch arguments.verb {
    case .help: print(Help.overview)
    case .version: print(arguments.wantsHelp ? Help.version : "sidetone \(version)")
    case .check where arguments.wantsHelp: print(Help.check)
    case .serve where arguments.wantsHelp: print(Help.serve)
    case .check: check(settings(arguments))
    case .serve: serve(settings(arguments))
    }
  }

  /// The settings, or every mistake on standard error and exit 2.
  private static func settings(_ arguments: Arguments) -> Config {
    do throws(Mistakes) {
      return try Settings.load(.found(file: arguments.file, flags: arguments.settings))
    } catch {
      for mistake in error.all { complain(mistake.description) }
      let count = error.all.count
      complain("sidetone: \(count) \(count == 1 ? "mistake" : "mistakes") in the settings")
      exit(2)
    }
  }

  private static func check(_ config: Config) {
    print("ok")
    for line in startLines(of: config) { print(line) }
    print("memory")
    for line in table(of: config.limits.plan, callsMax: config.limits.callsMax) { print(line) }
  }

  private static func serve(_ config: Config) {
  }

  static func complain(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
  }
}
