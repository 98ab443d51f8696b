// The end of a call waits for its record: for the disk, then for the files, each for a bounded
// time.

import Testing

@testable import Sidetone

struct FilingTests {
  private let start = Instant(nanoseconds: 5_000_000_000)
  private let wait = Instant.Span.seconds(1)

  @Test func `without a record nothing is waited for`() {
    var filing = Filing()
    filing.ended(entry: nil, at: start)
    #expect(filing.isDone)
    #expect(filing.deadline == .never)
  }

  @Test func `the disk comes first, then the files`() {
    var filing = Filing()
    filing.ended(entry: 7, at: start)
    filing.synced(6, files: wait, at: start)
    #expect(filing.state == .syncing(entry: 7))
    filing.synced(9, files: wait, at: start)
    #expect(filing.state == .filing)
    #expect(filing.deadline == start + wait)
    filing.filed()
    #expect(filing.isDone)
  }

  @Test func `files that are there before the disk is said to be suffice`() {
    var filing = Filing()
    filing.ended(entry: 7, at: start)
    filing.filed()
    #expect(filing.isDone)
  }

  @Test func `a slow disk is waited for 100 ms, and the files as long as is set`() {
    var filing = Filing()
    filing.ended(entry: 1, at: start)
    func isLate(_ what: Event.OfRecord.Late, after milliseconds: Int) -> Bool {
      let late = filing.expired(files: wait, at: start + .milliseconds(milliseconds))
      if case .late(what, _) = late { return true }
      return false
    }
    #expect(filing.expired(files: wait, at: start + .milliseconds(99)) == nil)
    #expect(isLate(.sync, after: 100))
    #expect(filing.deadline == start + .milliseconds(1100))
    #expect(filing.expired(files: wait, at: start + .milliseconds(1099)) == nil)
    #expect(isLate(.files, after: 1100))
    #expect(filing.isDone)
  }

  @Test func `where no files are waited for the disk's word is the last`() {
    var filing = Filing()
    filing.ended(entry: 1, at: start)
    filing.synced(1, files: .zero, at: start)
    #expect(filing.isDone)
  }

  @Test func `a call that is abandoned waits for nothing, and an end is only one`() {
    var filing = Filing()
    filing.ended(entry: 1, at: start)
    filing.abandon()
    filing.ended(entry: 2, at: start)
    filing.synced(2, files: wait, at: start)
    #expect(filing.isDone)
  }
}
