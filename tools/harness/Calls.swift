// What the calls of a load are: who calls, who listens, and whether both legs speak TLS. From that
// follow the relay's settings and the load's options.

import Foundation

package struct Calls {
  package enum Kind: String {
    case twilioDeepgram = "twilio-deepgram"
    case rawDeepgram = "raw-deepgram"
    case twilioOpenAI = "twilio-openai"
    case ucidOpenAI = "ucid-openai"
  }

  package let kind: Kind
  /// On both legs; nil: on none.
  package let certificate: Certificate?

  package init(_ kind: Kind, isTLS: Bool = false) throws(HarnessError) {
    self.kind = kind
    certificate = isTLS ? try Certificate() : nil
  }

  package var name: String { kind.rawValue + (certificate == nil ? "" : "-tls") }

  /// Whether the upstream talks back; then frames of both directions count.
  package var isTwoWay: Bool { kind == .twilioOpenAI || kind == .ucidOpenAI }
  package var directions: Int { isTwoWay ? 2 : 1 }

  private var path: String {
    switch kind {
    case .twilioDeepgram: "/media"
    case .rawDeepgram: "/ws/transcribe"
    case .twilioOpenAI, .ucidOpenAI: "/ws"
    }
  }

  /// What `sidetone serve` is told. A key is what makes it take at start what calls that talk back
  /// need.
  package func settings(port: UInt16, twinPort: UInt16) -> [String: String] {
    let scheme = certificate == nil ? "ws" : "wss"
    var settings = [
      "SIDETONE_LISTEN_ADDRESS": "127.0.0.1:\(port)",
      // All callers come from one address here, and all at once.
      "SIDETONE_LIMITS_CALLS_PER_SECOND_PER_ADDRESS": "1000000",
      "SIDETONE_LIMITS_HANDSHAKES_PER_ADDRESS_MAX": "1000",
    ]
    if isTwoWay {
      settings["OPENAI_API_KEY"] = "test"
      settings["OPENAI_REALTIME_URL"] = "\(scheme)://127.0.0.1:\(twinPort)/v1/realtime"
    } else {
      settings["DEEPGRAM_API_KEY"] = "test"
      settings["DEEPGRAM_URL"] = "\(scheme)://127.0.0.1:\(twinPort)/v1/listen"
    }
    guard let certificate else { return settings }
    settings["SIDETONE_LISTEN_CERTIFICATE"] = certificate.path
    settings["SIDETONE_LISTEN_KEY"] = certificate.keyPath
    let upstream = isTwoWay ? "OPENAI" : "DEEPGRAM"
    settings["SIDETONE_UPSTREAMS_\(upstream)_CA_FILE"] = certificate.path
    return settings
  }

  /// `sidetone-lab load` on a relay, to which its own arguments are added.
  package func load(
    build: String, port: UInt16, twinPort: UInt16, relay: Int32, _ more: [String]
  ) -> [String] {
    let scheme = certificate == nil ? "ws" : "wss"
    var command = [
      "\(build)/sidetone-lab", "load", "--relay", "\(scheme)://127.0.0.1:\(port)\(path)",
      "--twin-port", "\(twinPort)", "--pid", "\(relay)", "--json",
    ]
    if isTwoWay { command.append("--two-way") }
    if kind == .rawDeepgram { command += ["--as", "raw"] }
    if kind == .ucidOpenAI { command += ["--as", "ucid"] }
    if let certificate {
      command += ["--twin-certificate", certificate.path, "--twin-key", certificate.keyPath]
    }
    return command + more
  }
}

/// A certificate for loopback and its key, in a folder of their own that goes with them.
package final class Certificate {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("sidetone-certificate-\(UUID().uuidString)")
  package var path: String { folder.path + "/certificate.pem" }
  package var keyPath: String { folder.path + "/key.pem" }

  package init() throws(HarnessError) {
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let made = Program.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
      "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
      "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", keyPath, "-out", path,
    ])
    guard made.status == 0 else { throw HarnessError("no certificate was made: \(made.text)") }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }
}
