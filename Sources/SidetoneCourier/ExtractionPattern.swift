// Regular expressions of JSON Schema, as far as they can be matched in a time that is bounded by
// the length of the text: letters, classes, groups, alternatives, repetition, `^` and `$`. A
// pattern becomes a program of small steps (Thompson's construction), and a match walks all ways
// through it at once, one character at a time, so that no text can make it slow. Looking ahead or
// behind, back references and classes of Unicode are not supported, and said to be so.

package struct ExtractionPattern: Sendable {
  package enum Mistake: Error, Equatable {
    /// A sentence.
    case malformed(String)
    /// What it has that is not supported.
    case unsupported(String)
  }

  enum Step: Sendable {
    case one(Class)
    /// Goes on at both places.
    case split(Int, Int)
    case jump(Int)
    case atStart
    case atEnd
    case found
  }

  struct Class: Sendable {
    var isNegated = false
    var ranges: [ClosedRange<UInt32>] = []

    func contains(_ character: UInt32) -> Bool {
      ranges.contains { $0.contains(character) } != isNegated
    }
  }

  static let stepsMax = 2000

  package let text: String
  private let steps: [Step]

  package init(_ text: String) throws(Mistake) {
    self.text = text
    var reader = ExtractionPatternReader(text)
    steps = try reader.program()
  }

  /// Whether the pattern occurs somewhere in the text.
  package func matches(_ text: String) -> Bool {
    let characters = text.unicodeScalars.map(\.value)
    var current = Places(count: steps.count)
    for at in 0...characters.count {
      // A match may begin anywhere.
      follow(0, at, characters.count, into: &current)
      if current.isFound { return true }
      guard at < characters.count else { break }
      var next = Places(count: steps.count)
      for place in current.ones {
        if case .one(let wanted) = steps[place], wanted.contains(characters[at]) {
          follow(place + 1, at + 1, characters.count, into: &next)
        }
      }
      if next.isFound { return true }
      current = next
    }
    return false
  }

  /// Where the ways through the program stand.
  private struct Places {
    var isSeen: [Bool]
    /// Those that wait for a character.
    var ones: [Int] = []
    var isFound = false

    init(count: Int) { isSeen = [Bool](repeating: false, count: count) }
  }

  private func follow(_ start: Int, _ at: Int, _ end: Int, into places: inout Places) {
    var open = [start]
    while let place = open.popLast() {
      if places.isSeen[place] { continue }
      places.isSeen[place] = true
      switch steps[place] {
      case .one: places.ones.append(place)
      case .split(let a, let b): open += [a, b]
      case .jump(let to): open.append(to)
      case .atStart: if at == 0 { open.append(place + 1) }
      case .atEnd: if at == end { open.append(place + 1) }
      case .found: places.isFound = true
      }
    }
  }
}

/// Reads a pattern into its program.
struct ExtractionPatternReader {
  private typealias Step = ExtractionPattern.Step
  private typealias Class = ExtractionPattern.Class

  private let characters: [Unicode.Scalar]
  private var at = 0
  private var depth = 0

  init(_ text: String) { characters = Array(text.unicodeScalars) }

  private var next: Unicode.Scalar? { at < characters.count ? characters[at] : nil }

  mutating func program() throws(ExtractionPattern.Mistake) -> [ExtractionPattern.Step] {
    let steps = try alternatives()
    if next != nil { throw .malformed("the pattern has a ) without its (") }
    return steps + [.found]
  }

  /// Places in what is put together here are relative to its beginning.
  private mutating func alternatives() throws(ExtractionPattern.Mistake) -> [Step] {
    depth += 1
    defer { depth -= 1 }
    guard depth < 50 else { throw .unsupported("groups more than 50 deep") }
    var all = try sequence()
    while next == "|" {
      at += 1
      let other = try sequence()
      all =
        [.split(1, all.count + 2)] + Self.moved(all, by: 1) + [.jump(all.count + 2 + other.count)]
        + Self.moved(other, by: all.count + 2)
    }
    return all
  }

  private mutating func sequence() throws(ExtractionPattern.Mistake) -> [Step] {
    var all: [Step] = []
    while let character = next, character != "|", character != ")" {
      let piece = try repeated()
      all += Self.moved(piece, by: all.count)
      guard all.count <= ExtractionPattern.stepsMax else {
        throw .unsupported("more than \(ExtractionPattern.stepsMax) steps")
      }
    }
    return all
  }

  private mutating func repeated() throws(ExtractionPattern.Mistake) -> [Step] {
    let piece = try atom()
    guard let (least, most) = try repetition() else { return piece }
    // Greedy or not makes no difference to whether something matches.
    if next == "?" { at += 1 }
    let copies = max(least, most ?? least + 1)
    guard copies * (piece.count + 2) <= ExtractionPattern.stepsMax else {
      throw .unsupported("more than \(ExtractionPattern.stepsMax) steps")
    }
    var all: [Step] = []
    for _ in 0..<least { all += Self.moved(piece, by: all.count) }
    if let most {
      let optional = [Step.split(1, piece.count + 1)] + Self.moved(piece, by: 1)
      for _ in least..<max(least, most) { all += Self.moved(optional, by: all.count) }
    } else {
      let start = all.count
      all.append(.split(start + 1, start + piece.count + 2))
      all += Self.moved(piece, by: start + 1)
      all.append(.jump(start))
    }
    return all
  }

