// What a caller says: the format that a raw client states, and frames that leave on time.

import LabKit

extension WireFormat {
  /// The format that a raw client states in its query; 8 kHz PCM where it states none.
  init(of target: Target) throws(Failure) {
    self.init(.linear16)
    if let name = target.parameter("encoding") {
      guard let known = Coding(rawValue: name) else {
        throw Failure.misuse("encoding=\(name): the lab speaks linear16, mulaw and alaw")
      }
      coding = known
    }
    rate = try Self.number("sample_rate", in: target, 4000...48000) ?? 8000
    channels = try Self.number("channels", in: target, 1...2) ?? 1
  }

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
