// What is set about functions that the relay has built in: which settings each takes, whom a
// transfer may reach, and the schema by which a model calls it.

import Sidetone

extension Config.Function.BuiltIn {
  /// Of the settings that only some functions have, those that this one takes.
  var takes: Set<String> {
    switch self {
    case .hangUp: []
    case .collectDigits: ["talks_meanwhile"]
    case .sendDigits: ["deadline_milliseconds", "talks_meanwhile"]
    case .transfer: ["deadline_milliseconds", "talks_meanwhile", "targets", "warm"]
    }
  }
}

extension Config.Function.BuiltIn {
  /// Somebody else does it, and the caller waits.
  var takesTime: Bool {
    switch self {
    case .hangUp, .collectDigits: false
    case .transfer, .sendDigits: true
    }
  }
}

extension Config.Function {
  static let targetsMax = 64
  private static let addressBytesMax = 255

  /// `["+4930123", "sip:desk@example.com"]`, or names for them, `{ sales = "+4930123" }`.
  static func readTargets(_ written: Written) throws(Refusal) -> [Target] {
    var targets: [Target] = []
    if case .node(let node) = written, case .table(let members) = node.value {
      for member in members {
        guard (1...64).contains(member.key.utf8.count), member.key.utf8.allSatisfy(isNameByte)
        else { throw Refusal("has a name that is not 1 to 64 letters, digits, `_` or `-`") }
        let address = try readAddress(try Written.node(member).text())
        targets.append(Target(name: member.key, address: address))
      }
    } else {
      for text in try written.list() {
        targets.append(Target(name: try readAddress(text), address: text))
      }
    }
    guard (1...targetsMax).contains(targets.count) else {
      throw Refusal("must name 1 to \(targetsMax) whom calls may be transferred to")
    }
    guard Set(targets.map(\.name)).count == targets.count else { throw Refusal("names one twice") }
    return targets
  }

  /// A phone number, or a SIP address.
  private static func readAddress(_ text: String) throws(Refusal) -> String {
    guard text.hasPrefix("sip:") || text.hasPrefix("sips:") else {
      do throws(Refusal) { return try readNumber(text) } catch {
        throw Refusal("must be phone numbers such as +15550100, or SIP addresses such as sip:a@b.c")
      }
    }
    let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"\\<>".utf8.contains($0) }
    guard isPlain, text.contains("@"), text.utf8.count <= addressBytesMax else {
      throw Refusal("has a SIP address that is not such as sip:desk@example.com")
    }
    return text
  }

  /// The schema of its arguments, which is ours to say where it is built in.
  mutating func takeBuiltInSchema() {
    guard let builtIn else { return }
    var members: [String] = []
    func member(_ name: String, _ type: String, _ rest: String) {
      members.append("\"\(name)\":{\"type\":\"\(type)\",\(rest)}")
    }
    switch builtIn {
    case .hangUp: return
    case .transfer:
      let names = targets.map { "\"\($0.name)\"" }.joined(separator: ",")
      member(
        "to", "string", "\"enum\":[\(names)],\"description\":\"Who the caller is connected to.\"")
      if isWarm {
        member(
          "summary", "string",
          "\"description\":\"What is said to the caller right before, in a sentence or two.\"")
      }
      required = ["to"]
    case .sendDigits:
      member(
        "digits", "string",
        "\"description\":\"The keys to press, 1 to 32: 0-9, *, #, A-D; w waits half a second.\"")
      required = ["digits"]
    case .collectDigits:
      member(
        "count", "integer",
        "\"minimum\":1,\"maximum\":32,\"description\":\"How many keys are wanted, at most.\"")
      member(
        "end_key", "string",
        "\"description\":\"The key by which the caller says that this was all; # if left out, "
          + "empty for none.\"")
      member(
        "pause_seconds", "integer",
        "\"minimum\":1,\"maximum\":30,\"description\":\"How long no key is pressed before that was "
          + "all; 5 if left out.\"")
      required = ["count"]
    }
    let names = required.map { "\"\($0)\"" }.joined(separator: ",")
    schema =
      "{\"type\":\"object\",\"properties\":{\(members.joined(separator: ","))},"
      + "\"required\":[\(names)]}"
  }
}