  /// How often at least and at most (nil: without end); nil where nothing is said.
  private mutating func repetition() throws(ExtractionPattern.Mistake) -> (Int, Int?)? {
    switch next {
    case "*":
      at += 1
      return (0, nil)
    case "+":
      at += 1
      return (1, nil)
    case "?":
      at += 1
      return (0, 1)
    case "{":
      at += 1
      guard let least = number() else { throw .malformed("the pattern has a { without a number") }
      var most: Int? = least
      if next == "," {
        at += 1
        most = number()
      }
      guard next == "}" else { throw .malformed("the pattern has a { without its }") }
      at += 1
      if let most, most < least { throw .malformed("the pattern repeats from more to less") }
      return (least, most)
    default: return nil
    }
  }

  private mutating func number() -> Int? {
    var value: Int?
    while let digit = next.flatMap({ Int(String($0)) }), (value ?? 0) < 100_000 {
      value = (value ?? 0) * 10 + digit
      at += 1
    }
    return value
  }

  private mutating func atom() throws(ExtractionPattern.Mistake) -> [Step] {
    let character = characters[at]
    at += 1
    switch character {
    case "^": return [.atStart]
    case "$": return [.atEnd]
    case ".": return [.one(Class(isNegated: true, ranges: [0x0a...0x0a, 0x0d...0x0d]))]
    case "(": return try group()
    case "[": return [.one(try characterClass())]
    case "\\": return [.one(try escape())]
    case "*", "+", "?": throw .malformed("the pattern repeats nothing at its \(character)")
    default: return [.one(Class(ranges: [character.value...character.value]))]
    }
  }

  private mutating func group() throws(ExtractionPattern.Mistake) -> [Step] {
    if next == "?" {
      at += 1
      guard next == ":" else { throw .unsupported("a group of the form (?…") }
      at += 1
    }
    let steps = try alternatives()
    guard next == ")" else { throw .malformed("the pattern has a ( without its )") }
    at += 1
    return steps
  }

  private mutating func characterClass() throws(ExtractionPattern.Mistake) -> Class {
    var all = Class()
    if next == "^" {
      all.isNegated = true
      at += 1
    }
    while let character = next {
      at += 1
      if character == "]" { return all }
      let first = try member(character)
      guard first.isSingle, next == "-", at + 1 < characters.count, characters[at + 1] != "]"
      else {
        all.ranges += first.ranges
        continue
      }
      at += 2
      let last = try member(characters[at - 1])
      guard let low = first.ranges.first?.lowerBound, let high = last.ranges.first?.lowerBound,
        last.isSingle, low <= high
      else { throw .malformed("the pattern has a range in [] that is none") }
      all.ranges.append(low...high)
    }
    throw .malformed("the pattern has a [ without its ]")
  }

  private mutating func member(
    _ character: Unicode.Scalar
  ) throws(ExtractionPattern.Mistake) -> Class {
    guard character == "\\" else { return Class(ranges: [character.value...character.value]) }
    let escaped = try escape()
    if escaped.isNegated { throw .unsupported("a class such as \\D within []") }
    return escaped
  }

  private mutating func escape() throws(ExtractionPattern.Mistake) -> Class {
    guard let letter = next else { throw .malformed("the pattern ends with a backslash") }
    at += 1
    let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a]
    let space: [ClosedRange<UInt32>] = [0x09...0x0d, 0x20...0x20, 0xa0...0xa0, 0x2028...0x2029]
    switch letter {
    case "d", "D": return Class(isNegated: letter == "D", ranges: [0x30...0x39])
    case "w", "W": return Class(isNegated: letter == "W", ranges: word)
    case "s", "S": return Class(isNegated: letter == "S", ranges: space)
    case "n": return Class(ranges: [0x0a...0x0a])
    case "r": return Class(ranges: [0x0d...0x0d])
    case "t": return Class(ranges: [0x09...0x09])
    case "u": return try unit(digits: 4)
    case "x": return try unit(digits: 2)
    default:
      if letter.properties.isAlphabetic || ("0"..."9").contains(letter) {
        throw .unsupported("\\\(letter)")
      }
      return Class(ranges: [letter.value...letter.value])
    }
  }

  private mutating func unit(digits: Int) throws(ExtractionPattern.Mistake) -> Class {
    guard at + digits <= characters.count else { throw .malformed("the pattern has half a \\u") }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: characters[at..<at + digits])
    guard let value = UInt32(String(text), radix: 16) else {
      throw .malformed("the pattern has a \\u without its digits")
    }
    at += digits
    return Class(ranges: [value...value])
  }

  private static func moved(_ steps: [Step], by count: Int) -> [Step] {
    steps.map { step in
      switch step {
      case .split(let a, let b): .split(a + count, b + count)
      case .jump(let to): .jump(to + count)
      default: step
      }
    }
  }
}

extension ExtractionPattern.Class {
  /// Stands for one character.
  fileprivate var isSingle: Bool {
    !isNegated && ranges.count == 1 && ranges[0].lowerBound == ranges[0].upperBound
  }
}
