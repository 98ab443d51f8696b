// The TwiML of `/voice`, read by an XML parser.
import Foundation
import Testing

@testable import Sidetone

struct VoiceWebhookTests {
  private func outline(
    _ config: Config, host: String = "127.0.0.1:8080", route: Int = 3
  ) throws -> [String] {
    let request = try request("POST /voice", ["Host: " + host])
    let voice = VoiceWebhook(config, Prepared(config))
    let response = written { voice.write(request, route: route, into: &$0) }.string
    let parts = response.components(separatedBy: "\r\n\r\n")
    #expect(parts[0].hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(parts[0].contains("Content-Type: text/xml"))
    return try Outline.of(parts[1])
  }

  @Test func `the stream starts under the public URL, and the call is kept up`() throws {
    var config = plainConfig()
    config.publicURL = "https://relay.example.com:8443"
    let lines = try outline(config, host: "evil.example.com")
    #expect(
      lines == [
        "Response", "Response/Start",
        "Response/Start/Stream url=wss://relay.example.com:8443/media-stream",
        "Response/Pause length=3600",
      ])
  }

  @Test func `on an open loopback the stream's host is the one that was asked`() throws {
    var config = plainConfig()
    let lines = try outline(config, host: "localhost:8080")
    #expect(lines.contains("Response/Start/Stream url=ws://localhost:8080/media-stream"))
    config.listeners[0].certificate = "cert.pem"
    let secure = try outline(config, host: "localhost:8080")
    #expect(secure.contains("Response/Start/Stream url=wss://localhost:8080/media-stream"))
  }

  @Test func `the stream's secret is part of its path, and XML's signs are escaped`() throws {
    var config = plainConfig()
    config.publicURL = "http://relay.example.com"
    config.routes[3].stream = "/a&b<c>'d"
    config.routes[1].path = "/a&b<c>'d"
    config.routes[1].secret = "s&t"
    config.voiceVerbs = "<Dial>+15550100002</Dial>"
    let lines = try outline(config)
    #expect(lines.contains("Response/Start/Stream url=ws://relay.example.com/a&b<c>'d/s&t"))
    #expect(lines.last == "Response/Dial")
  }
}
