// Whether a file turns records on.

import Testing

@testable import SidetoneSettings

struct RecordsTests {
  @Test(arguments: [
    ("[records]", true), ("[ records ]", true), ("[records]\ndirectory = \"d\"", true),
    ("records = {}", true), ("records.directory = \"d\"", true),
    ("[records]\n[[records.webhooks]]\nurl = \"https://x.test\"", true),
    ("[[records.webhooks]]\nurl = \"https://x.test\"", false), ("", false),
    ("[upstreams.openai]\ninstructions = \"\"\"\nrecords of customers\n[records]\n\"\"\"", false),
  ])
  func `records are on where the file has their table, not where a text names it`(
    text: String, isOn: Bool
  ) throws {
    #expect(try Draft.hasRecordsTable(parseTOML(text, file: "x.toml"), in: text) == isOn)
  }
}
