// What a journal does, decided without a disk, a thread or a clock.
//
//     ring ─▶ staged ─▶ appended ─▶ synced, and forgotten
//
// Two hands work for it, each on one call of the disk at a time: one appends, one syncs, so that
// appending goes on while a sync lasts seconds. They ask for their next call and bring its result.
//
// 1. A record is staged until a sync behind it has succeeded. Whatever fails before that is written
//    again, the same bytes to the same place: nothing is there twice, and what a failed write has
//    left behind the last whole record becomes that record. Where a sync failed nobody knows what
//    the disk has kept (the kernel holds the pages for clean), so all of it is written again.
// 2. A full disk is waited for. A place that fails several times for another reason is given up:
//    what may lie behind its last whole record is cut off, and the next segment is begun. Where
//    even cutting fails, what may be read there is not written again, but counted as dropped.
// 3. Entries leave in the order in which they came. One is dropped where the ring or the journals'
//    limit leave no room, where it is an interim line and the disk fails, and by 2: counted by its
//    reason, and told to the journal's readers once the disk takes words again.
// 4. All that was put up to `synced` is on the disk, or was dropped.

import Sidetone

package struct JournalCore {
  package struct Moment: Sendable {
    /// Of the monotonic clock.
    package var nanoseconds: Int64
    package var unixMilliseconds: Int64

    package init(nanoseconds: Int64, unixMilliseconds: Int64) {
      self.nanoseconds = nanoseconds
      self.unixMilliseconds = unixMilliseconds
    }
  }

  /// What the hand that appends is to do.
  package enum Append {
    /// The file of that number; the result is its descriptor.
    case create(UInt32)
    /// The result is how many bytes were taken.
    case write(Int32, Bytes, at: Int)
    case cut(Int32, to: Int)
    /// The result is what all journals take.
    case measure
  }

  /// What the hand that syncs is to do.
  package enum Sync: Sendable {
    case directory
    case file(Int32)
    case close(Int32)
  }

  static let triesMax = 3
  static let secondNanoseconds: Int64 = 1_000_000_000

  let limits: JournalLimits
  private let instance: String
  private let head = Buffer(count: SegmentHead.bytes)

  var staging: JournalStaging
  /// Up to here all is appended, or given up.
  var appended = 0
  /// Up to here a write was tried that failed.
  private var attempted = 0
  /// How often writing at the place that comes next has failed.
  private var failuresHere = 0
  /// The segments that have something to be synced or are still open; the last may be appended to.
  var parts: [Part] = []
  private var segment = Segment.none
  /// Of the segment that is open, or else of the next one.
  private var number: UInt32 = 1

  private var appending: Appending?
  var syncing: Syncing?
  var appendRest = Rest()
  var syncRest = Rest()
  private var measureAt: Int64?
  var losses = JournalTally()

  /// The newest entry that was staged or dropped.
  var accounted: UInt64 = 0
  private(set) var isClosing = false
  private(set) var segments = 0
  /// What all journals take.
  var bytes = 0
  var lastError: DiskError?

  package init(limits: JournalLimits, instance: String) {
    limits.check()
    self.limits = limits
    self.instance = instance
    staging = JournalStaging(capacity: limits.stagedBytes)
  }

  /// A segment's file, as far as it is not synced.
  struct Part {
    let file: Int32
    let number: UInt32
    let madeAt: Int64
    /// Whether its name is synced, and its head.
    var isNamed = false
    var isHeadSynced = false
    /// Nothing more is appended.
    var isFull = false
    /// Its end was cut off, and may come back unless that is synced.
    var isCut = false
    /// The staged records that lie in it, not synced.
    var unsynced: Range<Int>
    /// Where in the file they begin.
    var offset = SegmentHead.bytes
    var dirtySince: Int64 = 0
    var failures = 0
    /// A sync has failed: so much of what is not synced has been written again.
    var rewritten: Int?
  }

  private enum Segment {
    /// The next one is to be made.
    case none
    /// Made; its head is being written.
    case headless(written: Int)
    /// Whole records up to `end`, and the beginning of one behind it.
    case open(end: Int, partial: Int)
    /// Given up: what lies behind `end` is to be cut off.
    case broken(end: Int)
  }

  private enum Appending {
    case create, head, cut, measure
    case records(upTo: Int)
    /// What the oldest part has that is not synced, once more.
    case rewrite
  }

  enum Syncing {
    case directory, close
    case file(upTo: Int)
  }

  /// The pause after a failure: longer with each one, at most two seconds.
  struct Rest {
    private(set) var failures = 0
    private(set) var until: Int64 = .min

    mutating func begin(at now: Moment) {
      let milliseconds: Int64 = min(100 << Int64(min(failures, 5)), 2000)
      failures += 1
      until = now.nanoseconds + milliseconds * 1_000_000
    }
    mutating func end() { self = Rest() }
  }
}

