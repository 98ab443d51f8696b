// The scanner against tables of good and bad documents.
import Testing

@testable import Sidetone

struct JSONTests {
  private func text(_ document: String, _ find: (Bytes) -> JSON.Value?) -> String? {
    let text = Text(document)
    return find(text.bytes).map { text.bytes[$0.range].string }
  }

  @Test func `a path leads to its value`() {
    let start =
      #"{"event":"start","start":{"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}"#
    #expect(text(start) { JSON.find("event", in: $0) } == "start")
    #expect(
      text(start) { JSON.find("start", "mediaFormat", "encoding", in: $0) } == "audio/x-mulaw")
    #expect(text(start) { JSON.find("start", "mediaFormat", "sampleRate", in: $0) } == "8000")
    #expect(text(start) { JSON.find("start", "tracks", in: $0) } == #"["inbound"]"#)
    #expect(text(start) { JSON.find("start", "nothing", in: $0) } == nil)
    #expect(text(start) { JSON.find("event", "start", in: $0) } == nil)
  }
}
