// Sound that says which frame it is, and still does behind a resampler and µ-law: what two-way
// loads send, since there no byte arrives as it was sent.
//
// A frame of 20 ms is five steps of 4 ms, and each holds one of 16 levels: 20 bits, of which 14 say
// which stream this is and 6 the frame's place in it, modulo 64. Steps are counted from the first
// sample of the stream, since 20 ms in must be 20 ms out, and read in their middle: a conversion
// may delay the sound by 1 ms and ring at the edges.

import Glibc

enum Steps {
  static let inFrame = 5
  /// Numbers of streams are below this.
  static let streams = 1 << 14
  static let places = 64

  /// The µ-law byte of each level; ITU-T G.711 table 2.
  static let laws: [UInt8] = (0..<16).map { level in
    let wanted = level * spacing - 15 * spacing / 2
    return (0...255).min { abs(linear($0) - wanted) < abs(linear($1) - wanted) }!
  }

  /// What each µ-law byte stands for.
  static let linears: [Int16] = (0...255).map { Int16(linear($0)) }

  private static let spacing = 2_600

  private static func linear(_ law: UInt8) -> Int {
    let bits = Int(~law)
    let size = ((bits & 15) << 3 + 0x84) << (bits >> 4 & 7) - 0x84
    return bits & 0x80 != 0 ? -size : size
  }

  /// The level of a step: four of the frame's 20 bits, the highest first.
  static func level(_ step: Int, stream: UInt32, sequence: UInt32) -> Int {
    let number = Int(stream) << 6 | Int(sequence) & (places - 1)
    return number >> (4 * (inFrame - 1 - step)) & 15
  }

  /// The level whose sound has this mean.
  static func level(mean: Int) -> Int { min(max((mean + 8 * spacing) / spacing, 0), 15) }
}

/// The steps of a frame as they are sent, ready made for every level: µ-law bytes, and the base64
/// of PCM at 24 kHz (192 bytes a step, so that steps can be put together as letters).
final class StepSounds {
  static let lawBytes = 32
  static let letters = 256
  private let laws = UnsafeMutablePointer<UInt8>.allocate(capacity: 16 * lawBytes)
  private let texts = UnsafeMutablePointer<UInt8>.allocate(capacity: 16 * letters)

  init() {
    for level in 0..<16 {
      let law = Steps.laws[level]
      (laws + level * Self.lawBytes).initialize(repeating: law, count: Self.lawBytes)
      let sample = UInt16(bitPattern: Steps.linears[Int(law)])
      let pair = [UInt8(sample & 255), UInt8(sample >> 8)]
      let sound = (0..<96).flatMap { _ in pair }
      _ = Base64.encode(sound, count: sound.count, to: texts + level * Self.letters)
    }
  }

  func law(of level: Int) -> UnsafePointer<UInt8> {
    UnsafePointer(laws + level * Self.lawBytes)
  }

  func text(of level: Int) -> UnsafePointer<UInt8> {
    UnsafePointer(texts + level * Self.letters)
  }
}

/// Hears the frames of one stream, in pieces of any size.
struct StepEar {
  private var offset = 0
  private var sum = 0
  private var number = 0
  private var steps = 0
  /// The stream that the first frame named; -1 before.
  private(set) var stream = -1
  /// The place that the next frame should name, counted from the start of the stream.
  private(set) var next = 0

  enum Heard {
    case frame(stream: Int, sequence: Int)
    /// A frame that names another stream than the first one did.
    case damaged
  }

  /// Takes what there is of so many samples up to the end of a frame; `perStep` is 32 at 8 kHz and
  /// 96 at 24 kHz. How many it took, and the frame, where one has ended with them.
  mutating func hear(
    _ samples: UnsafePointer<Int16>, count: Int, perStep: Int
  ) -> (taken: Int, heard: Heard?) {
    let (middle, middleEnd) = (perStep &* 3 / 8, perStep &* 3 / 4)
    var taken = 0
    while taken < count {
      let end = min(perStep, offset &+ count &- taken)
      for place in max(offset, middle)..<max(offset, middle, min(end, middleEnd)) {
        sum &+= Int(samples[taken &+ place &- offset])
      }
      taken &+= end &- offset
      offset = end
      guard offset == perStep else { break }
      number = number << 4 | Steps.level(mean: sum / (middleEnd &- middle))
      offset = 0
      sum = 0
      steps &+= 1
      if steps == Steps.inFrame {
        let heard = name(stream: number >> 6, place: number & (Steps.places &- 1))
        steps = 0
        number = 0
        return (taken, heard)
      }
    }
    return (taken, nil)
  }

  private mutating func name(stream named: Int, place: Int) -> Heard {
    if stream < 0 {
      stream = named
      next = place
    }
    guard named == stream else {
      next &+= 1
      return .damaged
    }
    // The sequence nearest to the expected one that has this place.
    let ahead = (place &- next) & (Steps.places &- 1)
    let sequence = next &+ (ahead < Steps.places / 2 ? ahead : ahead &- Steps.places)
    next = sequence &+ 1
    return .frame(stream: stream, sequence: sequence)
  }
}
