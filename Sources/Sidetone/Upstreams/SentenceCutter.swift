// Where a text that is still being written can be spoken so far: behind a sentence; in one that
// grows long behind a clause, and in the end between words. The first piece may be short, since
// somebody waits for it.
//
// A cut depends on the text alone, from left to right, and never on how much more of it is there:
// where what follows has to be known, it is waited for, but not beyond the longest piece. What that
// one holds is all that is ever looked at, so there is a cut in any text that is longer.

package enum SentenceCutter {
  /// A clause is spoken from so many bytes on; in the first piece from so many.
  private static let clauseBytes = 80
  private static let firstClauseBytes = 24
  /// From so many on it is cut between words.
  private static let wordBytes = 160
  /// The longest piece: where nothing else is to be found, it is cut between characters.
  package static let pieceBytes = 320
  /// Of a text that is so long a piece can be spoken, whatever it is.
  package static let bytesMax = pieceBytes + 1

  /// How many bytes from the front of `text`, which is UTF-8, can be spoken now; nil: more of it
  /// has to be there. `isWhole`: there is no more.
  package static func cut(_ text: Bytes, isFirst: Bool, isWhole: Bool) -> Int? {
    if text.isEmpty { return nil }
    let window = text.prefix(min(text.count, pieceBytes))
    let end: TextEnd = window.count < text.count ? .bound : isWhole ? .end : .unknown
    return cut(window, isFirst: isFirst, end)
  }

  /// What is behind the text that is looked at.
  private enum TextEnd {
    case unknown, end
    /// More than a piece may hold.
    case bound

    /// The cut where it decides, behind so much that is whole.
    func cut(_ text: Bytes, at place: Int) -> Int? {
      switch self {
      case .unknown: nil
      case .end: text.count
      case .bound: place
      }
    }
  }

  private static func cut(_ text: Bytes, isFirst: Bool, _ textEnd: TextEnd) -> Int? {
    let least = isFirst ? firstClauseBytes : clauseBytes
    var at = 0
    var hasWords = false
    while at < text.count {
      guard let length = text.scalarLength(at: at) else { break }
      let end = at + length
      switch Mark(text, at: at, length) {
      case .none: hasWords = true
      case .space: if hasWords, end > wordBytes { return end }
      case .line: if hasWords { return end }
      case .clause(let isWide):
        if !hasWords || end < least { break }
        if isWide { return end }
        guard end < text.count else { return textEnd.cut(text, at: end) }
        if Mark(text, at: end, 1) == .space { return end + 1 }
      case .sentence(let isWide):
        guard hasWords else { break }
        let stop = Stop(in: text, at: at, behind: end, isWide: isWide)
        switch stop.meaning {
        case .end(let cut): return cut
        case .open(let place): return textEnd.cut(text, at: place)
        case .noEnd: break
        }
      case .closing: break
      }
      at = end
    }
    return textEnd.cut(text, at: at)
  }

  /// What a character is for the flow of speech.
  fileprivate enum Mark: Equatable {
    case none, space, line
    /// Wide ones need no space behind them.
    case clause(isWide: Bool)
    case sentence(isWide: Bool)
    /// A quotation mark, bracket or mark of emphasis that may stand behind a sentence's end.
    case closing

    init(_ text: Bytes, at place: Int, _ length: Int) {
      switch text.scalar(at: place, length) {
      case 0x20, 0x09, 0xa0, 0x3000: self = .space
      case 0x0a, 0x0d, 0x2028, 0x2029: self = .line
      case 0x2c, 0x3b, 0x3a, 0x2013, 0x2014, 0x60c, 0x61b: self = .clause(isWide: false)
      case 0xff0c, 0x3001, 0xff1b, 0xff1a: self = .clause(isWide: true)
      case 0x2e, 0x21, 0x3f, 0x2026, 0x61f, 0x6d4: self = .sentence(isWide: false)
      case 0x3002, 0xff01, 0xff1f, 0xff61, 0x964, 0x965: self = .sentence(isWide: true)
      case 0x2a, 0x5f, 0x60: self = .closing
      case 0x22, 0x27, 0x29, 0x5d, 0x2019, 0x201d, 0xbb, 0x300d, 0x300f, 0xff09: self = .closing
      default: self = .none
      }
    }
  }
}