// MARK: Entries in

extension JournalCore {
  /// False: it has to wait in the ring.
  package mutating func take(_ entry: Bytes, sequence: UInt64, at now: Moment) -> Bool {
    let isInterim = entry.isInterim
    if isInterim, isFailing {
      losses.add(.interim, 1)
    } else if !fits(entry.count, isInterim: isInterim) {
      losses.add(isInterim ? .interim : .limit, 1)
      measureAt = measureAt ?? now.nanoseconds + Self.secondNanoseconds
    } else if !staging.add(entry, sequence: sequence) {
      return false
    }
    accounted = sequence
    return true
  }

  /// The ring is empty, and this was its last entry, taken or dropped by it.
  package mutating func caughtUp(with sequence: UInt64, at now: Moment) {
    accounted = max(accounted, sequence)
    tellLosses(at: now)
  }

  /// So many in all.
  package mutating func ringHasLost(_ reason: JournalLoss, _ count: Int) {
    losses.ring(reason, count)
  }

  /// Nothing more is put: all is appended, synced and closed now.
  package mutating func close() {
    isClosing = true
    appendRest.end()
    syncRest.end()
  }

  private func fits(_ count: Int, isInterim: Bool) -> Bool {
    let limit = isInterim ? limits.bytesMax / 16 * 15 : limits.bytesMax
    let waiting = staging.end - appended
    let heads = (waiting / limits.segmentBytes + 1) * SegmentHead.bytes
    return bytes + waiting + heads + JournalRecord.headBytes + count <= limit
  }

  /// An entry of the writer's own for each reason, at most once a second, once words are taken
  /// again.
  private mutating func tellLosses(at now: Moment) {
    let isTime = now.nanoseconds >= losses.tellAt || isClosing
    guard losses.untold > 0, isTime, !isFailing else { return }
    losses.tellAt = now.nanoseconds + Self.secondNanoseconds
    for reason in JournalLoss.allCases where losses.untold(reason) > 0 {
      let entry = losses.entry(reason, at: now)
      guard fits(entry.count, isInterim: true) else { return }
      let isStaged = entry.withBytes {
        staging.add($0, sequence: accounted, isOwn: true)
      }
      if isStaged { losses.told(reason) }
    }
  }

  // MARK: What is known

  /// Every entry up to this number lies synced on the disk, or was dropped.
  package var synced: UInt64 {
    guard staging.start < staging.end else { return accounted }
    let oldest = staging.record(at: staging.start)
    let sequence = JournalRecord.sequence(of: oldest)
    return JournalRecord.isOwn(oldest) ? sequence : sequence - 1
  }

  var isFailing: Bool { appendRest.failures > 0 || syncRest.failures > 0 }
  /// A first segment is there, and its head is written.
  var isBegun: Bool { if case .open = segment { true } else { false } }
  package var isDone: Bool {
    isClosing && parts.isEmpty && staging.start == staging.end && appending == nil && syncing == nil
  }

