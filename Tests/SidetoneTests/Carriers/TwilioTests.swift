// Twilio's messages, one by one: what each means, and what is refused in it.

import Testing

@testable import Sidetone

struct TwilioTests {
  private func read(_ text: String) -> Carrier.Event { Carrier.twilio.read(kept(text)) }

  @Test func `connected or start say that it is Twilio; nothing else does`() {
    func isTwilio(_ text: String) -> Bool { Carrier.twilio.recognise!(kept(text)) }
    #expect(isTwilio(Fixture.connected) && isTwilio(Fixture.start))
    #expect(!isTwilio(Fixture.media) && !isTwilio(Fixture.stop) && !isTwilio(""))
    #expect(!isTwilio(#"{"event":"connected","version":"1.0.0"}"#))
    #expect(!isTwilio(#"{"event":"start","start":{"call_control_id":"x"},"stream_id":"y"}"#))
  }

  @Test func `start names the call and the stream, and how many tracks come`() {
    guard case .started(let start) = read(Fixture.start) else {
      Issue.record("not started")
      return
    }
    let message = kept(Fixture.start)
    #expect(message[start.call].equals("CA00000000000000000000000000000001"))
    #expect(message[start.stream].equals("MZ00000000000000000000000000000001"))
    #expect(start.format == .mulaw8k && start.tracks == 1)
  }

  @Test(arguments: [
    (#"["inbound","outbound"]"#, 2), (#"[ "outbound" , "inbound" ]"#, 2), (#"["outbound"]"#, 1),
    ("[]", 1), ("null", 1),
  ])
  func `two tracks are two, in either order and with spaces`(list: String, count: Int) {
    let text = #"{"event":"start","start":{"tracks":\#(list),"streamSid":"M","callSid":"C"}}"#
    guard case .started(let start) = read(text) else {
      Issue.record("not started")
      return
    }
    #expect(start.tracks == count)
  }

  @Test(arguments: [
    #"{"encoding":"audio/l16","sampleRate":8000}"#,
    #"{"encoding":"audio/x-mulaw","sampleRate":16000}"#, #"{"sampleRate":"16000"}"#,
  ])
  func `a format that is not Twilio's is refused with what was expected`(format: String) {
    let text =
      #"{"event":"start","start":{"streamSid":"M","callSid":"C","mediaFormat":\#(format)}}"#
    guard case .refused(let sentence) = read(text) else {
      Issue.record("\(format) was taken")
      return
    }
    #expect(sentence.description.contains("audio/x-mulaw"))
  }

  @Test func `a rate may be a number or a string`() {
    let text = #"""
      {"event":"start","start":{"streamSid":"M","callSid":"C",\#
      "mediaFormat":{"sampleRate":"8000"}}}
      """#
    guard case .started = read(text) else {
      Issue.record("refused")
      return
    }
  }

  @Test(arguments: [
    #"{"event":"st\u0061rt","start":{"streamSid":"M","callSid":"C"}}"#,
    #"{"start":{"callSid":"\u65e5\u672c","streamSid":"M\/1"},"event":"start"}"#,
    #"{"event":"start","start":{"streamSid":"M","callSid":"C","mediaFormat":{"encoding":"audio\/x-mulaw"}}}"#,
    #"{"event":"start","start":{"streamSid":"M","callSid":"C","mediaFormat":{"encoding":"audio/X-MuLaw","sampleRate":8e3,"channels":"1"}}}"#,
    #"{"event":"start","start":{"streamSid":"M","callSid":"C","mediaFormat":{"encoding":"PCMU"}}}"#,
  ])
  func `a message means the same however its texts are spelt`(text: String) {
    guard case .started(let start) = read(text) else {
      Issue.record("not started: \(text)")
      return
    }
    #expect(start.format == .mulaw8k)
  }

  @Test func `a key may be a number, or written in an escape`() {
    for digit in [#""5""#, "5", #""\u0035""#] {
      guard case .digit(0x35) = read(#"{"event":"dtmf","dtmf":{"digit":\#(digit)}}"#) else {
        Issue.record("no digit: \(digit)")
        return
      }
    }
  }

  @Test func `digits, marks and stop`() {
    guard case .digit(0x31) = read(Fixture.digit) else {
      Issue.record("no digit")
      return
    }
    guard case .mark(let name) = read(Fixture.mark) else {
      Issue.record("no mark")
      return
    }
    #expect(kept(Fixture.mark)[name].equals("utt-7#3"))
    #expect("\(read(Fixture.stop))" == "stopped")
    #expect("\(read(#"{"event":"stop"}"#))" == "stopped")
    #expect("\(read(#"{"event":"something new","x":[1]}"#))" == "ignored")
  }

  @Test(arguments: [
    "", "hello", "{}", #"{"event":1}"#, #"{"event":"start"}"#, #"{"event":"start","start":{}}"#,
    #"{"event":"start","start":{"streamSid":"M"}}"#,
    #"{"event":"start","start":{"streamSid":"M","callSid":7}}"#,
    #"{"event":"start","start":{"streamSid":"M","callSid":""}}"#, #"{"event":"media"}"#,
    #"{"event":"dtmf","dtmf":{"digit":"12"}}"#, #"{"event":"dtmf"}"#, #"{"event":"mark"}"#,
  ])
  func `what lacks what it must have is malformed`(text: String) {
    #expect("\(read(text))".hasPrefix("malformed"), "\(text)")
  }
}
