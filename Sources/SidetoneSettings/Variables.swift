// Settings from names: environment variables, `.env`, and flags, which are the same names in
// another dress. `[upstreams.echo] kind` is SIDETONE_UPSTREAMS_ECHO_KIND and
// --upstreams-echo-kind.

import Sidetone

private let prefix = "SIDETONE_"
private let upstreamPrefix = "SIDETONE_UPSTREAMS_"

/// Whether a variable is meant for this program.
func isOurs(_ variable: String) -> Bool {
  variable.hasPrefix(prefix) || foreignNames.contains { $0.name == variable }
}

extension Draft {
  mutating func read(dotEnv text: String) {
    let (entries, found) = readDotEnv(text, file: ".env", ours: isOurs)
    mistakes += found
    assign(entries.map { ($0.name, $0.value, .file(".env", line: $0.line)) })
  }

  mutating func read(environment: [String: String]) {
    let named = environment.sorted { $0.key < $1.key }.filter { !isFromCluster($0.key) }
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
        let flags = knownVariables.filter { $0.hasPrefix("SIDETONE_") }.map { flagName(of: $0) }
        refuse(.flag(flag), unknown("flag", flag, among: flags))
      }
    }
  }

  /// A layer: others' names first, since our own are more precise. Empty values count as not set:
  /// that is how templates and compose files write "nothing".
  private mutating func assign(_ entries: [(name: String, value: String, place: Place)]) {
    let ours = entries.filter { isOurs($0.name) && !$0.value.isEmpty }
    for entry in ours {
      for foreign in foreignNames where foreign.name == entry.name {
        _ = assign(foreign.variable, entry.value, at: entry.place)
      }
      for row in upstreamRows where row.settings.service?.keyVariable == entry.name {
        sharedKeys[row.name] = entry.value
      }
    }
    for entry in ours where !foreignNames.contains(where: { $0.name == entry.name }) {
      if !assign(entry.name, entry.value, at: entry.place) {
        refuse(entry.place, unknown("", entry.name, among: knownVariables))
      }
    }
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
    Setting<Draft>.all.map(\.variable) + foreignNames.map(\.name)
      + upstreams.flatMap { upstream in
        Setting<Config.Upstream>.all.map {
          "\(upstreamPrefix)\(upstream.name)_\($0.key)".uppercased()
        }
      }
  }
}

/// Kubernetes puts such variables into every container beside a service called "sidetone…".
private func isFromCluster(_ variable: String) -> Bool {
  guard variable.hasPrefix(prefix) else { return false }
  return variable.contains("_SERVICE_HOST") || variable.contains("_SERVICE_PORT")
    || variable.hasSuffix("_PORT") || variable.contains("_TCP") || variable.contains("_UDP")
}