  /// When to ask again though nothing has happened.
  package var wakeTime: Int64? {
    var soonest = syncDue ?? .max
    if appending == nil {
      if hasAppends { soonest = min(soonest, appendRest.until) }
      if parts.first?.rewritten != nil { soonest = min(soonest, syncRest.until) }
      if let measureAt { soonest = min(soonest, max(measureAt, appendRest.until)) }
      if losses.untold > 0, !isFailing { soonest = min(soonest, losses.tellAt) }
    }
    return soonest == .max ? nil : soonest
  }
}

// MARK: The hand that appends

extension JournalCore {
  package mutating func nextAppend(at now: Moment) -> Append? {
    precondition(appending == nil, "one call at a time")
    let failures = max(appendRest.failures, syncRest.failures)
    if isClosing, syncing == nil, failures > Self.triesMax { giveUpAll() }
    guard let next = nextAppending(at: now) else { return nil }
    appending = next
    switch next {
    case .create: return .create(number)
    case .measure: return .measure
    case .head:
      guard case .headless(let written) = segment else { preconditionFailure() }
      return .write(file, headBytes(of: parts[parts.count - 1]).dropping(written), at: written)
    case .cut:
      guard case .broken(let end) = segment else { preconditionFailure() }
      return .cut(file, to: end)
    case .records(let upTo):
      guard case .open(let end, let partial) = segment else { preconditionFailure() }
      return .write(file, staging.bytes(appended + partial..<upTo), at: end + partial)
    case .rewrite: return rewrite(parts[0])
    }
  }

  private mutating func nextAppending(at now: Moment) -> Appending? {
    if now.nanoseconds >= syncRest.until, parts.first?.rewritten != nil { return .rewrite }
    guard now.nanoseconds >= appendRest.until else { return nil }
    if let measureAt, now.nanoseconds >= measureAt { return .measure }
    switch segment {
    case .broken: return .cut
    case .headless: return .head
    case .none: return appended < staging.end || (segments == 0 && !isClosing) ? .create : nil
    case .open(let end, _):
      guard appended < staging.end else {
        if isClosing { leaveSegment() }
        return nil
      }
      let upTo = lastPlace(behind: end)
      if upTo > appended { return .records(upTo: upTo) }
      leaveSegment()
      return .create
    }
  }

  private var file: Int32 { parts[parts.count - 1].file }

  /// Whether something is to be written once a pause is over.
  private var hasAppends: Bool {
    switch segment {
    case .broken, .headless: true
    case .none: appended < staging.end || segments == 0
    case .open: appended < staging.end
    }
  }

  /// Up to where whole records fit into the segment that ends here.
  private func lastPlace(behind end: Int) -> Int {
    var place = appended
    while place < staging.end {
      let next = place + staging.record(at: place).count
      if end + (next - appended) > limits.segmentBytes { break }
      place = next
    }
    return place
  }

  private func headBytes(of part: Part) -> Bytes {
    let content = SegmentHead(
      number: part.number, unixMilliseconds: part.madeAt, instance: instance)
    content.write(to: head.bytes)
    return head.bytes
  }

  /// The head as well, where that is not synced.
  private func rewrite(_ part: Part) -> Append {
    let done = part.rewritten ?? 0
    let headBytes = part.isHeadSynced ? 0 : SegmentHead.bytes
    if done < headBytes {
      return .write(part.file, self.headBytes(of: part).dropping(done), at: done)
    }
    let count = done - headBytes
    let rest = part.unsynced.lowerBound + count..<part.unsynced.upperBound
    return .write(part.file, staging.bytes(rest), at: part.offset + count)
  }

  /// Nothing more goes into the segment.
  private mutating func leaveSegment() {
    parts[parts.count - 1].isFull = true
    segment = .none
    number += 1
    failuresHere = 0
  }

  package mutating func appended(_ result: Result<Int, DiskError>, at now: Moment) {
    guard let done = appending else { preconditionFailure("nothing was asked for") }
    appending = nil
    switch result {
    case .failure(let error): fail(done, error, at: now)
    case .success(let value): succeed(done, value, at: now)
    }
  }

