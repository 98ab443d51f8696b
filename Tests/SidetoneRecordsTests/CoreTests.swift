// The journal's decisions, simulated: each disk fault and each crash, at every call of the disk.

import RecordsSupport
import Sidetone
import Testing

@testable import SidetoneRecords

struct CoreTests {
  private static let ioError = ErrorNumber.inputOutput
  private static let noSpace = ErrorNumber.noSpace

  /// A run of so many steps, then a close.
  @discardableResult
  private func run(
    seed: UInt8, steps: Int = 60, limits: JournalLimits = .tiny, prepare: (Keeper) -> Void
  ) -> Keeper {
    let keeper = Keeper(FakeDisk(seed: seed), limits: limits, seed: seed)
    prepare(keeper)
    for _ in 0..<steps where !keeper.isKilled { keeper.step() }
    keeper.disk.fault = { _, _ in nil }
    if !keeper.isKilled { keeper.close() }
    return keeper
  }

  @Test(arguments: 0..<40 as Range<UInt8>)
  func `on a good disk all is there`(seed: UInt8) {
    let keeper = run(seed: seed) { _ in }
    keeper.judgeWhole()
    #expect(keeper.dropped[.disk] + keeper.dropped[.limit] == 0)
    #expect(keeper.core.isDone)
  }

