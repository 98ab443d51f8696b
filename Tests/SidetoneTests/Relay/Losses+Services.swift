// Ways in which services fail that others have to stand in for, or that are asked about callers.

import TestSupport
import Testing

@testable import Sidetone

extension Loss {
  static let services = [
    Loss("a key of which LiteLLM says nothing", "keysUnjudged", "keys_unjudged") {
      let rig = Rig { $0.liteLLM = Config.LiteLLM(url: "http://127.0.0.1:1") }
      let link = try #require(rig.accept())
      rig.feed("GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: sk-1\r\n\r\n", on: link)
      return rig
    },
    Loss("an upstream from which another takes over", "fallbacks", "upstream_fallback") {
      let rig = Rig {
        $0.addUpstream("deepgram", named: "second")
        $0.routes[1].fallback = "second"
      }
      _ = try #require(rig.open("/ws/transcribe"))
      let link = try #require(rig.dialled.last)
      rig.connected(link)
      rig.feed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", on: link)
      return rig
    },
    Loss("turns too old to be told to another session", "historyCut", "history_cut") {
      let talk = try Talk()
      for turn in 0..<80 {
        talk.tell(
          #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u\#(turn)","transcript":"Yes."}"#
        )
        talk.rig.advance(milliseconds: 20)
      }
      return talk.rig
    },
  ]
}
