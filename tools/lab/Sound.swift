// What a caller says and hears, between recordings and the bytes of the wire.

import LabKit

/// How samples are written on a wire.
struct WireFormat: Equatable {
  enum Coding: String { case linear16, mulaw, alaw }
  var coding = Coding.mulaw
  var rate = 8000
  var channels = 1

  static let twilio = WireFormat()

  /// The format that a raw client states in its query; 8 kHz PCM where it states none.
  init(of target: Target) throws(Failure) {
    coding = .linear16
    if let name = target.parameter("encoding") {
      guard let known = Coding(rawValue: name) else {
        throw Failure.misuse("encoding=\(name): the lab speaks linear16, mulaw and alaw")
      }
      coding = known
    }
    rate = try Self.number("sample_rate", in: target, 4000...48000) ?? 8000
    channels = try Self.number("channels", in: target, 1...2) ?? 1
  }

  private init() {}

  private static func number(
    _ name: String, in target: Target, _ range: ClosedRange<Int>
  ) throws(Failure) -> Int? {
    guard let text = target.parameter(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw Failure.misuse(
        "\(name)=\(text): the lab speaks \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  var bytesPerSecond: Int { rate * channels * (coding == .linear16 ? 2 : 1) }

  /// The bytes of a recording in this format; a mono recording is said on all channels.
  func encode(_ recording: Recording) -> [UInt8] {
    let sound = recording.resampled(to: rate)
    let rows = channels == 1 ? [sound.mono] : sound.channels
    var bytes: [UInt8] = []
    for index in 0..<(rows.first?.count ?? 0) {
      for channel in 0..<channels {
        let sample = rows[min(channel, rows.count - 1)][index]
        switch coding {
        case .mulaw: bytes.append(Law.mu.encode(sample))
        case .alaw: bytes.append(Law.a.encode(sample))
        case .linear16:
          bytes.append(UInt8(truncatingIfNeeded: sample))
          bytes.append(UInt8(truncatingIfNeeded: sample >> 8))
        }
      }
    }
    return bytes
  }

  func decode(_ bytes: [UInt8]) -> Recording {
    let samples: [Int16] =
      switch coding {
      case .mulaw: bytes.map { Law.mu.decode($0) }
      case .alaw: bytes.map { Law.a.decode($0) }
      case .linear16:
        stride(from: 0, to: bytes.count - 1, by: 2).map {
          Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)
        }
      }
    let whole = samples.count / channels * channels
    return Recording(
      rate: rate,
      channels: (0..<channels).map { channel in
        stride(from: channel, to: whole, by: channels).map { samples[$0] }
      })
  }

  /// The words of the tone code in what was heard.
  func words(in bytes: [UInt8]) -> [String] {
    let sound = decode(bytes).resampled(to: Tones.sampleRate)
    var ear = ToneDecoder()
    let heard = ear.hear(sound.mono)
    return (heard + ear.finish()).map(\.text)
  }
}

/// Frames that leave on an absolute schedule: a late one does not make the next ones late.
final class Pacer {
  private let loop: Loop
  private let interval: Double
  private let frames: Int
  private let isHeldBack: () -> Bool
  private let send: (Int) -> Void
  private let done: () -> Void
  private var begin = 0.0
  private var next = 0
  private var isStopped = false

  /// Calls `send` for frame 0, 1, 2 … every `interval` seconds, later while `isHeldBack`, then
  /// `done`.
  init(
    frames: Int, every interval: Double, on loop: Loop, isHeldBack: @escaping () -> Bool,
    send: @escaping (Int) -> Void, done: @escaping () -> Void
  ) {
    self.frames = frames
    self.interval = interval
    self.loop = loop
    self.isHeldBack = isHeldBack
    self.send = send
    self.done = done
  }

  func start() {
    begin = Loop.now
    turn()
  }

  func stop() { isStopped = true }

  private func turn() {
    while !isStopped && next < frames && begin + Double(next) * interval <= Loop.now {
      if isHeldBack() {
        loop.after(0.005) { [self] in turn() }
        return
      }
      send(next)
      next += 1
    }
    guard !isStopped else { return }
    // The last frame takes its time too before the caller does anything else.
    loop.at(begin + Double(next) * interval) { [self] in next < frames ? turn() : finish() }
  }

  private func finish() { if !isStopped { done() } }
}
