// What a client offers in `Sec-WebSocket-Protocol`. No subprotocol means anything here, but a
// browser gives up a socket whose answer names none of those that it offered (the WHATWG's rule;
// RFC 6455 §4.1 lets a client go on), and a page, which can set no header, brings its key among
// them: `token, KEY`, `bearer, KEY`, or `…api-key.KEY`.

enum Subprotocols {
  /// The longest that is named in an answer, and the longest key.
  private static let bytesMax = 64
  private static let keyBytesMax = 512
  private static let marker: StaticString = "api-key."

  /// The key among them, or nil; the first one where there are several.
  static func key(in fields: HTTP.Fields, of head: Bytes) -> Bytes? {
    var items = HTTP.Items(of: "sec-websocket-protocol", fields, in: head)
    var isScheme = false
    while let item = items.next() {
      if isScheme { return item }
      if let start = keyStart(of: item) { return item.dropping(start) }
      isScheme = Self.isScheme(item)
    }
    return nil
  }

  /// The one that the answer names: the first that is no key. A key only where nothing else was
  /// offered, to the one who brought it: no browser would take any other answer. Empty: none.
  static func answer(to fields: HTTP.Fields, of head: Bytes) -> Bytes {
    var items = HTTP.Items(of: "sec-websocket-protocol", fields, in: head)
    var isKey = false
    var key = Bytes.empty
    while let item = items.next() {
      if keyStart(of: item) != nil {
        if key.isEmpty, isName(item, upTo: keyBytesMax) { key = item }
      } else if !isKey, isName(item, upTo: bytesMax) {
        return item
      }
      isKey = Self.isScheme(item)
    }
    return key
  }

  private static func isScheme(_ item: Bytes) -> Bool {
    item.equalsIgnoringCase("token") || item.equalsIgnoringCase("bearer")
  }

  private static func keyStart(of item: Bytes) -> Int? {
    let length = marker.utf8CodeUnitCount
    for start in 0..<max(item.count &- length, 0) {
      if item[start..<start &+ length].equalsIgnoringCase(marker) { return start &+ length }
    }
    return nil
  }

  private static func isName(_ item: Bytes, upTo bytesMax: Int) -> Bool {
    guard !item.isEmpty, item.count <= bytesMax else { return false }
    for index in 0..<item.count where !HTTP.isToken(item[index]) { return false }
    return true
  }
}
