// Every frame.
//
// Which byte of 16-bit samples comes first, heard from the audio itself. Read the wrong way round,
// what hardly changes from one sample to the next becomes noise at full scale: the order in which
// the samples lie closer together is the right one. Silence is the same both ways and decides
// nothing.

package struct ByteOrder: BitwiseCopyable, Sendable {
  /// Whether the high byte comes first; nil as long as that was not heard.
  package private(set) var verdict: Bool?

  /// How many steps between samples make a verdict: 200 ms of them.
  private let stepsMin: Int
  private var steps = 0
  /// The sums of those steps, read one way and the other.
  private var little = 0
  private var big = 0
  private var last: UInt16 = 0
  private var isFirst = true

  /// `rate`: samples a second.
  package init(rate: Int) { stepsMin = max(rate / 5, 1) }

  /// Listens to whole samples; a byte too many is left out. Once there is a verdict it stays.
  @_noAllocation package mutating func hear(_ audio: Bytes) {
    guard verdict == nil else { return }
    for index in 0..<audio.count / 2 {
      let sample = audio.load(UInt16.self, at: 2 &* index)
      if sample != last, !isFirst {
        steps &+= 1
        little &+= Self.distance(sample, last)
        big &+= Self.distance(sample.byteSwapped, last.byteSwapped)
      }
      last = sample
      isFirst = false
    }
    if steps >= stepsMin { decide() }
  }

  /// Noise is as rough one way as the other: then the next 200 ms are asked.
  private mutating func decide() {
    if little &* 3 < big &* 2 {
      verdict = false
    } else if big &* 3 < little &* 2 {
      verdict = true
    }
    steps = 0
    little = 0
    big = 0
  }

  @inline(__always) private static func distance(_ a: UInt16, _ b: UInt16) -> Int {
    abs(Int(Int16(bitPattern: a)) &- Int(Int16(bitPattern: b)))
  }
}
