// `sidetone doctor`: whom it dials, and what it says of upstreams that refuse.

import Glibc
import Sidetone
import SidetoneSettings
import Testing

@testable import SidetoneMain

@Suite struct DoctorTests {
  @Test func `each upstream with a key is dialled once for each way in which it is asked`() throws {
    let all = try config(["DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k"])
    let names = Doctor.visits(of: all).map(\.name)
    #expect(names.filter { $0.hasPrefix("deepgram") }.count == 2)
    #expect(names.filter { $0.hasPrefix("openai") }.count == 1 && names.count == 3)
    let findings = Doctor.examine(try config([:]))
    #expect(
      findings.count == 3 && findings.allSatisfy { $0.isWell && $0.text.contains("_API_KEY") })
  }

  @Test func `an upstream that nobody serves is a refusal in the relay's words`() throws {
    let env = ["DEEPGRAM_API_KEY": "k", "DEEPGRAM_URL": "ws://127.0.0.1:1/v1/listen"]
    let findings = Doctor.examine(try config(env)).filter { $0.name.hasPrefix("deepgram") }
    #expect(findings.count == 2 && findings.allSatisfy { !$0.isWell })
    for finding in findings {
      #expect(finding.text.hasPrefix("refused after "), "\(finding)")
      #expect(finding.text.contains("the connection was refused"), "\(finding)")
    }
  }
}
