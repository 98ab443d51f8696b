// Sound through the whole relay, in at one socket and out at the other: how much of a tone
// survives, how late it comes, and that nothing breaks in it. µ-law alone leaves 38 to 39 dB.

import Sidetone
import Testing

@testable import Sidetone

struct SoundTests {
  private static let mulaw = Format.mulaw8k
  private static let pcm = Format(codec: .linear16, rate: 24_000)

  /// A tone that lasts so many frames of 20 ms, as a Twilio caller says it and the model hears it.
  private func up(_ hertz: Double, frames: Int) throws -> [Int16] {
    let talk = try Talk()
    let audio = encoded(
      Sine(hertz: hertz, rate: 8000, decibels: -10).samples(frames * 160), as: Self.mulaw)
    var heard: [UInt8] = []
    for frame in 0..<frames {
      talk.rig.media(talk.caller, Talk.base64(Array(audio[(frame * 160)..<(frame + 1) * 160])))
      heard += talk.reached()
      // A model that says nothing at all would be taken for dead.
      if frame % 500 == 0 { talk.tell(#"{"type":"rate_limits.updated"}"#) }
      talk.rig.advance(milliseconds: 20)
    }
    return decoded(heard, as: Self.pcm)
  }

  /// The same from the model to the caller, in deltas of uneven length.
  private func down(_ hertz: Double, frames: Int) throws -> [Int16] {
    let talk = try Talk()
    var audio = encoded(
      Sine(hertz: hertz, rate: 24_000, decibels: -10).samples(frames * 480), as: Self.pcm)[...]
    var dice = SeededRandom(seed: 7)
    var heard: [UInt8] = []
    while !audio.isEmpty {
      let length = min(audio.count, Int.random(in: 1...40_000, using: &dice))
      talk.say(Array(audio.prefix(length)))
      audio = audio.dropFirst(length)
      talk.rig.media(talk.caller)
      talk.rig.advance(milliseconds: length / 48)
      heard += talk.heard().pieces.flatMap(\.self)
    }
    talk.rig.advance(milliseconds: 1000)
    heard += talk.heard().pieces.flatMap(\.self)
    return decoded(heard, as: Self.mulaw)
  }

  @Test(arguments: [437.0, 3137.0])
  func `a caller's tone reaches the model with 37 dB over all else`(hertz: Double) throws {
    let heard = try up(hertz, frames: 150)
    #expect(heard.count == 150 * 480)
    let fit = SineFit(heard[4800...], hertz: hertz, rate: 24_000)
    #expect(fit.signalToNoise >= 37, "\(fit.signalToNoise) dB")
    #expect(abs(fit.level + 10) < 0.1)
  }

  @Test(arguments: [437.0, 3137.0])
  func `a model's tone reaches the caller with 37 dB over all else`(hertz: Double) throws {
    let heard = try down(hertz, frames: 150)
    #expect(heard.count >= 150 * 160 - 160 && heard.count <= 150 * 160)
    let fit = SineFit(heard[1600..<(heard.count - 160)], hertz: hertz, rate: 8000)
    #expect(fit.signalToNoise >= 37, "\(fit.signalToNoise) dB")
    #expect(abs(fit.level + 10) < 0.1)
  }

  /// Where sound begins: the first sample that is louder than what µ-law makes of nothing.
  private func onset(_ samples: [Int16]) -> Int? { samples.firstIndex { abs(Int($0)) > 3000 } }

  @Test func `onset to onset conversion adds less than a millisecond each way`() throws {
    // 200 ms of silence, then a step to full level: a fifth of a second in, exactly.
    let quiet = [Int16](repeating: 0, count: 1600)
    let loud = [Int16](repeating: 12_000, count: 1600)

    let talk = try Talk()
    var heard: [UInt8] = []
    let said = encoded(quiet + loud, as: Self.mulaw)
    for frame in 0..<20 {
      talk.rig.media(talk.caller, Talk.base64(Array(said[(frame * 160)..<(frame + 1) * 160])))
      heard += talk.reached()
    }
    let up = try #require(onset(decoded(heard, as: Self.pcm)))
    #expect(up >= 4800 - 24 && up <= 4800 + 24, "\(Double(up - 4800) / 24) ms")

    let quiet24 = [Int16](repeating: 0, count: 4800)
    let loud24 = [Int16](repeating: 12_000, count: 4800)
    talk.say(encoded(quiet24 + loud24, as: Self.pcm))
    talk.rig.advance(milliseconds: 500)
    let back = decoded(talk.heard().pieces.flatMap(\.self), as: Self.mulaw)
    let down = try #require(onset(back))
    #expect(down >= 1600 - 8 && down <= 1600 + 8, "\(Double(down - 1600) / 8) ms")
  }

  @Test func `a minute of a tone has no break in it, either way`() throws {
    let heard = try up(437, frames: 3000)
    #expect(heard.count == 3000 * 480)
    var worst = 0.0
    let fit = SineFit(heard[4800...], hertz: 437, rate: 24_000)
    for index in 4800..<heard.count {
      worst = max(worst, abs(Double(heard[index]) - fit.value(at: index)))
    }
    // A break would stand out by the height of the wave, 10,362; µ-law's steps are up to 512.
    #expect(worst < 400, "\(worst)")

    let back = try down(437, frames: 3000)
    let backFit = SineFit(back[1600..<(back.count - 160)], hertz: 437, rate: 8000)
    worst = 0
    for index in 1600..<(back.count - 160) {
      worst = max(worst, abs(Double(back[index]) - backFit.value(at: index)))
    }
    #expect(worst < 400, "\(worst)")
  }
}
