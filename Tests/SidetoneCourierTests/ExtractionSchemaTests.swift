// Schemas: what is refused at the start, what is complained about, and whether `jsonschema` for
// Python says the same.

import Sidetone
import Testing

@testable import SidetoneCourier

func tree(_ text: String) throws -> JSONTree { try #require(JSONTree(Array(text.utf8))) }

func schema(_ text: String) throws(CourierMistake) -> ExtractionSchema {
  try ExtractionSchema(Array(text.utf8))
}

struct ExtractionSchemaTests {
  @Test(arguments: [
    ##"{"properties":{"a":{"$ref":"#/properties/a"}}}"##,
    ##"{"properties":{"a":{"anyOf":[{"type":"null"},{"allOf":[{"$ref":"#/properties/a"}]}]}}}"##,
    ##"{"properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"oneOf":[{"$ref":"#/$defs/x"}]}}}"##,
  ])
  func `a schema that is its own condition is refused`(_ text: String) {
    #expect(mistake(text)?.contains("leads back to itself") ?? false)
  }

  @Test func `a schema may contain itself`() {
    let tree = ##"{"properties":{"a":{"type":"object","properties":{"b":{"$ref":"#"}}}}}"##
    #expect(mistake(tree) == nil)
  }

  private func mistake(_ text: String) -> String? {
    do throws(CourierMistake) {
      _ = try schema(text)
      return nil
    } catch {
      return error.sentence
    }
  }

  /// Complaints about a value in the field `v` of this schema.
  private func complaints(_ field: String, _ value: String) throws -> [String] {
    let whole = try schema(#"{"type":"object","properties":{"v":\#(field)},"required":["v"]}"#)
    return whole.complaints(about: try tree(#"{"v":\#(value)}"#), fields: ["v"]).map(\.sentence)
  }

  @Test(arguments: [
    ("prose", "not JSON"), ("[]", "must be a JSON object"), ("{}", "at #"),
    (#"{"type":"string"}"#, "at #"), (#"{"type":"object","properties":{}}"#, "at #"),
    (#"{"type":"array","properties":{"a":{}}}"#, "at #"),
    (#"{"properties":[]}"#, "at #/properties"),
    (#"{"properties":{"a":1}}"#, "at #/properties/a"),
    (#"{"properties":{"a":{"type":"text"}}}"#, "at #/properties/a/type: must be one of object"),
    (#"{"properties":{"a":{"type":[]}}}"#, "at #/properties/a/type"),
    (#"{"properties":{"a":{"enum":[]}}}"#, "at #/properties/a/enum"),
    (#"{"properties":{"a":{"enum":"b"}}}"#, "at #/properties/a/enum"),
    (#"{"properties":{"a":{"required":"b"}}}"#, "at #/properties/a/required"),
    (#"{"properties":{"a":{"minimum":"1"}}}"#, "at #/properties/a/minimum"),
    (#"{"properties":{"a":{"items":[{}]}}}"#, "at #/properties/a/items"),
    (#"{"properties":{"a":{"anyOf":{}}}}"#, "at #/properties/a/anyOf"),
    (#"{"properties":{"a":{"anyOf":[{"type":"x"}]}}}"#, "at #/properties/a/anyOf/0/type"),
    (#"{"properties":{"a":{"$ref":"https://x.test/s.json"}}}"#, "at #/properties/a/$ref"),
    (##"{"properties":{"a":{"$ref":"#/$defs/none"}}}"##, "at #/$defs/none: there is nothing"),
    (#"{"properties":{"a":{"pattern":"("}}}"#, "at #/properties/a/pattern"),
    (#"{"properties":{"a/b~c":{"type":1}}}"#, "at #/properties/a~1b~0c/type"),
    (#"{"properties":{"":{"type":1}}}"#, "at #/properties//type"),
    (#"{"properties":{"reasons":{}}}"#, "this name is taken"),
  ])
  func `what is no schema is refused with its place`(text: String, part: String) {
    #expect(mistake(text)?.contains(part) ?? false, "\(mistake(text) ?? "taken")")
  }

  @Test func `what is not enforced is named once`() throws {
    let whole = try schema(
      #"""
      {"type":"object","title":"t","properties":{
        "a":{"type":"string","format":"date","description":"d"},
        "b":{"type":"string","format":"email","pattern":"^(?=x)"}},"not":{}}
      """#)
    #expect(whole.fields == ["a", "b"])
    #expect(
      whole.warnings == [
        "the schema at #/properties/a/format: `format` is told to the model and not enforced",
        "the schema at #/properties/b/pattern: the pattern has a group of the form (?…, which is "
          + "told to the model and not enforced",
        "the schema at #/not: `not` is told to the model and not enforced",
      ])
  }

  @Test func `a complaint says what is wrong where`() throws {
    #expect(try complaints(#"{"type":"string"}"#, "1") == ["v must be string, not a number"])
    #expect(
      try complaints(#"{"type":["integer","boolean"]}"#, "1.5")
        == ["v must be integer or boolean, not a number"])
    #expect(
      try complaints(#"{"enum":["a","b"]}"#, #""c""#) == [#"v must be one of ["a","b"], not "c""#])
    #expect(try complaints(#"{"const":1}"#, "1.0").isEmpty)
    #expect(try complaints(#"{"minimum":3,"maximum":4}"#, "2") == ["v is below 3"])
    #expect(
      try complaints(#"{"items":{"type":"object","required":["n"]}}"#, "[{},{\"n\":1}]")
        == ["v[0].n is missing"])
    #expect(
      try complaints(
        #"{"properties":{"n":{"type":"string"}},"additionalProperties":false}"#,
        #"{"n":1,"x":2}"#) == ["v.n must be string, not a number", "v.x is not asked for"])
    #expect(
      try complaints(#"{"oneOf":[{"type":"number"},{"type":"integer"}]}"#, "1")
        == ["v fits 2 of the schemas of which it must fit one"])
    #expect(try complaints(#"{"pattern":"^\\d{4}$"}"#, #""12345""#).count == 1)
    #expect(try complaints("false", "1") == ["v must not be there"])
  }

  @Test func `null stands for what is not known and a missing field is missed`() throws {
    let whole = try schema(
      #"""
      {"type":"object","required":["a","b"],"additionalProperties":false,"properties":{
        "a":{"type":"string"},"b":{"type":"object","required":["x"],"properties":{
        "x":{"type":"string"},"y":{"type":"string"}}},"c":{"type":"number"}}}
      """#)
    let all: Set = ["a", "b", "c"]
    func complaints(_ text: String, _ fields: Set<String> = all) throws -> [String] {
      whole.complaints(about: try tree(text), fields: fields).map(\.sentence)
    }
    #expect(try complaints(#"{"a":null,"b":null,"reasons":{}}"#).isEmpty)
    #expect(try complaints(#"{"a":"","b":{"x":"","y":null}}"#).isEmpty)
    #expect(try complaints(#"{"a":"","b":{"x":null}}"#) == ["b.x must be string, not null"])
    #expect(
      try complaints(#"{"a":""}"#) == ["b is missing; where nothing is known it must be null"])
    #expect(try complaints(#"{"a":""}"#, ["a"]).isEmpty)
    #expect(try complaints("[]") == ["the answer must be an object, not an array"])
    #expect(try complaints(#"{"a":"","b":null,"d":1}"#) == ["d is not asked for"])
  }

  @Test func `a schema may contain itself where a value has an end`() throws {
    let list = try schema(
      #"""
      {"$ref":"#/$defs/call","$defs":{"call":{"type":"object","properties":{
        "chain":{"$ref":"#/$defs/link"}}},"link":{"type":"object","required":["n"],
        "properties":{"n":{"type":"integer"},"next":{"$ref":"#/$defs/link"}}}}}
      """#)
    #expect(list.fields == ["chain"])
    let right = try tree(#"{"chain":{"n":1,"next":{"n":2,"next":null}}}"#)
    #expect(list.complaints(about: right, fields: ["chain"]).isEmpty)
    let wrong = try tree(#"{"chain":{"n":1,"next":{"n":2,"next":{"n":"3"}}}}"#)
    #expect(
      list.complaints(about: wrong, fields: ["chain"]).map(\.sentence)
        == ["chain.next.next.n must be integer, not a string"])
    #expect(mistake(##"{"$ref":"#"}"##)?.contains("at #") ?? false)
  }

  @Test func `alternatives within alternatives end in a bounded time`() throws {
    let node = ##"{"$ref":"#/$defs/n"}"##
    let whole = try schema(
      #"""
      {"properties":{"a":\#(node)},"$defs":{"n":{"anyOf":[
        {"type":"array","items":\#(node)},{"type":"array","items":\#(node)},
        {"type":"array","items":\#(node)},{"type":"array","items":\#(node)}]}}}
      """#)
    let deep = String(repeating: "[", count: 25) + "1" + String(repeating: "]", count: 25)
    let value = try tree(#"{"a":\#(deep)}"#)
    #expect(!whole.complaints(about: value, fields: ["a"]).isEmpty)
  }

  @Test func `the strict form requires everything and lets what may be missing be null`() throws {
    let whole = try schema(
      #"""
      {"type":"object","title":"Call","properties":{
        "intent":{"type":"string","enum":["a","b"]},
        "items":{"type":"array","items":{"type":"object","required":["n"],
          "properties":{"n":{"type":"integer"},"note":{"type":"string","default":""}}}},
        "other":{"$ref":"#/$defs/o"}},"required":["intent"],
        "$defs":{"o":{"type":"object","properties":{"x":{"type":"string","nullable":true}}}}}
      """#)
    let asked = whole.asked(for: ["intent", "items", "other"])
    #expect(asked.isStrict)
    let expected = try tree(
      #"""
      {"title":"Call","type":"object","properties":{
        "intent":{"type":["string","null"],"enum":["a","b",null]},
        "items":{"type":["array","null"],"items":{"type":"object","required":["n","note"],
          "properties":{"n":{"type":"integer"},"note":{"type":["string","null"]}},
          "additionalProperties":false}},
        "other":{"anyOf":[{"$ref":"#/$defs/o"},{"type":"null"}]},
        "reasons":{"type":"object",
          "description":"for each field that is null, why it is, in one short sentence; else null",
          "properties":{"intent":{"type":["string","null"]},"items":{"type":["string","null"]},
            "other":{"type":["string","null"]}},
          "required":["intent","items","other"],"additionalProperties":false}},
        "required":["intent","items","other","reasons"],"additionalProperties":false,
        "$defs":{"o":{"type":"object","properties":{"x":{"type":["string","null"]}},
          "required":["x"],"additionalProperties":false}}}
      """#)
    #expect(
      asked.tree.isSame(as: expected), "\(String(decoding: asked.tree.compact, as: UTF8.self))")
    let some = whole.asked(for: ["intent"]).tree
    #expect(some["properties"]?.members.map(\.name) == ["intent", "reasons"])
  }

  @Test func `what the strict form cannot say is not asked for in it`() throws {
    for field in [
      #"{"oneOf":[{"type":"string"}]}"#, #"{"type":"object"}"#,
      #"{"type":"object","properties":{},"additionalProperties":{"type":"string"}}"#,
      #"{"type":"array","items":{"allOf":[{}]}}"#,
    ] {
      let whole = try schema(#"{"properties":{"a":\#(field)}}"#)
      #expect(!whole.asked(for: ["a"]).isStrict, "\(field)")
    }
  }
}

/// Random schemas and values, judged by both.
struct ExtractionSchemaJudgeTests {
  private var random = Random(seed: [42])

  private mutating func below(_ count: Int) -> Int { Int(random.next() % UInt32(count)) }

  private mutating func one(_ texts: [String]) -> String { texts[below(texts.count)] }

  private mutating func schemaText(_ depth: Int) -> String {
    switch below(depth == 0 ? 8 : 13) {
    case 0: return #"{"type":"string","minLength":1,"maxLength":3}"#
    case 1: return #"{"type":"integer","minimum":0,"exclusiveMaximum":3}"#
    case 2: return #"{"type":["number","null"],"maximum":2}"#
    case 3: return #"{"enum":["a",1,true,null,[1],{"k":1}]}"#
    case 4: return one([#"{"const":1}"#, #"{"const":"a"}"#, #"{"const":false}"#])
    case 5: return one([#"{"type":"string","pattern":"^[ab]+$"}"#, #"{"pattern":"b{2}|c"}"#])
    case 6: return one(["true", "false", "{}", #"{"type":"boolean"}"#])
    case 7: return ##"{"$ref":"#/$defs/d"}"##
    case 8: return #"{"type":"array","minItems":1,"maxItems":2,"items":\#(schemaText(depth - 1))}"#
    case 9:
      let others = one(["true", "false", schemaText(depth - 1)])
      return #"{"type":"object","properties":{"k":\#(schemaText(depth - 1)),"#
        + #""l":\#(schemaText(depth - 1))},"required":["k"],"additionalProperties":\#(others)}"#
    case 10: return #"{"anyOf":[\#(schemaText(depth - 1)),\#(schemaText(depth - 1))]}"#
    case 11: return #"{"oneOf":[\#(schemaText(depth - 1)),\#(schemaText(depth - 1))]}"#
    default: return #"{"allOf":[\#(schemaText(depth - 1)),\#(schemaText(depth - 1))]}"#
    }
  }

  /// Null only where it stands for itself: within lists.
  private mutating func valueText(_ depth: Int) -> String {
    switch below(depth == 0 ? 10 : 14) {
    case 0...3: return one([#""""#, #""a""#, #""ab""#, #""abbb""#, #""xc""#])
    case 4...7: return one(["0", "1", "1.0", "2.5", "3", "-1", "1e1"])
    case 8, 9: return one(["true", "false"])
    case 10, 11:
      let elements = (0..<below(4)).map { _ in below(6) == 0 ? "null" : valueText(depth - 1) }
      return "[" + elements.joined(separator: ",") + "]"
    default:
      let names = ["k", "l", "m"].filter { _ in below(2) == 0 }
      return "{" + names.map { #""\#($0)":\#(valueText(depth - 1))"# }.joined(separator: ",") + "}"
    }
  }

  @Test(.enabled(if: Judge.has("jsonschema"), "tools/checks/python makes the environment"))
  mutating func `two thousand answers are judged as jsonschema judges them`() throws {
    var lines: [String] = []
    var own: [Bool] = []
    for _ in 0..<2000 {
      let text =
        #"{"type":"object","properties":{"v":\#(schemaText(3))},"required":["v"],"#
        + #""$defs":{"d":{"type":["string","array"]}}}"#
      let value = #"{"v":\#(valueText(3))}"#
      let complaints = try schema(text).complaints(about: try tree(value), fields: ["v"])
      own.append(complaints.isEmpty)
      lines.append(#"{"schema":\#(text),"value":\#(value)}"#)
    }
    let program = """
      import json, sys
      from jsonschema import Draft202012Validator
      for line in sys.stdin:
          case = json.loads(line)
          print(int(Draft202012Validator(case["schema"]).is_valid(case["value"])))
      """
    let judged = Judge.run(program, input: lines.joined(separator: "\n") + "\n")
    let theirs = judged.output.split(separator: "\n").map { $0 == "1" }
    try #require(theirs.count == own.count)
    for (index, line) in lines.enumerated() where own[index] != theirs[index] {
      Issue.record("\(own[index]) here, \(theirs[index]) there: \(line)")
    }
    // Both verdicts are frequent enough to mean something.
    #expect((300...1700).contains(own.count { $0 }))
  }
}
