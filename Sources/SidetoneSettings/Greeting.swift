// A greeting's sound: a WAV file (RIFF, Microsoft's "Multimedia Programming Interface", 1991),
// taken where its samples can be used as they are. Programs that record in one go leave the length
// of the sound open; then it reaches to the end of the file.

import Sidetone

func readGreeting(_ path: String) throws(Refusal) -> Config.Greeting {
  let secondsMax = Limits.greetingSecondsMax
  let bytes: [UInt8]
  do throws(FileFailure) {
    bytes = try readFile(path, bytesMax: 4 << 20)
  } catch {
    throw Refusal("\(path) cannot be read: \(error.reason)")
  }
  var wave = Wave(bytes: bytes)
  try wave.read(path)
  guard wave.rate == 8000 || wave.rate == 16000 || wave.rate == 24000 else {
    throw Refusal("\(path) has \(wave.rate) samples a second; it must have 8000, 16000 or 24000")
  }
  let samples = wave.sound.count / 2
  guard samples > 0 else { throw Refusal("\(path) holds no sound") }
  guard samples <= secondsMax * wave.rate else {
    throw Refusal("\(path) lasts longer than \(secondsMax) s")
  }
  return Config.Greeting(
    rate: wave.rate,
    samples: (0..<samples).map { sample in
      Int16(truncatingIfNeeded: wave.number(at: wave.sound.lowerBound + 2 * sample, bytes: 2))
    })
}

private struct Wave {
  let bytes: [UInt8]
  var rate = 0
  var sound = 0..<0

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// Walks over the chunks: each has a name of four letters, a length, and an even number of bytes.
  mutating func read(_ path: String) throws(Refusal) {
    guard bytes.count >= 12, name(at: 0) == "RIFF", name(at: 8) == "WAVE" else {
      throw Refusal("\(path) is no WAV file")
    }
    var at = 12
    var hasSound = false
    while !hasSound, at + 8 <= bytes.count {
      let length = number(at: at + 4, bytes: 4)
      let start = at + 8
      switch name(at: at) {
      case "fmt ": try readFormat(at: start, length: length, path)
      case "data":
        guard rate > 0 else { throw Refusal("\(path) says what its sound is only behind it") }
        let isOpen = length == 0 || length == 0xffff_ffff
        guard isOpen || start + length <= bytes.count else {
          throw Refusal("\(path) is cut off in the middle of its sound")
        }
        sound = start..<(isOpen ? bytes.count : start + length)
        hasSound = true
      default: break
      }
      at = start + length + length % 2
    }
    guard hasSound else { throw Refusal("\(path) has no sound in it") }
  }

  private mutating func readFormat(at start: Int, length: Int, _ path: String) throws(Refusal) {
    guard length >= 16, start + length <= bytes.count else {
      throw Refusal("\(path) is cut off in its head")
    }
    var tag = number(at: start, bytes: 2)
    // The longer form names the codec again, in front of a fixed tail.
    if tag == 0xfffe, length >= 26 { tag = number(at: start + 24, bytes: 2) }
    guard tag == 1 else { throw Refusal("\(path) is compressed; it must be plain PCM") }
    let channels = number(at: start + 2, bytes: 2)
    guard channels == 1 else {
      throw Refusal("\(path) has \(channels) channels; it must be mono")
    }
    let bits = number(at: start + 14, bytes: 2)
    guard bits == 16 else { throw Refusal("\(path) has \(bits) bits a sample; it must have 16") }
    rate = number(at: start + 4, bytes: 4)
  }

  private func name(at place: Int) -> String {
    String(decoding: bytes[place..<place + 4], as: UTF8.self)
  }

  /// Little-endian.
  func number(at place: Int, bytes count: Int) -> Int {
    (0..<count).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
  }
}
