// A voice model has the caller transferred: whom it may reach, what the carrier is asked, and how
// the call goes on when it refuses, or ends when it does not.

import Sidetone
import TestSupport
import Testing

/// A call whose model may transfer it, press keys, collect keys, and hang up.
struct OrderTalk {
  let call: FunctionTalk
  var talk: Talk { call.talk }
  var rig: Rig { call.rig }

  init(
    _ kind: String = "openai", carrier: String = "twilio", call id: String? = nil,
    account: String = "AC1", _ change: (inout Config) -> Void = { _ in }
  ) throws {
    let start = carrier == "ucid" ? nil : Self.start(carrier, id, account)
    call = try FunctionTalk(kind, carrier: carrier, start: start) {
      $0.routes[3].functions += Self.functions
      $0[carrier: "twilio"].secrets = [Array("token".utf8)]
      $0[carrier: "telnyx"].controlKey = "KEY1"
      $0.routes[3].isOpen = true
      change(&$0)
    }
  }

  static func start(_ carrier: String, _ id: String? = nil, _ account: String = "AC1") -> String {
    if carrier == "telnyx" {
      return Talk.telnyxStart().replacing("v3:C1", with: id ?? "v3:C1")
    }
    return """
      {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"\(account)",\
      "callSid":"\(id ?? "CA1")","tracks":["inbound"],\
      "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}}}
      """
  }

  static let functions: [Config.Function] = {
    var (transfer, press, collect) = (Config.Function(), Config.Function(), Config.Function())
    transfer.name = "transfer"
    transfer.description = "Connects the caller with somebody."
    transfer.builtIn = .transfer
    transfer.isWarm = true
    transfer.targets = [
      Config.Function.Target(name: "sales", address: "+4930123"),
      Config.Function.Target(name: "desk", address: "sip:desk@example.com;a=1&b=2"),
    ]
    transfer.required = ["to"]
    press.name = "press"
    press.description = "Presses keys."
    press.builtIn = .sendDigits
    press.required = ["digits"]
    collect.name = "collect"
    collect.description = "Collects keys."
    collect.builtIn = .collectDigits
    collect.required = ["count"]
    return [transfer, press, collect]
  }()

  /// The model says so much, and asks in the same answer.
  func ask(_ name: String, _ arguments: String, saying milliseconds: Int = 0, id: String = "t") {
    call.begin()
    if milliseconds > 0 { say(milliseconds) }
    let escaped = arguments.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    call.item(name, id, talk.kind == "gemini" ? arguments : escaped)
    call.done()
  }

  func say(_ milliseconds: Int) {
    if talk.kind == "gemini" { return talk.say(milliseconds) }
    talk.tell(
      """
      {"type":"response.output_audio.delta","response_id":"r1","item_id":"w","delta":\
      "\(Talk.base64([UInt8](repeating: 0, count: milliseconds * 48)))"}
      """)
  }

  func transfer(_ arguments: String = #"{"to":"sales"}"#, saying milliseconds: Int = 0) {
    ask("transfer", arguments, saying: milliseconds)
  }

  /// What the fetcher was told last, line by line.
  var request: [String] { (rig.fetches.last ?? "").pieces(cutAt: "\n") }

  func stop() { rig.say(#"{"event":"stop","streamSid":"MZ1"}"#, on: talk.caller) }

  func press(_ keys: String) {
    for key in keys {
      rig.say(
        #"{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"\#(key)"}}"#,
        on: talk.caller)
    }
  }

  var end: String { rig.log.first { $0.contains("call_ended") } ?? "" }

  func expectRefused(
    _ sentence: String, name: String = "transfer",
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let told = call.answer("t", call.error(sentence), name: name)
    #expect(talk.told() == [told] + call.goOn, sourceLocation: sourceLocation)
    #expect(
      rig.fetches == [] && rig.relay.totals.functionsRefused == 1, sourceLocation: sourceLocation)
  }
}

struct TransferTests {
  static let done = #"{"status":"transferred"}"#

  // MARK: Taken

