// The courier: reads what relays have written down, and brings it where it belongs.
//
//     journals ──▶ take ──▶ spool ──▶ begin ──▶ destinations ──▶ verdicts ──▶ spool, word
//                  one transaction                               one transaction
//
// `step` does as much as can be done now and never waits for a peer; the loop (CourierLoop.swift)
// waits between steps. Between any two steps, and within each, the process may be killed: what was
// committed is known, what was not is done again. So a destination may get an event twice, with the
// same id, and never misses one.
//
// All times are Unix milliseconds.

import Sidetone
import SidetoneRecords

package final class Courier {
  let directory: String
  let spoolPath: String
  let spoolBytesMax: Int
  let files: FileSystem
  let disturbance: Disturbance?
  let word: RelayWord
  package let destinations: [any Destination]
  var spool: Spool

  /// Journals that are read, by their names.
  var journals: [String: FollowedJournal] = [:]
  var scannedAt: Int64 = .min
  /// A word came that relays have come or gone: look again.
  package var mustScan = true
  /// How often it is looked which relays are dead.
  var scanEvery: Int64 = 1000
  /// Told once each, until they are over, or are another for a minute.
  var complaints: [String: (text: String, told: Int64)] = [:]
  private var now: Int64

  /// What each destination has now, by the row in the spool.
  var underWay: [[Int64: UnderWay]]
  /// What destinations have said that is not in the spool yet.
  var verdicts: [(destination: Int, finished: Finished)] = []
  var offs: Set<Int> = []
  /// Something may have changed the figures since they were told.
  var isChanged = true
  var toldFigures: [Int64] = []
  var figuresAt: Int64 = .min
  var mayDelete = true
  var deletedAt: Int64 = .min

  struct UnderWay {
    var call: String
    var kind: EventKind
    var attempts: Int
    /// The name of the transcript, where the destination writes files.
    var transcript: String?
  }

  /// Opens the spool in a directory that is there; the caller holds its lock.
  package init(
    directory: String, destinations: [any Destination], word: RelayWord,
    spoolBytesMax: Int = CourierConfig.spoolBytesDefault, disturbance: Disturbance? = nil,
    at now: Int64
  ) throws(Trouble) {
    self.directory = directory
    self.destinations = destinations
    self.word = word
    self.spoolBytesMax = spoolBytesMax
    self.disturbance = disturbance
    self.now = now
    files = FileSystem(disturbance: disturbance)
    underWay = destinations.map { _ in [:] }
    spoolPath = "\(directory)/courier.sqlite"
    spool = try Self.open(spoolPath, spoolBytesMax, files, disturbance, word, now)
    try look(at: now)
  }

  /// A spool that cannot be read is put aside: what journals still hold is read once more, with the
  /// same ids.
  private static func open(
    _ path: String, _ bytesMax: Int, _ files: FileSystem, _ disturbance: Disturbance?,
    _ word: RelayWord, _ now: Int64
  ) throws(Trouble) -> Spool {
    try files.makeFile(path)
    do throws(Trouble) {
      return try Spool(path: path, bytesMax: bytesMax, disturbance: disturbance)
    } catch {
      guard error.kind == .damaged else { throw error }
      try moveAside(path, files, word, error.sentence, now)
      try files.makeFile(path)
      return try Spool(path: path, bytesMax: bytesMax, disturbance: disturbance)
    }
  }

  private static func moveAside(
    _ path: String, _ files: FileSystem, _ word: RelayWord, _ sentence: String, _ now: Int64
  ) throws(Trouble) {
    let aside = "\(path).damaged-\(now)"
    try files.rename(path, to: aside)
    for ending in ["-wal", "-shm"] { try files.remove(path + ending) }
    word.log(
      .error, "spool_damaged",
      "\(sentence); it was moved to \(aside), and what journals still hold is read again")
  }

  /// What a new courier should know of what the last one left.
  private func look(at now: Int64) throws(Trouble) {
    for (index, destination) in destinations.enumerated() {
      guard let reason = try spool.figures(of: destination.name).off else { continue }
      offs.insert(index)
      word.log(.warning, "hook_off", "\(destination.shownName) is turned off: \(reason)")
    }
    try spool.bringForward(from: now + Backoff.askedMillisecondsMax, to: now)
    tidyUp(at: now)
    let known = destinations.map(\.name)
    for (name, count) in try spool.waitingDestinations() where !known.contains(name) {
      word.log(
        .warning, "destination_unknown",
        "\(count) events wait for \(name), which the settings do not name any more; they are kept"
          + " until their room is needed")
    }
  }

  /// A person may have put something into the spool and turned hooks on again.
  func lookAgain() throws(Trouble) {
    try spool.recount()
    for index in offs {
      let name = destinations[index].name
      guard try spool.figures(of: name).off == nil else { continue }
      offs.remove(index)
      destinations[index].turnedOn()
      word.log(.info, "hook_on", "\(destinations[index].shownName) is turned on again")
    }
  }

  // MARK: A step

  /// Whether there is more to do at once. After a `Trouble` that passes it may be tried again;
  /// after others a new courier must be made.
  package func step(at now: Int64) throws(Trouble) -> Bool {
    let setBack = self.now - now
    self.now = now
    do throws(Trouble) {
      if setBack > 0 { try spool.clockWasSetBack(by: setBack) }
      let hasMore = try readThenDeliver(at: now)
      try deleteJournals(at: now)
      try tellFigures(at: now)
      return hasMore
    } catch {
      // What was read and not committed is read again.
      journals = [:]
      mustScan = true
      if error.kind == .damaged {
        try Self.moveAside(spoolPath, files, word, error.sentence, now)
      }
      throw error
    }
  }

  /// What waits is delivered also where nothing more can be taken in: that may make room.
  private func readThenDeliver(at now: Int64) throws(Trouble) -> Bool {
    let hasMore: Bool
    do throws(Trouble) {
      hasMore = try readJournals(at: now)
    } catch {
      if error.kind == .passing { try deliver(at: now) }
      throw error
    }
    try deliver(at: now)
    return hasMore
  }

  /// When the next step is due though nothing comes; nil: never.
  package func wakeTime(at now: Int64) throws(Trouble) -> Int64? {
    var times: [Int64] = destinations.compactMap(\.wakeTime)
    for (index, destination) in served where destination.room > 0 {
      let except = Set(underWay[index].keys)
      if let due = try spool.nextDue(for: destination.name, except: except) { times.append(due) }
    }
    // The death of a relay that did not start this courier makes no sound.
    if !journals.isEmpty { times.append(scannedAt &+ scanEvery) }
    if mayDelete { times.append(deletedAt &+ scanEvery) }
    // While something waits, it grows older.
    if isChanged || (toldFigures.first ?? 0) > 0 { times.append(figuresAt &+ Self.tellEvery) }
    return times.min()
  }

  /// Whether nothing is left that could be done before something comes or a time is reached.
  package func isIdle(at now: Int64) throws(Trouble) -> Bool {
    guard verdicts.isEmpty, underWay.allSatisfy(\.isEmpty) else { return false }
    guard journals.values.allSatisfy(\.isAtEnd) else { return false }
    // What a destination has no room for now waits for a time: its server rests.
    for (_, destination) in served where destination.room > 0 {
      if let due = try spool.nextDue(for: destination.name, except: []), due <= now { return false }
    }
    return true
  }

  /// How many events wait, whatever for.
  package func waitingCount() throws(Trouble) -> Int { Int(try spool.waiting().count) }

  /// Destinations that are not turned off, with their places in the list.
  var served: [(Int, any Destination)] {
    destinations.enumerated().filter { !offs.contains($0.offset) }.map { ($0.offset, $0.element) }
  }

  // MARK: Telling

  private static let tellEvery: Int64 = 1000
  private static let retellEvery: Int64 = 60_000

  /// Tells a trouble once, until it is over. Each call that waits may have its own words for it, so
  /// another is told after a minute.
  func complain(_ level: LogLevel, _ event: String, _ text: String, about: String) {
    if let last = complaints[about] {
      if last.text == text || now < last.told + Self.retellEvery { return }
    }
    complaints[about] = (text, now)
    word.log(level, event, text)
  }

  func settled(_ about: String, _ event: String? = nil, _ text: String = "") {
    guard complaints.removeValue(forKey: about) != nil, let event else { return }
    word.log(.info, event, text)
  }

  /// How it goes, once a second where something has changed.
  private func tellFigures(at now: Int64) throws(Trouble) {
    guard isChanged || (toldFigures.first ?? 0) > 0 else { return }
    guard now >= figuresAt &+ Self.tellEvery || figuresAt > now else { return }
    figuresAt = now
    isChanged = false
    let waiting = try spool.waiting()
    var sums = Spool.Figures()
    for destination in destinations {
      let figures = try spool.figures(of: destination.name)
      sums.delivered += figures.delivered
      sums.failed += figures.failed
      sums.dropped += figures.dropped
    }
    let oldest = waiting.oldest.map { max(0, now - $0) / 1000 } ?? 0
    let figures = [
      waiting.count, oldest, sums.delivered, sums.failed, sums.dropped, Int64(offs.count),
    ]
    guard figures != toldFigures else { return }
    toldFigures = figures
    let names = ["pending", "oldest_seconds", "delivered", "failed", "dropped", "hooks_off"]
    word.status(Array(zip(names, figures)))
  }
}
