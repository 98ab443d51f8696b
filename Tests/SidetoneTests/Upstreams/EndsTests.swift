// Models that end: which day, what replaces them, and in which spellings they are known.

import Testing

@testable import Sidetone

private let today = Day(2026, 11, 26)

struct EndsTests {
  private func replaced(_ model: String, _ row: Upstream, on day: Day = today) -> String {
    written { _ = row.write(model: kept(model), on: day, into: &$0) }.string
  }

  @Test(arguments: [
    ("gemini-2.5-flash-native-audio-preview-09-2025", "gemini-3.8-live"),
    ("models/gemini-2.5-flash-native-audio-preview-09-2025", "models/gemini-3.8-live"),
    ("models%2Fgemini-2.0-flash-live-001", "models%2Fgemini-3.8-live"),
    (
      "projects%2fp%2fmodels%2fgemini-3.1-flash-live-preview",
      "projects%2fp%2fmodels%2fgemini-3.8-live"
    ),
    ("gemini-3.8-live", "gemini-3.8-live"), ("models/", "models/"), ("", ""), ("%2", "%2"),
    (
      "gemini-2.5-flash-native-audio-preview-09-2025x",
      "gemini-2.5-flash-native-audio-preview-09-2025x"
    ),
    ("gemini-live-2.5-flash-native-audio", "gemini-live-2.5-flash-native-audio"),
  ])
  func `a model that has ended is replaced under its own path, whatever its spelling`(
    model: String, expected: String
  ) {
    #expect(replaced(model, .gemini) == expected)
    let isReplaced = Upstream.gemini.replacement(of: kept(model), on: today) != nil
    #expect(isReplaced == (model != expected))
  }

  @Test func `a model lives up to the day before its end`() {
    let model = "gpt-realtime"
    #expect(replaced(model, .openai, on: Day(2027, 1, 19)) == model)
    #expect(replaced(model, .openai, on: Day(2027, 1, 20)) == "gpt-realtime-2.1")
    #expect(
      replaced("gpt-realtime-mini-2025-10-06", .openai, on: Day(2028, 1, 1))
        == "gpt-realtime-2.1-mini")
    #expect(replaced("gpt-realtime-2.1", .openai, on: Day(2030, 1, 1)) == "gpt-realtime-2.1")
    #expect(replaced("nova-2", .deepgram, on: Day(2030, 1, 1)) == "nova-2")
  }

  @Test(arguments: Upstream.all.map(\.name.description))
  func `no default and no replacement has an end`(name: String) {
    let row = Upstream.all[Upstream.index(of: name)!]
    for end in row.ends {
      #expect(row.end(of: end.replacement.bytes) == nil, "\(end.replacement)")
    }
    for option in row.settings().options where option.name.hasSuffix("model") {
      #expect(row.end(of: kept(option.standard)) == nil, "\(option.standard)")
    }
  }

  @Test func `days are those of the calendar in UTC`() {
    #expect(WallTime(nanoseconds: 1_795_651_199_999_999_999).day == Day(2026, 11, 25))
    #expect(WallTime(nanoseconds: 1_795_651_200_000_000_000).day == Day(2026, 11, 26))
    #expect(WallTime(nanoseconds: -1).day == Day(1970, 1, 1))
    #expect(Day(2026, 2, 28) < Day(2026, 3, 1) && Day(2026, 12, 31) < Day(2027, 1, 1))
    #expect("\(Day(2026, 3, 1))" == "2026-03-01")
  }
}
