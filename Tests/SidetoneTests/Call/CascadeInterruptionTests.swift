// The caller speaks over a cascade: each of its services lets go of the answer, nothing of it is
// heard any more, and what is asked next knows how much of it was.

import Sidetone
import TestSupport
import Testing

struct CascadeInterruptionTests {
  private func clears(_ call: CascadeTalk, _ others: [String]) -> Int {
    others.count { $0.contains("clear") }
  }

  @Test func `an answer is dropped by all three, and what comes of it is not heard`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story. ", "It begins")
    _ = call.told()
    call.sounds(2000, 0x11)
    call.rig.advance(milliseconds: 500)
    #expect(call.heardBytes() > 0)
    let first = try #require(call.requests.first).id
    call.hears("Stop")
    #expect(call.cancelled == [first])
    #expect(call.told() == ["[Clear]"])
    #expect(clears(call, call.heard().others) == 1)
    #expect(call.rig.relay.totals.interruptions == 1)
    // The chat's and the voice's rest.
    call.piece(CascadeTalk.chunk("\"content\":\"Here. Now. \""), of: first)
    call.sounds(500, 0x11)
    call.rig.advance(milliseconds: 1000)
    #expect(call.heardBytes() == 0 && call.told() == [])
    #expect(call.rig.relay.totals.speechLate == 1)
    call.cleared()
    // The next answer is heard, whole.
    call.hears("Stop it.", isFinal: true, endsSpeech: true)
    #expect(call.requests.count == 2)
    call.thinks("Fine.")
    call.chatEnds()
    call.sounds(300, 0x22)
    call.flushed(2)
    call.rig.advance(milliseconds: 2000)
    #expect(call.heard().audio == [UInt8](repeating: 0x22, count: 2400))
    #expect(call.rig.relay.totals.interruptions == 1)
    call.expectAllHome()
  }

  @Test func `a late Flushed of the old answer does not end the new one`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    call.chatEnds()
    call.sounds(400, 0x11)
    call.rig.advance(milliseconds: 200)
    call.hears("No")
    call.hears("No, wait.", isFinal: true, endsSpeech: true)
    call.thinks("I wait. ")
    call.thinks("For you.")
    call.chatEnds()
    call.flushed(2)
    call.sounds(400, 0x11)
    call.cleared()
    #expect(call.rig.relay.totals.answersSilent == 0)
    _ = call.heard()
    call.sounds(300, 0x22)
    call.flushed()
    call.rig.advance(milliseconds: 1000)
    // One is still owed.
    call.sounds(100, 0x22)
    call.flushed()
    call.rig.advance(milliseconds: 1500)
    #expect(call.heard().audio == [UInt8](repeating: 0x22, count: 3200))
    call.ask("Go on.")
    #expect(call.requests.last?.lines.suffix(2) == ["assistant: I wait. For you.", "user: Go on."])
    call.expectAllHome()
  }

  @Test func `what is asked next knows only what was heard`() throws {
    let call = try CascadeTalk(carrier: "ucid")
    call.ask("Count.")
    call.thinks("One two three four five six seven eight nine ten.")
    call.chatEnds()
    call.sounds(2000, 0)
    call.rig.advance(milliseconds: 1000)
    call.ask("Stop.")
    let lines = try #require(call.requests.last).lines
    #expect(lines.count == 4 && lines[1] == "user: Count." && lines[3] == "user: Stop.")
    let heard = lines[2]
    #expect(heard.hasPrefix("assistant: One two three"), "\(heard)")
    #expect(heard.contains("four") && !heard.contains("seven"), "\(heard)")
    call.expectAllHome()
  }

  @Test func `of two answers that wait each is known as far as it was heard`() throws {
    let call = try CascadeTalk(carrier: "ucid") { $0.routes[3].functions = FunctionTalk.functions }
    call.ask("Where?")
    call.thinks("One two three four five six seven eight nine ten.\\n")
    call.calls(["a": "status"])
    call.sounds(2000, 0)
    call.flushed(2)
    call.rig.fetcherSays("answer \(call.posts[0]) 200 whole\n\n{}")
    call.thinks("Never heard.\\n")
    call.sounds(1000, 0)
    call.rig.advance(milliseconds: 1000)
    call.ask("Stop.")
    let lines = try #require(call.requests.last).lines.filter { $0.hasPrefix("assistant: ") }
    #expect(lines.count == 1 && lines[0].contains("four") && !lines[0].contains("seven"))
    call.expectAllHome()
  }

  @Test func `of an answer that nobody heard it knows nothing`() throws {
    let call = try CascadeTalk(carrier: "ucid")
    call.ask("Count.")
    call.thinks("One two three.\\n")
    call.rig.advance(milliseconds: 500)
    call.ask("Stop.")
    #expect(call.told() == ["One two three.", "[Flush]", "[Clear]"])
    #expect(
      call.requests.last?.lines == ["system: Be \"brief\".", "user: Count.", "user: Stop."])
    call.cleared()
    call.answer("Fine.")
    #expect(call.heardBytes() == 3200)
    call.expectAllHome()
  }

  @Test func `before the first word only the request is cancelled`() throws {
    let call = try CascadeTalk()
    call.ask("Where is")
    call.hears("my order")
    #expect(call.cancelled.count == 1 && call.told() == [])
    call.hears("my order?", isFinal: true, endsSpeech: true)
    #expect(call.requests.count == 2)
    let lines = try #require(call.requests.last).lines
    #expect(lines.dropFirst() == ["user: Where is", "user: my order?"])
    #expect(call.rig.relay.totals.interruptions == 0)
    call.answer("Here.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }

  @Test func `who goes on speaking does not interrupt again`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    call.sounds(1000)
    call.rig.advance(milliseconds: 200)
    _ = (call.told(), call.heard())
    for text in ["No", "No, wait", "No, wait a"] { call.hears(text) }
    call.hears("No, wait a moment.", isFinal: true)
    call.hears("And")
    #expect(call.told() == ["[Clear]"] && call.cancelled.count == 1)
    #expect(clears(call, call.heard().others) == 1)
    call.hears("And listen.", isFinal: true, endsSpeech: true)
    #expect(call.requests.count == 2 && call.cancelled.count == 1)
    #expect(call.requests.last?.lines.last == "user: No, wait a moment. And listen.")
    call.expectAllHome()
  }

  @Test func `a cough interrupts nobody`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story.\\n")
    call.sounds(1000)
    call.rig.advance(milliseconds: 200)
    _ = call.told()
    call.rig.answer(
      #"{"type":"SpeechStarted","channel":[0],"timestamp":1.0}"#, on: try #require(call.ear))
    call.hears("")
    call.hears("", isFinal: true)
    call.hears("", isFinal: true, endsSpeech: true)
    call.utteranceEnds()
    call.thinks("The end.")
    call.chatEnds()
    call.flushed(2)
    call.rig.advance(milliseconds: 2000)
    let heard = call.heard()
    #expect(heard.audio.count == 8000 && clears(call, heard.others) == 0)
    #expect(call.cancelled == [] && call.requests.count == 1)
    #expect(!call.told().contains("[Clear]"))
    call.expectAllHome()
  }

  @Test func `the greeting can be spoken over`() throws {
    let call = try CascadeTalk(greeting: "Hello, how can I help you?")
    call.sounds(1500)
    call.rig.advance(milliseconds: 300)
    call.ask("My order.")
    #expect(call.told().last == "[Clear]" && call.requests.count == 1)
    call.cleared()
    call.answer("It is here.")
    call.rig.advance(milliseconds: 2000)
    #expect(call.told() == ["It is here.", "[Flush]"])
    #expect(call.requests.count == 1)
    call.expectAllHome()
  }

  @Test func `what waits for the voice to stand is not said any more`() throws {
    let call = try CascadeTalk(greeting: "Hello.", isOpen: false)
    try call.openEar()
    call.ask("Quick.")
    try call.openVoice()
    #expect(call.told() == [] && call.requests.count == 1)
    call.thinks("Yes.\\n")
    #expect(call.told() == ["Yes.", "[Flush]"])
    call.chatEnds()
    call.sounds(100)
    call.flushed(2)
    call.rig.advance(milliseconds: 1500)
    #expect(call.heardBytes() == 800)
    call.expectAllHome()
  }

  @Test func `behind the chat's end what is still to be heard is dropped as well`() throws {
    let call = try CascadeTalk()
    call.ask("Well?")
    call.thinks("It is a long story.")
    call.chatEnds()
    call.sounds(3000)
    call.flushed(2)
    call.rig.advance(milliseconds: 300)
    _ = (call.told(), call.heard())
    call.ask("Stop.")
    // The voice is done: there is nothing that it could forget.
    #expect(call.told() == [] && call.cancelled == [])
    #expect(clears(call, call.heard().others) == 1)
    #expect(call.requests.count == 2)
    call.rig.advance(milliseconds: 500)
    #expect(call.heardBytes() == 0)
    call.answer("Fine.")
    #expect(call.heardBytes() == 1600)
    call.expectAllHome()
  }
}
