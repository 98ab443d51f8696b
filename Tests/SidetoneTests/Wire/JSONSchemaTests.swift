// Arguments held against a schema: each keyword both ways, the place that is named, and that the
// work is bounded.

import TestSupport
import Testing

@testable import Sidetone

struct JSONSchemaTests {
  /// What is wrong, as "place end"; nil: nothing.
  private func misfit(_ text: String, _ schema: String) -> String? {
    var room = [UInt8](repeating: 0, count: JSONSchemaCheck.placeBytesMax)
    return room.withMutableBytes { room in
      Array(text.utf8).withBytes { text in
        Array(schema.utf8).withBytes { schema in
          var check = JSONSchemaCheck(of: text, by: schema, room: room)
          guard let end = check.misfit() else { return nil }
          return "\(check.place.string) \(end)"
        }
      }
    }
  }

  private static let order = #"""
    {"type":"object","properties":{
      "id":{"type":"string","minLength":2,"maxLength":3},
      "kind":{"enum":["a\"b","b",7,null,{"x":1}]},
      "count":{"type":"integer","minimum":1,"maximum":32},
      "price":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1.5},
      "isNew":{"type":"boolean"},
      "note":{"type":["string","null"]},
      "old":{"type":"STRING","nullable":true},
      "to":{"anyOf":[{"type":"integer"},{"type":"object","required":["name"]}]},
      "both":{"allOf":[{"minimum":2},{"maximum":4}]},
      "only":{"const":"x"},
      "never":false,
      "items":{"type":"array","minItems":1,"maxItems":3,"items":{
        "type":"object","properties":{"id":{"type":"string"}},"required":["id"],
        "additionalProperties":false}}},
    "required":["id"],"additionalProperties":{"type":"number"}}
    """#

  @Test(arguments: [
    #"{"id":"ab"}"#, #"{"id":"äöü"}"#, #"{"id":"\u00e4\n"}"#, #"{"id":"ab","kind":"a\u0022b"}"#,
    #"{"id":"ab","kind":7.0}"#, #"{"id":"ab","kind":null}"#, #"{"id":"ab","kind":{"x":1}}"#,
    #"{"id":"ab","count":1}"#, #"{"id":"ab","count":3.2e1}"#, #"{"id":"ab","price":1.499}"#,
    #"{"id":"ab","isNew":false,"note":null,"old":null}"#, #"{"id":"ab","to":{"name":1}}"#,
    #"{"id":"ab","to":1,"both":3,"only":"x"}"#, #"{"id":"ab","other":-7}"#,
    #"{"id":"ab","items":[{"id":"1"},{"id":"2"},{"id":"3"}]}"#, #"{"\u0069d":"ab"}"#,
  ])
  func `what is of the schema passes`(text: String) {
    #expect(misfit(text, Self.order) == nil)
  }

  @Test(arguments: [
    ("{}", "id is missing"), (#"{"id":7}"#, "id must be a text"),
    (#"{"id":"a"}"#, "id is shorter than it has to be"),
    (#"{"id":"äöüß"}"#, "id is longer than it may be"),
    (#"{"id":"ab","kind":"c"}"#, "kind is none of those that it may be"),
    (#"{"id":"ab","kind":"7"}"#, "kind is none of those that it may be"),
    (#"{"id":"ab","count":1.5}"#, "count must be a whole number"),
    (#"{"id":"ab","count":"1"}"#, "count must be a whole number"),
    (#"{"id":"ab","count":0}"#, "count is less than it may be"),
    (#"{"id":"ab","count":99999999999999999999}"#, "count is more than it may be"),
    (#"{"id":"ab","count":-1e30}"#, "count must be a whole number"),
    (#"{"id":"ab","price":0}"#, "price is less than it may be"),
    (#"{"id":"ab","price":1.5}"#, "price is more than it may be"),
    (#"{"id":"ab","isNew":0}"#, "isNew must be true or false"),
    (#"{"id":"ab","note":1}"#, "note is of none of the types that it may have"),
    (#"{"id":"ab","old":1}"#, "old must be a text"),
    (#"{"id":"ab","to":{}}"#, "to fits none of its alternatives"),
    (#"{"id":"ab","both":5}"#, "both is more than it may be"),
    (#"{"id":"ab","only":"y"}"#, "only is not what it has to be"),
    (#"{"id":"ab","never":1}"#, "never must not be there"),
    (#"{"id":"ab","items":{}}"#, "items must be a list"),
    (#"{"id":"ab","items":[]}"#, "items has fewer elements than it needs"),
    (#"{"id":"ab","items":[1,1,1,1]}"#, "items has more elements than it may have"),
    (#"{"id":"ab","items":[{"id":"1"},{}]}"#, "items[1].id is missing"),
    (#"{"id":"ab","items":[{"id":"1","a\"b":2}]}"#, #"items[0].a\"b is not known"#),
    (#"{"id":"ab","other":"7"}"#, "other must be a number"),
    ("[]", " must be an object"),
  ])
  func `the first that is wrong is named with its place`(text: String, found: String) {
    #expect(misfit(text, Self.order) == found)
  }

  @Test func `what a schema says that nobody knows is not judged`() {
    for schema in [
      "{}", "true", #"{"type":"text"}"#, #"{"pattern":"^a$"}"#, #"{"properties":7,"required":7}"#,
      #"{"enum":7,"anyOf":7,"minLength":"7","items":7}"#, #"{"minimum":"7"}"#,
    ] {
      #expect(misfit(#""b""#, schema) == nil && misfit("3", schema) == nil, "\(schema)")
      #expect(misfit(#"{"a":[1]}"#, schema) == nil, "\(schema)")
    }
  }

  @Test func `alternatives leave no place behind`() {
    let schema = #"""
      {"properties":{"a":{"anyOf":[{"properties":{"b":{"type":"string"}}},{"type":"object"}]},
      "c":{"type":"string"}}}
      """#
    #expect(misfit(#"{"a":{"b":7},"c":7}"#, schema) == "c must be a text")
  }

  /// Flat, of nearly so many bytes, and with `p0` to `p(count - 1)` required.
  private func flat(bytes: Int, required count: Int = 0) -> String {
    var properties: [String] = []
    var size = 0
    while size < bytes {
      let description = String(repeating: "x", count: 40)
      properties.append(
        #""p\#(properties.count)":{"type":["string","null"],"description":"\#(description)"}"#)
      size += properties.last!.count + 1
    }
    let names = (0..<count).map { #""p\#($0)""# }.joined(separator: ",")
    return #"{"type":"object","properties":{\#(properties.joined(separator: ","))},"#
      + #""required":[\#(names)],"additionalProperties":false}"#
  }

  private func arguments(_ count: Int, _ value: String = #""a text of some length""#) -> String {
    "{" + (0..<count).map { #""p\#($0)":\#(value)"# }.joined(separator: ",") + "}"
  }

  @Test func `a large schema with many arguments is held against them whole`() {
    let schema = flat(bytes: 60_000, required: 35)
    for value in [#""x""#, "null", #""a text of some length""#] {
      #expect(misfit(arguments(35, value), schema) == nil)
      #expect(misfit(arguments(600, value), schema) == nil)
    }
    #expect(misfit(arguments(34), schema) == "p34 is missing")
    #expect(misfit(arguments(900), schema)?.hasSuffix(" is not known") == true)
    let wrong = arguments(600).replacing(#""p511":"a "#, with: #""p511":7,"o":"a "#)
    #expect(misfit(wrong, schema) == "p511 is of none of the types that it may have")
    let all = flat(bytes: 60_000, required: 500)
    #expect(misfit(arguments(600, "null"), all) == nil)
    #expect(misfit(arguments(499, "null"), all) == "p499 is missing")
  }

  @Test func `null is what is left out, unless it is required`() {
    let schema = #"""
      {"properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["\u0061"]}
      """#
    #expect(misfit(#"{"a":"x","b":null}"#, schema) == nil)
    #expect(misfit(#"{"a":null,"b":null}"#, schema) == "a must be a text")
  }

  @Test func `of two members of one name both are judged`() {
    let schema = #"{"properties":{"a":{"type":"string"}},"additionalProperties":false}"#
    #expect(misfit(#"{"a":"x","\u0061":"y"}"#, schema) == nil)
    #expect(misfit(#"{"a":"x","a":7}"#, schema) == "a must be a text")
    #expect(misfit(#"{"a":7,"a":"x"}"#, schema) == "a must be a text")
  }

  @Test func `beside patterns of names any name may be there`() {
    for rule in ["false", #"{"type":"number"}"#] {
      let schema = #"""
        {"properties":{"a":{"type":"string"}},"additionalProperties":\#(rule),
        "patternProperties":{"^x-":{"type":"string"}}}
        """#
      #expect(misfit(#"{"a":"b","x-c":"d"}"#, schema) == nil)
      #expect(misfit(#"{"a":7,"x-c":"d"}"#, schema) == "a must be a text")
    }
  }

  @Test func `a place that is long is cut, and the work is bounded`() {
    let name = String(repeating: "n", count: 100)
    let schema = "{\"properties\":{\"\(name)\":{\"properties\":{\"\(name)\":{\"type\":\"null\"}}}}}"
    #expect(misfit("{\"\(name)\":{\"\(name)\":1}}", schema) == "\(name). must be null")
    let long = String(repeating: "x", count: 60_000)
    let list = "[" + String(repeating: "1,", count: 8000) + "1]"
    let found = misfit(list, "{\"items\":{\"description\":\"\(long)\"}}")
    #expect(found?.hasSuffix(" is too much to be held against its schema") == true)
  }
}
