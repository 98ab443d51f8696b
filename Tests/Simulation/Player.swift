// A carrier's play-out buffer: what arrives is played in order, the first of it after a constant
// delay, by a clock that may be a little fast or slow. It knows which item each sample belongs to,
// and so how much of an item was really heard.

import Sidetone

struct Player {
  /// Samples of one item, by their place in all that came.
  private struct Stretch {
    var item: Int
    var from: Int
    var to: Int
  }

  private let rate: Int
  private let delay: Instant.Span
  /// By how many millionths its clock is fast.
  private let drift: Int
  private var stretches: [Stretch] = []
  /// Samples that came and were not taken back.
  private(set) var end = 0
  /// Since then it plays without a pause, from this sample on; `never` where it never has.
  private var spurt = 0
  private var spurtAt = Instant.never

  init(rate: Int = 8000, delay: Instant.Span = .zero, drift: Int = 0) {
    self.rate = rate
    self.delay = delay
    self.drift = drift
  }

  /// How many samples have been played.
  func position(at now: Instant) -> Int {
    guard spurtAt != .never else { return end }
    guard now > spurtAt else { return spurt }
    let nominal = (now - spurtAt).microseconds * rate / 1_000_000
    return min(end, spurt + nominal + nominal * drift / 1_000_000)
  }

  /// When the sample in front of `position` has been played.
  func time(of position: Int) -> Instant {
    guard spurtAt != .never, position > spurt else { return spurtAt == .never ? .zero : spurtAt }
    let nominal = (position - spurt) * 1_000_000 / rate
    return spurtAt + .microseconds(nominal - nominal * drift / 1_000_000 + 400)
  }

  func waiting(at now: Instant) -> Int { end - position(at: now) }

  /// Samples of one item arrive; -1 stands for silence that belongs to none.
  mutating func take(_ count: Int, of item: Int, at now: Instant) {
    if position(at: now) == end {
      spurt = end
      spurtAt = now + delay
    }
    if let last = stretches.last, last.item == item, last.to == end {
      stretches[stretches.count - 1].to += count
    } else {
      stretches.append(Stretch(item: item, from: end, to: end + count))
    }
    end += count
  }

  /// Forgets what it has not played.
  mutating func clear(at now: Instant) {
    end = position(at: now)
    spurtAt = .never
    while let last = stretches.last, last.from >= end { stretches.removeLast() }
    if let last = stretches.last { stretches[stretches.count - 1].to = min(last.to, end) }
  }

  /// How much of an item has been played.
  func played(of item: Int, at now: Instant) -> Int {
    let position = position(at: now)
    var count = 0
    for stretch in stretches.reversed() {
      if stretch.item == item { count += max(0, min(stretch.to, position) - stretch.from) }
      if stretch.item >= 0, stretch.item < item { break }
    }
    return count
  }
}
