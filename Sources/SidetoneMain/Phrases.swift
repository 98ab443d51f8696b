// `sidetone phrases`: has the texts of the settings spoken, each by the voice of its cascade, and
// keeps them as WAV files, which the relay plays from then on. A relay that starts with texts that
// nobody has spoken yet runs it beside itself, and reads its settings anew when it is done: calls
// do not wait for a voice.
//
// What speaks is the cascade that calls have: it is given the text as its greeting, on a call of
// its own that ends a second after the greeting was heard.

import Glibc
import Sidetone
import SidetoneLinux
import SidetoneRecords
import SidetoneSettings
import Synchronization

enum Phrases {
  /// So long a text may take, its session's beginning and all.
  private static let secondsMax = 30 + Double(Limits.greetingSecondsMax)

  /// Samples of a text at `rate`, or why there are none.
  static func speak(_ speech: Config.Speech, of config: Config) -> Result<[UInt8], Failure> {
    guard let cascade = config.namedUpstreams.first(where: { $0.name == speech.cascade }) else {
      return .failure(Failure("there is no \(speech.cascade)"))
    }
    if cascade.isWithoutKey { return .failure(Failure("\(cascade.keyVariable) is not set")) }
    do throws(LoneRelay.Failure) {
      let relay = try LoneRelay(
        relay(for: cascade, saying: speech, of: config),
        query: "encoding=linear16&sample_rate=\(rate)")
      defer { relay.stop() }
      return listen(to: relay)
    } catch {
      return .failure(Failure(error.text))
    }
  }

  struct Failure: Error {
    var text: String
    init(_ text: String) { self.text = text }
  }

  static let rate = 24_000

  private static func relay(
    for cascade: Config.Upstream, saying speech: Config.Speech, of config: Config
  ) -> Config {
    var relay = Config(for: cascade, of: config)
    relay.routes[0].options = [
      ("greeting", speech.text), ("voice", speech.voice), ("speak_model", speech.model),
      ("language", speech.language),
    ].filter { !$0.1.isEmpty }
    // Nobody answers the greeting, and that ends the call.
    relay.limits.playoutMillisecondsMax = Limits().playoutMillisecondsMax
    relay.routes[0].watch.callerQuietSeconds = 1
    relay.routes[0].watch.repromptsMax = 0
    return relay
  }

  private static func listen(to relay: LoneRelay) -> Result<[UInt8], Failure> {
    let limit = seconds() + secondsMax
    var lines: [LoneRelay.Line] = []
    while seconds() < limit, !relay.caller.hasEnded { lines += relay.nextLines() }
    lines += relay.lastLines()
    let sound = relay.caller.sound
    // Half of it would be kept for good, so nothing may have gone wrong.
    let said = lines.filter { $0.isComplaint || $0.event == "speech_cut" }.map(\.detail)
    let isHeard = lines.contains { $0.event == "caller_given_up" } && !sound.isEmpty
    guard said.isEmpty, isHeard else {
      return .failure(
        Failure(said.isEmpty ? "nothing was heard of it" : said.joined(separator: "; ")))
    }
    guard sound.count <= 2 * rate * Limits.greetingSecondsMax else {
      return .failure(Failure("it lasts longer than \(Limits.greetingSecondsMax) s"))
    }
    return .success(sound)
  }

  // MARK: What is kept

  /// Makes the place where files are kept; why none can be kept there, or nil.
  static func prepare(_ directory: String) -> String? {
    var made = ""
    for part in directory.split(separator: "/", omittingEmptySubsequences: false) {
      made += part.isEmpty ? "/" : "\(part)/"
      // Some say of a directory that is there that nothing can be written beside it.
      if mkdir(made, 0o755) != 0, errno != EEXIST, access(made, F_OK) != 0 {
        return cannot("be written to", directory)
      }
    }
    return access(directory, W_OK | X_OK) == 0 ? nil : cannot("be written to", directory)
  }

  private static func cannot(_ what: String, _ file: String) -> String {
    "\(file) cannot \(what): \(String(cString: strerror(errno)))"
  }

  /// Puts it where the settings look for it, whole or not at all; why that cannot be, or nil.
  static func keep(_ sound: [UInt8], in file: String) -> String? {
    func failed() -> String { cannot("be written", file) }
    let draft = "\(file).\(getpid())"
    let target = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard target >= 0 else { return failed() }
    let bytes = head(of: sound.count) + sound
    let isWritten = write(target, bytes, bytes.count) == bytes.count && fsync(target) == 0
    let reason = isWritten ? nil : failed()
    close(target)
    guard isWritten, rename(draft, file) == 0 else {
      let text = reason ?? failed()
      unlink(draft)
      return text
    }
    return nil
  }

