// What the caller said and nobody has answered: when it begins, when it is answered, and how loud a
// voice is.

import Sidetone
import TestSupport
import Testing

struct UnansweredTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  private func after(_ milliseconds: Int) -> Instant { start + .milliseconds(milliseconds) }

  @Test func `it begins with the first loud frame, and lasts until an agent begins to speak`() {
    var unanswered = Unanswered(patience: .seconds(8))
    #expect(!unanswered.isThere && unanswered.giveUpTime == .never)
    unanswered.heardVoice(at: 800, start)
    unanswered.heardVoice(at: 2400, after(200))
    #expect(unanswered.begin == 800 && unanswered.isThere)
    unanswered.agentBegan(at: after(600))
    #expect(!unanswered.isThere)
  }

  @Test func `what an agent says while the caller speaks answers something else`() {
    var unanswered = Unanswered(patience: .seconds(8))
    unanswered.heardVoice(at: 800, start)
    unanswered.agentBegan(at: after(100))
    #expect(unanswered.begin == 800)
  }

  @Test func `noise is given up, once`() {
    var unanswered = Unanswered(patience: .seconds(8))
    unanswered.heardVoice(at: 0, start)
    let early = unanswered.giveUp(at: after(7999))
    let late = unanswered.giveUp(at: after(8000))
    let again = unanswered.giveUp(at: after(8001))
    #expect(!early && late && !again)
  }

  @Test(arguments: [Format.Codec.mulaw, .alaw, .linear16], [false, true])
  func `a voice is louder than a line, whatever it is written in`(
    codec: Format.Codec, isBigEndian: Bool
  ) {
    guard codec == .linear16 || !isBigEndian else { return }
    let format = Format(codec: codec, rate: 8000, isBigEndian: isBigEndian)
    for (level, isVoice) in [(0, false), (100, false), (300, false), (900, true), (20_000, true)] {
      var audio = [UInt8](repeating: 0, count: 320)
      for index in 0..<160 {
        let sample = Int16(index & 7 < 4 ? level : -level)
        audio[2 * index] = UInt8(truncatingIfNeeded: sample)
        audio[2 * index + 1] = UInt8(truncatingIfNeeded: sample >> 8)
      }
      let heard = audio.withMutableBytes { samples in
        let count = Samples.encode(samples, as: format, into: samples)
        return Loudness.isVoice(samples.prefix(count), format)
      }
      #expect(heard == isVoice, "\(codec) at \(level)")
    }
  }

  @Test func `a click is no voice`() {
    var audio = [UInt8](repeating: 0xff, count: 160)
    for index in 40..<48 { audio[index] = 0x80 }
    audio.withBytes { #expect(!Loudness.isVoice($0, .mulaw8k)) }
  }
}
