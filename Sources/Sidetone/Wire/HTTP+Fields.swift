// The header lines of a head, found again on every question instead of being kept in a table: a
// head is asked a dozen times in its life, and a place for 64 of them would be needed in every
// connection.

extension HTTP {
  package struct Fields: BitwiseCopyable, Sendable {
    /// From the first byte of the first line to the end of the last one, its CR LF included.
    package var lines = Place()

    /// One line: name, and value without the white space around it.
    package struct Field: BitwiseCopyable, Sendable {
      package var name: Place
      package var value: Place
    }
  }
}

extension HTTP.Fields {
  /// RFC 9112 §5: every line is a name, a colon with nothing before it, and a value of printable
  /// bytes.
  @_noAllocation func check(in head: Bytes) -> HTTP.Fault? {
    var at = lines.start
    while at < lines.end {
      let end = lineEnd(from: at, in: head)
      // A line that begins with white space continues the one before (§5.2): refused, not joined.
      if head[at] == 0x20 || head[at] == 0x09 { return .foldedField }
      var colon = at
      while colon < end, HTTP.isToken(head[colon]) { colon &+= 1 }
      guard colon > at, colon < end, head[colon] == 0x3a else { return .badField }
      for index in colon..<end where !HTTP.isText(head[index]) { return .badField }
      at = end &+ 2
    }
    return nil
  }

  /// The line that begins at `at`, which is moved to the next one; nil behind the last. Only for
  /// heads that were parsed without fault.
  @_noAllocation package func next(_ at: inout Int, in head: Bytes) -> Field? {
    if at < lines.start { at = lines.start }
    guard at < lines.end else { return nil }
    let end = lineEnd(from: at, in: head)
    let colon = head.firstIndex(of: 0x3a, from: at) ?? end
    let field = Field(
      name: HTTP.Place(start: at, end: colon),
      value: Self.trimmed(HTTP.Place(start: colon &+ 1, end: end), in: head))
    at = end &+ 2
    return field
  }

  /// The value of the first line of that name (ASCII, lower case), or nil.
  @_noAllocation package func place(of name: StaticString, in head: Bytes) -> HTTP.Place? {
    var at = 0
    while let field = next(&at, in: head) {
      if field.name.bytes(in: head).equalsIgnoringCase(name) { return field.value }
    }
    return nil
  }

  /// The bytes of that value; empty where there is no such line.
  @_noAllocation package func value(of name: StaticString, in head: Bytes) -> Bytes {
    guard let place = place(of: name, in: head) else { return .empty }
    return place.bytes(in: head)
  }

  /// How many lines have that name.
  @_noAllocation package func count(of name: StaticString, in head: Bytes) -> Int {
    var at = 0
    var count = 0
    while let field = next(&at, in: head) {
      if field.name.bytes(in: head).equalsIgnoringCase(name) { count &+= 1 }
    }
    return count
  }

  /// Whether any line has a name that begins so, for example `x-forwarded-`.
  @_noAllocation package func hasName(beginning prefix: StaticString, in head: Bytes) -> Bool {
    var at = 0
    while let field = next(&at, in: head) {
      let name = field.name.bytes(in: head)
      if name.count >= prefix.utf8CodeUnitCount,
        name.prefix(prefix.utf8CodeUnitCount).equalsIgnoringCase(prefix)
      {
        return true
      }
    }
    return false
  }

  /// Whether a list such as `Connection: keep-alive, Upgrade`, which may be spread over several
  /// lines of one name, holds that token (in lower case; compared ignoring case).
  @_noAllocation package func hasToken(
    _ token: StaticString, in name: StaticString, of head: Bytes
  ) -> Bool {
    var items = HTTP.Items(of: name, self, in: head)
    while let item = items.next() {
      if item.equalsIgnoringCase(token) { return true }
    }
    return false
  }

  @_noAllocation private func lineEnd(from at: Int, in head: Bytes) -> Int {
    // Every LF of a head stands behind a CR, so the LF alone ends the line; a CR before that is
    // then found among the value's bytes and refused.
    (head.firstIndex(of: 0x0a, from: at) ?? lines.end) &- 1
  }

  @_noAllocation static func trimmed(_ place: HTTP.Place, in head: Bytes) -> HTTP.Place {
    var place = place
    while place.start < place.end, isBlank(head[place.start]) { place.start &+= 1 }
    while place.start < place.end, isBlank(head[place.end &- 1]) { place.end &-= 1 }
    return place
  }

  @_noAllocation private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension HTTP {
  /// The members of a list such as `X-Forwarded-For: a, b`, which may be spread over several lines
  /// of one name; without the white space around them, and perhaps empty.
  package struct Items {
    private let name: StaticString
    private let fields: Fields
    private let head: Bytes
    private var line = 0
    /// What of the present line is still to be read; nil: the next line is.
    private var rest: Place?

    @_noAllocation package init(of name: StaticString, _ fields: Fields, in head: Bytes) {
      self.name = name
      self.fields = fields
      self.head = head
    }

    @_noAllocation package mutating func next() -> Bytes? {
      while true {
        if let rest {
          let comma = head.prefix(rest.end).firstIndex(of: 0x2c, from: rest.start)
          let item = Place(start: rest.start, end: comma ?? rest.end)
          self.rest = comma.map { Place(start: $0 &+ 1, end: rest.end) }
          return Fields.trimmed(item, in: head).bytes(in: head)
        }
        guard let field = fields.next(&line, in: head) else { return nil }
        if field.name.bytes(in: head).equalsIgnoringCase(name) { rest = field.value }
      }
    }
  }
}
