// A cascade that works: what each of its three services is asked, in which order, and what the
// caller hears of it.

import Sidetone
import TestSupport
import Testing

struct CascadeTests {
  // MARK: Sockets

  @Test func `both sockets are asked for at once, each as its service wants it`() throws {
    let call = try CascadeTalk()
    #expect(call.handshakes.count == 2)
    #expect(
      call.handshakes[0].hasPrefix(
        "GET /v1/listen?encoding=mulaw&sample_rate=8000&channels=1&interim_results=true"))
    #expect(call.handshakes[0].contains("Authorization: Token test\r\n"))
    #expect(
      call.handshakes[1].hasPrefix(
        "GET /v1/speak?encoding=mulaw&sample_rate=8000&model=v-1 HTTP/1.1"))
    #expect(call.handshakes[1].contains("Authorization: Token k\r\n"))
    call.rig.advance(milliseconds: 1000)
    #expect(call.requests.isEmpty && call.told() == [])
    #expect(call.rig.relay.cascadesInUse == 1)
    call.expectAllHome()
  }

  @Test func `the caller's audio goes to the one that listens, and to no other`() throws {
    let call = try CascadeTalk()
    for _ in 0..<10 {
      call.rig.media(call.caller, Talk.voice)
      call.rig.advance(milliseconds: 20)
    }
    let ear = try #require(call.ear)
    let audio = call.rig.messages(from: ear, isCaller: false)
    #expect(!audio.isEmpty && call.told() == [])
    call.expectAllHome()
  }

  // MARK: The greeting

  @Test(arguments: [false, true]) func `it is greeted word for word, once, whoever comes first`(
    isVoiceFirst: Bool
  ) throws {
    let call = try CascadeTalk(greeting: "Hi \"you\", how are you?", isOpen: false)
    if isVoiceFirst {
      try call.openVoice()
      #expect(call.told() == [])
      try call.openEar()
    } else {
      try call.openEar()
      call.rig.advance(milliseconds: 300)
      try call.openVoice()
    }
    #expect(call.told() == ["Hi \"you\", how are you?", "[Flush]"])
    #expect(call.requests.isEmpty)
    call.sounds(400)
    call.flushed(2)
    call.rig.advance(milliseconds: 2000)
    #expect(call.heardBytes() == 3200)
    // The model knows what was said in its name.
    call.ask("Well.")
    #expect(
      call.requests.map(\.lines) == [
        ["system: Be \"brief\".", "assistant: Hi \"you\", how are you?", "user: Well."]
      ])
    call.answer("Good.")
    #expect(call.told() == ["Good.", "[Flush]"])
    call.expectAllHome()
  }

  @Test func `a session that is dialled again does not greet again`() throws {
    let call = try CascadeTalk(greeting: "Hello.")
    call.sounds(400)
    call.flushed(2)
    call.wait(seconds: 12)
    call.rig.fail(try #require(call.ear))
    call.rig.advance(milliseconds: 2000)
    try call.openEar()
    try call.openVoice()
    call.rig.advance(milliseconds: 2000)
    #expect(call.told() == [] && call.requests.isEmpty)
    call.expectAllHome()
  }

  // MARK: A turn

  @Test func `words make one request, which holds all that it takes`() throws {
    let call = try CascadeTalk { $0.upstreams[2].options.append(("temperature", "0.5")) }
    call.hears("Where")
    call.hears("Where is")
    call.hears("Where is it?", isFinal: true)
    call.hears("My order \\\"7\\\".", isFinal: true, endsSpeech: true)
    call.rig.advance(milliseconds: 100)
    let requests = call.requests
    #expect(requests.count == 1)
    let request = try #require(requests.first)
    #expect(request.head[0] == "fetch \(request.id) 120000 POST \(CascadeTalk.thinkURL)")
    #expect(request.head.dropFirst() == ["bearer sk-think", "stream"])
    #expect(request.body["model"] as? String == "m-1")
    #expect(request.body["temperature"] as? Double == 0.5)
    #expect(request.body["stream"] as? Bool == true && request.body["tools"] == nil)
    #expect(
      request.lines == ["system: Be \"brief\".", "user: Where is it? My order \"7\"."])
    call.expectAllHome()
  }

  @Test func `sentences are spoken while the chat goes on`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It ", "is")
    #expect(call.told() == [])
    call.thinks(" here. And", " it is")
    #expect(call.told() == ["It is here. ", "[Flush]"])
    call.sounds(300)
    #expect(call.heardBytes() > 0)
    call.thinks(" red.")
    #expect(call.told() == [])
    call.chatEnds()
    #expect(call.told() == ["And it is red.", "[Flush]"])
    call.sounds(300)
    call.flushed()
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.flushed()
    call.rig.advance(milliseconds: 2000)
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `what is heard is what the voice has said, to the last byte`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is here.")
    call.chatEnds()
    for byte in [0x11, 0x22, 0x33] as [UInt8] { call.sounds(100, byte) }
    call.flushed(2)
    call.rig.advance(milliseconds: 2000)
    let expected = [0x11, 0x22, 0x33].flatMap { [UInt8](repeating: $0, count: 800) }
    #expect(call.heard().audio == expected)
    call.expectAllHome()
  }

  @Test func `each request holds what was said before it`() throws {
    let call = try CascadeTalk { $0.printsTranscripts = true }
    call.ask("One?")
    call.answer("It is one.")
    call.ask("Two?")
    call.answer("It is two.")
    call.ask("Three?")
    #expect(
      call.requests.last?.lines == [
        "system: Be \"brief\".", "user: One?", "assistant: It is one.", "user: Two?",
        "assistant: It is two.", "user: Three?",
      ])
    #expect(call.rig.log.contains { $0.contains("[AGENT] It is two. (") })
    call.answer("It is three.")
    #expect(call.requests.count == 3 && call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `an answer that comes whole is one as well`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    let id = try #require(call.requests.first).id
    call.rig.fetcherSays(
      """
      answer \(id) 200 whole

      data: {"choices":[{"delta":{"content":"All at once."},"finish_reason":"stop"}]}

      data: [DONE]


      """)
    #expect(call.told() == ["All at once.", "[Flush]"])
    call.sounds(100)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 800)
    call.expectAllHome()
  }

  @Test func `one letter at a time says the same`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    let text = "It is 3.5 m long. And \\\"wide\\\"."
    let event = CascadeTalk.chunk("\"content\":\"\(text)\"")
    for letter in event { call.piece(String(letter)) }
    call.chatEnds()
    #expect(
      call.told() == ["It is 3.5 m long. ", "[Flush]", "And \"wide\".", "[Flush]"])
    call.sounds(100)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    call.ask("Oh.")
    #expect(call.requests.last?.lines[2] == "assistant: It is 3.5 m long. And \"wide\".")
    call.expectAllHome()
  }

  @Test func `speech_final and UtteranceEnd of the same words make one request`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.utteranceEnds()
    call.rig.advance(milliseconds: 100)
    #expect(call.requests.count == 1)
    call.answer("Yes.")
    call.utteranceEnds()
    call.hears("", isFinal: true, endsSpeech: true)
    call.rig.advance(milliseconds: 1000)
    #expect(call.requests.count == 1 && call.cancelled == [])
    call.expectAllHome()
  }

  @Test func `final words whose end nobody says make one at UtteranceEnd`() throws {
    let call = try CascadeTalk()
    call.hears("In noise.", isFinal: true)
    call.hears("More noise.", isFinal: true)
    call.rig.advance(milliseconds: 900)
    #expect(call.requests.isEmpty)
    call.utteranceEnds()
    #expect(call.requests.map { $0.lines.last } == ["user: In noise. More noise."])
    call.utteranceEnds()
    #expect(call.requests.count == 1)
    call.expectAllHome()
  }

  @Test func `what has no words asks for nothing`() throws {
    let call = try CascadeTalk()
    for isFinal in [false, true] { call.hears("", isFinal: isFinal, endsSpeech: isFinal) }
    call.utteranceEnds()
    call.hears("Hm")
    call.hears("", isFinal: true, endsSpeech: true)
    call.utteranceEnds()
    call.rig.advance(milliseconds: 1000)
    #expect(call.requests.isEmpty)
    call.ask("Yes.")
    #expect(call.requests.count == 1)
    call.expectAllHome()
  }

  @Test func `the first piece is flushed only as often as the service takes it`() throws {
    let call = try CascadeTalk()
    for turn in 0..<14 {
      call.ask("Go on.")
      call.thinks("Word. ")
      call.thinks("More. ")
      call.chatEnds()
      // Of twenty a minute half, the ends of answers among them.
      let isHurried = turn < 5
      #expect(
        call.told() == ["Word. "] + (isHurried ? ["[Flush]"] : []) + ["More. ", "[Flush]"],
        "\(turn)")
      call.sounds(40)
      call.flushed(isHurried ? 2 : 1)
      call.rig.advance(milliseconds: 1500)
    }
    #expect(call.rig.relay.totals.answersSilent == 0)
    call.expectAllHome()
  }

  @Test func `a cascade has memory for as many calls as may be`() throws {
    let call = try CascadeTalk { $0.limits.twoWayCallsMax = 1 }
    #expect(call.rig.relay.cascadesInUse == 1)
    let other = call.rig.open("/talk")
    if let other { call.rig.start(other) }
    call.rig.advance(milliseconds: 100)
    #expect(call.rig.relay.cascadesInUse == 1)
    call.ask("Well?")
    call.answer("Yes.")
    if let other { call.rig.fail(other) }
    call.expectAllHome()
  }
}