  private mutating func succeed(_ done: Appending, _ value: Int, at now: Moment) {
    switch done {
    case .measure:
      measureAt = nil
      bytes = value
    case .create:
      appendRest.end()
      let part = Part(
        file: Int32(value), number: number, madeAt: now.unixMilliseconds,
        unsynced: appended..<appended)
      parts.append(part)
      segment = .headless(written: 0)
      segments += 1
      measureAt = now.nanoseconds
    case .cut:
      attempted = appended
      parts[parts.count - 1].isCut = true
      leaveSegment()
    case .head, .records, .rewrite:
      // No write of some bytes ends well with none.
      guard value > 0 else {
        return fail(done, DiskError(.write, ErrorNumber.inputOutput), at: now)
      }
      wrote(done, value, at: now)
    }
  }

  private mutating func wrote(_ done: Appending, _ count: Int, at now: Moment) {
    if case .rewrite = done {
      let written = (parts[0].rewritten ?? 0) + count
      let all = parts[0].unsynced.count + (parts[0].isHeadSynced ? 0 : SegmentHead.bytes)
      parts[0].rewritten = written < all ? written : nil
      return
    }
    appendRest.end()
    failuresHere = 0
    switch segment {
    case .headless(let written):
      let all = written + count
      segment = all < SegmentHead.bytes ? .headless(written: all) : .open(end: all, partial: 0)
      bytes += count
    case .open(let end, let partial): extend(end, partial + count, at: now)
    case .none, .broken: preconditionFailure("written to no segment")
    }
  }

  /// Behind `end` lie so many bytes of what is staged: whole records are appended.
  private mutating func extend(_ end: Int, _ count: Int, at now: Moment) {
    let last = parts.count - 1
    var whole = 0
    while whole < count {
      let length = staging.record(at: appended + whole).count
      if whole + length > count { break }
      whole += length
    }
    if whole > 0, parts[last].unsynced.isEmpty { parts[last].dirtySince = now.nanoseconds }
    appended += whole
    bytes += whole
    parts[last].unsynced = parts[last].unsynced.lowerBound..<appended
    segment = .open(end: end + whole, partial: count - whole)
  }

  private mutating func fail(_ done: Appending, _ error: DiskError, at now: Moment) {
    lastError = error
    switch done {
    case .measure: measureAt = nil
    case .create:
      // Somebody else's file keeps its name.
      if error.number == ErrorNumber.exists { number += 1 }
      appendRest.begin(at: now)
    case .head: failHere(error, end: 0, at: now)
    case .records(let upTo):
      attempted = max(attempted, upTo)
      if case .open(let end, _) = segment { failHere(error, end: end, at: now) }
    case .cut:
      lose(appended..<max(attempted, appended))
      appended = max(attempted, appended)
      leaveSegment()
      forgetSynced()
    case .rewrite:
      parts[0].rewritten = 0
      syncHasFailed(error, at: now)
    }
  }

  /// Nothing more could be written behind `end`.
  private mutating func failHere(_ error: DiskError, end: Int, at now: Moment) {
    appendRest.begin(at: now)
    failuresHere += 1
    if failuresHere > Self.triesMax, !error.isLackOfSpace { segment = .broken(end: end) }
  }

  /// The sync of the open segment has failed: what was begun behind its last whole record is begun
  /// anew; `isHopeless`: in another segment.
  mutating func distrustSegment(isHopeless: Bool) {
    guard case .open(let end, _) = segment else { return }
    segment = isHopeless ? .broken(end: end) : .open(end: end, partial: 0)
  }

  /// The disk fails, and nobody waits any longer.
  private mutating func giveUpAll() {
    lose(staging.start..<staging.end)
    appended = staging.end
    for index in parts.indices {
      parts[index].unsynced = appended..<appended
      parts[index].rewritten = nil
      parts[index].isFull = true
    }
    segment = .none
    measureAt = nil
    forgetSynced()
  }
}
