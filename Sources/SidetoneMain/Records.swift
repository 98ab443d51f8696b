// `courier` and `records`: what is done with that which the relay has written down.

import Glibc
import Sidetone
import SidetoneCourier
import SidetoneLinux
import SidetoneRecords

extension Main {
  /// What starts the courier that belongs to a relay with these arguments.
  static func courierWords(_ arguments: Arguments) -> [String] {
    ["/proc/self/exe", "courier", "--socket", "\(CourierProcess.descriptor)"]
      + arguments.words
  }

  /// What starts the process that makes HTTP requests for a relay. All that it needs to know comes
  /// with each of them.
  static let fetcherWords = [
    "/proc/self/exe", "courier", "--fetches", "--socket", "\(CourierProcess.descriptor)",
  ]

  static func fetcher(_ arguments: Arguments) -> Never {
    guard let socket = socket(arguments) else {
      complain("sidetone: --fetches is for the process that `serve` starts")
      exit(2)
    }
    exit(runFetcher(socket: socket))
  }

  /// The end of the socket to the relay that started this process; nil: none did.
  private static func socket(_ arguments: Arguments) -> Int32? {
    guard let text = arguments.own["--socket"] else { return nil }
    guard let number = Int32(text), fcntl(number, F_GETFD) >= 0 else {
      complain("sidetone: --socket is for couriers that `serve` starts")
      exit(2)
    }
    return number
  }

  static func courier(_ config: Config, _ arguments: Arguments) {
    guard let records = config.records else { refuseWithoutDirectory() }
    let socket = socket(arguments)
    let isOnce = arguments.own["--once"] != nil
    exit(runCourier(CourierConfig(records), word: socket, once: isOnce))
  }

  static func records(_ config: Config, _ arguments: Arguments) {
    guard let records = config.records else { refuseWithoutDirectory() }
    var out = Printed()
    guard arguments.action == "redeliver" else {
      let call = arguments.own["--call"]
      let status = journalLines(directory: records.directory, call: call) { out.line($0) }
      out.finish(status)
    }
    guard let since = arguments.own["--since"].flatMap(unixMilliseconds(of:)) else {
      complain(
        "sidetone: redeliver needs --since and a time in UTC, such as 2026-11-20 or "
          + "2026-11-20T10:00:00Z")
      exit(2)
    }
    let now = Int64(time(nil)) * 1000
    let status = redeliver(CourierConfig(records), since: since, at: now) { out.line($0) }
    out.finish(status)
  }

  /// What is wrong with what is to be delivered, which only its deliverer knows: a schema that is
  /// none, a field that it does not have. Told as other mistakes are, and exit 2.
  static func examineRecords(_ config: Config, isCheck: Bool) {
    if config.insistsOnFetches, let missing = HTTPClient.missing() {
      complain(missing)
      complain("sidetone: 1 mistake in the settings")
      exit(2)
    }
    guard let records = config.records else { return }
    let courier = CourierConfig(records)
    let (found, warnings) = courier.check()
    var mistakes = found
    if isCheck { mistakes += courier.missingLibraries }
    for warning in warnings { complain("warning: [records] \(warning)") }
    if mistakes.isEmpty { return }
    for mistake in mistakes { complain(sentence(of: mistake)) }
    let count = mistakes.count
    complain("sidetone: \(count) \(count == 1 ? "mistake" : "mistakes") in the settings")
    exit(2)
  }

  /// The same of settings that were read anew.
  static func recordsMistakes(_ config: Config) -> [String] {
    guard let records = config.records else { return [] }
    return CourierConfig(records).check().mistakes.map { sentence(of: $0) }
  }

  private static func sentence(of mistake: String) -> String { "[records] \(mistake)" }

  private static func refuseWithoutDirectory() -> Never {
    complain(
      "sidetone: nothing is written down: name the place with --directory, "
        + "SIDETONE_RECORDS_DIRECTORY or [records] directory")
    exit(2)
  }
}

extension CourierConfig {
  /// What the courier could not be loaded with, each with the package that has it.
  fileprivate var missingLibraries: [String] {
    var missing = [Database.missing()]
    if !hooks.isEmpty || extraction != nil { missing.append(HTTPClient.missing()) }
    return missing.compactMap { $0 }
  }

  /// What the settings say, for the courier.
  init(_ records: Config.Records) {
    self.init(
      directory: records.directory, hooks: records.hooks.map(HookConfig.init),
      extraction: records.extraction.map(ExtractionConfig.init),
      spoolBytesMax: records.spoolMegabytesMax << 20)
  }
}

extension HookConfig {
  fileprivate init(_ hook: Config.Hook) {
    self.init(
      url: hook.url, secrets: hook.secrets, events: Set(hook.events.compactMap(EventKind.init)))
    isPlain = hook.isPlain
  }
}

extension ExtractionConfig {
  fileprivate init(_ extraction: Config.Extraction) {
    self.init(
      url: extraction.url, model: extraction.model, key: extraction.key,
      schemaFile: extraction.schemaFile, live: extraction.liveFields)
    isPlain = extraction.isPlain
  }
}
