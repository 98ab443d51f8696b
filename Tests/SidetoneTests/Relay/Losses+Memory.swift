// What is lost, or has to wait, where memory is short.

import TestSupport
import Testing

@testable import Sidetone

extension Loss {
  /// A message of a model with so much audio.
  private static func message(_ milliseconds: Int) -> [UInt8] {
    let part = Talk.part([UInt8](repeating: 0, count: milliseconds * 48))
    let text = #"{"serverContent":{"modelTurn":{"parts":[\#(part)]}}}"#
    return Frames.frame(.text, Array(text.utf8), isMasked: false)
  }

  static let memory = [
    Loss("a message that waits for a buffer", "messagesHeldBack") {
      let rig = Talk.rig(with: "gemini") {
        $0.limits.mediumBuffersMax = 1
        $0.limits.largeBuffersMax = 1
      }
      for _ in 0..<3 {
        rig.start(try #require(rig.open("/talk")))
        let model = try #require(rig.answerDial())
        rig.answer(Talk.ready("gemini"), on: model)
        var rest = message(4000).dropLast(1000)
        while case let count = rig.hand(rest, on: model), count > 0 {
          rest = rest.dropFirst(count)
        }
      }
      return rig
    },
    Loss("a message that no buffer could hold", "messagesTooLarge", "upstream_message_too_large") {
      let talk = try Talk(with: "gemini") { $0.limits.upstreamMessageBytesMax = 65_536 }
      talk.rig.feed(message(2000), on: talk.model)
      return talk.rig
    },
    Loss("what the model has to be told, where memory is gone", "commandsLost", "command_lost") {
      let talk = try Talk { TimesTests.small(&$0) }
      talk.rig.dryOut()
      for _ in 0..<3 { talk.rig.say(key("#"), on: talk.caller) }
      return talk.rig
    },
  ]
}
