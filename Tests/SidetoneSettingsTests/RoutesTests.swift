// Routes of the file beside the defaults, and the rules that tie them together.

import Sidetone
import Testing

@testable import SidetoneSettings

/// Six bytes each in a query.
private let tooLong = String(repeating: "ä", count: 90)

@Suite struct RoutesTests {
  @Test func `a route of the file replaces the default of its path`() throws {
    let file = """
      [[routes]]
      path = "/media"
      carriers = ["twilio"]
      upstream = "deepgram"
      addresses = ["10.0.0.0/8", "2001:db8::/32"]
      secret = "0123456789abcdef"
      options = { model = "nova-3", keyterm = ["a", "b"], smart_format = true, endpointing = 300 }
      """
    let routes = try load(file).routes
    #expect(routes.filter { $0.path == "/media" }.count == 1)
    let route = routes[0]
    #expect(route.isConfigured && route.addresses.count == 2 && !route.isOpen)
    #expect(
      route.options.map { "\($0.name)=\($0.value)" } == [
        "endpointing=300", "keyterm=a", "keyterm=b", "model=nova-3", "smart_format=true",
      ])
    #expect(routes.map(\.path) == defaultRoutes.map(\.path))
  }

  @Test(arguments: [
    ("", 1), ("path = \"media\"", 2), ("path = \"/a b\"", 2), ("path = \"/a?b\"", 2),
    ("path = \"/a/\"", 2), ("path = \"/../a\"", 2), ("path = \"/health\"", 2), ("path = 1", 2),
    ("path = \"/a\"", 2), ("path = \"/a\"\nupstream = \"nobody\"", 3),
    ("path = \"/a\"\nupstream = \"echo\"\ncarriers = [\"twillio\"]", 4),
    ("path = \"/a\"\nupstream = \"echo\"\nstream = \"/b\"", 4),
    ("path = \"/a\"\nupstream = \"echo\"\nsecret = \"short\"", 4),
    ("path = \"/a\"\nupstream = \"echo\"\nopen = \"yes\"\ncolour = 1", 4),
    ("path = \"/a\"\nupstream = \"echo\"\naddresses = \"10.0.0.0/99\"", 4),
    ("path = \"/a\"\nupstream = \"echo\"\naddresses = \"10.0.0.0/8\"\nopen = true", 5),
    ("path = \"/a\"\nupstream = \"echo\"\noptions = 1", 4),
    ("path = \"/a\"\nupstream = \"echo\"\noptions = { a = 1.5 }", 4),
    ("path = \"/a\"\nupstream = \"deepgram\"\noptions = { callback = \"x\" }", 4),
    (
      "path = \"/a\"\nupstream = \"deepgram\"\noptions.tag = \"\(tooLong)\"",
      4
    ),
    ("path = \"/a\"\nupstream = \"echo\"\noptions = { model = \"nova-2\" }", 4),
    ("path = \"/a\"\nkind = \"fax\"\nupstream = \"echo\"", 3),
    ("path = \"/a\"\nkind = \"voice\"", 1), ("path = \"/a\"\nkind = \"voice\"\nstream = \"/b\"", 4),
    ("path = \"/a\"\nkind = \"voice\"\nstream = \"/ws/transcribe\"", 4),
    ("path = \"/a\"\nkind = \"voice\"\nstream = \"/media\"\nupstream = \"echo\"", 5),
    ("path = \"/media-stream\"\nupstream = \"echo\"\ncarriers = \"raw\"", 2),
  ])
  func `each mistake of a route is found on its line`(lines: String, line: Int) {
    let found = mistakes("[[routes]]\n\(lines)")
    #expect(found.contains { $0.hasPrefix("f.toml:\(line): ") }, "\(found)")
  }

  @Test func `a path is taken once`() {
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\n"
    let found = mistakes(route + route)
    #expect(found == ["f.toml:5: [[routes]] path /a is taken already, at f.toml:2"])
  }

  @Test func `an unprotected configured route refuses to start`() throws {
    let far = "[listen]\naddress = \"0.0.0.0:0\"\n"
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\n"
    let found = mistakes(far + route)
    #expect(found.count == 1 && found[0].hasPrefix("f.toml:4: "))
    #expect(found[0].contains("SIDETONE_API_KEYS") && found[0].contains("open = true"))
    for means in ["open = true", "addresses = \"10.0.0.0/8\"", "secret = \"0123456789abcdef\""] {
      #expect(mistakes(far + route + means) == [])
    }
    #expect(mistakes(far + route, env: ["SIDETONE_API_KEYS": "k"]) == [])
    let config = try load(far)
    #expect(config.routes.allSatisfy { config.exposure(of: $0) != .loopback })
  }
}
