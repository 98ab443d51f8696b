// Telnyx's messages, one by one: what each means, and what is refused in it.

import Testing

@testable import Sidetone

struct TelnyxTests {
  private func read(_ text: String) -> Carrier.Event { Carrier.telnyx.read(kept(text)) }

  /// A start with these members inside `start`.
  private func start(_ members: String) -> String {
    #"{"event":"start","stream_id":"S","start":{"call_control_id":"v3:C"\#(members)}}"#
  }

  private func started(_ text: String) -> Carrier.Start? {
    guard case .started(let start) = read(text) else { return nil }
    return start
  }

  @Test func `its start is its own; connected may be; nothing else is`() {
    func isTelnyx(_ text: String) -> Bool { Carrier.telnyx.recognise!(kept(text)) }
    #expect(isTelnyx(#"{"event":"connected","version":"1.0.0"}"#))
    #expect(isTelnyx(#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#))
    #expect(!isTelnyx(#"{"event":"connected","protocol":"Other"}"#))
    #expect(isTelnyx(start("")))
    #expect(!isTelnyx(#"{"event":"start","start":{"call_control_id":"v3:C","stream_id":"S"}}"#))
    #expect(!isTelnyx(Fixture.start) && !isTelnyx(Fixture.media) && !isTelnyx(""))
    #expect(!Carrier.twilio.recognise!(kept(start(""))))
    #expect(!Carrier.ucid.recognise!(kept(start(""))))
  }

