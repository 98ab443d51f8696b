// How often a frame's audio is moved. The kernels count what they write to another place, in debug
// builds; a frame from Twilio to its upstream is decoded into the ring that keeps it for a replay,
// and masked from there into the outbox. Nothing else touches it between the two sockets.

import CKernels
import Sidetone
import Testing

@Suite(.enabled(if: ck_copied() >= 0, "the kernels count copies in debug builds only"))
struct CopiesTests {
  private let frames = 50
  /// A frame's message, which an echo's answer is as well.
  private let text =
    "{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"\(Rig.frame)\"}}"

  /// What the kernels copied while that many frames went through, handed over ready-made.
  private func copied(_ rig: Rig, _ caller: SlotID) -> Int {
    let message = rig.frame(.text, Array(text.utf8), isMasked: true)
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
}
