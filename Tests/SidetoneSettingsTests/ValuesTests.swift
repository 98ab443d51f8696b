// The texts that settings are made of: what is taken, and what is refused.

import Sidetone
import Testing

@testable import SidetoneSettings

/// The engine has refusals of its own, for requests.
private typealias Refusal = SidetoneSettings.Refusal

@Suite struct ValuesTests {
  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1", 8080), ("0.0.0.0:0", "0.0.0.0", 0), ("[::1]:443", "::1", 443),
    ("localhost:3000", "127.0.0.1", 3000), ("[0:0:0:0:0:0:0:1]:1", "::1", 1),
    ("[::ffff:127.0.0.1]:1", "127.0.0.1", 1),
  ])
  func `listeners are read`(text: String, address: String, port: UInt16) throws {
    let listener = try readListener(text)
    #expect(listener.address == address && listener.port == port)
  }

  @Test(arguments: [
    "", "8080", ":8080", "*:8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.1:80",
    "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80", "example.com:80", "127.0.0.1:+80", "[::1:80",
  ])
  func `other listeners are refused`(text: String) {
    #expect(throws: Refusal.self) { try readListener(text) }
  }

  @Test func `networks hold what they say`() throws {
    let ten = try readAddressRange("10.0.0.0/8")
    #expect(ten.contains(Address(ipv4: 0x0A_FF_00_01, port: 1)))
    #expect(!ten.contains(Address(ipv4: 0x0B_00_00_01, port: 1)))
    #expect(ten.prefixBits == 104)
    let one = try readAddressRange("192.0.2.7")
    #expect(one.contains(Address(ipv4: 0xC000_0207, port: 0)))
    #expect(!one.contains(Address(ipv4: 0xC000_0206, port: 0)))
    let six = try readAddressRange("2001:db8::/32")
    #expect(six.contains(Address(high: 0x2001_0db8_ffff_0000, low: 1, port: 0)))
    #expect(!six.contains(Address(high: 0x2001_0db9_0000_0000, low: 1, port: 0)))
    let everyone = try readAddressRange("0.0.0.0/0")
    #expect(everyone.contains(Address(ipv4: .max, port: 0)))
    #expect(!everyone.contains(Address(high: 0x2001_0db8_0000_0000, low: 1, port: 0)))
  }

  @Test(arguments: [
    "", "10.0.0.1/8", "10.0.0.0/33", "2001:db8::/129", "2001:db8::1/32", "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/+8", "10.0.0/8", "example.com", "/8",
  ])
  func `other networks are refused`(text: String) {
    #expect(throws: Refusal.self) { try readAddressRange(text) }
  }

  @Test func `an endpoint has its parts`() throws {
    let plain = try readEndpoint("wss://api.deepgram.com/v1/listen")
    #expect(plain.isTLS && plain.host == "api.deepgram.com" && plain.port == 443)
    #expect(plain.path == "/v1/listen" && plain.query.isEmpty)
    let full = try readEndpoint("WSS://Host.Example:8443?a=b&c=%20")
    #expect(full.host == "host.example" && full.port == 8443)
    #expect(full.path == "/" && full.query == "a=b&c=%20")
    let six = try readEndpoint("ws://[::1]:9000/x")
    #expect(!six.isTLS && six.host == "::1" && six.port == 9000)
    #expect(try readEndpoint("ws://localhost").port == 80)
    #expect(try readEndpoint("ws://127.0.0.2:1/").host == "127.0.0.2")
  }

  @Test(arguments: [
    "", "api.deepgram.com", "https://api.deepgram.com", "wss://", "wss:///x", "wss://user@host/",
    "wss://host:0/", "wss://host:x/", "wss://host/a b", "wss://host/#x", "wss://a..b/",
    "wss://[x]/",
    "wss://host/\r\nX: y",
  ])
  func `other endpoints are refused`(text: String) {
    #expect(throws: Refusal.self) { try readEndpoint(text) }
  }

  @Test func `origins lose their slash`() throws {
    #expect(try readOrigin("https://Relay.Example.com/") == "https://relay.example.com")
    #expect(try readOrigin("http://[::1]:8080") == "http://[::1]:8080")
  }

  @Test(arguments: [
    "relay.example.com", "wss://relay.example.com", "https://relay.example.com/x", "https://r/?a",
    "https://r?", "https://r//",
  ])
  func `other origins are refused`(text: String) {
    #expect(throws: Refusal.self) { try readOrigin(text) }
  }
}
