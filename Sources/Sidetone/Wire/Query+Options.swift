// Options of the settings as a query, made at start.

extension Query {
  /// The parts of a query that an operator wrote, decoded, in their order.
  package static func decoded(_ text: String) -> [(name: String, value: String)] {
    var bytes = Array(text.utf8)
    return bytes.withMutableBytes { query in
      var options: [(name: String, value: String)] = []
      var pairs = Query(query)
      while let pair = pairs.next() {
        options.append((decodeInPlace(pair.name).string, decodeInPlace(pair.value).string))
      }
      return options
    }
  }

  /// Options as a query: `name=value&name=value`, percent-encoded.
  static func encoded(_ options: [(name: String, value: String)]) -> [UInt8] {
    // Every byte takes three at most, and each option two signs beside its texts.
    let room = options.reduce(0) { $0 + 3 * ($1.name.utf8.count + $1.value.utf8.count) + 2 }
    var bytes = [UInt8](repeating: 0, count: room)
    let count = bytes.withMutableBytes { place in
      var writer = Writer(place)
      for option in options {
        if writer.count > 0 { writer.write("&") }
        Array(option.name.utf8).withBytes { Query.encode($0, into: &writer) }
        writer.write("=")
        Array(option.value.utf8).withBytes { Query.encode($0, into: &writer) }
      }
      return writer.count
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
