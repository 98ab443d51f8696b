// What `check` says of things that are not yet, and when `doctor` is content.

import Sidetone
import SidetoneSettings
import Testing

@testable import SidetoneMain

@Suite struct PlannedTests {
  @Test func `check says that nothing listens yet, serve that it does`() throws {
    let lines = startLines(of: try config([:]))
    #expect(lines[0].plannedText == "Would listen on: http://127.0.0.1:8080")
    #expect(lines[0].text == "Server listening on: http://127.0.0.1:8080")
    #expect(lines.dropFirst().allSatisfy { $0.plannedText == $0.text })
  }

  @Test func `doctor is content only where something was tried, and went well`() throws {
    func finding(_ outcome: Doctor.Finding.Outcome) -> Doctor.Finding {
      Doctor.Finding(name: "a", outcome: outcome, text: "b")
    }
    #expect(!Doctor.isWell([]) && !Doctor.isWell([finding(.untried)]))
    #expect(Doctor.isWell([finding(.well), finding(.untried)]))
    #expect(!Doctor.isWell([finding(.well), finding(.bad)]))
    #expect(!Doctor.isWell(Doctor.examine(try config([:]))))
  }

  @Test func `doctor asks for a route's rate`() throws {
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"deepgram\"\nupstream_rate = 16000\n"
    let visits = Doctor.visits(of: try config(["DEEPGRAM_API_KEY": "k"], route))
    let own = visits.filter { $0.name == "deepgram (/a)" }
    #expect(own.count == 1 && own.allSatisfy { $0.config.routes[0].upstreamRate == 16_000 })
  }
}
