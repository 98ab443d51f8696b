// One life of a relay that writes down what happens: its world, its journal, its courier. What
// Machine+Records does once a turn is done here behind each turn of the world:
//
//     entries ─▶ ring ─▶ journal ─▶ disk ─▶ courier ─▶ files, hook
//     engine  ◀─ acknowledged ◀──┘            └─▶ its words ─▶ engine

import Sidetone
import SidetoneCourier
import TestSupport

@testable import SidetoneRecords

/// What is broken on purpose, so that the checkers must see it.
enum Plant: Sendable {
  /// The journal says that all is on the disk before it is.
  case hasty
  /// An entry gets lost between relay and ring, and nobody counts it.
  case lossy
  /// An entry is written down twice.
  case twice
  /// Two entries of a call change their places.
  case swapped
  /// The end of a call waits longer than is set.
  case late
}

final class RecordedRelay {
  let world: World
  private let hands: JournalHands
  private let killer: Killer
  private let disk: SharedDisk
  private let ledger: Ledger
  private let courier: CourierPlayer
  private let lock: Int32
  private let instance: Int
  private let plant: Plant?
  /// The time of the run at which the world began, in nanoseconds.
  private let origin: Int64
  private var taken = 0
  private var held: [UInt8]?
  private var synced: UInt64 = 0
  /// The turn that was asked for.
  private var turnAt = Int64.max

  /// `name`: of the journal, that no other one has. Nil: the disk lets no journal begin, and the
  /// relay says so and ends.
  init?(
    _ name: String, _ world: World, in directory: String, on disk: SharedDisk, _ ledger: Ledger,
    _ courier: CourierPlayer, _ killer: Killer, plant: Plant? = nil, at now: Int64
  ) {
    guard let lock = try? JournalStart.make(directory, name, on: disk) else { return nil }
    self.world = world
    self.disk = disk
    self.ledger = ledger
    self.courier = courier
    self.killer = killer
    self.lock = lock
    self.plant = plant
    origin = now - world.now.nanoseconds
    hands = JournalHands(disk, "\(directory)/journal/\(name)", instance: name, killer)
    guard hands.begin(at: now) else {
      try? disk.close(lock)
      return nil
    }
    instance = ledger.begin(reading: hands.path, on: disk)
    courier.relayBegan(at: RunClock.milliseconds(now))
    // Held by its world, until that forgets it: nobody else need hold it to its end.
    world.onSent.append { self.look(at: $1, to: $0) }
    turn()
  }

  var now: Int64 { origin + world.now.nanoseconds }

  // MARK: A turn

  func turn() {
    guard !killer.isDead else { return }
    let now = now
    if turnAt <= now { turnAt = .max }
    forwardEntries()
    if !killer.isDead, hands.wakeTime(at: now) <= now { hands.turn(at: now) }
    if !killer.isDead { acknowledge() }
    if hands.hasGrown {
      hands.hasGrown = false
      ledger.read(instance)
      courier.rouse(at: RunClock.milliseconds(now))
    }
    courier.turn(at: RunClock.milliseconds(now))
    if !killer.isDead { listen() }
    if killer.isDead {
      world.isStopped = true
    } else {
      ledger.checkCloses(instance, world, at: now)
      askForTurn()
    }
  }

  private func askForTurn() {
    let courierDue = courier.due == .max ? .max : RunClock.nanoseconds(courier.due)
    let hasMore = taken < world.driver.entries.count
    let next = hasMore ? now : max(min(hands.wakeTime(at: now), courierDue), now)
    guard next < turnAt else { return }
    turnAt = next
    if next < .max { world.schedule(Instant(nanoseconds: next - origin)) {} }
  }

  private func forwardEntries() {
    while taken < world.driver.entries.count {
      let entry = Array(world.driver.entries[taken].utf8)
      guard let kind = ledger.kind(of: entry), killer.passes("entry \(kind)") else { return }
      taken += 1
      put(entry, kind)
      guard killer.passes("behind \(kind)") else { return }
    }
  }

  private func put(_ entry: [UInt8], _ kind: String) {
    let isWord = kind == "final" || kind == "said"
    if plant == .swapped, isWord, held == nil {
      held = entry
      return
    }
    give(entry, isLost: plant == .lossy && isWord && taken % 5 == 0)
    if plant == .twice, isWord, taken % 5 == 0 { _ = entry.withBytes { hands.ring.put($0) } }
    if let first = held {
      held = nil
      give(first, isLost: false)
    }
  }

  private func give(_ entry: [UInt8], isLost: Bool) {
    let isTaken = isLost || entry.withBytes { hands.ring.put($0) }
    ledger.put(entry, isTaken: isTaken, by: instance, at: now)
    hands.isRung = true
  }

  private func acknowledge() {
    let new = plant == .hasty ? hands.ring.lastPut : hands.core.synced
    guard new > synced, killer.passes("acknowledgement") else { return }
    synced = new
    ledger.acknowledge(instance, upTo: new)
    world.driver.journalSynced(upTo: plant == .late ? 0 : new, lost: hands.dropped)
  }

  private func listen() {
    for word in courier.words() {
      let text = String(decoding: word, as: UTF8.self)
      guard killer.passes("word \(text.prefix { $0 != " " })") else { return }
      if plant != .late { world.driver.courierSays(text) }
    }
  }

  /// A Close that leaves for a caller ends what the ledger waits for.
  private func look(at bytes: [UInt8], to peer: any Peer) {
    let caller = (peer as? Caller)?.name ?? (peer as? Talker).map { "CA\($0.number)" }
    guard let caller, let place = bytes.lastIndex(of: 0x88), place + 1 < bytes.count,
      place + 2 + Int(bytes[place + 1]) == bytes.count
    else { return }
    ledger.closed(caller, by: instance, at: now)
  }

  // MARK: Its end

  /// It was killed: its lock is free, and its courier hears of it.
  func die(byPower: Bool) {
    killer.kill()
    world.isStopped = true
    try? disk.close(lock)
    ledger.read(instance)
    ledger.end(instance, hands, isClean: false, lostPower: byPower)
    if byPower {
      courier.losePower()
      disk.losePower()
    } else {
      courier.relayEnded(at: RunClock.milliseconds(now))
    }
  }

  /// It ends as Machine.close has it: the journal first, for two seconds at most, then the
  /// courier's turn to deliver.
  func close() {
    var time = now
    forwardEntries()
    hands.close()
    let end = time + 2_000_000_000
    while !hands.core.isDone, !killer.isDead, time < end {
      hands.turn(at: time)
      time = min(max(hands.wakeTime(at: time), time + 1), end)
    }
    ledger.acknowledge(instance, upTo: hands.core.synced)
    ledger.read(instance)
    ledger.end(instance, hands, isClean: hands.core.isDone, lostPower: false)
    try? disk.close(lock)
    courier.drain(at: RunClock.milliseconds(time))
    courier.run(until: time + 2_000_000_000)
    courier.relayEnded(at: RunClock.milliseconds(time + 2_000_000_000))
    killer.kill()
  }
}