  /// Once, and then over and over for a while.
  @Test(arguments: [1, 4, 12], [FakeDisk.Fault.error(ioError), .error(noSpace)])
  func `an error at every call costs what is counted`(times: Int, fault: FakeDisk.Fault) {
    let calls = run(seed: 3) { _ in }.disk.calls
    #expect(calls > 20)
    for first in 0..<calls {
      let keeper = run(seed: 3) { keeper in
        keeper.disk.fault = { number, _ in first..<first + times ~= number ? fault : nil }
      }
      keeper.judgeWhole()
      if times == 1 { #expect(keeper.dropped[.disk] == 0) }
    }
  }

  @Test(arguments: 0..<20 as Range<UInt8>)
  func `a directory that can never be synced is asked for now and then`(seed: UInt8) {
    let keeper = Keeper(FakeDisk(seed: seed), limits: .tiny, seed: seed)
    keeper.disk.fault = { number, call in
      let isBroken = call == .syncDirectory || call == .write && number % 16 >= 8
      return isBroken ? .error(Self.ioError) : nil
    }
    for _ in 0..<60 { keeper.step() }
    let (calls, begin) = (keeper.disk.calls, keeper.time)
    for _ in 0..<2000 where keeper.time < begin + 20_000_000_000 { keeper.sleep() }
    // Nothing is left to be done, or it was tried a few times in a second.
    #expect(keeper.disk.calls - calls < 20 * 10)
    keeper.disk.fault = { _, _ in nil }
    keeper.close()
    keeper.judgeWhole()
  }

  @Test(arguments: [0, 3, 8])
  func `writes that land in part and say that they failed leave nothing twice`(eighths: Int) {
    let calls = run(seed: 4) { _ in }.disk.calls
    for first in 0..<calls {
      for times in [1, 6] {
        run(seed: 4) { keeper in
          keeper.disk.fault = { number, call in
            guard first..<first + times ~= number else { return nil }
            return call == .write ? .landed(Self.ioError, eighths) : nil
          }
        }.judgeWhole()
      }
    }
  }

  @Test func `short writes are gone on with`() {
    for seed in 0..<20 as Range<UInt8> {
      let keeper = run(seed: seed) { keeper in
        keeper.disk.fault = { number, call in call == .write && number % 3 > 0 ? .short : nil }
      }
      keeper.judgeWhole()
      #expect(keeper.dropped[.disk] == 0)
    }
  }

  // MARK: Crashes

  @Test(arguments: [false, true])
  func `a crash at every call loses nothing that was acknowledged`(isPower: Bool) {
    for seed in [5, 6, 7, 8] as [UInt8] {
      let calls = run(seed: seed) { _ in }.disk.calls
      for last in 0...calls {
        let keeper = run(seed: seed) { $0.killedAfter = last }
        if isPower { keeper.disk.losePower() }
        let items = keeper.read()
        keeper.judge(items)
        // A process that dies leaves no gaps.
        if !isPower { #expect(items.damagedBytes == []) }
      }
    }
  }

  @Test(arguments: 0..<60 as Range<UInt8>)
  func `faults of every kind and then a crash lose nothing that was acknowledged`(seed: UInt8) {
    var random = Random(seed: [seed, 3])
    for isPower in [false, true] {
      let faults: [FakeDisk.Fault?] = [
        nil, nil, nil, .short, .error(Self.ioError), .error(Self.noSpace), .landed(Self.ioError, 5),
      ]
      let keeper = Keeper(FakeDisk(seed: seed), limits: .tiny, seed: seed)
      var isBad = false
      keeper.disk.fault = { _, _ in
        if random.next() % 12 == 0 { isBad.toggle() }
        return isBad ? faults[Int(random.next()) % faults.count] : nil
      }
      keeper.killedAfter = 20 + Int(random.next() % 200)
      for _ in 0..<400 where !keeper.isKilled { keeper.step() }
      if isPower { keeper.disk.losePower() }
      keeper.judge(keeper.read())
      if !isPower { keeper.judge(keeper.liveItems) }
    }
  }

  @Test func `two crashes in a row leave two journals that are right`() {
    for last in stride(from: 0, to: 60, by: 3) {
      let disk = FakeDisk(seed: UInt8(last))
      let first = Keeper(disk, instance: "1-1", limits: .tiny, seed: 8)
      first.killedAfter = last
      for _ in 0..<200 where !first.isKilled { first.step() }
      disk.losePower()
      let second = Keeper(disk, instance: "2-1", limits: .tiny, seed: 9)
      second.killedAfter = disk.calls + last / 2
      for _ in 0..<200 where !second.isKilled { second.step() }
      disk.losePower()
      first.judge(first.read())
      second.judge(second.read())
    }
  }

  // MARK: Slow, full

  @Test func `a sync of five seconds stops no appending`() {
    let keeper = Keeper(FakeDisk(seed: 1), limits: .tiny, seed: 1)
    keeper.syncNanoseconds = 5_000_000_000
    for _ in 0..<40 {
      keeper.putEntry(filling: 10)
      keeper.turn()
      keeper.sleep()
    }
    // In virtual time none of these syncs may be over before the entries are there.
    #expect(keeper.read().numbers.count == keeper.putCount)
    keeper.close()
    keeper.judgeWhole()
    #expect(keeper.dropped.total == 0)
  }

  @Test func `a full ring drops what comes, and tells it`() {
    let keeper = Keeper(FakeDisk(seed: 1), limits: .tiny, seed: 1)
    keeper.disk.capacity = 6000
    for _ in 0..<400 { keeper.putEntry(filling: 200) }
    for _ in 0..<20 { keeper.sleep() }
    #expect(keeper.synced < 400)
    #expect(keeper.dropped[.full] > 0)
    keeper.disk.capacity = .max
    for _ in 0..<50 { keeper.sleep() }
    #expect(keeper.synced == 400)
    keeper.putEntry(filling: 0)
    keeper.close()
    keeper.judgeWhole()
    #expect(keeper.dropped[.disk] == 0)
    #expect(keeper.read().numbers.count == 401 - keeper.dropped[.full])
  }

  @Test func `a disk that fills up anywhere is waited for`() {
    for capacity in stride(from: 0, to: 9000, by: 123) {
      let keeper = Keeper(FakeDisk(seed: 2), limits: .tiny, seed: 2)
      keeper.disk.capacity = capacity
      for _ in 0..<60 { keeper.step() }
      keeper.disk.capacity = .max
      for _ in 0..<60 { keeper.sleep() }
      keeper.close()
      keeper.judgeWhole()
      #expect(keeper.dropped[.disk] == 0)
    }
  }

  @Test func `at the limit interim lines go first, then all, until somebody takes segments away`() {
    var limits = JournalLimits.tiny
    limits.bytesMax = 4 * limits.segmentBytes
    let keeper = Keeper(FakeDisk(seed: 1), limits: limits, seed: 1)
    var firstInterim: Int?
    var firstLimit: Int?
    for _ in 0..<900 where firstLimit == nil {
      keeper.putEntry(kind: "interim", filling: 100)
      keeper.putEntry(filling: 100)
      keeper.sleep()
      if firstInterim == nil, keeper.dropped[.interim] > 0 { firstInterim = keeper.putCount }
      if keeper.dropped[.limit] > 0 { firstLimit = keeper.putCount }
    }
    #expect((firstInterim ?? .max) + 10 < firstLimit ?? 0)
    #expect(keeper.core.bytes <= limits.bytesMax)
    for _ in 0..<10 { keeper.sleep() }
    #expect(keeper.synced == UInt64(keeper.putCount))
    let before = keeper.read()
    keeper.judge(before)
    #expect(before.missing == 0)
    keeper.disk.removeSegments(before: 4, in: keeper.path)
    for _ in 0..<30 {
      keeper.putEntry(filling: 100)
      keeper.sleep()
    }
    keeper.close()
    let after = keeper.read()
    #expect(after.numbers.last == keeper.putCount)
    #expect(after.missing == keeper.dropped[.limit])
    #expect(keeper.dropped[.disk] + keeper.dropped[.full] == 0)
  }

  @Test func `a place that stays bad is left for another segment`() {
    let keeper = Keeper(FakeDisk(seed: 1), limits: .tiny, seed: 1)
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    keeper.turn()
    var writes = 0
    keeper.disk.fault = { _, call in
      if call == .write { writes += 1 }
      return call == .write && writes <= 4 ? .landed(Self.ioError, 6) : nil
    }
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    for _ in 0..<40 { keeper.sleep() }
    #expect(keeper.core.segments == 2)
    keeper.close()
    keeper.judgeWhole()
    #expect(keeper.dropped.total == 0)
    #expect(keeper.read().numbers == Array(1...10))
  }

  @Test func `where even a cut fails, what may be read there is dropped and not written again`() {
    let keeper = Keeper(FakeDisk(seed: 1), limits: .tiny, seed: 1)
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    keeper.turn()
    var writes = 0
    keeper.disk.fault = { _, call in
      if call == .write { writes += 1 }
      if call == .cut { return .error(Self.ioError) }
      return call == .write && writes <= 4 ? .landed(Self.ioError, 6) : nil
    }
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    for _ in 0..<40 { keeper.sleep() }
    keeper.putEntry(filling: 50)
    keeper.close()
    keeper.judgeWhole()
    #expect(keeper.dropped[.disk] == 5)
    #expect(keeper.read().numbers.last == 11)
  }

  // MARK: A sync that failed

  @Test(arguments: 0..<20 as Range<UInt8>)
  func `after a failed sync the head is written again too`(seed: UInt8) {
    let keeper = Keeper(FakeDisk(seed: seed), limits: .tiny, seed: 1)
    keeper.failSync(1)
    keeper.putEntry(filling: 50)
    for _ in 0..<20 { keeper.sleep() }
    #expect(keeper.synced == 1)
    keeper.disk.losePower()
    let items = keeper.read()
    #expect(items.numbers == [1])
    #expect(items.damagedBytes == [])
  }

  @Test(arguments: 0..<20 as Range<UInt8>)
  func `after a failed sync a record that was begun is begun anew`(seed: UInt8) {
    let keeper = Keeper(FakeDisk(seed: seed), limits: .tiny, seed: 1)
    keeper.failSync(1)
    keeper.putEntry(filling: 50)
    // The directory's sync, then the file's is under way.
    for _ in 0..<3 { keeper.sleep() }
    #expect(keeper.isSyncing)
    // Half of the second record lies in the file when that sync fails.
    keeper.disk.capacity = SegmentHead.bytes + 150 + 400
    keeper.putEntry(filling: 800)
    keeper.turn()
    for _ in 0..<10 { keeper.sleep() }
    #expect(keeper.synced == 1)
    #expect(keeper.read().numbers == [1])
    keeper.disk.capacity = .max
    for _ in 0..<40 { keeper.sleep() }
    #expect(keeper.synced == 2)
    keeper.disk.losePower()
    #expect(keeper.read().numbers == [1, 2])
  }

  @Test func `on a disk that fails for ever a close ends, and all is counted`() {
    let keeper = Keeper(FakeDisk(seed: 1), limits: .tiny, seed: 1)
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    keeper.turn()
    keeper.disk.fault = { _, call in call == .measure ? nil : .error(Self.ioError) }
    for _ in 0..<5 { keeper.putEntry(filling: 50) }
    keeper.close()
    #expect(keeper.core.isDone)
    #expect(keeper.synced == 10)
    #expect(keeper.dropped[.disk] == 10)
  }

  @Test func `a sync begins a stated time after the first entry that needs it`() {
    var limits = JournalLimits.tiny
    limits.syncMilliseconds = 50
    let keeper = Keeper(FakeDisk(seed: 1), limits: limits, seed: 1)
    keeper.turn()
    let start = keeper.time
    keeper.putEntry(filling: 0)
    keeper.turn()
    #expect(keeper.core.wakeTime == start + 50_000_000)
    keeper.sleep()
    #expect(keeper.core.wakeTime == nil)
    // The directory first, then the file.
    keeper.sleep()
    keeper.sleep()
    #expect(keeper.synced == 1)
    #expect(keeper.time - start < 100_000_000)
  }
}

extension JournalLimits {
  static var tiny: JournalLimits {
    var limits = JournalLimits.least(segments: 100)
    limits.syncMilliseconds = 5
    return limits
  }
}
