// Settings from names: environment variables, `.env`, and flags, which are the same names in
// another dress. `[upstreams.echo] kind` is SIDETONE_UPSTREAMS_ECHO_KIND and
// --upstreams-echo-kind.

import Sidetone

private let prefix = "SIDETONE_"
private let upstreamPrefix = "SIDETONE_UPSTREAMS_"

/// The one that platforms set: where they send requests to.
let portVariable = "PORT"

/// Whether a variable is meant for this program.
func isOurs(_ variable: String) -> Bool {
  variable.hasPrefix(prefix) || variable == portVariable || optionVariableNames.contains(variable)
    || foreignNames.contains { $0.name == variable } || isServiceKey(variable)
}

/// Whether it holds the key of a service of any kind's.
private func isServiceKey(_ variable: String) -> Bool {
  upstreamRows.contains { $0.services.contains { $0.keyVariable == variable } }
}

private let optionVariableNames = Set(
  upstreamRows.compactMap(\.settings.service).flatMap(\.optionVariables).map(\.variable))

extension Draft {
  mutating func read(dotEnv text: String) {
    let (entries, found) = readDotEnv(text, file: ".env", ours: isOurs)
    mistakes += found
    assign(entries.map { ($0.name, $0.value, .file(".env", line: $0.line)) })
  }

  mutating func read(environment: [String: String]) {
    let cluster = ClusterNames(environment)
    // Nobody else sets the very name of a setting: what stands there is the operator's.
    let named = environment.sorted { $0.key < $1.key }.filter { name, value in
      isSetting(name) || !cluster.has(name, value)
    }
    assign(named.map { ($0.key, $0.value, .environment($0.key)) })
  }

  mutating func read(flags: [(name: String, value: String)]) {
    for (flag, value) in flags {
      let variable = variableName(of: flag)
      if let row = Setting<Draft>.all.first(where: { $0.variable == variable }), row.isSecret {
        refuse(.flag(flag), "others can read the command line: set \(variable) instead")
      } else if upstreamRow(variable)?.row.isSecret == true {
        refuse(.flag(flag), "others can read the command line: set \(variable) instead")
      } else if !assign(variable, value, at: .flag(flag)) {
        // Names that stand for others are none of flags.
        let own = knownVariables.filter { variable in
          variable.hasPrefix(prefix) && !foreignNames.contains { $0.name == variable }
        }
        let flags = own.map { flagName(of: $0) }
        refuse(.flag(flag), unknown("flag", flag, among: flags))
      }
    }
  }

  /// A layer: others' names first, since our own are more precise. Empty values count as not set:
  /// that is how templates and compose files write "nothing".
  private mutating func assign(_ entries: [(name: String, value: String, place: Place)]) {
    let entries = entries.filter { !$0.value.isEmpty }
    strangers += entries.filter { !isOurs($0.name) }.map { ($0.name, $0.place) }
    let ours = entries.filter { isOurs($0.name) }
    given.formUnion(ours.map(\.name))
    for entry in ours {
      for row in upstreamRows where row.settings.service?.keyVariable == entry.name {
        keepOwnKey(of: row.name)
        sharedKeys[row.name] = (entry.value, entry.place)
      }
      if isServiceKey(entry.name) { serviceKeys[entry.name] = entry.value }
      for foreign in foreignNames where foreign.name == entry.name {
        _ = assign(foreign.variable, entry.value, at: entry.place)
      }
      if optionVariableNames.contains(entry.name) {
        optionVariables[entry.name] = (entry.value, entry.place)
        noteValue(entry.name, .text(entry.value))
      }
      if entry.name == portVariable { readPort(entry.value, at: entry.place) }
    }
    for entry in ours where entry.name.hasPrefix(prefix) {
      if foreignNames.contains(where: { $0.name == entry.name }) { continue }
      if assign(entry.name, entry.value, at: entry.place) { continue }
      let text = unknownVariable(entry.name, entry.value)
      // Deployments set names of their own that begin with that of the program. Nobody else writes
      // its files.
      if case .environment = entry.place {
        warn(entry.place, text)
      } else {
        refuse(entry.place, text)
      }
    }
  }

