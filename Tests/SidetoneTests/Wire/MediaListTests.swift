// Audio as a list of integers in a carrier's message, and what such a message says beside it.

import Testing

@testable import Sidetone

struct MediaListTests {
  private let media = Media(
    when: "type", is: "media", at: "data", "samples", order: "number", rate: "sampleRate",
    as: .integers)

  private func locate(_ message: String) -> Media.Located {
    atForbiddenPage(message) { media.locate($0) }
  }

  /// What the list holds, and the piece's rate and order.
  private func piece(_ message: String) -> (list: String, rate: Int, order: Int)? {
    guard case .audio(let piece) = locate(message) else { return nil }
    return (kept(message)[piece.payload].string, piece.rate, piece.order)
  }

  @Test func `the list, its rate and its order are found whatever stands around them`() throws {
    for message in [
      #"{"type":"media","data":{"samples":[0,12,-7],"sampleRate":8000,"number":4}}"#,
      #"{"data":{"number":"4","sampleRate":"8000","samples":[0,12,-7]},"event":"x","type":"media"}"#,
      #" { "event" : [ ] , "type" : "media" , "data" : { "a":[[1]], "samples" : [0,12,-7] , "sampleRate" : 8e3, "number":4.0 } } "#,
      #"{"type":"media","data":{"samples":[0,12,-7],"samples":[1],"sampleRate":8000,"sampleRate":1,"number":4}}"#,
    ] {
      let found = try #require(piece(message), "\(message)")
      #expect(found == ("0,12,-7", 8000, 4))
    }
    #expect(piece(#"{"type":"media","data":{"samples":[]}}"#)! == ("", 0, -1))
    #expect(piece(#"{"type":"media","data":{"samples":[ ]}}"#)! == (" ", 0, -1))
  }

  @Test(arguments: [
    #""soon""#, "null", "-5", "1.5", "1e99", "[]", "99999999999999999999",
  ])
  func `a rate or an order that is no whole number is none`(written: String) {
    let message =
      #"{"type":"media","data":{"sampleRate":\#(written),"number":\#(written),"samples":[1]}}"#
    #expect(piece(message)! == ("1", 0, -1))
  }

  @Test(arguments: [
    "", "[", #"{"type":"media"}"#, #"{"type":"media","data":{}}"#,
    #"{"type":"media","data":{"samples":"1"}}"#, #"{"type":"media","data":{"samples":1}}"#,
    #"{"type":"media","data":{"samples":[[1],2]}}"#, #"{"type":"media","data":{"samples":[1,2"#,
    #"{"type":"media","data":{"samples":["]"]}}"#, #"{"type":"media","data":[1,2]}"#,
    #"{"type":"media","data":{"samples":[1]}"#, #"{"type":"media","data":{"samples":[1]}}}"#,
    #"{"type":"media","data":{"samples":[1],"samples":[1 2]}}"#,
    #"{"type":"text","data":{"samples":[1 2]}}"#, #"{"type":"text","data":{"samples":[01]}}"#,
  ])
  func `media without a list, and what is no JSON, is malformed`(message: String) {
    #expect(locate(message) == .malformed)
  }

  @Test(arguments: [
    #"{"type":"text","data":{"samples":[[1],"]",{"a":[]}]}}"#, #"{"data":{"samples":[1]}}"#,
    #"{"type":["media"],"data":{"samples":[1]}}"#, #"{"type":"text","type":"media"}"#, "[]",
    #"{"type":"text","data":{"samples":[1,2]}}"#,
  ])
  func `other messages are other, whatever their lists hold`(message: String) {
    #expect(locate(message) == .other)
  }

  @Test func `an order is read beside base64 as well`() {
    let media = Media(
      when: "event", is: "media", at: "media", "payload", order: "chunk", as: .base64)
    let message = kept(#"{"event":"media","media":{"chunk":"12","payload":"AAAA"}}"#)
    guard case .audio(let piece) = media.locate(message) else {
      Issue.record("no audio")
      return
    }
    #expect(piece.order == 12 && piece.rate == 0)
  }

  @Test func `a list that reads as samples is in a message that is JSON, whatever its damage`() {
    var random = SeededRandom(seed: 10)
    let text = #"{"type":"media","data":{"samples":[0,12,-7,300],"sampleRate":8000}}"#
    let bytes = Array(text.utf8)
    let room = kept(count: 200)
    for _ in 0..<20_000 {
      var damaged = bytes
      for _ in 0...Int.random(in: 0...2, using: &random) {
        damaged[Int.random(in: 0..<bytes.count, using: &random)] = bytes.randomElement(
          using: &random)!
      }
      let message = kept(damaged)
      switch media.locate(message) {
      case .audio(let piece):
        if Integers.parse(message[piece.payload], into: room) != nil {
          #expect(JSON.isValid(message))
        }
      case .other: #expect(JSON.isValid(message))
      case .malformed: break
      }
    }
  }
}
