// What relays have said, what their journals have acknowledged, and what may be missing: against
// this the records are judged (Ledger+Judging).

import Sidetone
import TestSupport

@testable import SidetoneCourier
@testable import SidetoneRecords

final class Ledger {
  struct Put {
    var entry: Entry
    /// The ring had room for it.
    var isTaken: Bool
    var number: UInt64
  }

  struct Instance {
    let path: String
    var puts: [Put] = []
    var acknowledged: UInt64 = 0
    /// Read from its journal as it grew.
    var read = 0
    var reader: JournalReader
    /// It ended by itself, and its journal was written to the end.
    var isClean = false
    var lostPower = false
    /// Words, and interim lines, that its journal has counted as dropped behind the ring.
    var droppedWords = 0
    var droppedInterims = 0
    /// All that was dropped.
    var dropped = 0
    /// Some of it because the disk failed: it may be there all the same.
    var hasFailed = false
    /// Calls that have ended and whose callers wait for a Close: by the id, since when.
    var closing: [String: Int64] = [:]
  }

  private(set) var instances: [Instance] = []
  /// The sync's bound, and that of the files.
  static let closeBound: Int64 = 100_000_000 + 1_000_000_000
  private(set) var failures: [String] = []
  /// What readers found damaged while its relay lived.
  private(set) var damages: [String] = []
  private(set) var marks: Set<String> = []

  func fail(_ what: String) { if failures.count < 8 { failures.append(what) } }
  func mark(_ what: String) { marks.insert(what) }

  // MARK: What happens

  func begin(reading path: String, on disk: SharedDisk) -> Int {
    let reader = JournalReader(directory: path, from: .start, disk: disk.memory)
    instances.append(Instance(path: path, reader: reader))
    return instances.count - 1
  }

  func kind(of entry: [UInt8]) -> String? {
    let kind = Entry(entry)?.kind
    if kind == nil { fail("no entry: \(String(decoding: entry, as: UTF8.self))") }
    return kind
  }

  func put(_ bytes: [UInt8], isTaken: Bool, by instance: Int, at now: Int64) {
    guard let entry = Entry(bytes) else { return }
    let number = UInt64(instances[instance].puts.count + 1)
    instances[instance].puts.append(Put(entry: entry, isTaken: isTaken, number: number))
    mark(isTaken ? "entry \(entry.kind)" : "ring full")
    guard entry.kind == "ended" else { return }
    let id = instances[instance].puts.first { $0.entry.call == entry.call }?.entry.text("id")
    if let id { instances[instance].closing[id] = now }
  }

  func acknowledge(_ instance: Int, upTo number: UInt64) {
    instances[instance].acknowledged = max(instances[instance].acknowledged, number)
  }

  /// All that a reader finds now, before the courier takes segments away.
  func read(_ instance: Int) {
    reading: while true {
      switch instances[instance].reader.next() {
      case .entry(let bytes):
        if Entry(bytes)?.kind != "missing" { instances[instance].read += 1 }
      case .end: break reading
      case .damaged(_, let sentence):
        damages.append("instance \(instance + 1), damaged without a loss of power: \(sentence)")
      case .tooNew: return fail("instance \(instance + 1): from the future")
      }
    }
  }

  func end(_ instance: Int, _ hands: JournalHands, isClean: Bool, lostPower: Bool) {
    instances[instance].isClean = isClean
    instances[instance].lostPower = lostPower
    instances[instance].droppedWords = hands.droppedWords
    instances[instance].droppedInterims = hands.droppedInterims
    instances[instance].dropped = hands.dropped
    instances[instance].hasFailed = hands.core.losses.dropped[.disk] > 0
    if hands.droppedWords > 0 { mark("journal dropped") }
  }

  // MARK: Closes

  func closed(_ caller: String, by instance: Int, at now: Int64) {
    guard let since = instances[instance].closing.removeValue(forKey: caller) else { return }
    mark(now - since < 100_000_000 ? "closed at once" : "closed late")
    if now - since > Self.closeBound {
      fail("\(caller): the Close came \((now - since) / 1_000_000) ms after the end")
    }
  }

  /// Who still waits beyond the bound is never closed.
  func checkCloses(_ instance: Int, _ world: World, at now: Int64) {
    for (caller, since) in instances[instance].closing where now - since > Self.closeBound {
      instances[instance].closing[caller] = nil
      if world.waits(caller) {
        fail("\(caller): no Close \((now - since) / 1_000_000) ms after it")
      }
    }
  }
}

extension World {
  /// A caller of that name could be sent something.
  fileprivate func waits(_ name: String) -> Bool {
    let peers =
      callers.filter { $0.name == name }.map(\.wire)
      + talkers.filter { "CA\($0.number)" == name }.map(\.wire)
    return windowMax == 1 << 20
      && peers.contains { wire in
        guard let wire, wires[wire.link] === wire else { return false }
        return !wire.isSilent && !wire.isDeaf && !wire.isBroken && !wire.isClosed
      }
  }
}
