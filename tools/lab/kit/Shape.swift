// What a service knows of its clients' messages: which keys an object may have and what stands
// behind them. A service that drops a whole message for one unknown key is only met by a twin that
// does the same.

indirect enum Shape: Sendable {
  case any
  case text
  case truth
  case number(ClosedRange<Double>)
  case whole
  case one(of: [String])
  case list(Shape)
  case object([String: Shape])
  case nullable(Shape)
  /// The first that fits; where none does, the last says why.
  case either(Shape, Shape)

  struct Misfit: Error, Equatable {
    enum Fault { case unknown, type, value }
    let fault: Fault
    /// Where, with the names of the keys joined by dots.
    let path: String
    let wanted: String
  }

  /// The first misfit of a value; `path` is the name of the value itself.
  func misfit(of value: JSON, at path: String) -> Misfit? {
    switch (self, value) {
    case (.any, _), (.text, .string), (.truth, .bool), (.nullable, .null): nil
    case (.text, _): Misfit(fault: .type, path: path, wanted: "a string")
    case (.truth, _): Misfit(fault: .type, path: path, wanted: "a boolean")
    case (.number(let range), .number(let number)):
      range.contains(number)
        ? nil
        : Misfit(
          fault: .value, path: path,
          wanted: "a number from \(range.lowerBound) to \(range.upperBound)")
    case (.number, _): Misfit(fault: .type, path: path, wanted: "a number")
    case (.whole, .number(let number)) where Int(exactly: number) != nil: nil
    case (.whole, _): Misfit(fault: .type, path: path, wanted: "an integer")
    case (.one(let known), .string(let text)):
      known.contains(text)
        ? nil : Misfit(fault: .value, path: path, wanted: known.joined(separator: ", "))
    case (.one, _): Misfit(fault: .type, path: path, wanted: "a string")
    case (.list(let item), .array(let items)):
      items.enumerated().lazy
        .compactMap { item.misfit(of: $0.element, at: "\(path)[\($0.offset)]") }.first
    case (.list, _): Misfit(fault: .type, path: path, wanted: "an array")
    case (.object(let shapes), .object(let members)):
      Self.misfit(of: members, shapes, at: path)
    case (.object, _): Misfit(fault: .type, path: path, wanted: "an object")
    case (.nullable(let shape), _): shape.misfit(of: value, at: path)
    case (.either(let first, let second), _):
      first.misfit(of: value, at: path) == nil ? nil : second.misfit(of: value, at: path)
    }
  }

  private static func misfit(
    of members: JSON.Members, _ shapes: [String: Shape], at path: String
  ) -> Misfit? {
    for (key, value) in members.all {
      let place = path.isEmpty ? key : "\(path).\(key)"
      guard let shape = shapes[key] else {
        return Misfit(fault: .unknown, path: place, wanted: "")
      }
      if let misfit = shape.misfit(of: value, at: place) { return misfit }
    }
    return nil
  }
}
