// Settings that are read anew while the relay runs. They are read as at start, and a mistake is the
// same mistake; then what differs from those in force is found by name. What needs a restart is
// left as it is: the settings are read once more with the former values in those places, so that
// what comes out was judged as a whole.

import Sidetone

extension Settings {
  /// Settings as they were read, to hold later ones against.
  package struct Reading: Sendable {
    package let config: Config
    /// By dotted names, of everything that was written; never the value itself.
    let digests: [String: [UInt8]]
    /// What was written of settings that need a restart, and the port of the platform.
    let lasting: [String: (written: Written, place: Place)]
    let port: (number: UInt16, place: Place)?
    /// Settings that stay as they are here, though something else is written by now.
    var keeps: Set<String> = []

    init(_ draft: Draft) {
      config = draft.config
      digests = draft.digests
      lasting = draft.lasting
      port = draft.port
    }
  }

  /// Reads settings as `load` does, and keeps what later ones are compared with.
  package static func read(_ sources: Sources) throws(Mistakes) -> Reading {
    Reading(try draft(of: sources))
  }

  /// Settings that follow `former`, which are in force: what needs a restart is as it is there.
  /// What differs, by name. Throws every mistake that `load` would find.
  package static func read(
    _ sources: Sources, after former: Reading
  ) throws(Mistakes) -> (Reading, changes: [Config.Change]) {
    let written = Reading(try draft(of: sources))
    let changes = changes(from: former, to: written)
    let waiting = Set(changes.filter(\.needsRestart).map(\.name))
    if waiting.isEmpty { return (written, changes) }
    var kept = former
    kept.keeps = waiting
    return (Reading(try draft(of: sources, after: kept)), changes)
  }

  private static func changes(from former: Reading, to next: Reading) -> [Config.Change] {
    let turned = (former.config.records == nil) != (next.config.records == nil)
    var names = Set(former.digests.keys).union(next.digests.keys).filter {
      former.digests[$0] != next.digests[$0]
    }
    if turned { names.insert("records.directory") }
    let functionsBegin = !former.config.usesFunctions && next.config.usesFunctions
    let changes = names.map { name in
      let isSet = (former.digests[name] != nil, next.digests[name] != nil)
      let isStanding = isSet == (true, true)
      let isRecords = turned && name.hasPrefix("records.")
      return Config.Change(
        shown(name, former, next),
        needsRestart: isRecords || functionsBegin && isOfFunctions(name)
          || needsRestart(name, whileSet: isStanding))
    }
    return Set(changes).sorted { $0.name < $1.name }
  }

  private static func isOfFunctions(_ name: String) -> Bool {
    name.hasPrefix("functions ") || name.hasPrefix("routes ") && name.hasSuffix(".functions")
  }

  private static func needsRestart(_ name: String, whileSet isStanding: Bool) -> Bool {
    if name == portVariable { return true }
    let row = Setting<Draft>.all.first { "\($0.table).\($0.key)" == name }
    switch row?.effect {
    case .restart: return true
    case .reloadWhileSet: return !isStanding
    // Upstreams, routes and hooks count from now on, whatever is changed of them.
    case .reload, nil: return false
    }
  }

  /// A route that comes or goes is one change, whatever is written of it.
  private static func shown(_ name: String, _ former: Reading, _ next: Reading) -> String {
    guard name.hasPrefix("routes "), let dot = name.lastIndex(of: ".") else { return name }
    let route = String(name[..<dot])
    let path = "\(route).path"
    return (former.digests[path] == nil) == (next.digests[path] == nil) ? name : route
  }
}

/// SHA-256 of what is in a file; nothing where it cannot be read.
func contentDigest(of file: String) -> [UInt8] {
  guard let content = try? readFile(file, bytesMax: 4 << 20) else { return [] }
  return sha256(String(decoding: content, as: UTF8.self))
}

extension Written {
  /// SHA-256 of the value, and of what is in the file where it names one.
  func digest(namesFile: Bool) -> [UInt8] {
    let text = plain
    return sha256(text) + (namesFile ? contentDigest(of: text) : [])
  }

  /// The value in one form, wherever it was written.
  private var plain: String {
    switch self {
    case .text(let text): text
    case .node(let node): node.plain
    }
  }
}

extension TOMLNode {
  fileprivate var plain: String {
    switch value {
    case .text(let text): text
    case .integer(let number): "\(number)"
    case .fraction(let number): "\(number)"
    case .boolean(let truth): "\(truth)"
    case .array(let members): members.map(\.plain).joined(separator: ",")
    case .table(let members):
      "{" + members.map { "\($0.key) = \($0.plain)" }.joined(separator: ", ") + "}"
    case .other: ""
    }
  }
}
