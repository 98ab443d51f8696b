// Whether a file turns records on, and the secrets of hooks and of what is asked about a call.

import Foundation
import Sidetone
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

  private func mistakes(_ text: String, _ environment: [String: String] = [:]) -> [String] {
    var sources = Settings.Sources()
    sources.environment = environment
    sources.file = (name: "f.toml", text: text)
    do throws(Mistakes) {
      _ = try Settings.load(sources)
      return []
    } catch {
      return error.all.map(\.description)
    }
  }

  private func hook(_ secrets: String...) -> String {
    let list = secrets.map { "\"\($0)\"" }.joined(separator: ", ")
    return "[records]\n[[records.webhooks]]\nurl = \"https://x.test\"\nsecrets = [\(list)]"
  }

  /// Base64 of so many bytes.
  private func secret(_ bytes: Int, padded: Bool = true) -> String {
    let text = Data(repeating: 7, count: bytes).base64EncodedString()
    return "whsec_" + (padded ? text : text.filter { $0 != "=" })
  }

  @Test func `a hook's secret is judged as its signer judges it`() {
    for bytes in [24, 25, 32, 64] {
      for padded in [true, false] {
        let text = secret(bytes, padded: padded)
        #expect(mistakes(hook(text)) == [] && (try? WebhookSecret(text)) != nil, "\(text)")
      }
    }
    for text in [secret(18), secret(23), secret(65), "whsec_", "whsk_" + secret(32).dropFirst(6)] {
      let found = mistakes(hook(text))
      #expect(found.count == 1 && found[0].hasPrefix("f.toml:4: "), "\(text): \(found)")
      #expect((try? WebhookSecret(text)) == nil)
    }
  }

  @Test func `a hook has two secrets at most`() {
    let all = [secret(24), secret(25), secret(26)]
    #expect(mistakes(hook(all[0], all[1])) == [])
    let found = mistakes(hook(all[0], all[1], all[2]))
    #expect(found.count == 1 && found[0].contains("f.toml:4: [[records.webhooks]] secrets has 3"))
  }

  @Test func `a key and its file in one place are a mistake; the environment's key counts`() throws
  {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try Data("k-file\n".utf8).write(to: place)
    try Data("{}".utf8).write(to: place.appendingPathExtension("json"))
    defer {
      for url in [place, place.appendingPathExtension("json")] {
        try? FileManager.default.removeItem(at: url)
      }
    }
    let key = "key = \"k-text\"\n"
    let file = "key_file = \"\(place.path)\"\n"
    let extraction =
      "[records]\n[records.extraction]\nurl = \"https://x.test/v1\"\nmodel = \"m\"\n"
      + "schema = \"\(place.path).json\"\n"
    for (head, table) in [
      (extraction, "records.extraction"), ("[upstreams.deepgram]\n", "upstreams.deepgram"),
    ] {
      #expect(mistakes(head + key) == [] && mistakes(head + file) == [])
      for both in [key + file, file + key] {
        let found = mistakes(head + both)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains("[\(table)] has key as well as key_file") == true)
      }
      let variable = "SIDETONE_\(table.uppercased().replacing(".", with: "_"))_KEY"
      #expect(mistakes(head + file, [variable: "k-environment"]) == [])
    }
  }
}
