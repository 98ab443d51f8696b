// Every frame.
//
// Numbers without floating point: a decimal fraction becomes a whole number of its smallest unit.

extension JSON {
  /// The whole number that `value` writes, as a number or as a string: 160, "160", 160.0, 1.6e2.
  /// Nil for fractions, for anything that is no number, and beyond 64 bits.
  @_noAllocation package static func integer(_ value: Value, in document: Bytes) -> Int? {
    if let short = shortInteger(value, in: document) { return short }
    guard let decimal = Decimal(value, in: document) else { return nil }
    return decimal.scaled(by: 0, exactly: true)
  }

  /// What most are: one to eight digits, taken together; nil for anything else.
  @inline(__always) private static func shortInteger(_ value: Value, in document: Bytes) -> Int? {
    let start = value.range.lowerBound
    let count = value.range.count
    guard count &- 1 < 8, count > 0, start &+ 8 <= document.count else { return nil }
    let ones: UInt64 = 0x0101_0101_0101_0101
    // Moved to the top, so that the bytes below them count as zeros in front.
    let empty = UInt64(64 &- 8 &* count)
    let digits = (document.load(UInt64.self, at: start) ^ (ones &* 0x30)) &<< empty
    let isForeign = ((digits &+ ones &* 0x76) | digits) & (ones &* 0x80) != 0
    let hasLeadingZero = count > 1 && (digits &>> empty) & 0xff == 0
    guard !isForeign, !hasLeadingZero else { return nil }
    // Tens, hundreds and ten thousands are each summed up in one step.
    let pairs = (digits &* 10 &+ digits >> 8) & 0x00ff_00ff_00ff_00ff
    let fours = (pairs &* 100 &+ pairs >> 16) & 0x0000_ffff_0000_ffff
    return Int((fours &* 10_000 &+ fours >> 32) & 0xffff_ffff)
  }

  /// The number that `value` writes, as a number or as a string, times 10 to the power of `scale`,
  /// rounded to the nearest (halves away from zero): with scale 6, seconds become microseconds. Nil
  /// for anything that is no number, and beyond 64 bits.
  @_noAllocation package static func decimal(_ value: Value, scale: Int, in document: Bytes)
    -> Int?
  {
    guard let decimal = Decimal(value, in: document) else { return nil }
    return decimal.scaled(by: scale, exactly: false)
  }

  /// digits × 10^power, negative or not.
  private struct Decimal {
    var isNegative = false
    var digits: UInt64 = 0
    var power = 0
    /// Whether digits other than 0 were too many to keep.
    var isCut = false

    init?(_ value: Value, in document: Bytes) {
      // A number was scanned before.
      if value.kind != .number {
        guard value.kind == .string else { return nil }
        var scanner = Scanner(document, inside: value)
        guard scanner.number() != nil, scanner.at == value.range.upperBound else { return nil }
      }
      read(document[value.range])
    }

    /// Reads a text of the right form.
    private mutating func read(_ text: Bytes) {
      var isFraction = false
      for place in 0..<text.count {
        let byte = text[place]
        switch byte {
        case UInt8(ascii: "-"): isNegative = true
        case UInt8(ascii: "."): isFraction = true
        case UInt8(ascii: "e"), UInt8(ascii: "E"):
          power &+= exponent(text.dropping(place &+ 1))
          return
        default: take(UInt64(byte &- UInt8(ascii: "0")), isFraction: isFraction)
        }
      }
    }

    private mutating func take(_ digit: UInt64, isFraction: Bool) {
      if digits < UInt64.max / 10 {
        digits = digits &* 10 &+ digit
        if isFraction { power &-= 1 }
      } else {
        if digit != 0 { isCut = true }
        if !isFraction { power &+= 1 }
      }
    }

    private func exponent(_ text: Bytes) -> Int {
      let isSigned = text[0] == UInt8(ascii: "-") || text[0] == UInt8(ascii: "+")
      var exponent = 0
      for place in (isSigned ? 1 : 0)..<text.count where exponent < 1_000_000 {
        exponent = exponent &* 10 &+ Int(text[place] &- UInt8(ascii: "0"))
      }
      return text[0] == UInt8(ascii: "-") ? -exponent : exponent
    }

    @_noAllocation func scaled(by scale: Int, exactly: Bool) -> Int? {
      guard digits > 0 else { return 0 }
      var magnitude = digits
      var rest = power &+ scale
      while rest > 0 {
        let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
        if overflow { return nil }
        magnitude = product
        rest &-= 1
      }
      var isInexact = isCut
      var last: UInt64 = 0  // the digit that fell off last decides the rounding
      while rest < 0, magnitude > 0 || last > 0 {
        if last > 0 { isInexact = true }
        (magnitude, last) = magnitude.quotientAndRemainder(dividingBy: 10)
        rest &+= 1
      }
      if exactly, isInexact || last > 0 { return nil }
      if last >= 5 { magnitude &+= 1 }
      let number = isNegative ? Int(exactly: 0 &- Int128(magnitude)) : Int(exactly: magnitude)
      return number
    }
  }
}
