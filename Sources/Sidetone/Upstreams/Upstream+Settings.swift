// What a row says to operators: what the service is called, where it is found, which options it
// takes and which default paths it serves. It is data only, read once at start, and made where it
// is asked for, so that a row stays small; SidetoneSettings reads settings, variables, help and the
// default routes from it.

extension Upstream {
  package struct Settings: Sendable {
    /// What people call it.
    package var displayName: String
    /// Where it is dialled; nil: nowhere, or nowhere without the operator's url.
    package var service: Service?
    /// Whom it needs beside that: a chat endpoint, and whoever speaks (Cascade).
    package var thinks: Service?
    package var speaks: Service?
    /// The path of its service where these options ask for another one; nil: they do not.
    package var path: @Sendable (Options) -> String? = { _ in nil }
    /// What it may be told, in the order in which it is shown; none for one that is only asked by
    /// a route's options.
    package var options: [Option] = []
    /// The default paths that lead to it.
    package var paths: [Path] = []
    /// The options of a session are passed on, also those that are not known here.
    package var passesOptions = false
    /// Options that only the relay may say, and why.
    package var owned: [(name: String, reason: String)] = []
    /// Members of its URL's query that are a key: whoever writes one there needs no other.
    package var urlKeys: [String] = []
    /// What it would not take, or not as it was meant, of options that are asked for together.
    package var complaints: @Sendable (Options) -> [Complaint] = { _ in [] }

    package struct Complaint: Sendable {
      package var option: String
      package var text: String
      init(_ option: String, _ text: String) {
        self.option = option
        self.text = text
      }
    }
  }

  /// Options that are asked for together; a name may stand several times.
  package struct Options: Sendable {
    package var all: [(name: String, value: String)]
    package init(_ all: [(name: String, value: String)]) { self.all = all }

    package func values(of name: String) -> [String] {
      all.filter { $0.name == name }.map(\.value)
    }
    package func value(of name: String) -> String? { all.first { $0.name == name }?.value }
    package func has(_ name: String) -> Bool { all.contains { $0.name == name } }
  }

  /// A service on the network, and the variables by which its own documents name its settings.
  package struct Service: Sendable {
    package var host: String
    package var path: String
    package var keyVariable: String
    package var urlVariable: String
    /// Variables that set an option of its default paths; no option: several, as a query.
    package var optionVariables: [(variable: String, option: String)] = []
    /// What its keys begin with; empty: they have nothing in common.
    package var keyPrefix = ""
    /// Names under which other programs look for its key.
    package var otherKeyVariables: [String] = []
  }

  /// One setting of `[upstreams.NAME]`.
  package struct Option: Sendable {
    package var name: String
    package var form: Form
    /// Where nobody sets it; empty: it is not said, and the service's own default holds.
    package var standard: String
    package var help: String
    /// It may stand in a file: `NAME_file`.
    package var mayBeFile = false
    /// A variable of no vendor by which it is known as well; empty: none.
    package var variable = ""
    /// Another option and its only value with which this one has a meaning.
    package var condition: (option: String, value: String)?

    package init(
      _ name: String, _ form: Form, standard: String = "", help: String,
      when condition: (option: String, value: String)? = nil
    ) {
      self.name = name
      self.form = form
      self.standard = standard
      self.help = help
      self.condition = condition
    }
  }

  /// What an option may be.
  package enum Form: Equatable, Sendable {
    /// One line of at most 128 bytes.
    case word
    /// The same, and not empty.
    case name
    /// Text of several lines.
    case prose(bytesMax: Int)
    case words([String])
    case integer(ClosedRange<Int>)
    case decimal(ClosedRange<Double>)
  }

  /// A default path whose calls may go to this upstream, from every carrier that says the same
  /// path. Where several upstreams serve a path, callers choose by the names of their bots.
  package struct Path: Sendable {
    package var path: String
    /// The name by which callers choose it; empty: there is no choice.
    package var bot = ""
    /// Of several bots the one for callers who choose none.
    package var isFirst = false
    /// Any carrier may call, whatever paths it says.
    package var isForAll = false
    /// What it is asked for there.
    package var options: [(name: String, value: String)] = []
    /// What the service's `optionVariables` say goes before.
    package var takesVariables = false

    package init(
      _ path: String, bot: String = "", isFirst: Bool = false, isForAll: Bool = false,
      options: [(name: String, value: String)] = [], takesVariables: Bool = false
    ) {
      self.path = path
      self.bot = bot
      self.isFirst = isFirst
      self.isForAll = isForAll
      self.options = options
      self.takesVariables = takesVariables
    }
  }
}

// MARK: - What many voice models take

extension Upstream.Option {
  static func model(_ standard: String) -> Self {
    Self("model", .name, standard: standard, help: "Which model talks.")
  }

  static func voice(_ standard: String) -> Self {
    Self("voice", .word, standard: standard, help: "The voice it talks with.")
  }

  static func language(_ standard: String) -> Self {
    Self(
      "language", .word, standard: standard, help: "The caller's language, such as en or en-US.")
  }

  static var instructions: Self {
    var option = Self(
      "instructions", .prose(bytesMax: Limits.instructionBytesMax),
      help: "What it is told to be and do, up to \(Limits.instructionBytesMax / 1024) KiB.")
    option.mayBeFile = true
    option.variable = "SYSTEM_PROMPT"
    return option
  }

  static var greeting: Self {
    Self(
      "greeting", .prose(bytesMax: Limits.settingBytesMax),
      standard: "Greet the caller in one short sentence and ask how you can help.",
      help: "What it is asked at the start, so that it speaks first; empty: the caller begins.")
  }

  static func silence(
    _ standard: String, when condition: (option: String, value: String)? = nil
  ) -> Self {
    Self(
      "silence_milliseconds", .integer(50...10_000), standard: standard,
      help: "The silence after which the caller has finished.", when: condition)
  }
}
