// What is written down of calls. Once a turn the engine's entries go to the journal, whose threads
// write them; the engine is told how far the disk has come, and what the courier says of files and
// hooks. What an entry or a message means is the engine's to know.

import CLinux
import Glibc
import Sidetone
import SidetoneRecords

/// The machine's end of records: the journal, and the process that reads it.
final class RecordKeeper {
  let journal: JournalWriter
  var courier: CourierProcess?
  /// An entry, or a message of the courier, on its way.
  let place = Buffer(count: Entries.bytesMax)
  /// Entries that the journal lost, as the log has told.
  var lostTold = 0

  /// `entriesBytes`: what may come in one turn. `courier`: what the process is started with; empty:
  /// somebody else's courier reads here.
  init(
    _ records: Config.Records, entriesBytes: Int, courier words: [String]
  ) throws(StartError) {
    var limits = JournalLimits(bytesMax: records.journalMegabytesMax << 20)
    limits.ringBytes = max(limits.ringBytes, entriesBytes)
    do throws(JournalError) {
      journal = try JournalWriter(
        directory: records.directory, instance: "\(Clock.wall.nanoseconds / 1_000_000)-\(getpid())",
        limits: limits)
    } catch {
      throw .journal(error.sentence)
    }
    courier = words.isEmpty ? nil : CourierProcess(words: words)
  }
}

extension Machine {
  /// Entries of this turn go to the journal.
  func forwardEntries(_ records: RecordKeeper) {
    var any = false
    while let count = relay.takeEntry(into: records.place.bytes) {
      _ = records.journal.put(records.place.bytes.prefix(count))
      any = true
    }
    if any { records.journal.wake() }
    if now >= courierDue { startCourier(records) }
  }

  /// When the courier is to be started.
  var courierDue: Instant { records?.courier?.dueTime ?? .never }

  /// The journal's disk has come further.
  func journalSynced() {
    guard let records else { return }
    _ = perform { Int(cl_counter_take(records.journal.news)) }
    readJournalState(records)
  }

  /// How far its disk has come, and what it lost, also while the disk stands still.
  func readJournalState(_ records: RecordKeeper) {
    let lost = records.journal.dropped
    relay.journalSynced(upTo: records.journal.synced, lost: lost, at: now)
    guard lost > records.lostTold else { return }
    let status = records.journal.status
    let reasons = JournalLoss.allCases.filter { status.dropped[$0] > 0 }.map(\.sentence)
    let error = status.lastError.isEmpty ? "" : " (\(status.lastError))"
    relay.log(
      .error, "journal_lost",
      "\(lost) entries until now are not in the journal: "
        + reasons.joined(separator: ", ") + error, at: now)
    records.lostTold = lost
  }

  /// The courier is to read the settings anew.
  func renewCourier() { records?.courier?.renew(at: now) }

  func startCourier(_ records: RecordKeeper) {
    guard records.courier != nil else { return }
    if let error = records.courier?.start(at: now) {
      relay.log(.error, "courier_not_started", "\(error.text); it is tried again", at: now)
    } else if let socket = records.courier?.socket {
      poller.register(socket, for: .readable, as: Source(.courier))
    }
  }

  /// The courier has said something, or is gone.
  func courierIsReady() {
    guard let records, let socket = records.courier?.socket else { return }
    for _ in 0..<Self.wordsPerTurnMax {
      switch SocketCall.read(socket, into: records.place.bytes) {
      case .done(let count) where count > 0:
        relay.courierSaid(records.place.bytes.prefix(count), at: now)
      case .done, .failed:
        poller.remove(socket)
        let isGoing = records.courier?.isGoing == true
        let how = records.courier?.ended(at: now) ?? ""
        if isGoing { return }
        relay.log(
          .warning, "courier_lost",
          "the courier is gone: \(how). What is said stays in the journal; it is started again",
          at: now)
        return
      case .wouldBlock: return
      }
    }
  }

  private static let wordsPerTurnMax = 16

  /// Lets what is left be written, and the courier deliver it, for a bounded time. It ends when
  /// nothing is left that can be delivered; what it says until then is said.
  func close(_ records: RecordKeeper) {
    records.journal.close()
    now = Clock.now
    readJournalState(records)
    let end = now + Self.courierPatience
    guard let socket = records.courier?.leave() else { return }
    while now < end {
      switch SocketCall.read(socket, into: records.place.bytes) {
      case .done(let count) where count > 0:
        relay.courierSaid(records.place.bytes.prefix(count), at: now)
        forwardLines()
      case .done, .failed: return
      case .wouldBlock: usleep(1000)
      }
      now = Clock.now
    }
  }

  private static let courierPatience = Instant.Span.seconds(2)
}
