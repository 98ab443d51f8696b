// Which texts are URLs to post to, and which of them may be plain.

import Testing

@testable import SidetoneCourier

struct HTTPURLTests {
  private func mistake(_ text: String, plain: Bool = false) -> String? {
    do throws(HTTPURL.Mistake) {
      _ = try HTTPURL(text, allowsPlain: plain)
      return nil
    } catch {
      return error.sentence
    }
  }

  @Test func `a URL is taken apart as everybody does`() throws {
    let url = try HTTPURL("HTTPS://Hooks.Example.com:8443/a/secret?b=c")
    #expect(url.place == "Hooks.Example.com:8443")
    #expect(url.isTLS && !url.isLoopback)
    #expect(url.text == "HTTPS://Hooks.Example.com:8443/a/secret?b=c")
    #expect(try HTTPURL("https://example.com?x=1").place == "example.com")
    #expect(try HTTPURL("https://[2001:db8::1]:1/").place == "[2001:db8::1]:1")
  }

  @Test func `plain HTTP stays on this machine unless somebody wants it otherwise`() {
    for host in ["127.0.0.1", "127.1.2.3:80", "localhost", "LOCALHOST:1", "[::1]", "[::1]:9"] {
      #expect(mistake("http://\(host)/x") == nil, "\(host)")
    }
    for host in [
      "example.com", "127.0.0.1.example.com", "127.1", "127.0.0.256", "2130706433", "10.0.0.1",
      "localhost.example.com", "[::2]", "0.0.0.0",
    ] {
      #expect(mistake("http://\(host)/x")?.contains("unencrypted") ?? false, "\(host)")
      #expect(mistake("http://\(host)/x", plain: true) == nil, "\(host)")
      #expect(mistake("https://\(host)/x") == nil, "\(host)")
    }
  }

  @Test func `what is read in different ways is refused`() {
    for text in [
      "", "example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://localhost/",
      "https:/example.com", "https://", "https:///x", "https://:443/", "https://a:b@example.com/",
      "https://example.com@localhost/", "https://exa mple.com/", "https://example.com/\n",
      "https://example.com/#part", "https://example.com:/", "https://example.com:0/",
      "https://example.com:65536/", "https://example.com:1:2/", "https://[::1/", "https://[]/",
      "https://[::1]x/", "https://[fe80::1%25eth0]/", "https://exämple.com/", "https://a\\b/",
      "https://127.0.0.1\\@example.com/", "https://a%2eb/",
    ] {
      #expect(mistake(text, plain: true) != nil, "\(text)")
    }
  }
}

struct HTTPRetryAfterTests {
  private let now: Int64 = 1_764_000_000_000

  @Test func `seconds and dates are read`() {
    #expect(HTTPRetryAfter.milliseconds("120", at: now) == 120_000)
    #expect(HTTPRetryAfter.milliseconds(" 0\t", at: now) == 0)
    let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    #expect(HTTPRetryAfter.milliseconds(date, at: 784_111_777_000 - 5000) == 5000)
    #expect(
      HTTPRetryAfter.milliseconds("Thu, 29 Feb 2024 00:00:00 GMT", at: 0) == 1_709_164_800_000)
    #expect(HTTPRetryAfter.milliseconds("Thu, 01 Jan 1970 00:00:00 GMT", at: 0) == 0)
    // It has passed already.
    #expect(HTTPRetryAfter.milliseconds(date, at: now) == 0)
  }

  @Test func `what is neither is not heeded and what is endless does not overflow`() {
    for text in [
      "", " ", "-1", "1.5", "soon", "1 2", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37 CET",
      "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT",
    ] {
      #expect(HTTPRetryAfter.milliseconds(text, at: now) == nil, "\(text)")
    }
    let endless = String(repeating: "9", count: 1000)
    #expect(HTTPRetryAfter.milliseconds(endless, at: now) == 9_999_999_999_999_000)
  }
}
