// What became of every frame: a bit for each that arrived, and a histogram for each kind of delay.

/// Which frames of each call were sent and which arrived, one bit per frame; and when they were
/// sent, where the frames do not say so themselves.
final class FrameLedger {
  private let capacity: Int
  private let words: Int
  private let bits: UnsafeMutablePointer<UInt64>
  private let sent: UnsafeMutablePointer<UInt32>
  private let highest: UnsafeMutablePointer<Int64>
  private let times: UnsafeMutablePointer<Int64>?
  let calls: Int
  private(set) var sentCount = 0
  private(set) var arrivedCount = 0
  private(set) var doubled = 0
  private(set) var overtaken = 0
  /// Frames that no caller of this run has sent.
  private(set) var foreign = 0

  /// Room for `frames` in each of `calls`.
  init(calls: Int, frames: Int, keepsTimes: Bool) {
    self.calls = calls
    words = (frames + 63) / 64
    capacity = words * 64
    bits = .allocate(capacity: calls * words)
    bits.initialize(repeating: 0, count: calls * words)
    sent = .allocate(capacity: calls)
    sent.initialize(repeating: 0, count: calls)
    highest = .allocate(capacity: calls)
    highest.initialize(repeating: -1, count: calls)
    times = keepsTimes ? .allocate(capacity: calls * capacity) : nil
  }

  /// Whether this call may send one more.
  func hasRoom(call: UInt32) -> Bool { Int(sent[Int(call)]) < capacity }

  var isComplete: Bool { arrivedCount == sentCount }

  func noteSent(_ stamp: Stamp) {
    let call = Int(stamp.call)
    times?[call &* capacity &+ Int(sent[call])] = stamp.sent
    sent[call] &+= 1
    sentCount &+= 1
  }

  /// The stamp of a frame that was known by its sound; one that is foreign where nobody sent it.
  func stamp(call: Int, sequence: Int) -> Stamp {
    guard let times, call < calls, sequence >= 0, sequence < Int(sent[call]) else {
      return Stamp(call: UInt32(calls), sequence: 0, sent: 0)
    }
    return Stamp(
      call: UInt32(call), sequence: UInt32(sequence), sent: times[call &* capacity &+ sequence])
  }

  /// True for a frame that came for the first time.
  func noteArrived(_ stamp: Stamp) -> Bool {
    let call = Int(stamp.call)
    guard call < calls, stamp.sequence < sent[call] else {
      foreign &+= 1
      return false
    }
    let word = call &* words &+ Int(stamp.sequence >> 6)
    let bit = UInt64(1) << UInt64(stamp.sequence & 63)
    guard bits[word] & bit == 0 else {
      doubled &+= 1
      return false
    }
    bits[word] |= bit
    arrivedCount &+= 1
    if Int64(stamp.sequence) < highest[call] { overtaken &+= 1 }
    highest[call] = max(highest[call], Int64(stamp.sequence))
    return true
  }

  struct Losses {
    var atStart = 0
    var inMiddle = 0
    var atEnd = 0
    var total: Int { atStart + inMiddle + atEnd }
  }

  /// Frames that were sent and never came, by their place in the call. A call of which nothing came
  /// lost its frames at the start.
  func losses() -> Losses {
    var losses = Losses()
    for call in 0..<calls {
      var seen = false
      for sequence in 0..<Int(sent[call]) {
        let bit = bits[call * words + sequence / 64] >> UInt64(sequence % 64) & 1
        if bit == 1 {
          seen = true
        } else if !seen {
          losses.atStart += 1
        } else if sequence > highest[call] {
          losses.atEnd += 1
        } else {
          losses.inMiddle += 1
        }
      }
    }
    return losses
  }
}

/// Counts of times in buckets no wider than 1/32 of the time itself, from 1 ns to some hours.
final class Histogram {
  private static let bucketCount = 64 * 40
  private let buckets: UnsafeMutablePointer<UInt64>
  private(set) var count = 0
  private(set) var worst: Int64 = 0

  init() {
    buckets = .allocate(capacity: Self.bucketCount)
    buckets.initialize(repeating: 0, count: Self.bucketCount)
  }

  func note(nanoseconds: Int64) {
    let value = UInt64(max(nanoseconds, 0))
    let exponent = max(0, 58 &- value.leadingZeroBitCount)
    let index = exponent &* 64 &+ Int(value >> UInt64(exponent))
    buckets[min(index, Self.bucketCount &- 1)] &+= 1
    count &+= 1
    worst = max(worst, nanoseconds)
  }

  /// The time that `share` of the values do not pass, in microseconds; an upper bound.
  func microseconds(atMost share: Double) -> Double {
    let wanted = UInt64((share * Double(count)).rounded(.up))
    var passed: UInt64 = 0
    for index in 0..<Self.bucketCount where buckets[index] > 0 {
      passed += buckets[index]
      if passed >= wanted {
        let above = (index % 64 + 1) << (index / 64)
        return min(Double(above - 1), Double(worst)) / 1_000
      }
    }
    return 0
  }

  var worstMicroseconds: Double { Double(worst) / 1_000 }
}
