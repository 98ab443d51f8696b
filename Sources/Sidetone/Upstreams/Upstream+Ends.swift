// When a vendor's models end, and what is asked for in their place. Each row has the vendor's own
// announcements; what is known of a name holds for every way in which it is written: bare, behind
// `models/`, or as the whole path of a resource.

extension Upstream {
  package struct ModelEnd: Sendable {
    /// With `*` behind it: every name that begins so.
    package let name: StaticString
    /// The first day on which it is not served.
    package let day: Day
    package let replacement: StaticString

    package init(_ name: StaticString, _ day: Day, replacement: StaticString) {
      self.name = name
      self.day = day
      self.replacement = replacement
    }

    fileprivate func isOf(_ model: Bytes) -> Bool {
      let name = self.name.bytes
      guard name.count > 0, name[name.count - 1] == UInt8(ascii: "*") else {
        return model.equals(name)
      }
      let beginning = name.prefix(name.count - 1)
      return model.count >= beginning.count && model.prefix(beginning.count).equals(beginning)
    }
  }

  /// What is known of the end of a model; nil: nothing, it lives. The name may be percent-encoded.
  package func end(of model: Bytes) -> ModelEnd? {
    let name = model.dropping(Self.pathLength(of: model))
    for end in ends where end.isOf(name) { return end }
    return nil
  }

  /// What is asked for instead of a model that has ended by that day, as far as that is known; nil:
  /// the model itself. Its path, if it has one, is that of the model.
  package func replacement(of model: Bytes, on day: Day) -> StaticString? {
    guard let end = end(of: model), end.day <= day else { return nil }
    return end.replacement
  }

  /// Writes a model's name or, where it has ended by that day, its replacement under the same path.
  /// True: it was replaced.
  package func write(
    model: Bytes, on day: Day, into out: inout Writer
  ) -> Bool {
    guard let replacement = replacement(of: model, on: day) else {
      out.write(model)
      return false
    }
    out.write(model.prefix(Self.pathLength(of: model)))
    out.write(replacement)
    return true
  }

  /// How much of a model's name is the path in front of it, with its last slash.
  private static func pathLength(of model: Bytes) -> Int {
    var length = 0
    for index in 0..<model.count {
      if model[index] == UInt8(ascii: "/") { length = index + 1 }
      let isEncoded =
        index + 3 <= model.count && model[index..<index + 3].equalsIgnoringCase("%2f")
      if isEncoded { length = index + 3 }
    }
    return length
  }
}
