// The texts that settings are made of: addresses, networks, URLs, origins. Each reader says what it
// wants instead of repeating what it was given, since a URL may carry a secret.

import Glibc
import Sidetone

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`; port 0 lets the system choose.
func readListener(_ text: String) throws(Refusal) -> Config.Listener {
  guard let (hostText, port) = splitHostAndPort(Substring(text)), let port else {
    throw Refusal("must be ADDRESS:PORT, for example 127.0.0.1:8080 or [::1]:8080")
  }
  let host = String(hostText)
  var listener = Config.Listener()
  listener.port = port
  if host == "localhost" { return listener }
  guard let address = canonicalAddress(host) else {
    let everywhere = host.isEmpty || host == "*"
    throw Refusal(
      everywhere
        ? "names no address; write 0.0.0.0:\(port) to listen on every one"
        : "must begin with an IP address, such as 127.0.0.1, 0.0.0.0 or [::]")
  }
  listener.address = address
  return listener
}

/// `10.0.0.0/8`, `2001:db8::/32`, or one address. Bits behind the prefix must be zero: they say
/// that something else was meant.
func readAddressRange(_ text: String) throws(Refusal) -> AddressRange {
  let example = "must be a network such as 10.0.0.0/8 or 2001:db8::/32, or one IP address"
  let parts = text.split(separator: "/", omittingEmptySubsequences: false)
  guard parts.count <= 2, let address = readAddress(String(parts[0])) else {
    throw Refusal(example)
  }
  // IPv6's mapped form of an IPv4 address counts 96 bits more than the address itself.
  let mapped = parts[0].contains(":") ? 0 : 96
  var bits = 128
  if parts.count == 2 {
    guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(parts[1]),
      number <= 128 - mapped
    else { throw Refusal(example) }
    bits = number + mapped
  }
  func low(_ word: UInt64, _ bits: Int) -> UInt64 { bits >= 64 ? 0 : word & (.max >> max(bits, 0)) }
  guard low(address.high, bits) == 0, low(address.low, bits - 64) == 0 else {
    throw Refusal("has bits behind its prefix length; write the network's own address")
  }
  return AddressRange(network: address, prefixBits: bits)
}

func readAddress(_ text: String) -> Address? {
  Array(text.utf8).withBytes { Address($0) }
}

/// The one way in which an address is written, so that "0:0:0:0:0:0:0:1" is seen to be "::1".
private func canonicalAddress(_ text: String) -> String? {
  guard let address = readAddress(text) else { return nil }
  return Bytes.withTemporary(64) { place in
    var writer = Writer(place)
    writer.write(address)
    return String(decoding: writer.written.array, as: UTF8.self)
  }
}

/// A `ws` or `wss` URL of an upstream.
func readEndpoint(_ text: String) throws(Refusal) -> Config.Endpoint {
  guard let url = splitURL(text), url.scheme == "wss" || url.scheme == "ws" else {
    let example = "must be a WebSocket URL such as wss://host/path"
    if text.hasPrefix("http") { throw Refusal("\(example), not http:// or https://") }
    throw Refusal(text.contains("#") ? "\(example), without a fragment behind #" : example)
  }
  guard text.utf8.count <= Limits.urlBytesMax else {
    throw Refusal("must be at most \(Limits.urlBytesMax) bytes long")
  }
  var endpoint = Config.Endpoint()
  endpoint.isTLS = url.scheme == "wss"
  endpoint.host = url.host
  endpoint.port = url.port ?? (endpoint.isTLS ? 443 : 80)
  guard endpoint.port > 0 else { throw Refusal("names port 0, which nobody can dial") }
  endpoint.path = url.path.isEmpty ? "/" : url.path
  endpoint.query = url.query
  return endpoint
}

/// An origin such as `https://relay.example.com`, without a path; a trailing slash is taken away.
func readOrigin(_ text: String) throws(Refusal) -> String {
  let text = text.hasSuffix("/") ? String(text.dropLast()) : text
  guard let url = splitURL(text), url.scheme == "https" || url.scheme == "http",
    url.path.isEmpty, url.query.isEmpty, !text.hasSuffix("?")
  else {
    throw Refusal("must be an origin such as https://relay.example.com, without a path")
  }
  let host = url.host.contains(":") ? "[\(url.host)]" : url.host
  return "\(url.scheme)://\(host)" + (url.port.map { ":\($0)" } ?? "")
}

