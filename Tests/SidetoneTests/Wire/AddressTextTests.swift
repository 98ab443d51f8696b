// Addresses as text: every form that is read, what is refused, and RFC 5952 on the way out.
import Testing

@testable import Sidetone

struct AddressTextTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
    ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::5", "2001:db8::5"),
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("::ffff:10.0.0.1", "10.0.0.1"),
    ("1:0:0:2::", "1:0:0:2::"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("::8", "::8"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("0001:0:0:0:0:0:0:0", "1::"),
  ])
  func `an address is read and written`(text: String, expected: String) throws {
    let address = try #require(atForbiddenPage(text) { Address($0) })
    #expect(written { $0.write(address) }.string == expected)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.", ".1.2.3", "1..2.3",
    "1.2.3.4 ", "a.b.c.d", ":", ":::", "1:2", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::",
    "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "::1.2.3", "[::1]", "fe80::1%eth0",
    "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "+1.2.3.4", "::1:",
  ])
  func `what is no address is refused`(text: String) {
    #expect(atForbiddenPage(text) { Address($0) } == nil)
  }
}
