// Where a request goes. The form is narrow on purpose: what is read here as the host is read as the
// host by everybody, so that what was checked is what is dialled.

package struct HTTPURL: Equatable, Sendable {
  /// Why a text is no URL to post to, in a sentence that begins behind the text.
  package struct Mistake: Error, Equatable { package let sentence: String }

  /// All of it, as it is dialled.
  package let text: String
  /// The host, with the port where one is written: all that a log should say of it, since paths and
  /// queries of hooks are often secrets.
  package let place: String
  package let isTLS: Bool
  /// This machine by a name or number that nobody can point elsewhere.
  package let isLoopback: Bool

  /// - Parameter allowsPlain: whether `http` may leave this machine.
  package init(_ text: String, allowsPlain: Bool = false) throws(Mistake) {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw Mistake(sentence: "has characters that a URL spells with %")
    }
    let lower = text.lowercased()
    let scheme = ["https://", "http://"].first { lower.hasPrefix($0) }
    guard let scheme else { throw Mistake(sentence: "must begin with https:// or http://") }
    let rest = text.dropFirst(scheme.count)
    guard !rest.contains("#") else { throw Mistake(sentence: "must have no part behind a #") }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let host = try Self.host(of: authority)
    let isLoopback = Self.isLoopback(host)
    let isTLS = scheme == "https://"
    guard isTLS || isLoopback || allowsPlain else {
      throw Mistake(
        sentence: "would go over the network unencrypted: use https://, or set `plain = true`")
    }
    self.text = text
    self.place = String(authority)
    self.isTLS = isTLS
    self.isLoopback = isLoopback
  }

  /// The host of `host`, `host:port` or `[v6]:port`.
  private static func host(of authority: Substring) throws(Mistake) -> Substring {
    var host = authority
    var port: Substring?
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else {
        throw Mistake(sentence: "has a [ without its ]")
      }
      host = authority[...end]
      let behind = authority[authority.index(after: end)...]
      guard behind.isEmpty || behind.first == ":" else {
        throw Mistake(sentence: "has something behind the ] of its host that is no port")
      }
      port = behind.isEmpty ? nil : behind.dropFirst()
      guard host.dropFirst().dropLast().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
      else { throw Mistake(sentence: "has no IPv6 address between its brackets") }
    } else {
      if let colon = authority.firstIndex(of: ":") {
        host = authority[..<colon]
        port = authority[authority.index(after: colon)...]
      }
      guard host.utf8.allSatisfy(isOfName) else {
        throw Mistake(sentence: "has a host of other characters than letters, digits, . - and _")
      }
    }
    guard !host.isEmpty, host != "[]" else { throw Mistake(sentence: "names no host") }
    if let port, UInt16(port) == nil || UInt16(port) == 0 {
      throw Mistake(sentence: "has a port that is no number from 1 to 65535")
    }
    return host
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
    default: false
    }
  }

  private static func isLoopback(_ host: Substring) -> Bool {
    if host.lowercased() == "localhost" || host == "[::1]" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
