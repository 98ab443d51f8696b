// One message may be written in many ways that mean the same: members in any order, white space,
// names with escapes, members that nobody asks for, base64 in another alphabet or without padding.
// Each peer has habits of its own, drawn from its number, so that a run is one run.

import Sidetone

struct Spelling {
  private enum Alphabet: CaseIterable { case standard, web, escaped }

  private var dice: Dice
  /// Some write as the documents do.
  let isPlain: Bool
  private let alphabet: Alphabet
  private let isPadded: Bool
  private let isSpaced: Bool
  private let isEscaped: Bool
  private let isTalkative: Bool
  private let turns: Int

  init(seed: UInt64) {
    dice = Dice(seed: seed)
    isPlain = dice.percent(50)
    alphabet = Alphabet.allCases[dice.below(3)]
    isPadded = dice.percent(50)
    isSpaced = dice.percent(30)
    isEscaped = dice.percent(20)
    isTalkative = dice.percent(30)
    turns = dice.below(4)
  }

  /// An object of these members, each with its value as JSON.
  func object(_ members: [(name: String, value: String)]) -> String {
    if isPlain {
      return "{" + members.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
    }
    var members = members
    // Like those that are looked for, and none of them.
    if isTalkative {
      members.append(("extra", #"{"payload":"AAAA","event":"stop","delta":["AAAA"]}"#))
    }
    let first = turns % members.count
    members = Array(members[first...] + members[..<first])
    let space = isSpaced ? " " : ""
    let texts = members.map { "\"\(name($0.name))\"\(space):\(space)\($0.value)" }
    return "{\(space)" + texts.joined(separator: ",\(space)") + "\(space)}"
  }

  private func name(_ name: String) -> String {
    isEscaped ? name.replacing("a", with: "\\u0061") : name
  }

  /// Audio as the inside of a string.
  func audio(_ bytes: [UInt8]) -> String {
    var text = base64(bytes)
    if isPlain { return text }
    switch alphabet {
    case .standard: break
    case .web: text = text.replacing("+", with: "-").replacing("/", with: "_")
    case .escaped: text = text.replacing("/", with: "\\/")
    }
    return isPadded ? text : text.replacing("=", with: "")
  }
}
