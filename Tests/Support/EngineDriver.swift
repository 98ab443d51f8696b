// The driver of a relay under test: it keeps the clock, hands in bytes, performs what the relay
// asks for, and keeps what came of it. Its sockets take everything at once, unless they are told to
// stall, or unless somebody else plays them.

import Sidetone

/// Who plays the sockets, where a test wants more than sockets that take everything at once.
package protocol Sockets: AnyObject {
  func dial(_ link: SlotID, _ upstream: Int)
  func close(_ link: SlotID, byReset: Bool)
  func resumeReading(_ link: SlotID)
  /// How much the socket takes now; 0: it is full.
  func window(of link: SlotID) -> Int
  func take(_ bytes: [UInt8], from link: SlotID)
}

package final class EngineDriver {
  package let relay: Relay
  package var now = Instant(nanoseconds: 1_000_000_000)
  package weak var sockets: Sockets?
  private let trace: Trace?

  /// What the relay wrote to each link and nobody has taken yet.
  private var written: [SlotID: [UInt8]] = [:]
  private var stalled: Set<SlotID> = []
  package private(set) var dialled: [SlotID] = []
  /// To which upstream each of them was to go.
  package private(set) var places: [SlotID: Int] = [:]
  package private(set) var closed: Set<SlotID> = []
  package private(set) var wasReset: Set<SlotID> = []
  package private(set) var wasDrained = false
  package private(set) var log: [String] = []
  /// What was written down of calls, in order.
  package private(set) var entries: [String] = []
  /// What the fetcher was asked for, in order.
  package private(set) var fetches: [String] = []
  private lazy var fetch = [UInt8](repeating: 0, count: Relay.fetchBytesMax)
  private var entry = [UInt8](repeating: 0, count: Entries.bytesMax)
  private var line = [UInt8](repeating: 0, count: Lines.lineBytesMax)

  /// Of the wall clock when the driver's is at its beginning.
  package static let wallStart = WallTime(nanoseconds: 1_700_000_000_000_000_000)

  package init(
    config: Config, seed: [UInt8] = Array(0..<32), wall: WallTime = wallStart, trace: Trace? = nil
  ) {
    self.trace = trace
    relay = Relay(config: config, seed: seed, now: now, wall: wall)
  }

  // MARK: Inputs

  package func accept(port: UInt16 = 40_000) -> SlotID? {
    accept(from: Address(ipv4: 0x7f00_0001, port: port))
  }

  package func accept(from address: Address, on listener: Int = 0) -> SlotID? {
    let link = relay.accepted(on: listener, from: address, at: now)
    perform()
    return link
  }

  package func connected(_ link: SlotID) {
    relay.connected(link, at: now)
    perform()
  }

  /// All of it, or as much as there is room for.
  package func feed(_ bytes: [UInt8], on link: SlotID) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = hand(rest, on: link)
      if count == 0 { return }
      rest = rest.dropFirst(count)
    }
  }

  package func feed(_ text: String, on link: SlotID) { feed(Array(text.utf8), on: link) }

  /// One piece: as much as there is room for, or as `cut` makes of that. Answers how much it was;
  /// 0: there is no room. `whenRead` sees it before the relay does.
  package func hand(
    _ bytes: ArraySlice<UInt8>, on link: SlotID, cut: (Int) -> Int = { $0 },
    whenRead: ([UInt8]) -> Void = { _ in }
  ) -> Int {
    let place = relay.room(for: link)
    guard !place.isEmpty, !bytes.isEmpty else { return 0 }
    let piece = Array(bytes.prefix(cut(min(place.count, bytes.count))))
    // By hand: copies are counted, and this one is not the relay's.
    for (index, byte) in piece.enumerated() { place[index] = byte }
    whenRead(piece)
    relay.received(piece.count, on: link, at: now)
    perform()
    return piece.count
  }

  package func fail(_ link: SlotID, _ failure: LinkFailure = .reset) {
    relay.failed(link, failure, at: now)
    perform()
  }

  package func end(_ link: SlotID) {
    relay.ended(link, at: now)
    perform()
  }

  // MARK: Records

  /// The disk has everything that was written down.
  package func sync() { journalSynced(upTo: UInt64(entries.count)) }

  /// The disk has what was written down up to that entry; so many were lost, ever.
  package func journalSynced(upTo entry: UInt64, lost: Int = 0) {
    relay.journalSynced(upTo: entry, lost: lost, at: now)
    perform()
  }

  /// The courier says something.
  package func courierSays(_ text: String) {
    var bytes = Array(text.utf8)
    bytes.withMutableBytes { relay.courierSaid($0, at: now) }
    perform()
  }

  // MARK: HTTP

  /// The fetcher says something.
  package func fetcherSays(_ text: String) {
    var bytes = Array(text.utf8)
    bytes.withMutableBytes { relay.fetcherSaid($0, at: now) }
    perform()
  }

  package func loseFetcher() {
    relay.fetcherLost(at: now)
    perform()
  }

  // MARK: Time

  package func advance(milliseconds: Int) {
    let end = now + .milliseconds(milliseconds)
    while relay.wakeTime <= end { step() }
    turn(at: end)
  }

  /// Moves the clock to the next thing that is due, and does it.
  package func step() { turn(at: max(now, relay.wakeTime)) }

  package func turn(at time: Instant) {
    now = time
    relay.advance(to: now)
    perform()
  }

  // MARK: Outputs

  package func perform() {
    while let output = relay.next() {
      trace?.asked(output, at: now)
      switch output {
      case .write(let link): write(link)
      case .resumeReading(let link): sockets?.resumeReading(link)
      case .dial(let link, let upstream):
        dialled.append(link)
        places[link] = upstream
        sockets?.dial(link, upstream)
      case .close(let link):
        closed.insert(link)
        sockets?.close(link, byReset: false)
      case .reset(let link):
        wasReset.insert(link)
        sockets?.close(link, byReset: true)
      case .drained: wasDrained = true
      }
    }
    while let count = entry.withMutableBytes({ relay.takeEntry(into: $0) }) {
      entries.append(String(decoding: entry.prefix(count), as: UTF8.self))
    }
    while relay.hasFetch, let count = fetch.withMutableBytes({ relay.takeFetch(into: $0) }) {
      fetches.append(String(decoding: fetch.prefix(count), as: UTF8.self))
    }
    while let taken = line.withMutableBytes({ relay.takeLine(into: $0) }) {
      let text = String(decoding: line.prefix(taken.count), as: UTF8.self)
      trace?.logged(text, taken.stream, at: now)
      log.append(text)
    }
  }

  /// The socket takes what it can.
  package func write(_ link: SlotID) {
    while case let run = relay.outgoing(link), !run.isEmpty {
      let length = min(run.count, window(of: link))
      if length == 0 { return }
      send(run.prefix(length), on: link)
    }
  }

  private func window(of link: SlotID) -> Int {
    sockets?.window(of: link) ?? (stalled.contains(link) ? 0 : .max)
  }

  private func send(_ run: Bytes, on link: SlotID) {
    let bytes = run.array
    trace?.sent(bytes, on: link, at: now)
    if let sockets { sockets.take(bytes, from: link) } else { written[link, default: []] += bytes }
    relay.sent(bytes.count, on: link, at: now)
  }

  package func stall(_ link: SlotID) { stalled.insert(link) }

  /// A stalled socket takes so many bytes, and no more.
  package func push(_ count: Int, through link: SlotID) {
    var rest = count
    while case let run = relay.outgoing(link), rest > 0, !run.isEmpty {
      let length = min(rest, run.count)
      send(run.prefix(length), on: link)
      rest -= length
    }
    perform()
  }

  /// A stalled socket takes everything again.
  package func unstall(_ link: SlotID) {
    stalled.remove(link)
    write(link)
    perform()
  }

  // MARK: What came of it

  /// Takes what was written to a link since the last time.
  package func taken(from link: SlotID) -> [UInt8] { written.removeValue(forKey: link) ?? [] }

  /// The relay is done with this link.
  package func isGone(_ link: SlotID) -> Bool { closed.contains(link) || wasReset.contains(link) }

  /// Takes the lines that were logged since the last time.
  package func takenLog() -> [String] {
    defer { log = [] }
    return log
  }
}
