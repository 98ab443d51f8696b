// The binary `sidetone`: reads what was typed, reads the settings, and starts what was asked for.

import Glibc
import Sidetone
import SidetoneLinux
import SidetoneSettings

@main struct Main {
  static let version = "0.1.0"

  static func main() {
    // Before anything else can ask libcrypto for memory.
    TLSMemory.install()
    let arguments: Arguments
    do throws(Arguments.Misuse) {
      arguments = try Arguments(Array(typedWords().dropFirst()))
    } catch {
      complain("sidetone: \(error.text)\n\n\(Help.overview)")
      exit(2)
    }
    // What `serve` started ends by itself; a signal to all of a terminal, or of a
    // service, is meant for the relay.
    if arguments.own["--socket"] != nil || arguments.own["--beside"] != nil {
      for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_IGN) }
    }
    switch arguments.verb {
    case .help: print(Help.overview)
    case .version: print(arguments.wantsHelp ? Help.version : "sidetone \(version)")
    case .check where arguments.wantsHelp: print(Help.check)
    case .serve where arguments.wantsHelp: print(Help.serve)
    case .doctor where arguments.wantsHelp: print(Help.doctor)
    case .phrases where arguments.wantsHelp: print(Help.phrases)
    case .courier where arguments.wantsHelp: print(Help.courier)
    case .records where arguments.wantsHelp || arguments.action.isEmpty: print(Help.records)
    case .courier where arguments.own["--fetches"] != nil: fetcher(arguments)
    case .courier: courier(settings(arguments).config, arguments)
    case .records: records(settings(arguments).config, arguments)
    case .check: check(fitted(settings(arguments).config))
    case .doctor: examine(settings(arguments).config)
    case .phrases: phrases(settings(arguments).config, arguments)
    case .serve: serve(settings(arguments), arguments)
    }
  }

  /// Listening sockets that were handed over; looked for once.
  private static let inherited: InheritedListeners = {
    do throws(StartError) {
      return try .found()
    } catch {
      complain("sidetone: \(error)")
      exit(error.exitStatus)
    }
  }()

  /// The settings, or every mistake on standard error and exit 2.
  private static func settings(_ arguments: Arguments) -> Settings.Reading {
    do throws(Mistakes) {
      return try Settings.read(sources(of: arguments))
    } catch {
      for warning in error.warnings { complain("warning: \(warning)") }
      for mistake in error.all { complain(mistake.description) }
      let count = error.all.count
      complain("sidetone: \(count) \(count == 1 ? "mistake" : "mistakes") in the settings")
      exit(2)
    }
  }

  /// Where the settings stand at this moment.
  static func sources(of arguments: Arguments) throws(Mistakes) -> Settings.Sources {
    var sources = try Settings.Sources.found(file: arguments.file, flags: arguments.settings)
    sources.inherited = inherited.addresses
    return sources
  }

  /// With the limits that this machine allows, or why it cannot hold the plan and exit 2.
  private static func fitted(_ config: Config) -> Config {
    do throws(StartError) {
      return try Machine.fitted(config)
    } catch {
      complain("sidetone: \(error)")
      exit(error.exitStatus)
    }
  }

  private static func check(_ config: Config) {
    examineRecords(config, isCheck: true)
    print("ok")
    for line in startLines(of: config) { print(line.plannedText) }
    print("memory")
    let plan = config.plan + Machine.plan(for: config)
    for line in table(of: plan, callsMax: config.limits.callsMax) { print(line) }
  }

  /// A line for each session that was tried; exit 1 where one was not had, did not end,
  /// or none was tried.
  private static func examine(_ config: Config) {
    let findings = Doctor.examine(config)
    let width = findings.map(\.name.count).max() ?? 0
    for finding in findings {
      let gap = String(repeating: " ", count: width - finding.name.count)
      print("\(finding.isWell ? "  " : "! ")\(finding.name)\(gap)  \(finding.text)")
    }
    if !findings.contains(where: { $0.outcome != .untried }) { print("! nothing was tried") }
    exit(Doctor.isWell(findings) ? 0 : 1)
  }

  private static func serve(_ settings: Settings.Reading, _ arguments: Arguments) {
    let config = settings.config
    holdBack(SIGHUP)
    @Sendable func tell(_ line: StartLine) {
      guard config.logLevel <= (line.level == .info ? .info : .warning) else { return }
      complain(config.logsJSON ? line.json : line.text)
    }
    examineRecords(config, isCheck: false)
    let speaker = PhraseSpeaker(words: phrasesWords(arguments), tell: tell)
    do throws(StartError) {
      tell(StartLine(event: "starting", detail: ""))
      let machine = try Machine(
        config: config, inherited: inherited,
        courier: config.records == nil ? [] : courierWords(arguments), fetcher: fetcherWords,
        reread: rereader(arguments, after: settings, speaker))
      var bound = machine.config
      for index in machine.listeners.indices {
        bound.listeners[index].port = machine.listeners[index].port
      }
      bound.listeners = zip(bound.listeners, machine.listeners).filter { $1.isOpen }.map(\.0)
      for line in startLines(of: bound) { tell(line) }
      let interrupter = machine.interrupter
      speaker.begin(config) { interrupter.reload() }
      exit(machine.run())
    } catch {
      let line = StartLine(level: .error, event: "not_started", detail: "\(error)")
      complain(config.logsJSON ? line.json : "sidetone: \(error)")
      exit(error.exitStatus)
    }
  }

  /// The signal waits until the machine takes it: to reload while it still starts ends nothing.
  private static func holdBack(_ signal: Int32) {
    var held = sigset_t()
    sigemptyset(&held)
    sigaddset(&held, signal)
    sigprocmask(SIG_BLOCK, &held, nil)
  }

  /// A line on standard error.
  static func complain(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
  }
}
