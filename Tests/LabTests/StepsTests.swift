// The sound by which a two-way load knows its frames again: it must survive what a relay may do to
// it, and a frame that went missing or was changed must be seen.

import Testing

@testable import LabLoad

@Suite struct StepsTests {
  /// The µ-law samples of frames, as a caller sends them.
  private func sound(_ sequences: [Int], stream: UInt32) -> [Int16] {
    sequences.flatMap { sequence in
      (0..<Steps.inFrame).flatMap { step -> [Int16] in
        let level = Steps.level(step, stream: stream, sequence: UInt32(sequence))
        let sample = Steps.linears[Int(Steps.laws[level])]
        return Array(repeating: sample, count: StepSounds.lawBytes)
      }
    }
  }

  /// What an ear names, as (stream, sequence); nil is a damaged frame.
  private func heard(_ samples: [Int16], perStep: Int) -> [[Int]?] {
    var ear = StepEar()
    var names: [[Int]?] = []
    var place = 0
    while place < samples.count {
      // In pieces that end anywhere.
      let count = min(samples.count - place, 1 + place % 701)
      let outcome = samples.withUnsafeBufferPointer {
        ear.hear($0.baseAddress! + place, count: count, perStep: perStep)
      }
      place += outcome.taken
      switch outcome.heard {
      case nil: break
      case .damaged: names.append(nil)
      case .frame(let stream, let sequence): names.append([stream, sequence])
      }
    }
    return names
  }

  @Test func `every frame is known far beyond the places that its sound holds`() {
    let frames = Array(0..<1_000)
    let names = heard(sound(frames, stream: 9_731), perStep: 32)
    #expect(names == frames.map { [9_731, $0] })
  }

  /// Straight lines to 24 kHz, up to 1 ms of delay, and a ringing edge.
  @Test(arguments: 0...24) func `frames are known behind a conversion`(delay: Int) {
    let frames = Array(0..<200)
    var converted = [Int16](repeating: 0, count: delay)
    var last = 0
    for (place, sample) in sound(frames, stream: 5_555).enumerated() {
      let jump = Int(sample) - last
      for third in 1...3 {
        let ringing = place % 32 < 6 ? jump * (place & 1 == 0 ? 1 : -1) / (4 + place % 32) : 0
        converted.append(Int16(clamping: last + jump * third / 3 + ringing))
      }
      last = Int(sample)
    }
    let names = heard(Array(converted.prefix(frames.count * 480)), perStep: 96)
    #expect(names == frames.map { [5_555, $0] })
  }

  @Test func `a frame that is missing or doubled or overtaken shows`() {
    let frames = [0, 1, 2, 4, 5, 5, 6, 8, 7, 9]
    #expect(heard(sound(frames, stream: 3), perStep: 32) == frames.map { [3, $0] })
  }

  @Test func `another calls frame is damage`() {
    let mixed = sound([0, 1], stream: 3) + sound([2], stream: 4) + sound([3], stream: 3)
    #expect(heard(mixed, perStep: 32) == [[3, 0], [3, 1], nil, [3, 3]])
  }

  /// A relay that loses samples shifts all that follows: the frames must not look whole.
  @Test func `lost samples are seen`() {
    let frames = Array(0..<20)
    var samples = sound(frames, stream: 77)
    samples.removeSubrange(1_000..<1_060)
    #expect(heard(samples, perStep: 32) != frames.dropLast().map { [77, $0] })
  }

  @Test(arguments: [0, 1, 2, 3, 4, 160, 191, 300]) func `base 64 is undone`(count: Int) {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ count) }
    var letters = [UInt8](repeating: 0, count: 404)
    let length = Base64.encode(bytes, count: count, to: &letters)
    var back = [UInt8](repeating: 0, count: 304)
    #expect(length == (count + 2) / 3 * 4)
    #expect(Base64.decode(letters, count: length, to: &back) == count)
    #expect(Array(back.prefix(count)) == bytes)
  }
}
