// Ways in which callers hear nothing, or nobody says anything.

import Sidetone
import Testing

extension Loss {
  static let silences = [
    Loss("a caller who hears nothing", "deadAir", "dead_air") {
      let rig = Talk.rig(with: "gemini")
      rig.start(try #require(rig.open("/talk")))
      _ = try #require(rig.answerDial())
      rig.advance(milliseconds: 4200)
      _ = try #require(rig.answerDial())
      rig.advance(milliseconds: 4000)
      return rig
    },
    Loss("a caller who is asked to hold", "holds", "hold") {
      let talk = try Talk { $0.routes[3].holdAudio = Config.Greeting.tone(200) }
      talk.rig.fail(talk.model)
      talk.rig.advance(milliseconds: 1100)
      return talk.rig
    },
    Loss("a caller who hears a goodbye", "goodbyes", "goodbye") {
      let talk = try Talk { $0.routes[3].goodbyeAudio = Config.Greeting.tone(200) }
      talk.rig.fail(talk.model)
      talk.rig.advance(milliseconds: 9000)
      return talk.rig
    },
    Loss("a model that says nothing", "modelsQuiet", "model_quiet") {
      let talk = try Talk { $0.routes[3].watch.modelQuietSeconds = 3 }
      talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
      talk.rig.advance(milliseconds: 3100)
      return talk.rig
    },
    Loss("a caller who says nothing", "reprompts", "caller_quiet") {
      let talk = try Talk { $0.routes[3].watch.callerQuietSeconds = 3 }
      talk.rig.advance(milliseconds: 3100)
      return talk.rig
    },
    Loss("a caller who says nothing, even when asked", "callersGivenUp", "caller_given_up") {
      let talk = try Talk {
        $0.routes[3].watch.callerQuietSeconds = 3
        $0.routes[3].watch.repromptsMax = 0
      }
      talk.rig.advance(milliseconds: 3100)
      return talk.rig
    },
    Loss("a model that goes on saying nothing", "modelsGivenUp", "model_given_up") {
      let talk = try Talk {
        $0.routes[3].watch.callerQuietSeconds = 3
        $0.routes[3].watch.repromptsMax = 0
      }
      talk.tell(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
      talk.rig.advance(milliseconds: 3100)
      return talk.rig
    },
    Loss("a function that takes long", "functionPhrases", "function_phrase") {
      let call = try FunctionTalk {
        $0.logLevel = .debug
        $0.routes[3].functions[0].phraseAudio = .tone(200)
      }
      call.begin()
      call.call("status", "a")
      call.rig.advance(milliseconds: 1000)
      return call.rig
    },
  ]
}
