// Some names of one JSON text, by which those of another are looked up: the members of an object
// against the properties of its schema, the names that a schema requires against the members of an
// object. Each name of the other text is looked at once, whatever is held against it.

struct SchemaNames {
  static let capacity = 64

  struct Entry: BitwiseCopyable {
    let name: JSON.Value
    /// What the member is; of a name that is no member's: the name.
    let value: JSON.Value
    /// Of the text that the name stands for, however it is written.
    fileprivate let hash: UInt32
  }

  private let document: Bytes
  private var entries = InlineArray<64, Entry>(repeating: Entry.blank)
  private(set) var count = 0
  /// A bit for each.
  private var marks = UInt64(0)
  private(set) var hasNull = false

  init(in document: Bytes) { self.document = document }

  subscript(place: Int) -> Entry { entries[place] }

  /// Takes as many as there is room for; whether there may be more.
  mutating func fill(from members: inout JSON.Members) -> Bool {
    while count < Self.capacity {
      guard let member = members.next() else { return false }
      add(member.name, member.value)
      if member.value.kind == .null { hasNull = true }
    }
    return true
  }

  /// The same of a list of names; what is none is passed over.
  mutating func fill(from names: inout JSON.Elements) -> Bool {
    while count < Self.capacity {
      guard let name = names.next() else { return false }
      if name.kind == .string { add(name, name) }
    }
    return true
  }

  private mutating func add(_ name: JSON.Value, _ value: JSON.Value) {
    entries[count] = Entry(name: name, value: value, hash: Self.hash(name, in: document))
    count += 1
  }

  // MARK: Looking up

  /// The places of one name, one after the other: a text may have it twice.
  struct Places {
    fileprivate let name: JSON.Value
    fileprivate let document: Bytes
    fileprivate let hash: UInt32
    fileprivate var at = 0

    mutating func next(in names: borrowing SchemaNames) -> Int? {
      while at < names.count {
        defer { at += 1 }
        if names.entries[at].hash == hash, names.isNamed(at, name, in: document) { return at }
      }
      return nil
    }
  }

  func places(of name: JSON.Value, in document: Bytes) -> Places {
    Places(name: name, document: document, hash: Self.hash(name, in: document))
  }

  private func isNamed(_ place: Int, _ name: JSON.Value, in other: Bytes) -> Bool {
    var (ours, theirs) = (
      JSON.Text(entries[place].name, in: document), JSON.Text(name, in: other)
    )
    while let byte = ours.next() { if theirs.next() != byte { return false } }
    return theirs.next() == nil
  }

  /// FNV-1a.
  private static func hash(_ name: JSON.Value, in document: Bytes) -> UInt32 {
    var text = JSON.Text(name, in: document)
    var hash: UInt32 = 0x811c_9dc5
    while let byte = text.next() { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    return hash
  }

  // MARK: Marks

  mutating func mark(_ place: Int) { marks |= 1 << UInt64(place) }

  /// Marks every one of that name.
  mutating func mark(_ name: JSON.Value, in document: Bytes) {
    var places = places(of: name, in: document)
    while let place = places.next(in: self) { mark(place) }
  }

  func isMarked(_ place: Int) -> Bool { marks & 1 << UInt64(place) != 0 }

  func firstUnmarked() -> Int? {
    let place = (~marks).trailingZeroBitCount
    return place < count ? place : nil
  }
}

extension SchemaNames.Entry {
  fileprivate static var blank: Self {
    let nothing = JSON.Value(.null, 0..<0)
    return Self(name: nothing, value: nothing, hash: 0)
  }
}