  private mutating func readPort(_ text: String, at place: Place) {
    noteValue(portVariable, .text(text))
    if former?.keeps.contains(portVariable) == true {
      port = former?.port
    } else if let number = UInt16(text), number > 0 {
      port = (number, place)
    } else {
      warn(place, "\(portVariable) is no port number, and is not heeded")
    }
  }

  private func isSetting(_ variable: String) -> Bool {
    foreignNames.contains { $0.name == variable } || upstreamRow(variable) != nil
      || Setting<Draft>.all.contains { $0.variable == variable }
  }

  /// False where no setting has that name.
  private mutating func assign(_ variable: String, _ value: String, at place: Place) -> Bool {
    if let row = Setting<Draft>.all.first(where: { $0.variable == variable }) {
      assign(row, .text(value), at: place)
      return true
    }
    guard let (row, name) = upstreamRow(variable) else { return false }
    assign(row, upstream: name, .text(value), at: place)
    return true
  }

  /// The upstream's name stands in the middle, so the key is found from the end; the longest one
  /// wins (`key_file` before `file`).
  private func upstreamRow(_ variable: String) -> (row: Setting<Config.Upstream>, name: String)? {
    guard variable.hasPrefix(upstreamPrefix) else { return nil }
    let rest = variable.dropFirst(upstreamPrefix.count)
    let rows = Setting<Config.Upstream>.all.sorted { $0.key.count > $1.key.count }
    for row in rows where rest.hasSuffix("_\(row.key.uppercased())") {
      let name = rest.dropLast(row.key.count + 1).lowercased()
      return name.isEmpty ? nil : (row, name)
    }
    return nil
  }

  private var knownVariables: [String] {
    Setting<Draft>.all.map(\.variable) + foreignNames.map(\.name) + optionVariableNames.sorted()
      + upstreams.flatMap { upstream in
        Setting<Config.Upstream>.all.map {
          "\(upstreamPrefix)\(upstream.name)_\($0.key)".uppercased()
        }
      }
  }
}

// MARK: - Names that are near

extension Draft {
  /// What is said about a name that begins as ours do, and is none.
  private func unknownVariable(_ variable: String, _ value: String) -> String {
    let beginning = "`\(variable)` is not known"
    let rest = String(variable.dropFirst(prefix.count))
    let known = knownVariables
    if rest == portVariable, let port = UInt16(value) {
      return "\(beginning); write SIDETONE_LISTEN_ADDRESS=127.0.0.1:\(port)"
    }
    // What is common to all names would make every one of them near.
    let rests = known.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
    let behindTable = known.filter { !rest.isEmpty && $0.hasSuffix("_\(rest)") }
    let near =
      otherWords[rest] ?? (known.contains(rest) ? rest : nil)
      ?? behindTable.min { $0.utf8.count < $1.utf8.count }
      ?? nearest(to: rest, among: rests).flatMap { rests.firstIndex(of: $0) }.map { known[$0] }
    if let near { return "\(beginning); did you mean `\(near)`?" }
    return "\(beginning), and not heeded; `sidetone serve --help` lists what is"
  }

  /// Variables of nobody that are almost ours, where ours is not set: a slip of the pen, or the
  /// name that another program has for it.
  mutating func judgeStrangers() {
    for stranger in strangers {
      guard let meant = meant(by: stranger.name), !given.contains(meant) else { continue }
      warn(stranger.place, "`\(stranger.name)` is not read here; did you mean `\(meant)`?")
    }
  }

  private func meant(by name: String) -> String? {
    if let own = otherNames[name] { return own }
    let known = foreignNames.map(\.name) + optionVariableNames.sorted()
    let isLong = name.utf8.count >= 8
    if isLong, let near = nearest(to: name, among: known, within: 2) { return near }
    return keySkeletons[skeleton(of: name)]
  }
}

