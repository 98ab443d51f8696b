// Bytes of one writer on their way to one reader, oldest first, in a buffer of a fixed size.

struct ByteRing {
  private let arena: Buffer
  private var start = 0
  private var used = 0

  init(bytes: Int) { arena = Buffer(count: bytes) }

  var isEmpty: Bool { used == 0 }
  /// How many bytes find room now.
  var free: Int { arena.bytes.count &- used }

  mutating func append(_ byte: UInt8) {
    precondition(free > 0)
    arena.bytes[(start &+ used) % arena.bytes.count] = byte
    used &+= 1
  }

  mutating func append(_ bytes: Bytes) {
    precondition(bytes.count <= free)
    var done = 0
    while done < bytes.count {
      let end = (start &+ used) % arena.bytes.count
      let count = min(bytes.count &- done, arena.bytes.count &- end)
      arena.bytes.copy(bytes[done..<done &+ count], at: end)
      used &+= count
      done &+= count
    }
  }

  /// The length of what is appended next, of at most 65,535 bytes.
  mutating func append(length: Int) {
    append(UInt8(truncatingIfNeeded: length >> 8))
    append(UInt8(truncatingIfNeeded: length))
  }

  mutating func take() -> UInt8 {
    precondition(used > 0)
    let byte = arena.bytes[start]
    drop(1)
    return byte
  }

  mutating func takeLength() -> Int {
    let high = Int(take())
    return high << 8 | Int(take())
  }

  /// Moves the oldest `length` bytes into `place`; what does not fit there is dropped. How many do.
  mutating func take(_ length: Int, into place: Bytes) -> Int {
    precondition(length <= used)
    let wanted = min(length, place.count)
    var taken = 0
    while taken < wanted {
      let count = min(wanted &- taken, arena.bytes.count &- start)
      place.copy(arena.bytes[start..<start &+ count], at: taken)
      drop(count)
      taken &+= count
    }
    drop(length &- wanted)
    return wanted
  }

  private mutating func drop(_ count: Int) {
    start = (start &+ count) % arena.bytes.count
    used &-= count
  }
}
