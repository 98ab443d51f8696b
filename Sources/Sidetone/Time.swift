// Time as the engine knows it: nanoseconds on a clock that never runs backwards. The engine reads
// no clock; each input says what time it is. Inlinable, and public for its sake: the compiler does
// not look into what is only `package` from another module.

/// A point on the monotonic clock, in nanoseconds since an origin that the driver chooses.
public struct Instant: Comparable, BitwiseCopyable, Sendable {
  public var nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Later than any time that will come: "no deadline".
  @inlinable public static var never: Instant { Instant(nanoseconds: .max) }
  @inlinable public static var zero: Instant { Instant(nanoseconds: 0) }

  @inlinable public static func == (a: Instant, b: Instant) -> Bool {
    a.nanoseconds == b.nanoseconds
  }
  @inlinable public static func < (a: Instant, b: Instant) -> Bool {
    a.nanoseconds < b.nanoseconds
  }
  @inlinable public static func + (a: Instant, b: Span) -> Instant {
    let (sum, over) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
    return Instant(nanoseconds: over ? .max : sum)
  }
  @inlinable public static func - (a: Instant, b: Span) -> Instant {
    Instant(nanoseconds: a.nanoseconds &- b.nanoseconds)
  }
  @inlinable public static func - (a: Instant, b: Instant) -> Span {
    Span(nanoseconds: a.nanoseconds &- b.nanoseconds)
  }
}

extension Instant {
  /// A length of time, in nanoseconds. Named so because `Duration` is the standard library's
  /// 128-bit type, which is slower and not needed here.
  public struct Span: Comparable, BitwiseCopyable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    @inlinable public static var zero: Span { Span(nanoseconds: 0) }
    /// Longer than anything that will be waited for.
    @inlinable public static var never: Span { Span(nanoseconds: .max) }
    @inlinable public static func microseconds(_ count: Int) -> Span {
      Span(nanoseconds: Int64(count) * 1_000)
    }
    @inlinable public static func milliseconds(_ count: Int) -> Span {
      Span(nanoseconds: Int64(count) * 1_000_000)
    }
    @inlinable public static func seconds(_ count: Int) -> Span {
      Span(nanoseconds: Int64(count) * 1_000_000_000)
    }
    @inlinable public var microseconds: Int { Int(nanoseconds / 1_000) }
    @inlinable public var milliseconds: Int { Int(nanoseconds / 1_000_000) }

    @inlinable public static func == (a: Span, b: Span) -> Bool {
      a.nanoseconds == b.nanoseconds
    }
    @inlinable public static func < (a: Span, b: Span) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable public static func + (a: Span, b: Span) -> Span {
      Span(nanoseconds: a.nanoseconds &+ b.nanoseconds)
    }
    @inlinable public static func - (a: Span, b: Span) -> Span {
      Span(nanoseconds: a.nanoseconds &- b.nanoseconds)
    }
    @inlinable public static func * (a: Span, b: Int) -> Span {
      Span(nanoseconds: a.nanoseconds &* Int64(b))
    }
  }
}

/// Wall-clock time: nanoseconds since 1970 in UTC. Only for what people and records read.
package struct WallTime: BitwiseCopyable, Sendable {
  package var nanoseconds: Int64
  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
}

/// A day of the calendar: what vendors give as the end of a model.
package struct Day: Comparable, BitwiseCopyable, Sendable {
  package let year: Int
  package let month: Int
  package let dayOfMonth: Int

  package init(_ year: Int, _ month: Int, _ dayOfMonth: Int) {
    self.year = year
    self.month = month
    self.dayOfMonth = dayOfMonth
  }

  package static func < (a: Day, b: Day) -> Bool {
    (a.year, a.month, a.dayOfMonth) < (b.year, b.month, b.dayOfMonth)
  }
}

extension Day: CustomStringConvertible {
  package var description: String {
    func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(year)-\(padded(month))-\(padded(dayOfMonth))"
  }
}
