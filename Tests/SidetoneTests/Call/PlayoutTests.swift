// The playout's clock and what it believes was heard, against a carrier that plays in real time.

import Testing

@testable import Sidetone

struct PlayoutTests {
  private static let buffered = Carrier.Pacing(
    payloadEncoding: .base64, leadMilliseconds: 200, pieceMilliseconds: 40, leastMilliseconds: 0,
    hasMarks: true)
  private static let exact = Carrier.Pacing(
    payloadEncoding: .integers, leadMilliseconds: 20, pieceMilliseconds: 10, leastMilliseconds: 10,
    hasMarks: false)

  private func at(_ milliseconds: Int) -> Instant {
    Instant(nanoseconds: Int64(milliseconds) * 1_000_000)
  }

  /// Sends all that is due, and says in which pieces.
  private func flow(_ playout: inout Playout, _ waiting: Int, isLast: Bool = false, _ now: Instant)
    -> [Int]
  {
    var rest = waiting
    var pieces: [Int] = []
    while case let count = playout.due(rest, isLast: isLast, at: now), count > 0 {
      _ = playout.send(count, isEnd: isLast && count == rest, at: now)
      rest -= count
      pieces.append(count)
    }
    return pieces
  }

  @Test func `the first piece goes at once and is short, the others follow up to the lead`() {
    var playout = Playout(Self.buffered, rate: 8000)
    #expect(flow(&playout, 80_000, at(0)) == [160, 320, 320, 320, 320])
    #expect(playout.sent == 1440)
    // 180 ms are ahead: a piece of 40 ms fits when 20 ms were played.
    #expect(playout.time(78_560, isLast: false) == at(20))
    #expect(flow(&playout, 78_560, at(19)) == [])
    #expect(flow(&playout, 78_560, at(20)) == [320])
  }