/// Words for settings of ours that other programs have.
private let otherWords = [
  "PORT": "SIDETONE_LISTEN_ADDRESS", "HOST": "SIDETONE_LISTEN_ADDRESS",
  "BIND": "SIDETONE_LISTEN_ADDRESS", "LISTEN": "SIDETONE_LISTEN_ADDRESS",
  "URL": "SIDETONE_LISTEN_PUBLIC_URL", "BASE_URL": "SIDETONE_LISTEN_PUBLIC_URL",
  "API_KEY": "SIDETONE_API_KEYS", "KEYS": "SIDETONE_API_KEYS", "KEY": "SIDETONE_API_KEYS",
]

/// Whole names that other programs have, and the variable of ours that each is like.
private let otherNames: [String: String] = {
  var names = [
    "API_KEYS": "SIDETONE_API_KEYS",
    "API_KEY": "SIDETONE_API_KEYS", "PUBLIC_URL": "SIDETONE_LISTEN_PUBLIC_URL",
    "NGROK_URL": "SIDETONE_LISTEN_PUBLIC_URL", "LOG_LEVEL": "SIDETONE_OUTPUT_LEVEL",
  ]
  let carriers = carrierRows.compactMap { row in row.secret.map { (row.name, $0.variable) } }
  for (carrier, variable) in carriers {
    for ending in ["TOKEN", "API_KEY"] where ending == "TOKEN" || variable.hasSuffix("_KEY") {
      names["\(carrier.uppercased())_\(ending)"] = variable
    }
  }
  for row in upstreamRows where row.settings.service != nil {
    let name = "\(row.name.uppercased())_MODEL"
    let isRead = optionVariableNames.contains(name) || foreignNames.contains { $0.name == name }
    let hasModel = row.settings.options.contains { $0.name == "model" }
    if hasModel, !isRead { names[name] = upstreamVariable(row.name, "model") }
  }
  for service in upstreamRows.compactMap(\.settings.service) {
    for name in service.otherKeyVariables { names[name] = service.keyVariable }
  }
  return names
}()

/// The variables of keys by what is left of their names without the words for a key.
private let keySkeletons: [String: String] = Dictionary(
  (upstreamRows.compactMap(\.settings.service?.keyVariable)
    + carrierRows.compactMap(\.secret?.variable)).map { (skeleton(of: $0), $0) },
  uniquingKeysWith: { first, _ in first })

/// "X key" of X_API_KEY, X_TOKEN, X_APIKEY and X_API_KEYS alike, "X auth" of X_AUTH_TOKEN.
private func skeleton(of name: String) -> String {
  var words: [String] = []
  for word in name.uppercased().split(separator: "_") {
    switch word {
    case "API", "ACCESS", "SECRET": break
    case "KEY", "KEYS", "TOKEN", "TOKENS", "APIKEY", "APIKEYS", "APITOKEN": words.append("KEY")
    case "AUTHTOKEN": words += ["AUTH", "KEY"]
    case "PUBLICKEY", "PUBKEY": words += ["PUBLIC", "KEY"]
    default: words.append(String(word))
    }
  }
  return words.joined(separator: " ")
}

// MARK: - Clusters

/// Kubernetes and Docker put variables into every container beside a service whose name begins with
/// ours: its address as `tcp://…`, and parts of it under the same beginning.
private struct ClusterNames {
  private let services: [String]

  init(_ environment: [String: String]) {
    services = environment.compactMap { name, value in
      if name.hasSuffix("_SERVICE_HOST"), readAddress(value) != nil {
        return String(name.dropLast("_SERVICE_HOST".count))
      }
      if name.hasSuffix("_PORT"), Self.isAddress(value) { return String(name.dropLast(5)) }
      return nil
    }.filter { ($0 + "_").hasPrefix(prefix) }
  }

  func has(_ name: String, _ value: String) -> Bool {
    guard name.hasPrefix(prefix) else { return false }
    if Self.isAddress(value) { return true }
    return services.contains { service in
      name == "\(service)_SERVICE_HOST" || name.hasPrefix("\(service)_SERVICE_PORT")
        || name.hasPrefix("\(service)_PORT_") || name.hasPrefix("\(service)_ENV_")
        || name == "\(service)_NAME" && value.hasPrefix("/")
    }
  }

  private static func isAddress(_ value: String) -> Bool {
    ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) }
  }
}