  @Test(arguments: FunctionsTests.models)
  func `the carrier is asked, and the call ends when it ends the stream`(model: String) throws {
    let order = try OrderTalk(model)
    order.transfer()
    #expect(
      order.request == [
        "fetch 1 8000 POST https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/CA1.json",
        "basic AC1 token", "form", "",
        "Twiml=%3CResponse%3E%3CDial%3E%2B4930123%3C%2FDial%3E%3C%2FResponse%3E",
      ])
    #expect(order.talk.told() == [])
    order.rig.fetcherSays("answer 1 200 whole\n\n{\"sid\":\"CA1\"}")
    #expect(order.talk.told().first == order.call.answer("t", Self.done, name: "transfer"))
    #expect(order.rig.closed.contains(order.talk.model) && order.rig.relay.callsInUse == 1)
    order.rig.advance(milliseconds: 5000)
    #expect(order.talk.heard().others == [] && !order.rig.closed.contains(order.talk.caller))
    order.stop()
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    #expect(order.rig.relay.totals.functionsAnswered == 1)
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test(arguments: FunctionsTests.models)
  func `what was said is heard before the carrier is asked`(model: String) throws {
    let order = try OrderTalk(model)
    order.transfer(saying: 1000)
    order.rig.advance(milliseconds: 700)
    #expect(order.rig.fetches == [])
    order.rig.advance(milliseconds: 500)
    #expect(order.rig.fetches.count == 1 && order.talk.heardBytes() >= 8000)
    order.talk.expectAllHome()
  }

