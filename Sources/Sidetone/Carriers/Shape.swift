// What a message that nobody asked for looks like: for a line about it, and to know a sign of life
// when one is seen. Values stay out of the line, but for the name of its event.

extension Carrier {
  package static let shapeBytesMax = 512
  private static let namesMax = 12

  /// "event start with sequenceNumber, start (streamSid, callSid)": what of a message is no secret.
  /// With `carriers`, those of a route, also whose it is, and what was expected.
  package static func describe(
    _ message: Bytes, to writer: inout Writer, among carriers: [Int] = []
  ) {
    describe(message, &writer)
    guard !carriers.isEmpty else { return }
    for (index, carrier) in all.enumerated() where !carriers.contains(index) {
      guard let recognise = carrier.recognise, recognise(message) else { continue }
      writer.write("; this is how ")
      writer.write(carrier.name)
      writer.write(" begins, which this route does not take")
    }
    writer.write("; expected: ")
    for (index, row) in carriers.enumerated() {
      if index > 0 { writer.write(" or ") }
      writer.write(all[row].name)
    }
  }

  private static func describe(_ message: Bytes, _ writer: inout Writer) {
    var scanner = JSON.Scanner(message)
    guard let value = scanner.value(), scanner.isAtEnd, value.kind == .object else {
      writer.write(message.isEmpty ? "binary messages" : "a text that is no JSON object")
      return
    }
    writer.write("a message")
    for name in ["event", "type", "eventType", "command"] as [StaticString] {
      guard let word = JSON.find(name, in: message), word.kind == .string else { continue }
      writer.write(" of ")
      writer.write(name)
      writer.write(" \"")
      writer.write(message[word.range].prefix(min(word.range.count, 48)))
      writer.write("\"")
      break
    }
    writer.write(" with ")
    names(of: value, in: message, isOuter: true, &writer)
  }

  private static func names(
    of object: JSON.Value, in message: Bytes, isOuter: Bool, _ writer: inout Writer
  ) {
    var members = JSON.Members(of: object, in: message)
    var count = 0
    while let member = members.next(), count < namesMax {
      if count > 0 { writer.write(", ") }
      writer.write(message[member.name.range].prefix(min(member.name.range.count, 32)))
      count += 1
      guard isOuter, member.value.kind == .object else { continue }
      writer.write(" (")
      names(of: member.value, in: message, isOuter: false, &writer)
      writer.write(")")
    }
    if count == 0 { writer.write("nothing in it") }
  }

  /// A word or an object that only says that somebody is there, as some clients send now and then.
  package static func isSignOfLife(_ message: Bytes) -> Bool {
    var scanner = JSON.Scanner(message)
    guard let value = scanner.value(), scanner.isAtEnd else { return isSignOfLife(word: message) }
    if value.kind == .string { return isSignOfLife(word: message[value.range]) }
    var members = JSON.Members(of: value, in: message)
    while let member = members.next() {
      if member.value.kind == .string, isSignOfLife(word: message[member.value.range]) {
        return true
      }
    }
    return value.kind == .object && message[value.range].count == 2
  }

  private static func isSignOfLife(word: Bytes) -> Bool {
    guard word.count <= 16 else { return false }
    for sign in ["ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat"]
      as [StaticString]
    {
      if word.equalsIgnoringCase(sign) { return true }
    }
    for index in 0..<word.count where word[index] > 0x20 { return false }
    return true
  }
}
