// Every frame.
//
// The grammar of RFC 8259: a place in a document that moves forward over one token or value at a
// time. A step that fails says so and leaves the place undefined; the scan is then over. Nesting is
// kept as bits, not on the stack, so a hostile document costs no more than its length.

import CKernels

extension JSON {
  struct Scanner {
    let document: Bytes
    private(set) var at: Int
    /// Containers that `enter` opened and `advance` has not closed.
    private var depth = 0

    init(_ document: Bytes) {
      precondition(document.count <= UInt32.max, "a Value keeps its place in 32 bits")
      self.document = document
      at = 0
    }

    /// At the beginning of a value that was scanned before.
    init(_ document: Bytes, inside value: Value) {
      self.document = document.prefix(value.range.upperBound)
      at = value.range.lowerBound
    }
  }
}

extension JSON.Scanner {
  typealias Kind = JSON.Kind
  typealias Value = JSON.Value

  /// Moves over white space and tells the byte behind it; 0 at the end, which begins no token.
  @inline(__always) mutating func next() -> UInt8 {
    while at < document.count {
      let byte = document[at]
      guard byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 else { return byte }
      at &+= 1
    }
    return 0
  }

  /// Whether nothing but white space is left.
  var isAtEnd: Bool {
    @_noAllocation mutating get { next() == 0 && at == document.count }
  }

  // MARK: Containers

  enum Step { case item, end, bad }

  /// Moves past the bracket that opens an object or array, to its first item or past its end.
  @_noAllocation mutating func enter(_ kind: Kind) -> Step {
    guard next() == opening(kind), depth < JSON.depthMax else { return .bad }
    depth &+= 1
    at &+= 1
    guard next() == closing(kind) else { return .item }
    return leave()
  }

  /// Moves from behind an item to the next one or past the closing bracket.
  @_noAllocation mutating func advance(in kind: Kind) -> Step {
    let byte = next()
    if byte == closing(kind) { return leave() }
    guard byte == UInt8(ascii: ",") else { return .bad }
    at &+= 1
    return .item
  }

  private mutating func leave() -> Step {
    depth &-= 1
    at &+= 1
    return .end
  }

  @inline(__always) private func opening(_ kind: Kind) -> UInt8 {
    kind == .object ? UInt8(ascii: "{") : UInt8(ascii: "[")
  }
  @inline(__always) private func closing(_ kind: Kind) -> UInt8 {
    kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")
  }

  /// A member's name, and the colon behind it.
  @_noAllocation mutating func name() -> Value? {
    guard next() == UInt8(ascii: "\""), let name = string(), next() == UInt8(ascii: ":") else {
      return nil
    }
    at &+= 1
    return name
  }

  /// Moves into the object here, to the value of its first member of that name.
  @_noAllocation mutating func descend(to key: StaticString) -> Bool {
    var step = enter(.object)
    while step == .item {
      guard let name = name() else { return false }
      if JSON.text(name, in: document, equals: key) { return true }
      guard value() != nil else { return false }
      step = advance(in: .object)
    }
    return false
  }

  // MARK: Values

  /// One value of any kind with everything in it.
  @inline(__always) mutating func value() -> Value? {
    let first = next()
    return first == UInt8(ascii: "\"") ? string() : value(beginningWith: first)
  }

  /// The list that begins here, up to the first closing bracket. What is in it is not looked at:
  /// for a reader who accepts nothing but numbers in it, and so will see what this did not.
  @_noAllocation mutating func rawList() -> Value? {
    guard let end = document.firstIndex(of: UInt8(ascii: "]"), from: at) else { return nil }
    let start = at
    at = end &+ 1
    return Value(.array, start..<at)
  }

  @_noAllocation private mutating func value(beginningWith first: UInt8) -> Value? {
    let start = at
    switch first {
    case UInt8(ascii: "{"): return skipContainer() ? Value(.object, start..<at) : nil
    case UInt8(ascii: "["): return skipContainer() ? Value(.array, start..<at) : nil
    default: return scalar(beginningWith: first)
    }
  }

  private mutating func skipContainer() -> Bool {
    let outer = depth
    // A bit for each open container, the innermost lowest: 1 for an object.
    var objects: UInt64 = 0
    repeat {
      // Before a value.
      let first = next()
      var step = Step.end
      if first == UInt8(ascii: "{") {
        objects = objects << 1 | 1
        step = enter(.object)
      } else if first == UInt8(ascii: "[") {
        objects <<= 1
        step = enter(.array)
      } else {
        guard scalar(beginningWith: first) != nil else { return false }
        step = advance(in: objects & 1 == 1 ? .object : .array)
      }
      // Behind a value: out of every container that ends here.
      while step == .end {
        objects >>= 1
        guard depth > outer else { return true }
        step = advance(in: objects & 1 == 1 ? .object : .array)
      }
      guard step == .item else { return false }
      if objects & 1 == 1 { guard name() != nil else { return false } }
    } while true
  }

  private mutating func scalar(beginningWith first: UInt8) -> Value? {
    switch first {
    case UInt8(ascii: "\""): string()
    case UInt8(ascii: "t"): literal("true", .true)
    case UInt8(ascii: "f"): literal("false", .false)
    case UInt8(ascii: "n"): literal("null", .null)
    default: number()
    }
  }

