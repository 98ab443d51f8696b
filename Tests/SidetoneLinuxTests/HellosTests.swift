// What clients may ask for in a handshake, asked by the `openssl` command.

import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct HellosTests {
  @Test(arguments: [
    ["-tls1_3", "-groups", "X25519"], ["-tls1_3", "-groups", "P-256"],
    ["-tls1_3", "-groups", "P-384"], ["-tls1_2", "-groups", "P-256"],
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
  ])
  func `a client that offers what everybody has is served`(_ offer: [String]) throws {
    let running = try Running(.secure())
    defer { running.stop() }
    #expect(Self.answer(to: offer, port: running.port).contains("HTTP/1.1 200 "))
  }

  /// Each is 30 to 180 ms of arithmetic for a server that takes it up, or too weak to be taken up.
  @Test(arguments: [
    ["-tls1_3", "-groups", "ffdhe8192"], ["-tls1_3", "-groups", "ffdhe2048"],
    ["-tls1_3", "-groups", "P-521"], ["-tls1_2", "-groups", "P-521"],
    ["-tls1_2", "-cipher", "DHE"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-CCM8"], ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
  ])
  func `a client that offers only what is dear or weak is refused at once`(
    _ offer: [String]
  ) throws {
    let running = try Running(.secure())
    defer { running.stop() }
    #expect(!Self.answer(to: offer, port: running.port).contains("HTTP/1.1"))
    #expect(Self.answer(to: ["-tls1_3"], port: running.port).contains("HTTP/1.1 200 "))
  }

  /// What `openssl s_client` reads from a relay that it asks for `/health`.
  static func answer(to offer: [String], port: UInt16) -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(port)"] + offer
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try? process.run()
    // A refused client is gone before it reads.
    signal(SIGPIPE, SIG_IGN)
    try? input.fileHandleForWriting.write(contentsOf: Data(MachineTests.health.utf8))
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text
  }
}

extension Config {
  /// A small relay that speaks TLS.
  static func secure(isSlow: Bool = false) -> Config {
    var config = small()
    let files = isSlow ? Certificates.shared.slow : Certificates.shared.good
    config.listeners[0].certificate = files.certificate
    config.listeners[0].key = files.key
    config.limits.otherLinksMax = 128
    return config
  }
}
