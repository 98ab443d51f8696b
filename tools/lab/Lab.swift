// The lab: callers, twins of the upstreams, load, and what conformance suites need. Each verb is
// one file; this is their list.

import Glibc
import LabLoad

@main struct Lab {
  private static let verbs = [
    CallPlan.verb, DeepgramServer.verb, VoiceServer.openAIVerb, VoiceServer.geminiVerb,
    VoiceServer.agentVerb, VoiceServer.speakVerb, Hooks.verb, Chat.verb, Functions.verb, Keys.verb,
    Demo.verb, Echo.verb,
    Say.verb, Hear.verb,
  ]

  static func main() {
    var words = CommandLine.arguments.dropFirst()
    let name = words.popFirst() ?? "--help"
    // The load generator reads its own options.
    if name == "load" { exit(Load.run(Array(words))) }
    if name == "--help" || name == "-h" || name == "help" {
      Console.say(help)
      exit(0)
    }
    // Some verbs have two words.
    let pair = "\(name) \(words.first ?? "")"
    guard let verb = verbs.first(where: { $0.name == name || $0.name == pair }) else {
      let wider = verbs.map(\.name).filter { $0.hasPrefix(name + " ") }
      guard !wider.isEmpty else {
        Console.complain("no such verb: \(name)\n\n\(help)")
        exit(2)
      }
      Console.complain("\(name) is one of: \(wider.joined(separator: ", "))")
      exit(words.first == "--help" ? 0 : 2)
    }
    if verb.name == pair { words.removeFirst() }
    if words.contains("--help") || words.contains("-h") {
      Console.say(verb.help)
      exit(0)
    }
    exit(run(verb, Array(words)))
  }

  private static func run(_ verb: Verb, _ words: [String]) -> Int32 {
    do throws(Failure) {
      return try verb.run(Arguments(words, of: verb))
    } catch {
      Console.complain(error.text)
      return error.code
    }
  }

  private static var help: String {
    let list =
      verbs.map { ($0.name, $0.summary) } + [
        ("load", "many callers and a twin, with the latency of every frame")
      ]
    let lines = list.map { name, summary in
      "  " + name + String(repeating: " ", count: 20 - name.count) + summary
    }
    return """
      sidetone-lab: what stands on both sides of a relay, to try it and to judge it

      \(lines.joined(separator: "\n"))

      sidetone-lab VERB --help explains each.
      """
  }
}
