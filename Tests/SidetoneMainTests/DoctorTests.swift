// `sidetone doctor`: whom it dials, and what it says of upstreams that refuse.

import Glibc
import Sidetone
import SidetoneSettings
import TestSupport
import Testing

@testable import SidetoneMain

@Suite struct DoctorTests {
  @Test func `each upstream with a key is dialled once for each way in which it is asked`() throws {
    let all = try config(["DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k"])
    let names = Doctor.visits(of: all).map(\.name)
    #expect(names.filter { $0.hasPrefix("deepgram") }.count == 3)
    #expect(names.filter { $0.hasPrefix("deepgram-agent") }.count == 1)
    #expect(names.filter { $0.hasPrefix("openai") }.count == 1)
    // With a voice of the same vendor, and none for those whose vendor has no key.
    #expect(names.filter { $0.hasPrefix("cascade ") }.count == 1 && names.count == 5)
    let findings = Doctor.examine(try config([:]))
    let keys = findings.filter { $0.isWell && $0.text.contains("_API_KEY") }
    #expect(findings.count == keys.count && keys.count == Upstream.all.count { $0.needsKey })
  }

  @Test func `an upstream that nobody serves is a refusal in the relay's words`() throws {
    let env = [
      "DEEPGRAM_API_KEY": "k", "DEEPGRAM_URL": "ws://127.0.0.1:1/v1/listen",
      "DEEPGRAM_AGENT_URL": "ws://127.0.0.1:1/v1/agent/converse",
    ]
    let findings = Doctor.examine(try config(env)).filter { $0.name.hasPrefix("deepgram") }
    #expect(findings.count == 3 && findings.allSatisfy { !$0.isWell })
    for finding in findings {
      #expect(finding.text.hasPrefix("refused after "), "\(finding)")
      #expect(finding.text.contains("the connection was refused"), "\(finding)")
    }
  }

  @Test func `an upstream that never confirms its end is a sentence, within its time`() throws {
    let mute = try Mute()
    let env = [
      "DEEPGRAM_API_KEY": "k", "DEEPGRAM_URL": "ws://127.0.0.1:\(mute.port)/v1/listen",
      "DEEPGRAM_AGENT_URL": "ws://127.0.0.1:1/v1/agent/converse",
      "SIDETONE_LIMITS_FINISH_SECONDS": "1",
    ]
    let clock = ContinuousClock()
    var findings: [Doctor.Finding] = []
    let time = try clock.measure { findings = Doctor.examine(try config(env)) }
    findings = findings.filter {
      $0.name.hasPrefix("deepgram") && !$0.name.hasPrefix("deepgram-agent")
    }
    #expect(findings.count == 2 && time < .seconds(10))
    for finding in findings {
      #expect(!finding.isWell && finding.text.hasPrefix("accepted after "), "\(finding)")
      #expect(finding.text.contains("did not confirm the end of its results within 1 s"))
    }
  }
}

/// Opens every socket, one after the other, and never says a word.
private struct Mute {
  let port: UInt16

  init() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 8) == 0
          ? getsockname(listener, $0, &length) : -1
      }
    }
    try #require(result == 0)
    port = UInt16(bigEndian: address.sin_port)
    var thread = pthread_t()
    let created = pthread_create(
      &thread, nil,
      { raw in
        while true { Mute.serve(accept(Int32(Int(bitPattern: raw)), nil, nil)) }
      }, UnsafeMutableRawPointer(bitPattern: Int(listener)))
    try #require(created == 0)
  }

  private static func serve(_ descriptor: Int32) {
    var asked: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 {
      asked += piece.prefix(count)
      guard asked.suffix(4) == [13, 10, 13, 10], let answer = Frames.answer(to: asked) else {
        continue
      }
      _ = send(descriptor, answer, answer.count, Int32(MSG_NOSIGNAL))
      asked = []
    }
    close(descriptor)
  }
}
