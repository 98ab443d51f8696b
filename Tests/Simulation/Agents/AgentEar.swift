// What one session hears of its caller, held against what the caller said: every sample, in its
// order, from the place on at which the session has to begin. Where audio is converted, the
// loudness of each 10 ms tells where it is.

import Sidetone
import TestSupport

struct AgentEar {
  private let caller: AgentCaller
  /// How audio comes to this session.
  let format: Format
  /// Where it may have begun, in bytes of what the caller said; one, as soon as that is clear.
  private var begins: [Int] = []
  /// So much was heard, in bytes of what the caller said.
  private(set) var count = 0
  private(set) var hasBegun = false
  private var cells = 0
  private var waiting: [Int16] = []
  /// It was wrong once: more of it says nothing.
  private var isLost = false

  init(_ caller: AgentCaller, _ format: Format) {
    self.caller = caller
    self.format = format
  }

  private var isConverted: Bool { format != caller.format }
  private var cellBytes: Int { caller.frameBytes / 2 }
  /// Where in what the caller said the next sample is.
  var end: Int { (begins.first ?? 0) + count }

  /// More audio leaves for the session; where that is in what the caller said. `begin`: where the
  /// session has to begin. Nil: it is not what was said.
  mutating func hear(_ audio: [UInt8], beginsIn begin: ClosedRange<Int>) -> Range<Int>? {
    guard !isLost else { return nil }
    let length =
      audio.count * caller.format.bytesPerSecond / format.bytesPerSecond
    if !hasBegun {
      hasBegun = true
      begins = isConverted ? places(in: begin) : place(of: audio, in: begin)
    }
    let from = end
    isLost = begins.isEmpty || !(isConverted ? matches(int16s(audio)) : says(audio, at: from))
    if isLost { return nil }
    count += length
    return from..<from + length
  }

  // MARK: As it was said

  private func place(of audio: [UInt8], in begin: ClosedRange<Int>) -> [Int] {
    begin.first { says(audio, at: $0) }.map { [$0] } ?? []
  }

  private func says(_ audio: [UInt8], at place: Int) -> Bool {
    place >= 0 && place + audio.count <= caller.said.count
      && audio.elementsEqual(caller.said[place..<place + audio.count])
  }

  /// Where the audio really is, for whoever reads of a failure.
  func found(_ audio: [UInt8]) -> Int? {
    guard !isConverted, audio.count <= caller.said.count else { return nil }
    return (0...caller.said.count - audio.count).first { says(audio, at: $0) }
  }

  // MARK: Converted

  private func places(in begin: ClosedRange<Int>) -> [Int] {
    let first = (begin.lowerBound + cellBytes - 1) / cellBytes
    return begin.upperBound / cellBytes < first
      ? [] : (first...begin.upperBound / cellBytes).map { $0 * cellBytes }
  }

  /// Each whole 10 ms is as loud as what was said; begins of which that is not true are none.
  private mutating func matches(_ samples: [Int16]) -> Bool {
    waiting += samples
    let cellSamples = format.rate / 100
    while waiting.count >= cellSamples {
      let heard = Self.mean(waiting.prefix(cellSamples))
      waiting.removeFirst(cellSamples)
      begins = begins.filter { isLike(heard, at: $0 + cells * cellBytes) }
      cells += 1
    }
    return !begins.isEmpty
  }

  private func isLike(_ heard: Int, at place: Int) -> Bool {
    guard place + cellBytes <= caller.said.count else { return false }
    let cell = Array(caller.said[place..<place + cellBytes])
    let said = Self.mean(Self.linear(cell, caller.format)[...])
    // What follows a loud cell, or comes before one, may sound a little of it.
    return abs(heard - said) <= 400 + abs(said) / 6
  }

  private static func linear(_ bytes: [UInt8], _ format: Format) -> [Int16] {
    guard format.codec == .mulaw else { return int16s(bytes) }
    var samples = [UInt8](repeating: 0, count: bytes.count * 2)
    _ = bytes.withBytes { bytes in
      samples.withMutableBytes { Samples.decode(bytes, as: format, into: $0) }
    }
    return int16s(samples)
  }

  /// Of the middle of a cell.
  private static func mean(_ cell: ArraySlice<Int16>) -> Int {
    let inner = cell.dropFirst(cell.count / 4).dropLast(cell.count / 4)
    return inner.reduce(0) { $0 + Int($1) } / inner.count
  }
}
