// A carrier's buffer plays what came, once, in real time, and a caller hears only what was played.

import Testing

@testable import LabKit

private let loud = [Int16](repeating: 1000, count: 160)

private func words(_ outputs: [Playback.Output]) -> [String] {
  outputs.compactMap { if case .word(let word) = $0 { word.text } else { nil } }
}

private func marks(_ outputs: [Playback.Output]) -> [String] {
  outputs.compactMap { if case .mark(let name) = $0 { name } else { nil } }
}

@Suite struct PlaybackInRealTime {
  @Test func `what came is played once and in order`() {
    var playback = Playback(rate: 8000, at: 100)
    let samples = (0..<4000).map { Int16($0) }
    _ = playback.receive(Array(samples[..<1000]), at: 100.5)
    _ = playback.receive(Array(samples[1000...]), at: 100.5)
    _ = playback.advance(to: 102)
    #expect(playback.line.count == 16000)
    #expect(playback.line[..<4000].allSatisfy { $0 == 0 })
    #expect(Array(playback.line[4000..<8000]) == samples)
    #expect(playback.line[8000...].allSatisfy { $0 == 0 })
    #expect(playback.isEmpty && playback.figures.samplesPlayed == 4000)
  }

  @Test func `how often the clock is read makes no difference`() {
    var often = Playback(rate: 8000, at: 0)
    var seldom = Playback(rate: 8000, at: 0)
    let samples = Tones.encode("so it goes")
    _ = often.receive(samples, at: 0.1)
    _ = seldom.receive(samples, at: 0.1)
    var heard: [Playback.Output] = []
    for step in 0..<3000 { heard += often.advance(to: 0.1 + Double(step) / 1000) }
    let all = seldom.advance(to: 0.1 + 2.999)
    #expect(often.line == seldom.line)
    #expect(words(heard) == ["so", "it", "goes"] && words(heard) == words(all))
  }

  @Test func `a delay shifts the beginning of a stretch`() {
    var playback = Playback(rate: 8000, delay: 0.05, at: 0)
    _ = playback.receive(loud, at: 0.1)
    _ = playback.advance(to: 1)
    #expect(playback.line.firstIndex(of: 1000) == 1200)
    #expect(playback.figures.late == 0)
  }

  @Test func `a message that came too late leaves a gap and is counted`() {
    var playback = Playback(rate: 8000, at: 0)
    _ = playback.receive(loud, at: 0)
    _ = playback.receive(loud, at: 0.03)
    #expect(playback.figures.late == 1)
    #expect(abs(playback.figures.latest - 0.01) < 0.001)
    _ = playback.advance(to: 1)
    #expect(playback.line[160..<240].allSatisfy { $0 == 0 })
    #expect(playback.line[240..<400].allSatisfy { $0 == 1000 })
  }

  @Test func `messages in time are not late and neither is the next answer`() {
    var playback = Playback(rate: 8000, at: 0)
    for index in 0..<50 { _ = playback.receive(loud, at: Double(index) * 0.02) }
    _ = playback.receive(loud, at: 5)
    #expect(playback.figures.late == 0 && playback.figures.messages == 51)
    #expect(playback.figures.mostAhead <= 0.021)
  }
}

@Suite struct PlaybackMarksAndClears {
  @Test func `a mark comes back when the audio before it has been played`() throws {
    var playback = Playback(rate: 8000, at: 0)
    _ = playback.receive(loud, at: 1)
    #expect(marks(playback.mark("one", at: 1)).isEmpty)
    _ = playback.receive(loud, at: 1)
    #expect(marks(playback.mark("two", at: 1)).isEmpty)
    #expect(marks(playback.advance(to: 1.019)).isEmpty)
    let due = try #require(playback.wakeTime)
    #expect(abs(due - 1.02) < 0.001)
    #expect(marks(playback.advance(to: due)) == ["one"])
    #expect(marks(playback.advance(to: 2)) == ["two"])
    #expect(playback.wakeTime == nil)
  }

  @Test func `a mark behind nothing comes back at once`() {
    var playback = Playback(rate: 8000, at: 0)
    #expect(marks(playback.mark("one", at: 1)) == ["one"])
  }

  @Test func `a clear empties the buffer and brings back every mark`() {
    var playback = Playback(rate: 8000, at: 0)
    for name in ["one", "two", "three"] {
      _ = playback.receive(loud, at: 1)
      _ = playback.mark(name, at: 1)
    }
    #expect(marks(playback.clear(at: 1.03)) == ["one", "two", "three"])
    _ = playback.advance(to: 3)
    #expect(playback.figures.samplesPlayed == 240 && playback.figures.samplesCleared == 240)
    #expect(playback.line.filter { $0 != 0 }.count == 240)
  }

  @Test func `what comes after a clear is not late`() {
    var playback = Playback(rate: 8000, at: 0)
    _ = playback.receive(loud, at: 0)
    _ = playback.clear(at: 0.01)
    _ = playback.receive(loud, at: 0.1)
    #expect(playback.figures.late == 0)
  }

  @Test func `a word is heard only if it was played`() {
    var playback = Playback(rate: 8000, at: 0)
    _ = playback.receive(Tones.encode("alpha beta gamma"), at: 0)
    var heard = playback.advance(to: 0.5)
    heard += playback.clear(at: 0.5)
    heard += playback.finish()
    #expect(words(heard) == ["alpha", HeardWord.damagedText])
  }

  @Test(arguments: [8000, 16000, 24000]) func `the end is played to the last word`(_ rate: Int) {
    var playback = Playback(rate: rate, at: 0)
    let said = Recording(rate: 8000, channels: [Tones.encode("the last word")])
    var heard = playback.receive(said.resampled(to: rate).mono, at: 0)
    heard += playback.finish()
    #expect(words(heard) == ["the", "last", "word"])
  }

  @Test func `only what can be heard is sound`() {
    var playback = Playback(rate: 8000, at: 0)
    _ = playback.receive([Int16](repeating: 3, count: 160), at: 0)
    #expect(playback.advance(to: 0.5) == [])
    _ = playback.receive(loud, at: 0.5)
    #expect(playback.advance(to: 1) == [.sound])
  }
}
