// Every frame.
//
// JSON (RFC 8259) read where it lies. Nothing is built and nothing copied: a value is a range of
// the document, found by walking to it, and its text is unescaped only when somebody asks. One
// strict grammar serves all (JSON+Scanner.swift); where a name occurs twice in an object, the first
// counts.

package enum JSON {
  /// How many containers may lie inside each other.
  package static let depthMax = 32

  package enum Kind: UInt8, BitwiseCopyable, Sendable {
    case object, array, string, number, `true`, `false`, null
  }

  /// A value that was scanned whole and found well-formed.
  package struct Value: BitwiseCopyable, Equatable, Sendable {
    private let start: UInt32
    private let end: UInt32
    package let kind: Kind
    /// Whether a string holds a backslash, so that its bytes are not yet its text.
    package let hasEscapes: Bool

    @inline(__always) init(_ kind: Kind, _ range: Range<Int>, hasEscapes: Bool = false) {
      start = UInt32(truncatingIfNeeded: range.lowerBound)
      end = UInt32(truncatingIfNeeded: range.upperBound)
      self.kind = kind
      self.hasEscapes = hasEscapes
    }

    /// Where it lies in the document: a string without its quotes, anything else from its first
    /// byte to its last.
    @inline(__always) package var range: Range<Int> { Int(start)..<Int(end) }
  }

  /// Whether all of `document` is one value in UTF-8 with nothing but white space around it.
  @_noAllocation package static func isValid(_ document: Bytes) -> Bool {
    var text = UTF8Validator()
    guard text.accept(document), text.isComplete else { return false }
    var scanner = Scanner(document)
    return scanner.value() != nil && scanner.isAtEnd
  }

  /// The value that all of `document` is; nil where it is malformed, or where more than white space
  /// stands around it.
  @_noAllocation package static func whole(of document: Bytes) -> Value? {
    var scanner = Scanner(document)
    guard let value = scanner.value(), scanner.isAtEnd else { return nil }
    return value
  }

  /// The value under `a`, then under `b` inside it, and so on, from the outermost object of the
  /// document or from `parent`; nil where a name is missing, where something on the way is no
  /// object, and where the document is malformed up to there. What lies behind the value is not
  /// looked at.
  @_noAllocation package static func find(
    _ a: StaticString, _ b: StaticString? = nil, _ c: StaticString? = nil,
    _ d: StaticString? = nil, in document: Bytes, under parent: Value? = nil
  ) -> Value? {
    var scanner = Scanner(document)
    if let parent { scanner = Scanner(document, inside: parent) }
    guard scanner.descend(to: a) else { return nil }
    if let b { guard scanner.descend(to: b) else { return nil } }
    if let c { guard scanner.descend(to: c) else { return nil } }
    if let d { guard scanner.descend(to: d) else { return nil } }
    return scanner.value()
  }

  /// The element of `array` at `index`; nil where it is shorter, or no array.
  @_noAllocation package static func element(_ index: Int, of array: Value, in document: Bytes)
    -> Value?
  {
    var elements = Elements(of: array, in: document)
    var skipped = 0
    while let element = elements.next() {
      if skipped == index { return element }
      skipped &+= 1
    }
    return nil
  }
}

extension JSON {
  /// Walks over the values of an array; over nothing where the value is no array.
  package struct Elements {
    private var scanner: Scanner
    private var step: Scanner.Step

    @_noAllocation package init(of array: Value, in document: Bytes) {
      scanner = Scanner(document, inside: array)
      step = scanner.enter(.array)
    }

    @_noAllocation package mutating func next() -> Value? {
      guard step == .item, let value = scanner.value() else { return nil }
      step = scanner.advance(in: .array)
      return value
    }
  }

  package struct Member: BitwiseCopyable, Sendable {
    /// A string: the member's name.
    package let name: Value
    package let value: Value
  }

  /// Walks over the members of an object; over nothing where the value is no object.
  package struct Members {
    private var scanner: Scanner
    private var step: Scanner.Step

    @_noAllocation package init(of object: Value, in document: Bytes) {
      scanner = Scanner(document, inside: object)
      step = scanner.enter(.object)
    }

    @_noAllocation package mutating func next() -> Member? {
      guard step == .item, let name = scanner.name(), let value = scanner.value() else {
        return nil
      }
      step = scanner.advance(in: .object)
      return Member(name: name, value: value)
    }
  }
}