  @Test func `one who interrupts is heard by the model first`() throws {
    let order = try OrderTalk()
    order.transfer(saying: 4000)
    order.rig.advance(milliseconds: 100)
    order.talk.interrupt()
    order.rig.advance(milliseconds: 5000)
    let error = order.call.error("the caller speaks, so the call goes on", isRetryable: true)
    #expect(order.talk.told().contains(order.call.answer("t", error, name: "transfer")))
    #expect(order.rig.fetches.count == 0 && order.rig.relay.callsInUse == 1)
    // And may ask again.
    order.ask("transfer", #"{"to":"desk"}"#, id: "u")
    order.rig.advance(milliseconds: 5000)
    #expect(order.rig.fetches.count == 1)
    order.talk.expectAllHome()
  }

  @Test func `a carrier's yes to keys is none to a transfer`() throws {
    let order = try OrderTalk(carrier: "telnyx")
    order.call.begin()
    order.call.item("press", "p", #"{\"digits\":\"1\"}"#)
    order.call.item("transfer", "t", #"{\"to\":\"sales\"}"#)
    order.call.done()
    order.rig.advance(milliseconds: 100)
    #expect(order.rig.fetches.count == 2)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    #expect(order.rig.relay.callsInUse == 1)
    order.rig.fetcherSays("answer 2 404 whole\n\n{}")
    let error = order.call.error("the carrier refused with 404")
    #expect(order.talk.told().contains(order.call.answer("t", error, name: "transfer")))
    order.rig.advance(milliseconds: 1000)
    #expect(order.rig.relay.callsInUse == 1 && order.rig.relay.totals.functionsAnswered == 1)
    order.talk.expectAllHome()
  }

  @Test func `a model that never stops talking does not keep the caller from it`() throws {
    let order = try OrderTalk()
    order.call.begin()
    for _ in 0..<2 { order.say(12_000) }
    order.transfer()
    order.rig.advance(milliseconds: 14_900)
    #expect(order.rig.fetches == [])
    order.rig.advance(milliseconds: 200)
    #expect(order.rig.fetches.count == 1)
    order.talk.expectAllHome()
  }

  @Test func `a SIP address, a summary and everything in them stay what they are`() throws {
    let order = try OrderTalk()
    order.transfer(#"{"to":"desk","summary":"\u003cHangup/> & \"it's\" \u0007 ü"}"#)
    let twiml = order.request.last?.pieces(cutAt: "Twiml=").last ?? ""
    let plain = Array(twiml.utf8).withBytes { Query.decodeInPlace($0).string }
    #expect(
      plain == """
        <Response><Say>&lt;Hangup/&gt; &amp; &quot;it&apos;s&quot;   ü</Say><Dial><Sip>\
        sip:desk@example.com;a=1&amp;b=2</Sip></Dial></Response>
        """)
  }

  @Test func `Telnyx is told by its own command, at the address that is set`() throws {
    let order = try OrderTalk(carrier: "telnyx", call: "v3:a/../b+c==") {
      $0[carrier: "telnyx"].controlURL = "http://127.0.0.1:9/x"
    }
    order.transfer(#"{"to":"+4930123","summary":"Hello."}"#)
    #expect(
      order.request == [
        "fetch 1 8000 POST http://127.0.0.1:9/x/v2/calls/v3%3Aa%2F..%2Fb%2Bc%3D%3D/actions/transfer",
        "bearer KEY1", "", #"{"to":"+4930123"}"#,
      ])
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    order.rig.advance(milliseconds: 29_000)
    #expect(order.rig.relay.callsInUse == 1)
    order.rig.advance(milliseconds: 2000)
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    #expect(order.rig.log.count { $0.contains("transfer_unended") } == 1)
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test(arguments: [true, false])
  func `a stream that ends while the carrier is asked is no transfer`(isStop: Bool) throws {
    let order = try OrderTalk()
    order.transfer()
    if isStop { order.stop() } else { order.rig.fail(order.talk.caller) }
    order.rig.advance(milliseconds: 6000)
    #expect(order.rig.relay.callsInUse == 0)
    #expect(order.end.contains(isStop ? "stopped" : "left"))
    #expect(order.rig.relay.totals.functionsAnswered == 0)
    #expect(order.rig.relay.totals.functionsCancelled == 1)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    #expect(order.rig.relay.missing == [])
  }

  @Test(arguments: [200, 404])
  func `the carrier's word is waited for as last words are`(status: Int) throws {
    let order = try OrderTalk()
    order.transfer()
    order.stop()
    order.rig.advance(milliseconds: 100)
    #expect(order.rig.relay.callsInUse == 1)
    order.rig.fetcherSays("answer 1 \(status) whole\n\n{}")
    #expect(order.rig.relay.callsInUse == 0)
    #expect(order.end.contains(status == 200 ? "transferred" : "stopped"))
    #expect(order.rig.relay.totals.functionsAnswered == (status == 200 ? 1 : 0))
    #expect(order.rig.relay.totals.functionsFailed == (status == 200 ? 0 : 1))
    order.rig.advance(milliseconds: 10_000)
    #expect(order.rig.relay.missing == [])
  }

  @Test func `a session that is lost meanwhile does not keep the caller`() throws {
    let order = try OrderTalk()
    order.transfer()
    order.rig.fail(order.talk.model)
    order.rig.fetcherSays("answer 1 201 whole\n\n{}")
    order.rig.advance(milliseconds: 3000)
    #expect(order.rig.relay.callsInUse == 1)
    order.stop()
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("transferred"))
    order.rig.advance(milliseconds: 200_000)
    #expect(order.rig.relay.missing == [])
  }

  // MARK: Refused by the carrier

  @Test(
    arguments: FunctionsTests.models,
    [
      ("answer 1 401 whole\n\n{\"code\":20003}", "the carrier refused with 401", false),
      ("answer 1 404 whole\n\n", "the carrier refused with 404", false),
      ("answer 1 422 whole\n\n", "the carrier refused with 422", false),
      ("answer 1 302 whole\n\n", "the carrier refused with 302", false),
      ("answer 1 429 whole\n\n", "the carrier refused with 429", true),
      ("answer 1 503 whole\n\n", "the carrier refused with 503", false),
      ("failed 1 no_trust", "its certificate could not be verified", false),
      ("failed 1 late", "no answer came in time", false),
    ])
  func `a refusal goes back to the model, and the call goes on`(
    model: String, refusal: (String, String, Bool)
  ) throws {
    let order = try OrderTalk(model)
    order.transfer()
    order.rig.fetcherSays(refusal.0)
    let error = order.call.error(refusal.1, isRetryable: refusal.2)
    #expect(
      order.talk.told() == [order.call.answer("t", error, name: "transfer")] + order.call.goOn)
    #expect(order.rig.relay.totals.functionsFailed == 1 && order.call.lines.count == 1)
    #expect(order.rig.relay.callsInUse == 1)
    // And it may ask again.
    order.ask("transfer", #"{"to":"desk"}"#, id: "u")
    #expect(order.rig.fetches.count == 2)
    order.talk.expectAllHome()
  }

  @Test func `a carrier that says nothing is late`() throws {
    let order = try OrderTalk("gemini")
    order.transfer()
    order.rig.advance(milliseconds: 8600)
    let error = order.call.error("no answer came in time")
    #expect(order.talk.told() == [order.call.answer("t", error, name: "transfer")])
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    #expect(order.rig.relay.callsInUse == 1)
    order.talk.expectAllHome()
  }

  // MARK: Refused here

  @Test(arguments: [
    #"{"to":"+15550100"}"#, #"{"to":"Sales"}"#, #"{"to":7}"#, #"{"to":""}"#, #"{"to":["sales"]}"#,
    #"{"to":"\#(String(repeating: "9", count: 300))"}"#,
  ])
  func `only those that are named may be reached`(arguments: String) throws {
    let order = try OrderTalk()
    order.transfer(arguments)
    order.expectRefused("`to` is none of those to whom calls may be transferred")
    #expect(order.rig.relay.callsInUse == 1)
  }

  @Test func `a summary that is too long is refused, one whose escapes are as well`() throws {
    let long = try OrderTalk()
    long.transfer(#"{"to":"sales","summary":"\#(String(repeating: "x", count: 1001))"}"#)
    long.expectRefused("its summary is longer than 1000 bytes")
    let quoted = try OrderTalk()
    quoted.transfer(#"{"to":"sales","summary":"\#(String(repeating: "&", count: 1000))"}"#)
    let error = quoted.call.error("it is longer than the carrier takes")
    #expect(
      quoted.talk.told() == [quoted.call.answer("t", error, name: "transfer")] + quoted.call.goOn)
    #expect(quoted.rig.fetches == [] && quoted.rig.relay.callsInUse == 1)
    quoted.talk.expectAllHome()
  }

  @Test(arguments: ["", ".", "..", String(repeating: "C", count: 97)])
  func `a call that cannot be named to its carrier is not transferred`(id: String) throws {
    if id.isEmpty { return }
    let order = try OrderTalk(carrier: "telnyx", call: id)
    order.transfer()
    order.expectRefused("this call cannot be named to its carrier")
  }

  @Test(arguments: ["", "AC1:x", "AC1/../AC2", "AC 1", "ÄC"])
  func `an account is letters and digits`(account: String) throws {
    let order = try OrderTalk(account: account)
    order.transfer()
    order.expectRefused("this call cannot be named to its carrier")
  }

  @Test func `a carrier that cannot, and one whose key is missing, are not asked`() throws {
    let ucid = try OrderTalk(carrier: "ucid")
    ucid.transfer()
    ucid.expectRefused("this call's carrier cannot do it")
    let keyless = try OrderTalk { $0[carrier: "twilio"].secrets = [] }
    keyless.transfer()
    keyless.expectRefused("the relay has no key by which to ask this call's carrier")
  }

  @Test func `there is one transfer at a time, and no hanging up meanwhile`() throws {
    let order = try OrderTalk()
    order.transfer()
    order.ask("transfer", #"{"to":"desk"}"#, id: "u")
    order.ask("bye", "{}", id: "v")
    let told = order.talk.told()
    let errors = [
      order.call.answer(
        "u", order.call.error("the call is being transferred already"), name: "transfer"),
      order.call.answer("v", order.call.error("the call is being transferred"), name: "bye"),
    ]
    #expect(told == errors && order.rig.fetches.count == 1)
    order.rig.fetcherSays("answer 1 200 whole\n\n{}")
    order.stop()
    #expect(order.end.contains("transferred"))
  }

  @Test func `a call that hangs up is not transferred`() throws {
    let order = try OrderTalk()
    order.call.begin()
    order.call.item("bye", "b", "{}")
    order.call.item("transfer", "t", #"{\"to\":\"sales\"}"#)
    order.call.done()
    #expect(order.rig.fetches == [] && order.rig.relay.totals.functionsRefused == 1)
    #expect(order.rig.relay.callsInUse == 0 && order.end.contains("hung_up"))
  }

  @Test func `one that is taken back before the carrier was asked is not asked for`() throws {
    let order = try OrderTalk("gemini")
    order.transfer(saying: 1000)
    order.talk.tell(#"{"toolCallCancellation":{"ids":["t"]}}"#)
    order.rig.advance(milliseconds: 3000)
    #expect(order.rig.fetches == [] && order.rig.relay.totals.functionsCancelled == 1)
    order.transfer()
    #expect(order.rig.fetches.count == 0, "an id is called once")
    order.ask("transfer", #"{"to":"desk"}"#, id: "u")
    #expect(order.rig.fetches.count == 1)
    order.talk.expectAllHome()
  }

  @Test func `the end of the call takes a transfer along that waits`() throws {
    let order = try OrderTalk()
    order.transfer(#"{"to":"sales","summary":"Hello."}"#, saying: 3000)
    order.stop()
    order.rig.advance(milliseconds: 20_000)
    #expect(order.rig.fetches == [] && order.end.contains("stopped"))
    #expect(order.rig.relay.missing == [])
  }
}