/// An address such as `https://relay.example.com`, perhaps with the path that a proxy in front has
/// before ours; a trailing slash is taken away.
func readPublicURL(_ text: String) throws(Refusal) -> String {
  let text = text.hasSuffix("/") ? String(text.dropLast()) : text
  guard let url = splitURL(text), url.scheme == "https" || url.scheme == "http",
    url.query.isEmpty, !text.hasSuffix("?"),
    url.path.isEmpty
      || url.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        .allSatisfy(isSegment)
  else {
    throw Refusal("must be an address such as https://relay.example.com, without a query")
  }
  return try readOrigin(String(text.dropLast(url.path.utf8.count))) + url.path
}

/// Where something is posted.
func readHTTP(_ text: String) throws(Refusal) -> String {
  guard let url = splitURL(text), url.scheme == "https" || url.scheme == "http",
    text.utf8.count <= Limits.urlBytesMax
  else {
    throw Refusal("must be a URL such as https://hooks.example.com/calls, without a fragment")
  }
  return text
}

/// Where a service is served, under whose path more follows; without a slash at the end.
func readBase(_ text: String) throws(Refusal) -> String {
  var base = try readHTTP(text)
  while base.hasSuffix("/") { base.removeLast() }
  guard !base.contains("?") else {
    throw Refusal("must be an address such as https://litellm.example.com, without a query")
  }
  return base
}

struct SplitURL {
  var scheme: String
  /// Lower case, without brackets.
  var host: String
  var port: UInt16?
  var path: String
  var query: String
}

/// Nil for anything but scheme://host[:port][/path][?query] in printable ASCII; names and passwords
/// before an `@`, and fragments, are not taken.
private func splitURL(_ text: String) -> SplitURL? {
  guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !text.contains("#"),
    let mark = text.firstRange(of: "://")
  else { return nil }
  let rest = text[mark.upperBound...]
  let authority = rest.prefix { $0 != "/" && $0 != "?" }
  guard let (host, port) = splitHostAndPort(authority), !host.isEmpty else { return nil }
  let isLiteral = authority.hasPrefix("[")
  guard isLiteral ? readAddress(String(host)) != nil : isHostName(host) else { return nil }
  let target = rest[authority.endIndex...]
  let path = target.prefix { $0 != "?" }
  return SplitURL(
    scheme: text[..<mark.lowerBound].lowercased(), host: host.lowercased(), port: port,
    path: String(path), query: String(target[path.endIndex...].dropFirst()))
}

private func isHostName(_ host: Substring) -> Bool {
  host.utf8.count <= 253 && host.utf8.allSatisfy { isNameByte($0) || $0 == 0x2E }
    && host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
      !$0.isEmpty && $0.utf8.count <= 63
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`. Nil where neither fits.
private func splitHostAndPort(_ text: Substring) -> (host: Substring, port: UInt16?)? {
  var host = text
  var behind = Substring()
  if text.hasPrefix("[") {
    guard let end = text.firstIndex(of: "]") else { return nil }
    host = text[text.index(after: text.startIndex)..<end]
    guard host.contains(":") else { return nil }
    behind = text[text.index(after: end)...]
  } else if let colon = text.firstIndex(of: ":") {
    host = text[..<colon]
    behind = text[colon...]
  }
  if behind.isEmpty { return (host, nil) }
  guard behind.hasPrefix(":"), behind.dropFirst().utf8.allSatisfy({ (0x30...0x39).contains($0) }),
    let port = UInt16(behind.dropFirst())
  else { return nil }
  return (host, port)
}

// MARK: - Secrets, files, paths

/// A key or token as it can stand in a header: printable, without spaces.
func readSecret(_ text: String) throws(Refusal) -> String {
  if let first = text.first, "\"'`".contains(first), text.count == 1 || text.last == first {
    throw Refusal("stands in quotes that belong to it now: take them away")
  }
  if text.last?.isWhitespace == true || text.first?.isWhitespace == true {
    throw Refusal("begins or ends with a space or line end: take it away")
  }
  let words = text.split(separator: " ")
  if words.count == 2, ["bearer", "token"].contains(words[0].lowercased()) {
    throw Refusal("must be the key alone, without `\(words[0])` in front")
  }
  guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), text.utf8.count <= Limits.secretBytesMax
  else {
    throw Refusal(
      "must be printable ASCII without spaces, at most \(Limits.secretBytesMax) bytes")
  }
  return text
}

