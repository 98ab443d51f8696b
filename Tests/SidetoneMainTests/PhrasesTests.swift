// `sidetone phrases`: what is kept of a text that was spoken, and what is said where none was.

import Foundation
import Sidetone
import SidetoneSettings
import Testing

@testable import SidetoneMain

@Suite struct PhrasesTests {
  private let directory = FileManager.default.temporaryDirectory
    .appendingPathComponent("spoken-\(UUID().uuidString)").path

  private func config(_ environment: [String: String] = [:]) throws -> Config {
    var sources = Settings.Sources()
    sources.environment = environment
    sources.file = (
      "f.toml",
      """
      [phrases]
      directory = "\(directory)/of/phrases"
      [upstreams.cascade]
      url = "ws://127.0.0.1:1/v1/listen"
      speak_url = "ws://127.0.0.1:1/v1/speak"
      [[routes]]
      path = "/talk"
      upstream = "cascade"
      hold = { say = "One moment." }
      """
    )
    return try Settings.load(sources)
  }

  private let keys = ["DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k"]

  @Test func `what was spoken is kept whole, where the settings look for it`() throws {
    let speech = try #require(try config(keys).unspoken.first)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    #expect(Phrases.prepare("\(directory)/of/phrases") == nil)
    #expect(Phrases.keep([1, 0, 2, 0], in: speech.file) == nil)
    let hold = try config(keys).routes[0].holdAudio
    #expect(hold?.samples == [1, 2] && hold?.rate == Phrases.rate)
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/of/phrases")
    #expect(names.count == 1 && names[0].hasSuffix(".wav"))
  }

  @Test func `what cannot be written is a sentence, and leaves nothing`() throws {
    let reason = Phrases.keep([1, 0], in: "/proc/nowhere/a.wav")
    #expect(reason?.hasPrefix("/proc/nowhere/a.wav cannot be written: ") == true)
    let place = Phrases.prepare("/proc/nowhere/phrases")
    #expect(place?.hasPrefix("/proc/nowhere/phrases cannot be written to: ") == true)
    #expect(Phrases.keep([1, 0], in: "/dev/full/a.wav")?.contains("cannot be written") == true)
  }

  @Test func `a service that is not there is its refusal, within its time`() throws {
    let config = try config(keys)
    let speech = try #require(config.unspoken.first)
    guard case .failure(let failure) = Phrases.speak(speech, of: config) else {
      Issue.record("nobody can have spoken")
      return
    }
    #expect(failure.text.contains("the connection was refused"), "\(failure.text)")
  }

  @Test func `without a key it is not tried`() throws {
    let config = try config()
    let speech = try #require(config.unspoken.first)
    guard case .failure(let failure) = Phrases.speak(speech, of: config) else {
      Issue.record("nobody can have spoken")
      return
    }
    #expect(failure.text == "DEEPGRAM_API_KEY is not set")
  }
}