  /// RIFF, 16-bit PCM, mono.
  private static func head(of count: Int) -> [UInt8] {
    func number(_ value: Int, _ bytes: Int) -> [UInt8] {
      (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    return Array("RIFF".utf8) + number(36 + count, 4) + Array("WAVEfmt ".utf8) + number(16, 4)
      + number(1, 2) + number(1, 2) + number(rate, 4) + number(2 * rate, 4) + number(2, 2)
      + number(16, 2) + Array("data".utf8) + number(count, 4)
  }
}

// MARK: - The command

extension Main {
  /// Speaks what is not kept yet, a line for each text; exit 1 where one could not be had.
  static func phrases(_ config: Config, _ arguments: Arguments) -> Never {
    let isBeside = arguments.own["--beside"] != nil
    var isWell = true
    func tell(_ level: StartLine.Level, _ mark: String, _ word: String, _ text: String) {
      if level != .info { isWell = false }
      let line = StartLine(level: level, event: "phrase", detail: "\(word): \(text)")
      guard isBeside else { return print("\(mark) \(word)  \(text)") }
      if config.logLevel <= (level == .info ? .info : .warning) {
        complain(config.logsJSON ? line.json : line.text)
      }
    }
    if !config.unspoken.isEmpty, let reason = Phrases.prepare(config.phrasesDirectory) {
      // What is spoken costs money: it is not, where it could not be kept.
      tell(.warning, "!", "nothing is spoken", reason)
      exit(1)
    }
    for phrase in config.speeches {
      let speech = phrase.speech
      let text = "\"\(speech.text.split { $0.isWhitespace }.joined(separator: " "))\""
      if phrase.isKept {
        if !isBeside { tell(.info, " ", "kept  ", "\(text)  \(speech.file)") }
        continue
      }
      switch Phrases.speak(speech, of: config) {
      case .success(let sound):
        if let reason = Phrases.keep(sound, in: speech.file) {
          tell(.warning, "!", "not kept", "\(text): \(reason)")
        } else {
          tell(.info, " ", "spoken", "\(text)  \(speech.file)")
        }
      case .failure(let failure):
        tell(.warning, "!", "not spoken", "\(text) by \(speech.cascade): \(failure.text)")
      }
    }
    if config.speeches.isEmpty, !isBeside {
      print("no text is to be spoken: hold = { say = \"One moment, please.\" } would be one")
    }
    exit(isWell ? 0 : 1)
  }

  /// What starts it beside a relay with these arguments.
  static func phrasesWords(_ arguments: Arguments) -> [String] {
    ["/proc/self/exe", "phrases", "--beside"] + arguments.words
  }
}

// MARK: - Beside the relay

/// Has texts spoken by a process of its own while the relay runs.
///
///     resting ──texts that nobody has spoken──▶ speaking ──one is there──▶ following
///        ▲                                          │                          │
///        └──────────── none is ─────────────────────┴── the settings were read ┘
///
/// What failed is tried again when somebody else has the settings read, not by itself. Who has that
/// done while texts are spoken has it done once more behind them.
final class PhraseSpeaker: Sendable {
  private enum Stage {
    case resting
    /// `isAskedAgain`: somebody has had the settings read meanwhile.
    case speaking(isAskedAgain: Bool)
    /// The next reading is ours, not somebody's.
    case following
  }

  private struct State {
    var stage = Stage.resting
    /// Files that were tried since somebody last had the settings read.
    var tried: Set<String> = []
    var reload: (@Sendable () -> Void)?
  }

  private let words: [String]
  private let tell: @Sendable (StartLine) -> Void
  private let state = Mutex(State())

  init(words: [String], tell: @escaping @Sendable (StartLine) -> Void) {
    self.words = words
    self.tell = tell
  }

  /// `reload` has the settings read anew, from any thread.
  func begin(_ config: Config, reload: @escaping @Sendable () -> Void) {
    state.withLock { $0.reload = reload }
    look(at: config)
  }

  /// Settings were read, or could not be (nil).
  func look(at config: Config?) {
    let files = Set(config?.unspoken.map(\.file) ?? [])
    let begins = state.withLock { state in
      switch state.stage {
      case .speaking:
        state.stage = .speaking(isAskedAgain: true)
        return false
      case .resting: state.tried = []
      case .following: break
      }
      state.stage = .resting
      guard state.reload != nil, !files.isSubset(of: state.tried) else { return false }
      state.tried.formUnion(files)
      state.stage = .speaking(isAskedAgain: false)
      return true
    }
    guard begins else { return }
    if !startThread({ self.speak(files) }) { ended("there is no thread for it", files) }
  }

  private func speak(_ files: Set<String>) { ended(runBeside(words), files) }

  /// Why the process could not do its work, where it did not say so itself.
  private func ended(_ trouble: String?, _ files: Set<String>) {
    if let trouble {
      tell(StartLine(level: .warning, event: "phrase", detail: "nothing is spoken: \(trouble)"))
    }
    let isSomethingNew = files.contains { access($0, R_OK) == 0 }
    let reload = state.withLock { state -> (@Sendable () -> Void)? in
      if case .speaking(isAskedAgain: true) = state.stage {
        state.stage = .resting
      } else {
        state.stage = isSomethingNew ? .following : .resting
        if !isSomethingNew { return nil }
      }
      return state.reload
    }
    reload?()
  }
}
