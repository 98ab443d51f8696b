// Models with an end: a mistake where the operator names one that is past, a warning before.

import Sidetone
import Testing

@testable import SidetoneSettings

@Suite(.enabled(if: names("openai", "gemini").count == 2)) struct EndsTests {
  private func sources(_ file: String = "", on day: Day) -> Settings.Sources {
    var sources = Settings.Sources()
    sources.file = (name: "f.toml", text: file)
    sources.today = day
    return sources
  }

  private func warnings(_ file: String = "", on day: Day) throws -> [String] {
    try Settings.load(sources(file, on: day)).warnings
  }

  private let today = Day(2026, 11, 26)

  @Test func `the defaults draw no warning today`() throws {
    #expect(try warnings(on: today) == [])
  }

  @Test func `a model that has ended is a mistake with its date and what replaces it`() {
    let model = "gemini-2.5-flash-native-audio-preview-09-2025"
    for name in [model, "models/\(model)"] {
      let file = "[upstreams.gemini]\nmodel = \"\(name)\""
      do {
        _ = try Settings.load(sources(file, on: today))
        Issue.record("taken")
      } catch {
        #expect(
          error.all.map(\.description) == [
            "f.toml:2: [upstreams.gemini] model: \(name) has ended on 2026-03-19; "
              + "gemini-3.8-live replaces it"
          ])
      }
      #expect(throws: Never.self) { try Settings.load(sources(file, on: Day(2026, 3, 18))) }
    }
  }

  @Test func `a model that will end is a warning with its date and what replaces it`() throws {
    let file = """
      [upstreams.openai]
      model = "gpt-realtime"
      transcription_model = "whisper-1"
      """
    let prefix = "f.toml:2: [upstreams.openai] model: gpt-realtime ends on 2027-01-20; "
    let found = try warnings(file, on: today)
    #expect(found.first == prefix + "gpt-realtime-2.1 replaces it")
    #expect(found.count == 2 && found[1].contains("transcription_model: whisper-1 ends on"))
  }

  @Test func `options that a model does not take are warnings`() throws {
    let table = "[upstreams.gemini]\n"
    let level = try warnings(table + "thinking_level = \"high\"", on: today)
    #expect(level.count == 1 && level[0].hasPrefix("f.toml:2: [upstreams.gemini] thinking_level: "))
    let thinking = "model = \"gemini-3.8-live-extended-thinking\"\nthinking_level = "
    #expect(try warnings(table + thinking + "\"high\"", on: today) == [])
    #expect(try warnings(table + thinking + "\"minimal\"", on: today).count == 1)
    #expect(try warnings(table + "language = \"auto\"", on: today).count == 1)
    #expect(try warnings(table + "language = \"pt\"", on: today) == [])
  }
}
