// Keys that a voice model presses, and those that it collects.

import Sidetone
import TestSupport
import Testing

struct DigitsTests {
  // MARK: Pressed

  @Test func `keys are pressed by the carrier that can`() throws {
    let order = try OrderTalk(carrier: "telnyx")
    order.ask("press", #"{"digits":"1w2#"}"#)
    #expect(
      order.request == [
        "fetch 1 8000 POST https://api.telnyx.com/v2/calls/v3%3AC1/actions/send_dtmf",
        "bearer KEY1", "", #"{"digits":"1w2#"}"#,
      ])
    order.rig.fetcherSays("answer 1 200 whole\n\n{\"data\":{\"result\":\"ok\"}}")
    #expect(
      order.talk.told()
        == [order.call.answer("t", #"{"status":"sent"}"#, name: "press")] + order.call.goOn)
    order.talk.expectAllHome()
  }

  @Test(arguments: ["", "E", "1 2", "12345678901234567890123456789012w", "a", "1\\n"])
  func `keys that there are not are refused`(digits: String) throws {
    let order = try OrderTalk(carrier: "telnyx")
    order.ask("press", #"{"digits":"\#(digits)"}"#)
    #expect(order.rig.fetches == [] && order.rig.relay.totals.functionsRefused == 1)
  }

  @Test func `a carrier that cannot is not asked, and one that refuses is told of`() throws {
    let order = try OrderTalk()
    order.ask("press", #"{"digits":"1"}"#)
    order.expectRefused("this call's carrier cannot do it", name: "press")
    let other = try OrderTalk(carrier: "telnyx")
    other.ask("press", #"{"digits":"1"}"#)
    other.rig.fetcherSays("answer 1 422 whole\n\n{}")
    let error = other.call.error("the carrier refused with 422")
    #expect(
      other.talk.told() == [other.call.answer("t", error, name: "press")] + other.call.goOn)
  }

  // MARK: Collected

  private func answer(_ order: OrderTalk, _ digits: String, _ end: String) -> [String] {
    [
      order.call.answer(
        "t", #"{"digits":"\#(digits)","ended_by":"\#(end)"}"#, name: "collect")
    ] + order.call.goOn
  }

  @Test(
    arguments: FunctionsTests.models,
    [
      (#"{"count":4}"#, "1234", "1234", "count"), (#"{"count":8}"#, "12#", "12", "end_key"),
      (#"{"count":3,"end_key":"*"}"#, "1#*", "1#", "end_key"),
      (#"{"count":3,"end_key":""}"#, "1#*", "1#*", "count"),
      (#"{"count":32}"#, "#", "", "end_key"), (#"{"count":1}"#, "9", "9", "count"),
    ])
  func `the model is told of them once`(
    model: String, case wanted: (String, String, String, String)
  ) throws {
    let order = try OrderTalk(model)
    order.ask("collect", wanted.0)
    for key in wanted.1.dropLast() {
      order.press(String(key))
      order.rig.advance(milliseconds: 2000)
    }
    #expect(order.talk.told() == [])
    order.press(String(wanted.1.suffix(1)))
    #expect(order.talk.told() == answer(order, wanted.2, wanted.3))
    order.rig.advance(milliseconds: 3000)
    #expect(order.talk.told() == [])
    order.talk.expectAllHome()
  }

  @Test func `a pause ends them, and is counted from the last key`() throws {
    let order = try OrderTalk("gemini")
    order.ask("collect", #"{"count":4,"pause_seconds":3}"#)
    order.rig.advance(milliseconds: 2500)
    order.press("7")
    order.rig.advance(milliseconds: 2900)
    #expect(order.talk.told() == [])
    order.rig.advance(milliseconds: 200)
    #expect(order.talk.told() == answer(order, "7", "pause"))
    let none = try OrderTalk("gemini")
    none.ask("collect", #"{"count":4}"#)
    none.rig.advance(milliseconds: 5100)
    #expect(none.talk.told() == answer(none, "", "pause"))
  }

  @Test func `the pause begins when the caller has heard what is wanted`() throws {
    let order = try OrderTalk("gemini")
    order.ask("collect", #"{"count":4,"pause_seconds":1}"#, saying: 3000)
    order.rig.advance(milliseconds: 3900)
    #expect(order.talk.told() == [])
    order.rig.advance(milliseconds: 400)
    #expect(order.talk.told() == answer(order, "", "pause"))
  }

  @Test func `callers type ahead`() throws {
    let order = try OrderTalk()
    order.call.begin()
    order.press("12")
    order.call.item("collect", "t", #"{\"count\":3}"#)
    order.call.done()
    #expect(order.talk.told() == [])
    order.press("3")
    #expect(order.talk.told() == answer(order, "123", "count"))
    order.rig.advance(milliseconds: 3000)
    #expect(order.talk.told() == [])
  }

  @Test func `typed ahead in full they are told at once`() throws {
    let order = try OrderTalk()
    order.call.begin()
    order.press("12#9")
    order.call.item("collect", "t", #"{\"count\":5}"#)
    order.call.done()
    #expect(order.talk.told() == answer(order, "12", "end_key"))
  }

  @Test(arguments: [
    ("{}", "its arguments are not of its schema: `count` is missing"),
    (#"{"count":0}"#, "`count` must be a whole number from 1 to 32"),
    (#"{"count":33}"#, "`count` must be a whole number from 1 to 32"),
    (#"{"count":"4"}"#, "`count` must be a whole number from 1 to 32"),
    (#"{"count":1.5}"#, "`count` must be a whole number from 1 to 32"),
    (#"{"count":1,"end_key":"12"}"#, "`end_key` must be one key, or nothing"),
    (#"{"count":1,"end_key":null}"#, "`end_key` must be one key, or nothing"),
    (#"{"count":1,"pause_seconds":0}"#, "`pause_seconds` must be a whole number from 1 to 30"),
    (#"{"count":1,"pause_seconds":"5"}"#, "`pause_seconds` must be a whole number from 1 to 30"),
  ])
  func `what makes no sense is refused`(wrong: (String, String)) throws {
    let order = try OrderTalk()
    order.ask("collect", wrong.0)
    order.expectRefused(wrong.1, name: "collect")
  }

  @Test func `there is one collection at a time, beside which others run`() throws {
    let order = try OrderTalk()
    order.ask("collect", #"{"count":2}"#)
    order.ask("collect", #"{"count":2}"#, id: "u")
    order.ask("transfer", #"{"to":"sales"}"#, id: "v")
    let error = order.call.error("keys are being collected already")
    #expect(order.talk.told() == [order.call.answer("u", error, name: "collect")])
    #expect(order.rig.fetches.count == 1)
    order.press("12")
    #expect(order.talk.told().count == 1)
    order.rig.fetcherSays("answer 1 500 whole\n\n")
    #expect(order.talk.told().count == 2)
    order.talk.expectAllHome()
  }

  @Test func `keys of a collection that is taken back are keys like others`() throws {
    let order = try OrderTalk("gemini")
    order.ask("collect", #"{"count":4}"#)
    order.press("12")
    order.talk.tell(#"{"toolCallCancellation":{"ids":["t"]}}"#)
    order.talk.say(100)
    order.talk.finish()
    order.rig.advance(milliseconds: 1100)
    let told = order.talk.told()
    #expect(told.count == 1 && told[0].contains("12"), "\(told)")
    order.talk.expectAllHome()
  }

  @Test func `a session that is lost does not lose them`() throws {
    let order = try OrderTalk("gemini")
    order.ask("collect", #"{"count":2}"#)
    order.press("1")
    order.rig.fail(order.talk.model)
    order.rig.advance(milliseconds: 500)
    let next = try #require(order.rig.answerDial())
    _ = order.rig.messages(from: next, isCaller: false)
    order.rig.answer(Talk.ready("gemini"), on: next)
    order.press("2")
    let told = order.rig.messages(from: next, isCaller: false)
    #expect(told.count == 1 && told[0].contains(#"\"digits\":\"12\""#), "\(told)")
    order.talk.expectAllHome()
  }

  @Test func `the caller who leaves ends it`() throws {
    let order = try OrderTalk()
    order.ask("collect", #"{"count":2}"#)
    order.press("1")
    order.stop()
    order.rig.advance(milliseconds: 20_000)
    #expect(order.rig.relay.callsInUse == 0 && order.rig.relay.missing == [])
    #expect(order.rig.relay.totals.functionsCancelled == 1)
  }
}
