// What has happened of late, as subscribers read it: each event is written down once, and every
// subscriber is given it when its turn to be written to comes. Events are numbered from 1; who
// hears of them remembers the number of the next.
//
//     tell ──▶ [ … | 41 | 42 | 43 ]      rows by number, texts in one page, both in a circle
//                 ▲ oldest    ▲ last     the oldest leave when what comes needs their place

struct RecentEvents {
  /// One event, and where in the page it stands.
  struct Row: BitwiseCopyable {
    var type: StaticString = ""
    /// The call that it is of, and what that is alike by.
    var call = Name()
    var hash: UInt64 = 0
    var start = 0
    var count = 0
  }

  private let rows: Slab<Row>
  private let pages: BufferPool
  private var page: Bytes { pages.bytes(0) }
  /// Where the next text begins.
  private var tail = 0
  /// The oldest that is still there, and the newest: one less than the oldest where there is none.
  private(set) var oldest = 1
  private(set) var last = 0

  init(_ limits: Limits) {
    rows = Slab(capacity: max(limits.recentEventsMax, 1), repeating: Row())
    pages = BufferPool(buffers: 1, bytes: limits.recentEventsBytes)
  }

  func deallocate() {
    rows.deallocate()
    pages.deallocate()
  }

  var isEmpty: Bool { oldest > last }

  subscript(number: Int) -> Row {
    precondition(number >= oldest && number <= last, "it is still there")
    return rows[number % rows.capacity]
  }

  func text(of row: Row) -> Bytes { page[row.start..<row.start &+ row.count] }

  // MARK: The next one

  /// Where the next one is written: it may be of `Limits.eventBytesMax`. Nil: the oldest has to
  /// leave first.
  mutating func room() -> Bytes? {
    guard last &- oldest &+ 1 < rows.capacity else { return nil }
    let obstacle = isEmpty ? Int.max : self[oldest].start
    if tail &+ Limits.eventBytesMax > page.count {
      // No text is passed over.
      if !isEmpty, obstacle >= tail { return nil }
      tail = 0
    }
    let place = tail..<tail &+ Limits.eventBytesMax
    return place.contains(obstacle) ? nil : page[place]
  }

  mutating func dropOldest() {
    precondition(!isEmpty)
    oldest &+= 1
  }

  /// The next one stands in the room that was given.
  mutating func keep(_ type: StaticString, of call: Name, bytes: Int) {
    last &+= 1
    rows[last % rows.capacity] = Row(
      type: type, call: call, hash: call.hash, start: tail, count: bytes)
    tail &+= bytes
  }
}