// MARK: - Whether a sentence ends

extension SentenceCutter {
  /// A mark that may end a sentence, with what stands around it.
  private struct Stop {
    enum Meaning {
      /// It does; the next one begins there.
      case end(Int)
      case noEnd
      /// What decides is behind the text, which is whole up to there.
      case open(Int)
    }

    let text: Bytes
    /// Where the mark stands, and what is behind it.
    let at: Int
    let behind: Int
    let isWide: Bool

    init(in text: Bytes, at: Int, behind: Int, isWide: Bool) {
      self.text = text
      self.at = at
      self.behind = behind
      self.isWide = isWide
    }

    var meaning: Meaning {
      var next = behind
      // More marks, and what closes a quotation.
      while true {
        guard let length = text.scalarLength(at: next) else { return .open(next) }
        guard case .sentence = Mark(text, at: next, length) else {
          guard Mark(text, at: next, length) == .closing else { break }
          next += length
          continue
        }
        next += length
      }
      let closed = next
      while true {
        guard let length = text.scalarLength(at: next) else { return .open(next) }
        switch Mark(text, at: next, length) {
        case .line: return .end(closed)
        case .space: next += length
        default:
          if isWide { return .end(next) }
          // Inside a number, a name, an address.
          if next == closed { return .noEnd }
          return begins(text[next]) ? .end(next) : .noEnd
        }
      }
    }

    /// Whether a sentence may begin with this letter, behind the word in front of the mark.
    private func begins(_ letter: UInt8) -> Bool {
      if (0x61...0x7a).contains(letter) { return false }
      guard text[at] == UInt8(ascii: ".") else { return true }
      let word = wordBefore
      if word.isEmpty { return true }
      if Upstream.isName(word, in: titles) { return false }
      let isDigit = (0x30...0x39).contains(letter)
      if isDigit, Upstream.isName(word, in: numbered) { return false }
      // Initials, and abbreviations with points in them.
      let isLetter = (0x41...0x5a).contains(word[0] & 0xdf)
      if word.count == 1, isLetter, word[0] != UInt8(ascii: "I") { return false }
      if isLetter, word.firstIndex(of: UInt8(ascii: ".")) != nil { return false }
      // The number of an item in a list.
      return !(word.count <= 3 && word.decimal != nil && startsLine(at - word.count))
    }

    private var wordBefore: Bytes {
      var start = at
      while start > 0, text[start - 1] > 0x20, text[start - 1] != UInt8(ascii: "(") { start -= 1 }
      return text[start..<at]
    }

    private func startsLine(_ place: Int) -> Bool {
      var start = place
      while start > 0, text[start - 1] == 0x20 { start -= 1 }
      return start == 0 || text[start - 1] == 0x0a
    }
  }

  /// No sentence ends behind them.
  private static let titles: StaticString = """
    Mr, Mrs, Ms, Dr, Prof, St, Mt, Jr, Sr, Sra, Dra, vs, approx, Hr, Fr, Mme, Mlle, Nr, Tel, bzw, \
    ca, Ave, Blvd, Rd, Gen, Col, Sgt, Capt, Lt, Rev, Hon
    """
  /// Nor behind these, in front of a number.
  private static let numbered: StaticString =
    "No, no, Fig, fig, Vol, vol, p, pp, ext, Ext, Art, Sec"
}

extension Bytes {
  /// How long the character is that begins here; nil where its end has not come. What is none
  /// counts as one byte.
  fileprivate func scalarLength(at place: Int) -> Int? {
    guard place < count else { return nil }
    let first = self[place]
    let length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1
    for offset in 1..<length {
      guard place + offset < count else { return nil }
      if self[place + offset] & 0xc0 != 0x80 { return 1 }
    }
    return length
  }

  fileprivate func scalar(at place: Int, _ length: Int) -> UInt32 {
    let first = UInt32(self[place])
    func rest(_ offset: Int) -> UInt32 { UInt32(self[place + offset] & 0x3f) }
    switch length {
    case 2: return (first & 0x1f) << 6 | rest(1)
    case 3: return (first & 0x0f) << 12 | rest(1) << 6 | rest(2)
    case 4: return (first & 7) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3)
    default: return first
    }
  }
}
