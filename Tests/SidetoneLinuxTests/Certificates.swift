// Certificates made for the tests by the `openssl` command, once, in a temporary folder.

import Foundation
import Glibc
import Synchronization

@testable import Sidetone

struct Certificates {
  let folder: String
  var authority: String { folder + "/ca.pem" }
  /// An authority that signed nothing here.
  var stranger: String { folder + "/stranger.pem" }
  /// For "localhost" and 127.0.0.1.
  var good: (certificate: String, key: String) { pair("good") }
  /// For another name.
  var other: (certificate: String, key: String) { pair("other") }
  /// As `good`, with a key of RSA that makes signing slow.
  var slow: (certificate: String, key: String) { pair("slow") }
  var expired: (certificate: String, key: String) { pair("expired") }

  private func pair(_ name: String) -> (certificate: String, key: String) {
    ("\(folder)/\(name).pem", "\(folder)/\(name).key")
  }

  static let shared = Certificates()

  private init() {
    folder = NSTemporaryDirectory() + "sidetone-tests-\(getpid())"
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    makeAuthority("ca")
    makeAuthority("stranger")
    make("good", "subjectAltName=DNS:localhost,IP:127.0.0.1", days: 30)
    make("other", "subjectAltName=DNS:elsewhere.test", days: 30)
    make("expired", "subjectAltName=DNS:localhost,IP:127.0.0.1", days: -1)
    make("slow", "subjectAltName=DNS:localhost,IP:127.0.0.1", days: 30, key: ["rsa:3072"])
    let folder = folder
    Self.folders.withLock { $0.append(folder) }
    atexit {
      for folder in Self.folders.withLock({ $0 }) {
        try? FileManager.default.removeItem(atPath: folder)
      }
    }
  }

  private static let folders = Mutex<[String]>([])

  private func makeAuthority(_ name: String) {
    openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
      "\(name).key", "-out", "\(name).pem", "-days", "30", "-subj", "/CN=\(name)")
  }

  private func make(
    _ name: String, _ extensions: String, days: Int,
    key: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
  ) {
    openssl(
      ["req", "-newkey"] + key
        + ["-nodes", "-keyout", "\(name).key", "-out", "\(name).csr", "-subj", "/CN=\(name)"])
    try? extensions.write(toFile: "\(folder)/\(name).ext", atomically: true, encoding: .utf8)
    openssl(
      "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
      "-out", "\(name).pem", "-days", "\(days)", "-extfile", "\(name).ext")
  }

  private func openssl(_ arguments: String...) { openssl(arguments) }

  private func openssl(_ arguments: [String]) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try? process.run()
    process.waitUntilExit()
    precondition(process.terminationStatus == 0, "openssl \(arguments.joined(separator: " "))")
  }
}
