// WAV files, as far as callers have them: PCM with 8 or 16 bits, µ-law or A-law, mono or stereo,
// any usual rate. Reading turns everything into PCM16; writing makes PCM16. Works on bytes; what is
// wrong with a file is said in a sentence.

package struct Recording: Equatable, Sendable {
  package var rate: Int
  /// One row of samples per channel, all of one length.
  package var channels: [[Int16]]

  package init(rate: Int, channels: [[Int16]]) {
    self.rate = rate
    self.channels = channels
  }

  package struct Unreadable: Error, Equatable {
    package let reason: String
  }

  /// The same sound at another rate.
  package func resampled(to rate: Int) -> Recording {
    Recording(
      rate: rate, channels: channels.map { Resample.all($0, from: self.rate, to: rate) })
  }

  /// All channels in one.
  package var mono: [Int16] {
    guard channels.count > 1 else { return channels.first ?? [] }
    return channels[0].indices.map { index in
      Int16(channels.reduce(0) { $0 + Int($1[index]) } / channels.count)
    }
  }
}

extension Recording {
  private enum Coding: Int {
    case pcm = 1
    case aLaw = 6
    case muLaw = 7
    static let extensible = 0xfffe
  }

  private struct Format {
    var coding: Coding
    var channels: Int
    var rate: Int
    var bits: Int
    var sampleBytes: Int { bits / 8 }
  }

  /// Reads a RIFF/WAVE file. A data chunk that was cut short, or whose length was never filled in,
  /// gives what is there.
  package init(wav file: [UInt8]) throws(Unreadable) {
    guard file.count >= 12, file[0..<4].elementsEqual("RIFF".utf8),
      file[8..<12].elementsEqual("WAVE".utf8)
    else { throw Unreadable(reason: "this is not a WAV file (no RIFF/WAVE head)") }
    var format: Format?
    var place = 12
    while place + 8 <= file.count {
      let length = Self.number(file, at: place + 4, bytes: 4)
      let body = place + 8..<min(place + 8 + length, file.count)
      if file[place..<place + 4].elementsEqual("fmt ".utf8) {
        format = try Self.format(file[body])
      } else if file[place..<place + 4].elementsEqual("data".utf8) {
        guard let format else { throw Unreadable(reason: "the data come before the format") }
        self = Self.decode(file[body], format)
        return
      }
      place = place + 8 + length + length % 2
    }
    throw Unreadable(reason: "the file holds no audio (no data chunk)")
  }

  private static func number(_ file: [UInt8], at place: Int, bytes: Int) -> Int {
    (0..<bytes).reduce(0) { $0 | Int(file[place + $1]) << (8 * $1) }
  }

  private static func format(_ chunk: ArraySlice<UInt8>) throws(Unreadable) -> Format {
    let chunk = [UInt8](chunk)
    guard chunk.count >= 16 else { throw Unreadable(reason: "the format chunk is cut short") }
    var tag = number(chunk, at: 0, bytes: 2)
    // In the extensible form, the coding is the first two bytes of a longer name further on.
    if tag == Coding.extensible, chunk.count >= 26 { tag = number(chunk, at: 24, bytes: 2) }
    let channels = number(chunk, at: 2, bytes: 2)
    let rate = number(chunk, at: 4, bytes: 4)
    let bits = number(chunk, at: 14, bytes: 2)
    guard let coding = Coding(rawValue: tag) else {
      throw Unreadable(reason: "coding \(tag) is not known; PCM, µ-law and A-law are")
    }
    guard coding == .pcm ? bits == 8 || bits == 16 : bits == 8 else {
      throw Unreadable(reason: "\(bits) bits per sample are not supported; 16 (and 8) are")
    }
    guard channels == 1 || channels == 2 else {
      throw Unreadable(reason: "\(channels) channels are not supported; 1 and 2 are")
    }
    guard rate >= 4000, rate <= 192_000 else {
      throw Unreadable(reason: "a rate of \(rate) Hz is not supported; 4000 to 192000 Hz are")
    }
    return Format(coding: coding, channels: channels, rate: rate, bits: bits)
  }

  private static func decode(_ data: ArraySlice<UInt8>, _ format: Format) -> Recording {
    let stride = format.sampleBytes * format.channels
    let count = data.count / stride
    let channels = (0..<format.channels).map { channel in
      (0..<count).map { index in
        let place = data.startIndex + index * stride + channel * format.sampleBytes
        switch format.coding {
        case .muLaw: return Law.mu.decode(data[place])
        case .aLaw: return Law.a.decode(data[place])
        case .pcm where format.bits == 8: return (Int16(data[place]) - 128) << 8
        case .pcm: return Int16(bitPattern: UInt16(data[place]) | UInt16(data[place + 1]) << 8)
        }
      }
    }
    return Recording(rate: format.rate, channels: channels)
  }

  /// The recording as a WAV file of PCM16.
  package var wav: [UInt8] {
    let frames = channels.first?.count ?? 0
    let dataBytes = frames * channels.count * 2
    var file: [UInt8] = []
    func append(_ value: Int, bytes: Int) {
      for shift in 0..<bytes { file.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
    }
    file += "RIFF".utf8
    append(36 + dataBytes, bytes: 4)
    file += "WAVEfmt ".utf8
    append(16, bytes: 4)
    append(Coding.pcm.rawValue, bytes: 2)
    append(channels.count, bytes: 2)
    append(rate, bytes: 4)
    append(rate * channels.count * 2, bytes: 4)
    append(channels.count * 2, bytes: 2)
    append(16, bytes: 2)
    file += "data".utf8
    append(dataBytes, bytes: 4)
    for index in 0..<frames {
      for channel in channels { append(Int(channel[index]), bytes: 2) }
    }
    return file
  }
}