/// The secret in a file, without the line end behind it.
func readSecretFile(_ path: String) throws(Refusal) -> String {
  var bytes: [UInt8]
  do throws(FileFailure) {
    bytes = try readFile(path, bytesMax: 4096)
  } catch {
    throw Refusal("cannot be read: \(error.reason)")
  }
  while let last = bytes.last, last == 0x0A || last == 0x0D { bytes.removeLast() }
  let secret = try readSecret(String(decoding: bytes, as: UTF8.self))
  if secret.isEmpty { throw Refusal("names an empty file") }
  return secret
}

/// A carrier's ed25519 public key: 32 bytes in base64.
func readPublicKey(_ text: String) throws(Refusal) -> [UInt8] {
  let key = Array(text.utf8).withBytes { encoded -> [UInt8] in
    guard encoded.count == 44 else { return [] }
    return Bytes.withTemporary(33) { place in
      Base64.decode(encoded, into: place).map { place.prefix($0).array } ?? []
    }
  }
  guard key.count == 32 else { throw Refusal("must be 32 bytes in base64, as the portal shows it") }
  return key
}

/// Text for a model: lines are kept, other control characters refused.
func readProse(_ text: String, bytesMax: Int) throws(Refusal) -> String {
  let text = String(text.map { $0 == "\r\n" ? "\n" : $0 })
  guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A || $0 == 0x09 }) else {
    throw Refusal("must not contain control characters other than tabs and line ends")
  }
  guard text.utf8.count <= bytesMax else { throw Refusal("must be at most \(bytesMax) bytes long") }
  return text
}

/// The whole text of a file, in UTF-8.
func readTextFile(_ path: String, bytesMax: Int) throws(Refusal) -> String {
  let bytes: [UInt8]
  do throws(FileFailure) {
    // Some room for line ends that count once in the text.
    bytes = try readFile(path, bytesMax: 2 * bytesMax)
  } catch {
    throw Refusal("cannot be read: \(error.reason)")
  }
  guard let text = String(validating: bytes, as: UTF8.self) else {
    throw Refusal("names a file that is not UTF-8")
  }
  return text
}

func readRate(_ written: Written, among rates: [Int]) throws(Refusal) -> Int {
  let rate = try? written.integer(in: 0...Int.max)
  guard let rate, rates.contains(rate) else {
    throw Refusal("must be \(rates.map(String.init).joined(separator: " or "))")
  }
  return rate
}

func readWord(_ written: Written, among words: [String]) throws(Refusal) -> String {
  let word = try written.text()
  guard words.contains(word) else {
    throw Refusal("must be one of \(words.joined(separator: ", "))")
  }
  return word
}

func readableFile(_ path: String) throws(Refusal) -> String {
  if !path.isEmpty, access(path, R_OK) != 0 {
    throw Refusal("\(path) cannot be read: \(String(cString: strerror(errno)))")
  }
  return path
}

/// A route's path: plain segments, so that it reads the same before and after any proxy.
func readPath(_ path: String) throws(Refusal) -> String {
  let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
  guard path.hasPrefix("/"), path.utf8.count <= 256, segments.allSatisfy({ isSegment($0) }) else {
    throw Refusal(
      "must be such as /media/west: letters, digits, `-`, `_`, `.` and `~` between slashes")
  }
  if operatorPaths.contains(path) { throw Refusal("\(path) is served by the relay itself") }
  return path
}

func readSegment(_ text: String) throws(Refusal) -> String {
  guard text.utf8.count >= 16, isSegment(Substring(text)) else {
    throw Refusal("must have at least 16 letters, digits, `-`, `_`, `.` or `~`")
  }
  return text
}

private func isSegment(_ text: Substring) -> Bool {
  !text.isEmpty && text != "." && text != ".."
    && text.utf8.allSatisfy { isNameByte($0) || $0 == 0x2E || $0 == 0x7E }
}

/// A phone number as carriers dial it.
func readNumber(_ text: String) throws(Refusal) -> String {
  let digits = text.hasPrefix("+") ? text.dropFirst() : Substring(text)
  guard (3...20).contains(digits.utf8.count),
    digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
  else { throw Refusal("must be a phone number such as +15550100") }
  return text
}

/// Whether a URL's host can only be reached from this machine.
func isLoopback(origin: String) -> Bool {
  guard let url = splitURL(origin) else { return false }
  return url.host == "localhost" || readAddress(url.host)?.isLoopback == true
}