  @Test func `audio in real time leaves as it comes`() {
    var playout = Playout(Self.buffered, rate: 8000)
    for frame in 0..<500 { #expect(flow(&playout, 160, at(20 * frame)) == [160], "\(frame)") }
  }

  @Test func `hours of speech do not drift`() {
    var playout = Playout(Self.buffered, rate: 8000)
    var now = at(0)
    _ = flow(&playout, .max / 2, now)
    for _ in 0..<(3 * 60 * 60 * 25) {
      let next = playout.time(.max / 2, isLast: false)
      #expect(next > now)
      now = next
      #expect(flow(&playout, .max / 2, now) == [320])
    }
    let played = playout.played(at: now)
    #expect(abs(played - Int(now.nanoseconds / 125_000)) <= 1)
    #expect(playout.sent - played == 1600)
  }

  @Test func `after a stall what is due goes at once, and nothing is played faster`() {
    var playout = Playout(Self.buffered, rate: 8000)
    _ = flow(&playout, 80_000, at(0))
    // 180 ms were sent; the carrier has been dry for 820 ms when the loop turns again.
    #expect(flow(&playout, 78_560, at(1000)) == [160, 320, 320, 320, 320])
    #expect(playout.played(at: at(1100)) == 1440 + 800)
  }

  @Test func `ten milliseconds every ten milliseconds, twenty ahead`() {
    var playout = Playout(Self.exact, rate: 8000)
    #expect(flow(&playout, 8000, at(0)) == [80, 80])
    for tick in 1..<98 {
      #expect(playout.time(8000, isLast: false) == at(10 * tick))
      #expect(flow(&playout, 8000, at(10 * tick)) == [80])
    }
  }

  @Test func `a carrier gets less than its least only at the end`() {
    var playout = Playout(Self.exact, rate: 8000)
    #expect(flow(&playout, 79, at(0)) == [])
    #expect(playout.time(79, isLast: false) == .never)
    #expect(flow(&playout, 79, isLast: true, at(5)) == [79])
  }

  @Test func `less than a piece waits while the carrier has one to play`() {
    var playout = Playout(Self.buffered, rate: 8000)
    #expect(flow(&playout, 160 + 320 + 8, at(0)) == [160, 320])
    #expect(playout.time(8, isLast: false) > at(20))
    #expect(flow(&playout, 8, playout.time(8, isLast: false)) == [8])
    #expect(flow(&playout, 8, isLast: true, at(30)) == [8])
  }

  @Test func `where nothing more comes less than a piece is as punctual as a whole one`() {
    var playout = Playout(Self.buffered, rate: 8000)
    #expect(flow(&playout, 160 + 320 + 320 + 320 + 320 + 8, at(0)) == [160, 320, 320, 320, 320])
    // 180 ms are ahead, so there is room for it, but more may come with the next frame.
    #expect(playout.due(8, isLast: false, patience: at(25), at: at(24)) == 0)
    #expect(playout.time(8, isLast: false, patience: at(25)) == at(25))
    #expect(playout.due(8, isLast: false, patience: at(25), at: at(25)) == 8)
    // No room yet: patience does not help it.
    #expect(playout.due(300, isLast: false, patience: at(5), at: at(17)) == 0)
    let time = playout.time(300, isLast: false, patience: at(5))
    #expect(time > at(17) && time < at(18))
    #expect(playout.due(300, isLast: false, patience: at(5), at: time) == 300)
    // Patience holds nothing back that the carrier needs.
    #expect(playout.time(8, isLast: false, patience: at(1000)) == playout.time(8, isLast: false))
  }

  @Test func `without marks the clock says what was heard`() {
    var playout = Playout(Self.exact, rate: 8000)
    _ = flow(&playout, 8000, at(0))
    #expect(playout.heard(at: at(7)) == 56)
    #expect(playout.heard(at: at(400)) == 160)
  }

  @Test(arguments: [0, 5, 20, 150, 900])
  func `with marks it is what a carrier with a constant delay has played`(delay: Int) {
    var playout = Playout(Self.buffered, rate: 8000)
    var marks: [(position: Int, at: Int)] = []
    var waiting = 16_000
    for millisecond in 0..<2_600 {
      let now = at(millisecond)
      while let mark = marks.first, mark.at <= millisecond {
        playout.marked(mark.position, epoch: 0, at: now)
        marks.removeFirst()
      }
      while case let count = playout.due(waiting, isLast: true, at: now), count > 0 {
        waiting -= count
        if playout.send(count, isEnd: waiting == 0, at: now) {
          marks.append((playout.sent, playout.sent / 8 + delay))
        }
      }
      let played = max(0, min(playout.sent, (millisecond - delay) * 8))
      #expect(abs(playout.heard(at: now) - played) <= 160, "\(millisecond) ms")
    }
  }

  @Test func `marks of an epoch that is over, or never sent, say nothing`() {
    var playout = Playout(Self.buffered, rate: 8000)
    _ = flow(&playout, 80_000, at(0))
    playout.clear(at: at(0))
    playout.marked(160, epoch: 0, at: at(30))
    playout.marked(9_999_999, epoch: 1, at: at(30))
    #expect(playout.heard(at: at(30)) == playout.sent)
    #expect(playout.epoch == 1)
    #expect(!playout.hasSent)
  }

  @Test func `marks that never come back are learnt, and the clock counts`() {
    var playout = Playout(Self.buffered, rate: 8000)
    _ = flow(&playout, 80_000, at(0))
    #expect(playout.heard(at: at(900)) == 160)
    for second in 1...3 { _ = flow(&playout, 80_000, at(1000 * second)) }
    playout.clear(at: at(3100))
    _ = flow(&playout, 80_000, at(4000))
    #expect(playout.heard(at: at(4100)) - playout.sent == 800 - 1440)
    // One that comes after all is believed.
    playout.marked(playout.sent - 1280, epoch: 1, at: at(4150))
    #expect(playout.heard(at: at(4150)) == playout.sent - 1280)
  }

  @Test func `running dry does not mean that a carrier with a delay has played it all`() {
    var playout = Playout(Self.buffered, rate: 8000)
    var marks: [(position: Int, at: Int)] = []
    // Pieces of 20 ms that come every 25 ms; the carrier plays each 300 ms later.
    for millisecond in 0..<1000 {
      let now = at(millisecond)
      while let mark = marks.first, mark.at <= millisecond {
        playout.marked(mark.position, epoch: 0, at: now)
        marks.removeFirst()
      }
      if millisecond % 25 == 0, playout.send(160, isEnd: false, at: now) {
        marks.append((playout.sent, millisecond + 320))
      }
      let since = max(0, millisecond - 300)
      let played = since / 25 * 160 + min(since % 25 * 8, 160)
      #expect(abs(playout.heard(at: now) - played) <= 160, "\(millisecond) ms")
    }
  }

  @Test func `speech in real time is marked now and then, not with every piece`() {
    var playout = Playout(Self.buffered, rate: 8000)
    var marks: [Int] = []
    for frame in 0..<100 {
      // Each comes 100 µs after the one before has been played.
      let now = at(20 * frame) + .microseconds(100 * frame)
      #expect(playout.due(160, isLast: false, at: now) == 160)
      if playout.send(160, isEnd: false, at: now) { marks.append(frame) }
    }
    #expect(marks == [0, 20, 40, 60, 80])
    // A pause is asked about at once.
    let isMarked = playout.send(160, isEnd: false, at: at(2300))
    #expect(isMarked)
  }

  @Test func `behind a pause nothing is heard before it was sent`() {
    var playout = Playout(Self.buffered, rate: 8000)
    _ = playout.send(160, isEnd: true, at: at(0))
    playout.marked(160, epoch: 0, at: at(30))
    // The carrier has been dry for most of a second.
    _ = playout.send(160, isEnd: true, at: at(900))
    #expect(playout.heard(at: at(901)) == 168)
    #expect(playout.isPlaying(at: at(901)))
    playout.marked(320, epoch: 0, at: at(950))
    #expect(!playout.isPlaying(at: at(950)))
  }

  @Test func `without marks something may be left to play for a while after its time`() {
    var playout = Playout(Self.exact, rate: 8000)
    #expect(!playout.isPlaying(at: at(0)))
    _ = flow(&playout, 160, at(0))
    #expect(playout.isPlaying(at: at(19)) && playout.isPlaying(at: at(200)))
    #expect(!playout.isPlaying(at: at(400)))
    _ = flow(&playout, 160, at(1000))
    playout.clear(at: at(1001))
    #expect(!playout.isPlaying(at: at(1001)))
  }
}
