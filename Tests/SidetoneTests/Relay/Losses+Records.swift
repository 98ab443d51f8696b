// Ways to be late with, or without, what is written down of a call.

import TestSupport
import Testing

@testable import Sidetone

extension Loss {
  /// A call that has ended, and whose files are awaited.
  private static func filing() throws -> Talk {
    let talk = try Talk("ucid") {
      $0.records = Config.Records()
      $0.records?.closeWaitMilliseconds = 0
    }
    talk.rig.say(#"{"event":"stop","ucid":"123"}"#, on: talk.caller)
    talk.rig.advance(milliseconds: 0)
    return talk
  }

  static let records = [
    Loss("parameters that are too long", nil, "parameters_left_out") {
      let rig = Rig()
      let caller = try #require(rig.open("/media"))
      let long = String(repeating: "x", count: 600)
      rig.say(
        """
        {"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1",\
        "tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000},\
        "customParameters":{"a":"\(long)","b":"\(long)","c":"d"}}}
        """, on: caller)
      rig.advance(milliseconds: 10)
      return rig
    },
    Loss("more calls without files than are remembered", "recordsForgotten", "records_forgotten") {
      let rig = Talk.rig("ucid") { $0.records = Config.Records() }
      for _ in 0..<OwedFiles.callsMax + 5 {
        let caller = try #require(rig.open("/talk"))
        rig.say(#"{"event":"start","ucid":"123","type":"text"}"#, on: caller)
        rig.answer(Talk.ready("openai"), on: try #require(rig.answerDial()))
        rig.say(#"{"event":"stop","ucid":"123"}"#, on: caller)
        rig.advance(milliseconds: 2000)
        rig.fail(caller)
      }
      return rig
    },
    Loss("a disk that takes nothing", "recordsLate", "records_late") {
      let talk = try filing()
      talk.rig.advance(milliseconds: 200)
      return talk.rig
    },
    Loss("files that cannot be written", "recordsFailed", "transcript_unsaved") {
      let talk = try filing()
      let key = talk.rig.entries.last?.pieces(cutAt: "\"")[7] ?? ""
      talk.rig.courierSays("unfiled \(key) data/calls cannot be written: no space left")
      return talk.rig
    },
  ]
}
