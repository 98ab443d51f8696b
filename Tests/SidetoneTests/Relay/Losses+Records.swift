// Ways to be late with, or without, what is written down of a call.

import Sidetone
import TestSupport

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