  @Test func `start names the call, the stream, and what the webhook gave it`() throws {
    let text = start(#","custom_parameters":{"token":"s3cr3t"}"#)
    let start = try #require(started(text))
    let message = kept(text)
    #expect(message[start.call].equals("v3:C") && message[start.stream].equals("S"))
    #expect(message[start.parameters].equals(#"{"token":"s3cr3t"}"#))
    #expect(start.format == .mulaw8k && start.reply == nil && start.tracks == 1)
    let none = try #require(started(self.start(#","custom_parameters":null"#)))
    #expect(none.parameters.isEmpty)
  }

  @Test(arguments: [
    (#""encoding":"PCMU","sample_rate":8000"#, Format.Codec.mulaw, 8000),
    (#""encoding":"PCMA","sample_rate":"8000","channels":"1""#, .alaw, 8000),
    (#""encoding":"L16","sample_rate":8000"#, .linear16, 8000),
    (#""encoding":"L16","sample_rate":"16000""#, .linear16, 16_000),
    (#""encoding":"L16","sample_rate":24000,"channels":1"#, .linear16, 24_000),
    (#""encoding":"PCMA""#, .alaw, 8000), ("", .mulaw, 8000),
  ])
  func `each encoding that can be served, with numbers as numbers or as text`(
    format: String, codec: Format.Codec, rate: Int
  ) throws {
    let start = try #require(started(start(#","media_format":{\#(format)}"#)))
    #expect(start.format == Format(codec: codec, rate: rate))
    // What goes to it is another matter.
    #expect(start.reply == nil)
  }

  @Test(arguments: [
    #""encoding":"G722","sample_rate":8000"#, #""encoding":"OPUS","sample_rate":16000"#,
    #""encoding":"AMR-WB","sample_rate":16000"#, #""encoding":"PCMU","sample_rate":16000"#,
    #""encoding":"L16","sample_rate":44100"#, #""encoding":"L16","sample_rate":"soon""#,
    #""encoding":"PCMU","channels":2"#, #""encoding":7"#, #""encoding":"","sample_rate":8000"#,
  ])
  func `what cannot be served is refused with what can`(format: String) {
    guard case .refused(let sentence) = read(start(#","media_format":{\#(format)}"#)) else {
      Issue.record("\(format) was taken")
      return
    }
    #expect(sentence.description.contains("PCMU") && sentence.description.contains("L16"))
  }

  @Test
  func `what Telnyx takes is what was chosen, or what custom parameters say was set`() throws {
    func reply(_ parameters: String) -> Format? {
      started(start(#","custom_parameters":{\#(parameters)}"#))?.reply
    }
    #expect(reply(#""a":"b""#) == nil)
    #expect(reply(#""bidirectional_codec":"PCMA""#) == Format(codec: .alaw, rate: 8000))
    #expect(reply(#""bidirectional_codec":"L16""#) == Format(codec: .linear16, rate: 16_000))
    #expect(
      reply(#""bidirectional_codec":"L16","bidirectional_sampling_rate":"24000""#)
        == Format(codec: .linear16, rate: 24_000))
    for parameters in [
      #""bidirectional_codec":"G722""#, #""bidirectional_sampling_rate":"16000""#,
      #""bidirectional_codec":"L16","bidirectional_sampling_rate":"48000""#,
    ] {
      guard case .refused = read(start(#","custom_parameters":{\#(parameters)}"#)) else {
        Issue.record("\(parameters) was taken")
        return
      }
    }
  }

  @Test func `digits, marks, errors and stop`() {
    guard case .digit(0x2a) = read(#"{"event":"dtmf","dtmf":{"digit":"*"}}"#) else {
      Issue.record("no digit")
      return
    }
    let mark = #"{"event":"mark","mark":{"name":"a#1"}}"#
    guard case .mark(let name) = read(mark) else {
      Issue.record("no mark")
      return
    }
    #expect(kept(mark)[name].equals("a#1"))
    let error = #"{"event":"error","payload":{"code":100004,"title":"invalid_media"}}"#
    guard case .complaint(let text) = read(error) else {
      Issue.record("no complaint")
      return
    }
    #expect(kept(error)[text].equals(#"{"code":100004,"title":"invalid_media"}"#))
    #expect("\(read(#"{"event":"stop"}"#))" == "stopped")
    #expect("\(read(#"{"event":"something new"}"#))" == "ignored")
  }

  @Test(arguments: [
    "", "hello", "{}", #"{"event":1}"#, #"{"event":"start"}"#, #"{"event":"media"}"#,
    #"{"event":"start","start":{"call_control_id":"C"}}"#,
    #"{"event":"start","stream_id":"S","start":{"call_control_id":7}}"#,
    #"{"event":"start","stream_id":"","start":{"call_control_id":"C"}}"#,
    #"{"event":"dtmf","dtmf":{"digit":"12"}}"#, #"{"event":"mark"}"#, #"{"event":"error"}"#,
  ])
  func `what lacks what it must have is malformed`(text: String) {
    #expect("\(read(text))".hasPrefix("malformed"), "\(text)")
  }

  @Test func `what it is told: marks and clear; its media carries nothing but the payload`() {
    let context = Carrier.Context(
      call: Name(kept("C"))!, now: WallTime(nanoseconds: 0), offsetMicroseconds: 0)
    func said(_ answer: Carrier.Command) -> String {
      written { _ = Carrier.telnyx.write(answer, context, &$0) }.string
    }
    #expect(said(.mark(name: kept("7"))) == #"{"event":"mark","mark":{"name":"7"}}"#)
    #expect(said(.clear) == #"{"event":"clear"}"#)
    #expect(said(.ready) == "")
    let pool = BlockPool(blocks: 1)
    defer { pool.deallocate() }
    var chain = Chain()
    var silent = envelope(.telnyx, "S")
    let isSealed = silent.seal(audio: kept([255, 255, 255, 255]), into: &chain, from: pool)
    #expect(isSealed)
    #expect(
      chain.front(in: pool).dropping(2).string
        == #"{"event":"media","media":{"payload":"/////w=="}}"#)
  }
}

/// The envelope of a carrier's row for a stream of that name.
func envelope(_ carrier: Carrier, _ stream: String) -> Envelope {
  var suffix = Writer(kept(count: 256))
  let prefix = written { carrier.envelope(Name(kept(stream))!, &$0, &suffix) }
  return Envelope(prefix: prefix, suffix: suffix.written)!
}
