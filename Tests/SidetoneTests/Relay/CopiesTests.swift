// How often a frame's audio is moved. The kernels count what they write to another place, in debug
// builds; a frame from Twilio to its upstream is decoded into the ring that keeps it for a replay,
// and masked from there into the outbox. Nothing else touches it between the two sockets. A voice
// model's speech is decoded into the ring from which it is played, and written from there.

import CKernels
import Sidetone
import TestSupport
import Testing

@Suite(.enabled(if: ck_copied() >= 0, "the kernels count copies in debug builds only"))
struct CopiesTests {
  private let frames = 50
  /// A frame's message, which an echo's answer is as well.
  private let text =
    "{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"\(Rig.frame)\"}}"

  /// What the kernels copied while that many frames went through, handed over ready-made.
  private func copied(_ rig: Rig, _ caller: SlotID) -> Int {
    let message = Frames.frame(.text, Array(text.utf8), isMasked: true)
    let before = ck_copied()
    for _ in 0..<frames { rig.feed(message, on: caller) }
    return ck_copied() - before
  }

  @Test func `a frame is written twice: decoded into its ring, masked into the outbox`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/media"))
    rig.start(caller)
    let upstream = try #require(rig.answerDial())
    #expect(copied(rig, caller) == frames * 2 * 160)
    #expect(rig.messages(from: upstream, isCaller: false).count == frames)
  }

  @Test func `an echo is decoded once and written once, as a message`() throws {
    let rig = Rig()
    let caller = try #require(rig.open("/echo"))
    rig.start(caller)
    _ = rig.taken(from: caller)
    #expect(copied(rig, caller) == frames * (160 + text.utf8.count))
    #expect(rig.messages(from: caller, isCaller: true).count == frames)
  }

  /// What the kernels copied while the model said that many frames, each when it was time for it.
  private func copiedBack(_ talk: Talk, _ frame: [UInt8]) -> Int {
    var copied = 0
    for _ in 0..<frames {
      let delta = """
        {"type":"response.output_audio.delta","item_id":"i","delta":"\(Talk.base64(frame))"}
        """
      let message = Frames.frame(.text, Array(delta.utf8), isMasked: false)
      let before = ck_copied()
      talk.rig.feed(message, on: talk.model)
      copied += ck_copied() - before
      talk.rig.advance(milliseconds: 20)
    }
    return copied
  }

  /// A talk with Twilio's caller.
  private func talk(_ audio: String) throws -> Talk {
    let talk = try Talk { $0.upstreams[2].options = [("audio", audio)] }
    _ = talk.rig.taken(from: talk.model)
    return talk
  }

  /// What is left for marks, a message of 60 bytes now and then, which is put together first.
  private let marks = 0...600

  @Test func `a talk in G.711 is decoded once and written once, each way`() throws {
    let talk = try talk("g711")
    #expect(copied(talk.rig, talk.caller) == frames * (160 + 47 + 216))
    let back = copiedBack(talk, [UInt8](repeating: 1, count: 160))
    #expect(talk.heard().pieces.count == frames)
    #expect(marks.contains(back - frames * (160 + 57 + 216)))
  }

  @Test func `conversion adds the samples that it calculates with, each way`() throws {
    let talk = try talk("pcm")
    // Decoded; as samples and as floats; as samples of the other rate, twice; written as base64.
    let up = 160 + (2 + 4) * 160 + 2 * (2 * 480) + 47 + 1280
    #expect(copied(talk.rig, talk.caller) == frames * up)
    let back = copiedBack(talk, [UInt8](repeating: 1, count: 960))
    #expect(marks.contains(back - frames * (960 + (2 + 4) * 480 + (2 + 1) * 160 + 57 + 216)))
  }
}