  private mutating func literal(_ text: StaticString, _ kind: Kind) -> Value? {
    let start = at
    guard document.dropping(start).starts(with: text) else { return nil }
    at &+= text.utf8CodeUnitCount
    return Value(kind, start..<at)
  }

  /// A number (§6): no leading zero, no bare point, no plus sign in front.
  @_noAllocation mutating func number() -> Value? {
    let start = at
    if here == UInt8(ascii: "-") { at &+= 1 }
    let integer = at
    guard digits() else { return nil }
    if at &- integer > 1, document[integer] == UInt8(ascii: "0") { return nil }
    if here == UInt8(ascii: ".") {
      at &+= 1
      guard digits() else { return nil }
    }
    if here | 0x20 == UInt8(ascii: "e") {
      at &+= 1
      if here == UInt8(ascii: "+") || here == UInt8(ascii: "-") { at &+= 1 }
      guard digits() else { return nil }
    }
    return Value(.number, start..<at)
  }

  /// The byte here; 0 at the end.
  private var here: UInt8 { at < document.count ? document[at] : 0 }

  /// Moves over digits; false where there is none.
  @inline(__always) private mutating func digits() -> Bool {
    let rest = document.dropping(at)
    var count = 0
    while count < rest.count, rest[count] &- UInt8(ascii: "0") <= 9 { count &+= 1 }
    at &+= count
    return count > 0
  }

  // MARK: Strings

  /// The string whose opening quote is here. Most are short and plain: their end is found in one
  /// word, or in two.
  @inline(__always) mutating func string() -> Value? {
    let start = at &+ 1
    if start &+ 16 <= document.count {
      var length = JSON.quote(in: document.load(UInt64.self, at: start))
      if length == 8 { length &+= JSON.quote(in: document.load(UInt64.self, at: start &+ 8)) }
      if length < 16 {
        at = start &+ length &+ 1
        return Value(.string, start..<start &+ length)
      }
    }
    return anyString()
  }

  @_noAllocation private mutating func anyString() -> Value? {
    let start = at &+ 1
    var end = start
    var hasEscapes = false
    while true {
      let rest = document.dropping(end)
      let run = unsafe ck_json_run(rest.base, rest.count)
      guard run < rest.count else { return nil }
      end &+= run
      if rest[run] == UInt8(ascii: "\"") {
        at = end &+ 1
        return Value(.string, start..<end, hasEscapes: hasEscapes)
      }
      let length = document.escapeLength(at: end)
      guard length > 0 else { return nil }
      end &+= length
      hasEscapes = true
    }
  }
}

extension JSON {
  /// How many bytes of a word precede its first quote; 8 where there is none, 16 where a backslash
  /// or a control character comes first. Each test leaves the top bit of the bytes that meet it; a
  /// borrow can only disturb the bytes above the first such byte.
  @inline(__always) fileprivate static func quote(in word: UInt64) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    let toQuote = word ^ 0x2222_2222_2222_2222
    let toBackslash = word ^ 0x5c5c_5c5c_5c5c_5c5c
    let quotes = (toQuote &- ones) & ~toQuote & tops
    let others =
      ((toBackslash &- ones) & ~toBackslash | (word &- 0x2020_2020_2020_2020) & ~word) & tops
    // Only what stands below the first quote matters; without one, all of it.
    return others & (quotes &- 1) == 0 ? quotes.trailingZeroBitCount >> 3 : 16
  }
}

extension Bytes {
  /// How long the escape is that begins here (§7), both halves of a surrogate pair counted; 0 where
  /// there is none: an unknown letter, too few digits. Half a pair is one by the grammar, though it
  /// is no character (§8.2): who cuts a text by its UTF-16 units writes such.
  @_noAllocation func escapeLength(at place: Int) -> Int {
    guard self[place] == UInt8(ascii: "\\"), place &+ 1 < count else { return 0 }
    switch self[place &+ 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return 2
    case UInt8(ascii: "u"):
      guard let unit = escapedUnit(at: place) else { return 0 }
      guard unit & 0xfc00 == 0xd800, let other = escapedUnit(at: place &+ 6) else { return 6 }
      return other & 0xfc00 == 0xdc00 ? 12 : 6
    default: return 0
    }
  }

  /// Whether the escape of this length that begins here is half a surrogate pair.
  @_noAllocation func isHalfPair(at place: Int, length: Int) -> Bool {
    guard length == 6, let unit = escapedUnit(at: place) else { return false }
    return unit & 0xf800 == 0xd800
  }

  /// The UTF-16 code unit that `\uXXXX` at this place stands for; nil where there is none.
  @_noAllocation func escapedUnit(at place: Int) -> UInt32? {
    guard place &+ 6 <= count, self[place] == UInt8(ascii: "\\"),
      self[place &+ 1] == UInt8(ascii: "u")
    else { return nil }
    var unit: UInt32 = 0
    for offset in 2..<6 {
      let byte = self[place &+ offset]
      let letter = byte | 0x20
      if byte &- UInt8(ascii: "0") <= 9 {
        unit = unit << 4 | UInt32(byte &- UInt8(ascii: "0"))
      } else if letter >= UInt8(ascii: "a"), letter <= UInt8(ascii: "f") {
        unit = unit << 4 | UInt32(letter &- UInt8(ascii: "a") &+ 10)
      } else {
        return nil
      }
    }
    return unit
  }
}
