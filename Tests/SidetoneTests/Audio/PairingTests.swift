// Two tracks that become two channels: in step, late, missing, repeated, leaping.

import Testing

@testable import Sidetone

struct PairingTests {
  private let block = kept(count: BlockPool.blockBytes)

  @Test func `two tracks that come in turn lie side by side, sample by sample`() {
    var pairing = Pairing(silence: 0xff)
    #expect(put([1, 2, 3], 0, at: 0, &pairing))
    #expect(pairing.ready() == 0 && pairing.waiting == 3)
    #expect(put([4, 5, 6], 1, at: 0, &pairing))
    #expect(take(pairing.ready(), &pairing) == [1, 4, 2, 5, 3, 6])
    #expect(pairing.waiting == 0)
  }

  @Test func `a track is waited for 40 ms of the other, then silence stands in for it`() {
    var pairing = Pairing(silence: 0xff)
    for piece in 0..<2 { put(160, of: 7, 0, at: piece * 20, &pairing) }
    #expect(pairing.ready() == 0)
    put(160, of: 7, 0, at: 40, &pairing)
    #expect(pairing.ready() == 160)
    let pairs = take(160, &pairing)
    #expect(pairs.enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 7 : 0xff) })
    #expect(pairing.waiting == 320)
  }

  @Test
  func `what comes for a time that was given out already goes on behind that, and is not lost`() {
    var pairing = Pairing(silence: 0xff)
    for piece in 0..<3 { put(160, of: 7, 0, at: piece * 20, &pairing) }
    _ = take(pairing.ready(), &pairing)
    put(160, of: 8, 1, at: 0, &pairing)
    put(160, of: 8, 1, at: 20, &pairing)
    #expect(pairing.ready() == 320)
    #expect(take(pairing.ready(), &pairing).enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 7 : 8) })
  }

  @Test func `a message that comes twice counts once`() {
    var pairing = Pairing(silence: 0xff)
    put(160, of: 7, 0, at: 0, &pairing)
    #expect(pairing.place(160, track: 0, timestamp: 0) == 160)
    put(160, of: 8, 1, at: 0, &pairing)
    #expect(take(pairing.ready(), &pairing).enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 7 : 8) })
  }

  @Test func `two late pieces in a row do not move a track, a third one does`() {
    var pairing = Pairing(silence: 0xff)
    for piece in 0..<4 { put(160, of: 7, 0, at: piece * 20, &pairing) }
    for time in [20, 40] { #expect(pairing.place(160, track: 0, timestamp: time) == 160) }
    put(160, of: 8, 0, at: 80, &pairing)
    #expect(pairing.waiting == 5 * 160)
    _ = take(3 * 160, &pairing)
    for time in [0, 20] { #expect(pairing.place(160, track: 0, timestamp: time) == 160) }
    put(160, of: 9, 0, at: 40, &pairing)
    put(160, of: 9, 0, at: 60, &pairing)
    #expect(pairing.waiting == 4 * 160)
  }

  @Test func `a leap of the media clock is not made up with silence`() {
    var pairing = Pairing(silence: 0xff)
    put(160, of: 7, 0, at: 0, &pairing)
    put(160, of: 8, 0, at: 60_000, &pairing)
    #expect(pairing.waiting == 320)
    put(160, of: 9, 1, at: 60_000, &pairing)
    #expect(take(160, &pairing).enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 7 : 0xff) })
    #expect(take(pairing.ready(), &pairing).enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 8 : 9) })
  }

  @Test func `without time stamps each piece lies behind the last of its track`() {
    var pairing = Pairing(silence: 0xff)
    for value in 1...3 as ClosedRange<UInt8> {
      #expect(put([value], 0, at: -1, &pairing) && put([value + 10], 1, at: -1, &pairing))
    }
    #expect(take(pairing.ready(), &pairing) == [1, 11, 2, 12, 3, 13])
  }

  @Test(arguments: [0, 1_764_000_000_000, 1 << 60, Int.max - 40])
  func `a clock counts from anywhere`(time: Int) {
    var pairing = Pairing(silence: 0xff)
    for piece in 0..<2 {
      put(160, of: 7, 0, at: time + 20 * piece, &pairing)
      put(160, of: 8, 1, at: time + 20 * piece, &pairing)
    }
    #expect(pairing.ready() == 320)
    #expect(take(320, &pairing).enumerated().allSatisfy { $1 == ($0 % 2 == 0 ? 7 : 8) })
  }

  @Test func `what finds no room finds it when the oldest was taken`() {
    var pairing = Pairing(silence: 0xff)
    let slice = [UInt8](repeating: 7, count: Pairing.sliceSamples)
    #expect(put(slice, 0, at: 0, &pairing) && put(slice, 0, at: 64, &pairing))
    #expect(!put(slice, 0, at: 128, &pairing))
    #expect(pairing.ready(for: slice.count) == slice.count)
    _ = take(slice.count, &pairing)
    #expect(put(slice, 0, at: 128, &pairing) && pairing.waiting == 2 * slice.count)
  }

  @Test(arguments: 1...40)
  func `pieces in any order within 40 ms: every sample in its place`(seed: UInt64) {
    var dice = SeededRandom(seed: seed)
    var pairing = Pairing(silence: 0xff)
    // Each track's pieces in order; the tracks may be up to 40 ms apart.
    var sent = [0, 0]
    var out: [UInt8] = []
    func sample(_ track: Int, _ at: Int) -> UInt8 { UInt8((at * 31 + track * 101) % 251) }
    for _ in 0..<400 {
      var track = Int.random(in: 0...1, using: &dice)
      if sent[track] - sent[1 - track] >= 160 { track = 1 - track }
      let piece = (0..<160).map { sample(track, sent[track] + $0) }
      #expect(put(piece, track, at: sent[track] / 8, &pairing))
      sent[track] += 160
      let ready = pairing.ready()
      #expect(ready >= min(sent[0], sent[1]) - out.count / 2)
      if Int.random(in: 0..<3, using: &dice) > 0 { out += take(ready, &pairing) }
    }
    out += take(min(sent[0], sent[1]) - out.count / 2, &pairing)
    for at in 0..<out.count / 2 {
      guard out[2 * at] == sample(0, at), out[2 * at + 1] == sample(1, at) else {
        Issue.record("sample \(at) is not in its place")
        return
      }
    }
  }

  @discardableResult
  private func put(_ samples: [UInt8], _ track: Int, at time: Int, _ pairing: inout Pairing) -> Bool
  {
    samples.withBytes {
      let late = pairing.place($0.count, track: track, timestamp: time)
      return late == $0.count || pairing.put($0.dropping(late), track: track, in: block)
    }
  }

  private func put(
    _ count: Int, of value: UInt8, _ track: Int, at time: Int, _ pairing: inout Pairing
  ) {
    #expect(put([UInt8](repeating: value, count: count), track, at: time, &pairing))
  }

  private func take(_ count: Int, _ pairing: inout Pairing) -> [UInt8] {
    let place = kept(count: 2 * count)
    pairing.take(count, from: block, into: place)
    return place.array
  }
}
