// Which rows of settings that are read anew are the same as before, and keep their place. Whatever
// a call takes from its route or upstream is compared; a test changes each setting of a row.

extension Config.Upstream {
  /// Whether nothing that is set about it differs.
  package func isSame(as other: Self) -> Bool {
    name == other.name && kind == other.kind && endpoint == other.endpoint && key == other.key
      && keyVariable == other.keyVariable && keyScheme == other.keyScheme
      && isPrivate == other.isPrivate && pacePercent == other.pacePercent
      && sessionsMax == other.sessionsMax && options.elementsEqual(other.options, by: ==)
      && cascade == other.cascade && speaksFor == other.speaksFor
  }
}

extension Config.Route {
  /// Whether nothing that is set about it differs.
  package func isSame(as other: Self) -> Bool {
    let isReachedAlike =
      path == other.path && kind == other.kind && isConfigured == other.isConfigured
      && isOpen == other.isOpen && addresses == other.addresses && secret == other.secret
    let leadsAlike =
      carriers == other.carriers && upstream == other.upstream && stream == other.stream
      && fallback == other.fallback
      && bots.elementsEqual(other.bots, by: ==) && dialsAhead == other.dialsAhead
      && options.elementsEqual(other.options, by: ==)
      && standardOptions.elementsEqual(other.standardOptions, by: ==)
    let servesAlike =
      functions == other.functions && warm == other.warm && watch == other.watch
    let soundsAlike =
      recordings == other.recordings && uninterrupted == other.uninterrupted
      && upstreamRate == other.upstreamRate
      && takesCommands == other.takesCommands && fillsGaps == other.fillsGaps
      && sendsComfort == other.sendsComfort && skipsSilence == other.skipsSilence
    return isReachedAlike && leadsAlike && servesAlike && soundsAlike
  }
}

extension Config.Route {
  /// What was recorded for its callers, at its place; nil where there is none.
  var recordings: [Config.Greeting?] {
    [greetingAudio, holdAudio, goodbyeAudio, apologyAudio] + functions.map(\.phraseAudio)
  }
}

extension Config {
  /// A setting that is not what it was.
  package struct Change: Sendable, Hashable {
    /// As the file has it: `limits.calls_max`, `upstreams.NAME.key`, `routes /PATH`.
    package var name: String
    /// It counts from the next start on; until then what was set before does.
    package var needsRestart: Bool

    package init(_ name: String, needsRestart: Bool) {
      self.name = name
      self.needsRestart = needsRestart
    }
  }
}

/// A row of the settings that another may take the place of.
protocol Replaceable {
  var isRetired: Bool { get set }
}
extension Config.Upstream: Replaceable {}
extension Config.Route: Replaceable {}

/// Rows that were settled among earlier ones, at their places.
struct Settled<Row: Replaceable> {
  private(set) var rows: [Row]
  /// Whether the row at that place is what it was.
  private(set) var isKept: [Bool]

  /// A wanted row has the place of the one in force that is the same; else one that is retired and
  /// not held by any call, or one behind all others. What is wanted no more is retired.
  init(
    _ wanted: [Row], among former: [Row], isHeld: [Bool], isSame: (_ place: Int, Row) -> Bool
  ) {
    rows = former
    isKept = Array(repeating: false, count: former.count)
    for place in rows.indices { rows[place].isRetired = true }
    var changed: [Row] = []
    for row in wanted {
      let place = former.indices.first {
        !former[$0].isRetired && !isKept[$0] && isSame($0, row)
      }
      guard let place else {
        changed.append(row)
        continue
      }
      rows[place] = row
      isKept[place] = true
    }
    var free = former.indices.filter { former[$0].isRetired && !isHeld[$0] }.makeIterator()
    for row in changed {
      if let place = free.next() {
        rows[place] = row
      } else {
        rows.append(row)
        isKept.append(false)
      }
    }
  }
}
