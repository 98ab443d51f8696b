// Whether a JSON text is of a JSON schema: the arguments with which a model calls a function, held
// against what it was told of them. Both are read where they lie; nothing is made of them.
//
// 1. Judged is what models are told by such schemas: `type` (also as OpenAPI writes it, with
//    `nullable`), `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, the
//    bounds of numbers, texts and lists, `anyOf`, `oneOf` (read as `anyOf`) and `allOf`. What else
//    a schema says, such as `pattern`, is not; where it has `patternProperties`, any name may be
//    one of those.
// 2. The first misfit counts. It is told by its place, such as `order.items[2].id`.
// 3. The work is bounded: so many bytes of both are looked at, and no more. An object is held
//    against the names of its schema in one reading of both for each 64 members that it has, not in
//    one for each member (SchemaNames).
// 4. Of two members of one name both are judged: whoever reads them may take either.

package struct JSONSchemaCheck: ~Copyable {
  private let schema: Bytes
  private let text: Bytes
  /// Where what is looked at stands, as the inside of a JSON string; the text itself: nothing.
  private var path: Writer
  private var bytesLeft = Self.bytesMax

  package typealias Misfit = StaticString

  private static let bytesMax = 2 << 20
  private static let tooMuch: Misfit = "is too much to be held against its schema"
  /// What of a place is kept.
  package static let placeBytesMax = 160

  /// `room`: for `placeBytesMax`. Both texts are valid JSON.
  package init(of text: Bytes, by schema: Bytes, room: Bytes) {
    self.schema = schema
    self.text = text
    path = Writer(room)
  }

  package var place: Bytes { path.written }

  /// What is wrong with what stands at `place`, as the end of a sentence; nil: it fits.
  package mutating func misfit() -> Misfit? {
    guard let value = JSON.whole(of: text), let wanted = JSON.whole(of: schema) else {
      preconditionFailure("both were found to be JSON before")
    }
    return misfit(of: value, wanted)
  }

  private mutating func misfit(of value: JSON.Value, _ wanted: JSON.Value) -> Misfit? {
    if wanted.kind == .false { return "must not be there" }
    guard wanted.kind == .object else { return nil }
    guard take(wanted) else { return Self.tooMuch }
    if value.kind == .null, JSON.find("nullable", in: schema, under: wanted)?.kind == .true {
      return nil
    }
    var rules = JSON.Members(of: wanted, in: schema)
    while let rule = rules.next() {
      if let found = misfit(of: value, by: rule, of: wanted) { return found }
    }
    return nil
  }

  private mutating func misfit(
    of value: JSON.Value, by rule: JSON.Member, of wanted: JSON.Value
  ) -> Misfit? {
    if let found = misfit(ofAny: value, rule) { return found }
    switch value.kind {
    case .object: return misfit(ofObject: value, rule, wanted)
    case .array: return misfit(ofList: value, rule)
    case .string: return misfit(ofText: value, rule)
    case .number: return misfit(ofNumber: value, rule)
    case .true, .false, .null: return nil
    }
  }

  private mutating func take(_ part: JSON.Value) -> Bool {
    bytesLeft -= part.range.count
    return bytesLeft >= 0
  }

  private func isNamed(_ name: StaticString, _ rule: JSON.Member) -> Bool {
    JSON.text(rule.name, in: schema, equals: name)
  }

  // MARK: Anything

  private mutating func misfit(ofAny value: JSON.Value, _ rule: JSON.Member) -> Misfit? {
    if isNamed("type", rule) { return misfit(of: value, type: rule.value) }
    if isNamed("enum", rule) {
      return isAny(of: rule.value, value) ? nil : "is none of those that it may be"
    }
    if isNamed("const", rule) {
      return isSame(value, rule.value) ? nil : "is not what it has to be"
    }
    if isNamed("allOf", rule) {
      var parts = JSON.Elements(of: rule.value, in: schema)
      while let part = parts.next() {
        if let found = misfit(of: value, part) { return found }
      }
    }
    if isNamed("anyOf", rule) || isNamed("oneOf", rule) {
      return fitsAny(of: rule.value, value) ? nil : "fits none of its alternatives"
    }
    return nil
  }

  private mutating func fitsAny(of list: JSON.Value, _ value: JSON.Value) -> Bool {
    let end = path.count
    var parts = JSON.Elements(of: list, in: schema)
    while let part = parts.next() {
      if misfit(of: value, part) == nil { return true }
      path.rewind(to: end)
    }
    return list.kind != .array
  }

  private func misfit(of value: JSON.Value, type: JSON.Value) -> Misfit? {
    if type.kind == .string { return isOf(type, value) ? nil : sentence(wanting: type) }
    var types = JSON.Elements(of: type, in: schema)
    while let type = types.next() { if isOf(type, value) { return nil } }
    return type.kind == .array ? "is of none of the types that it may have" : nil
  }

  private static let types:
    [(name: StaticString, openAPI: StaticString, kinds: [JSON.Kind], misfit: Misfit)] = [
      ("object", "OBJECT", [.object], "must be an object"),
      ("array", "ARRAY", [.array], "must be a list"),
      ("string", "STRING", [.string], "must be a text"),
      ("number", "NUMBER", [.number], "must be a number"),
      ("integer", "INTEGER", [.number], "must be a whole number"),
      ("boolean", "BOOLEAN", [.true, .false], "must be true or false"),
      ("null", "NULL", [.null], "must be null"),
    ]

  private func row(of type: JSON.Value) -> Int? {
    Self.types.firstIndex {
      JSON.text(type, in: schema, equals: $0.name)
        || JSON.text(type, in: schema, equals: $0.openAPI)
    }
  }

  /// A type that nobody knows says nothing.
  private func isOf(_ type: JSON.Value, _ value: JSON.Value) -> Bool {
    guard let row = row(of: type) else { return true }
    guard Self.types[row].kinds.contains(value.kind) else { return false }
    return !JSON.text(type, in: schema, equals: "integer")
      && !JSON.text(type, in: schema, equals: "INTEGER") || isWhole(value)
  }

  private func sentence(wanting type: JSON.Value) -> Misfit {
    row(of: type).map { Self.types[$0].misfit } ?? "is of another type"
  }

  /// More than 64 bits are judged by how they are written.
  private func isWhole(_ value: JSON.Value) -> Bool {
    if JSON.integer(value, in: text) != nil { return true }
    let written = text[value.range]
    return written.firstIndex(of: UInt8(ascii: ".")) == nil
      && written.firstIndex(of: UInt8(ascii: "e")) == nil
      && written.firstIndex(of: UInt8(ascii: "E")) == nil
  }

  // MARK: Sameness

  private mutating func isAny(of list: JSON.Value, _ value: JSON.Value) -> Bool {
    guard list.kind == .array else { return true }
    var choices = JSON.Elements(of: list, in: schema)
    while let choice = choices.next() { if isSame(value, choice) { return true } }
    return false
  }

  /// Lists and objects are the same where they are written alike.
  private func isSame(_ value: JSON.Value, _ other: JSON.Value) -> Bool {
    guard value.kind == other.kind else { return false }
    switch value.kind {
    case .true, .false, .null: return true
    case .number: return order(value, other) == 0
    case .object, .array: return text[value.range].equals(schema[other.range])
    case .string:
      var (ours, theirs) = (JSON.Text(value, in: text), JSON.Text(other, in: schema))
      while let byte = ours.next() { if theirs.next() != byte { return false } }
      return theirs.next() == nil
    }
  }

  /// Below, at or above 0 as the value is less, the same or more; six digits behind the point
  /// count. What is beyond 64 bits is more, or less, than anything that is not.
  private func order(_ value: JSON.Value, _ other: JSON.Value) -> Int {
    func size(_ value: JSON.Value, in document: Bytes) -> (millionths: Int?, side: Int) {
      let isNegative = document[value.range.lowerBound] == UInt8(ascii: "-")
      let number = JSON.decimal(value, scale: 6, in: document)
      return (number, number == nil ? isNegative ? -1 : 1 : 0)
    }
    if let ours = JSON.integer(value, in: text), let theirs = JSON.integer(other, in: schema) {
      return ours < theirs ? -1 : ours > theirs ? 1 : 0
    }
    let (ours, theirs) = (size(value, in: text), size(other, in: schema))
    if let ours = ours.millionths, let theirs = theirs.millionths {
      return ours < theirs ? -1 : ours > theirs ? 1 : 0
    }
    return ours.side - theirs.side
  }

  // MARK: Objects

  private mutating func misfit(
    ofObject object: JSON.Value, _ rule: JSON.Member, _ wanted: JSON.Value
  ) -> Misfit? {
    if isNamed("required", rule) { return misfit(of: object, required: rule.value) }
    if isNamed("properties", rule) { return misfit(of: object, properties: rule.value, wanted) }
    if isNamed("additionalProperties", rule) {
      if JSON.find("patternProperties", in: schema, under: wanted) != nil { return nil }
      let known = JSON.find("properties", in: schema, under: wanted)
      return misfit(ofOthersIn: object, than: known, rule.value)
    }
    return nil
  }

  private mutating func misfit(of object: JSON.Value, required: JSON.Value) -> Misfit? {
    var wanted = JSON.Elements(of: required, in: schema)
    var isMore = true
    while isMore {
      var names = SchemaNames(in: schema)
      isMore = names.fill(from: &wanted)
      if names.count == 0 { return nil }
      guard take(object) else { return Self.tooMuch }
      var members = JSON.Members(of: object, in: text)
      while let member = members.next() { names.mark(member.name, in: text) }
      if let missing = names.firstUnmarked() {
        enter(names[missing].name)
        return "is missing"
      }
    }
    return nil
  }

  private mutating func misfit(
    of object: JSON.Value, properties: JSON.Value, _ wanted: JSON.Value
  ) -> Misfit? {
    let required = JSON.find("required", in: schema, under: wanted)
    let end = path.count
    var members = JSON.Members(of: object, in: text)
    var isMore = true
    while isMore {
      var names = SchemaNames(in: text)
      isMore = names.fill(from: &members)
      if names.count == 0 { return nil }
      guard take(properties), markRequired(required, in: &names) else { return Self.tooMuch }
      var known = JSON.Members(of: properties, in: schema)
      while let property = known.next() {
        var places = names.places(of: property.name, in: schema)
        while let place = places.next(in: names) {
          let value = names[place].value
          // Models write so what they leave out.
          if value.kind == .null, !names.isMarked(place) { continue }
          enter(property.name)
          if let found = misfit(of: value, property.value) { return found }
          path.rewind(to: end)
        }
      }
    }
    return nil
  }

  /// Marks those that are required, where that is asked for: of what is null. False: that is too
  /// much.
  private mutating func markRequired(
    _ required: JSON.Value?, in names: inout SchemaNames
  ) -> Bool {
    guard let required, names.hasNull else { return true }
    guard take(required) else { return false }
    var wanted = JSON.Elements(of: required, in: schema)
    while let name = wanted.next() {
      if name.kind == .string { names.mark(name, in: schema) }
    }
    return true
  }

  /// Those that no property is named for.
  private mutating func misfit(
    ofOthersIn object: JSON.Value, than known: JSON.Value?, _ wanted: JSON.Value
  ) -> Misfit? {
    if wanted.kind == .true { return nil }
    let end = path.count
    var members = JSON.Members(of: object, in: text)
    var isMore = true
    while isMore {
      var names = SchemaNames(in: text)
      isMore = names.fill(from: &members)
      if let known {
        guard take(known) else { return Self.tooMuch }
        var properties = JSON.Members(of: known, in: schema)
        while let property = properties.next() { names.mark(property.name, in: schema) }
      }
      while let other = names.firstUnmarked() {
        names.mark(other)
        enter(names[other].name, in: text)
        if wanted.kind == .false { return "is not known" }
        if let found = misfit(of: names[other].value, wanted) { return found }
        path.rewind(to: end)
      }
    }
    return nil
  }

  // MARK: Lists

  private mutating func misfit(ofList list: JSON.Value, _ rule: JSON.Member) -> Misfit? {
    if isNamed("items", rule) { return misfit(ofEachIn: list, rule.value) }
    let isLeast = isNamed("minItems", rule)
    guard isLeast || isNamed("maxItems", rule), let bound = bound(rule) else { return nil }
    var elements = JSON.Elements(of: list, in: text)
    var count = 0
    while elements.next() != nil { count += 1 }
    if isLeast { return count < bound ? "has fewer elements than it needs" : nil }
    return count > bound ? "has more elements than it may have" : nil
  }

  private mutating func misfit(ofEachIn list: JSON.Value, _ wanted: JSON.Value) -> Misfit? {
    let end = path.count
    var elements = JSON.Elements(of: list, in: text)
    var index = 0
    while let element = elements.next() {
      path.write("[")
      path.write(decimal: index)
      path.write("]")
      if let found = misfit(of: element, wanted) { return found }
      path.rewind(to: end)
      index += 1
    }
    return nil
  }

  private func bound(_ rule: JSON.Member) -> Int? {
    rule.value.kind == .number ? JSON.integer(rule.value, in: schema) : nil
  }

  // MARK: Texts and numbers

  private func misfit(ofText value: JSON.Value, _ rule: JSON.Member) -> Misfit? {
    let isLeast = isNamed("minLength", rule)
    guard isLeast || isNamed("maxLength", rule), let bound = bound(rule) else { return nil }
    var bytes = JSON.Text(value, in: text)
    var count = 0
    // A character begins with a byte that goes on with no other.
    while let byte = bytes.next() { if byte & 0xc0 != 0x80 { count += 1 } }
    if isLeast { return count < bound ? "is shorter than it has to be" : nil }
    return count > bound ? "is longer than it may be" : nil
  }

  private func misfit(ofNumber value: JSON.Value, _ rule: JSON.Member) -> Misfit? {
    guard rule.value.kind == .number else { return nil }
    let order = order(value, rule.value)
    if isNamed("minimum", rule) && order < 0 || isNamed("exclusiveMinimum", rule) && order <= 0 {
      return "is less than it may be"
    }
    if isNamed("maximum", rule) && order > 0 || isNamed("exclusiveMaximum", rule) && order >= 0 {
      return "is more than it may be"
    }
    return nil
  }

  // MARK: The place

  private mutating func enter(_ name: JSON.Value) { enter(name, in: schema) }

  /// A name's text goes on as it is written.
  private mutating func enter(_ name: JSON.Value, in document: Bytes) {
    if path.count > 0 { path.write(".") }
    path.write(document[name.range])
  }
}
