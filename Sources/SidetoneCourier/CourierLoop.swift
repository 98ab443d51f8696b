// The courier's loop: a step, then a wait for whatever comes first: a journal that grows, the
// relay's word, a signal, a socket of a destination, or a time.
//
//     serving ──"drain", SIGTERM──▶ draining ──nothing left that can be delivered──▶ exit
//        └──the relay is gone──▶ leaving ──the same, or 10 seconds──▶ exit

import CLinux
import Glibc
import Sidetone
import SidetoneRecords

final class CourierLoop {
  private enum Phase {
    case serving
    /// Until everything that can be delivered now is delivered.
    case draining
    /// As draining, but no longer than `leavingMilliseconds`. The kernel takes back what a killed
    /// relay held piece by piece: its socket may end before the lock of its journal is let go.
    case leaving(since: Int64, journals: [String])
  }

  /// How long a courier outlives the relay that started it.
  private static let leavingMilliseconds: Int64 = 10_000
  /// How long it waits for that relay's journal to be let go, and how often it looks. Of those
  /// that were there when the relay went, one that is held longer is another relay's.
  private static let lettingGoMilliseconds: Int64 = 2000
  private static let lettingGoEvery: Int64 = 20
  /// Where the kernel tells nothing of journals.
  private static let pollEvery: Int64 = 100

  private let courier: Courier
  private let word: RelayWord
  private let signals: CourierSignals
  private var phase: Phase
  /// Journals that come, and journals that grow.
  private let arrivals = DirectoryWatch()
  private let growth = DirectoryWatch()
  private var watchesAll = true
  private var failures = 0

  static var now: Int64 { cl_wall() / 1_000_000 }

  /// `once`: drains from the beginning.
  init(_ courier: Courier, word: RelayWord, signals: CourierSignals, once: Bool) {
    self.courier = courier
    self.word = word
    self.signals = signals
    phase = once ? .draining : .serving
    watchesAll = arrivals.add(Courier.journalDirectory(courier.directory))
    if !watchesAll { tellUnwatched() }
  }

  /// Until it is over; false where another courier must go on.
  func run() -> Bool {
    while true {
      var wakeTime: Int64?
      do throws(Trouble) {
        let hasMore = try courier.step(at: Self.now)
        failures = 0
        courier.settled("courier", "courier_well", "the courier goes on")
        let isNew = watch()
        if try isOver(hasMore: hasMore || isNew) { return true }
        wakeTime = hasMore || isNew ? 0 : try courier.wakeTime(at: Self.now)
        if !watchesAll { wakeTime = min(wakeTime ?? .max, Self.now + Self.pollEvery) }
      } catch {
        courier.complain(.error, "courier_trouble", error.sentence, about: "courier")
        if error.kind != .passing { return false }
        failures += 1
        wakeTime = Self.now + min(50 << Int64(min(failures, 8)), 10_000)
        if case .draining = phase { return true }
      }
      if case .leaving(let since, _) = phase {
        let end = since + Self.leavingMilliseconds
        if Self.now >= end { return true }
        wakeTime = min(wakeTime ?? .max, end)
      }
      wait(until: wakeTime)
    }
  }

  private func isOver(hasMore: Bool) throws(Trouble) -> Bool {
    if hasMore { return false }
    switch phase {
    case .serving: return false
    case .draining: break
    case .leaving(let since, let journals):
      let isHeld = journals.contains { courier.isLive($0) }
      if isHeld, Self.now < since + Self.lettingGoMilliseconds { return false }
    }
    return try courier.isIdle(at: Self.now)
  }

  // MARK: Waiting

  private func wait(until time: Int64?) {
    let isTroubled = failures > 0
    var awaited = [Awaited(descriptor: signals.counter)]
    if let descriptor = word.descriptor {
      awaited.append(Awaited(descriptor: descriptor, toWrite: word.hasWaiting))
    }
    // While it can do nothing with it, it waits for nothing of it.
    if !isTroubled {
      awaited += [Awaited(descriptor: arrivals.descriptor), Awaited(descriptor: growth.descriptor)]
      awaited += courier.destinations.flatMap(\.awaited)
    }
    waitFor(awaited, until: word.owesEnd ? 0 : time)
    if arrivals.clear() { courier.mustScan = true }
    _ = growth.clear()
    listen()
  }

  private func listen() {
    if signals.take() { phase = .draining }
    word.flush()
    for message in word.receive() {
      switch message {
      case .drain: phase = .draining
      case .end:
        phase = .leaving(
          since: Self.now, journals: JournalReader.instances(of: courier.directory))
        courier.mustScan = true
        courier.scanEvery = Self.lettingGoEvery
      }
    }
  }

  /// Has the kernel tell of each journal that is read. Whether there is a new one, of which
  /// something may have come before.
  private func watch() -> Bool {
    let paths = courier.followed.map(courier.journalPath)
    growth.keep(paths)
    var isNew = false
    for path in paths where !growth.has(path) {
      if growth.add(path) {
        isNew = true
      } else if watchesAll {
        watchesAll = false
        tellUnwatched()
      }
    }
    return isNew
  }

  private func tellUnwatched() {
    word.log(
      .warning, "journals_unwatched",
      "the kernel does not tell when journals grow (fs.inotify.max_user_watches); they are looked"
        + " at ten times a second")
  }
}
