// What is written down of calls, on its way to a journal: one JSON object for each thing that
// happened, in a ring that the driver empties at the end of each turn. Nothing waits for it; what
// finds no room is dropped and counted.
//
//     Turn.note(event, of: record) ──▶ [ length | {"kind":"final",…} | length | … ] ──▶ the driver
//
// Entries are numbered as they are taken, from 1: so their driver says how far its disk has come.

package struct Entries {
  /// The longest entry.
  package static let bytesMax = Limits.entryBytesMax
  private static let headBytes = 2

  private var ring: ByteRing
  private let draft: Buffer
  /// The number of the newest.
  private(set) var last: UInt64 = 0
  /// How many found no room, ever.
  private(set) var dropped = 0
  /// What the driver has lost of those that it took.
  var lostByDriver = 0
  /// Whether anything is written down, and what of it.
  private(set) var wants: Wants
  /// How long the end of a call waits for its files.
  private(set) var filesWait: Instant.Span
  /// Whether data is extracted from what is said while it is.
  private(set) var extractsLive: Bool
  private var nextKey: UInt64
  /// Calls that are over and gone, but for the word on their files.
  var owed = OwedFiles()

  enum Wants: BitwiseCopyable, Sendable { case nothing, finals, interims }

  /// `chance`: what tells the calls of this run from those of every other.
  init(_ records: Config.Records?, _ limits: Limits, chance: UInt32) {
    let isOn = records != nil
    ring = ByteRing(bytes: isOn ? limits.entryRingBytes : 1)
    draft = Buffer(count: isOn ? Self.bytesMax : 1)
    wants = .nothing
    extractsLive = false
    filesWait = .zero
    nextKey = UInt64(chance) << 32 | 1
    follow(records)
  }

  /// What is wanted from now on; whether anything is was settled at start.
  mutating func follow(_ records: Config.Records?) {
    wants = records.map { $0.keepsInterims ? .interims : .finals } ?? .nothing
    extractsLive = records?.extractsLive ?? false
    filesWait = .milliseconds(records?.closeWaitMilliseconds ?? 0)
  }

  @inline(__always) var isOn: Bool { wants != .nothing }

  /// The key of a call that begins; 0 where nothing is written down.
  mutating func takeKey() -> UInt64 {
    guard isOn else { return 0 }
    defer { nextKey = nextKey & ~0xffff_ffff | (nextKey &+ 1) & 0xffff_ffff }
    return nextKey
  }

  /// Writes one entry: its head, then what `members` writes, each with its comma in front. False
  /// where there is no room.
  @discardableResult mutating func put(
    _ kind: StaticString, of call: UInt64, at wall: WallTime, _ members: (inout Writer) -> Void
  ) -> Bool {
    var entry = Writer(draft.bytes)
    entry.write("{\"kind\":\"")
    entry.write(kind)
    entry.write("\",\"call\":\"")
    entry.write(hex: call, digits: 16)
    entry.write("\",\"at\":")
    entry.write(decimal: Int(wall.nanoseconds / 1_000_000))
    members(&entry)
    entry.write("}")
    guard !entry.overflowed, Self.headBytes &+ entry.count <= ring.free else {
      dropped &+= 1
      return false
    }
    ring.append(length: entry.count)
    ring.append(entry.written)
    last &+= 1
    return true
  }

  /// Takes the oldest into `place`; how many bytes it has, nil where there is none.
  mutating func take(into place: Bytes) -> Int? {
    guard !ring.isEmpty else { return nil }
    precondition(place.count >= Self.bytesMax)
    return ring.take(ring.takeLength(), into: place)
  }
}
