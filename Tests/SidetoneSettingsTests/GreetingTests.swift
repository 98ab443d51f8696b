// Greetings: WAV files that are taken as they are, and a sentence for each that cannot be.

import Sidetone
import Testing

@testable import SidetoneSettings

private func number(_ value: Int, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

func wave(
  rate: Int = 8000, channels: Int = 1, bits: Int = 16, tag: Int = 1, samples: [Int16] = [1, -2, 3],
  length: Int? = nil, before chunks: [UInt8] = []
) -> [UInt8] {
  let sound = samples.flatMap { number(Int($0), 2) }
  let format =
    number(tag, 2) + number(channels, 2) + number(rate, 4)
    + number(rate * channels * bits / 8, 4) + number(channels * bits / 8, 2) + number(bits, 2)
  return Array("RIFF".utf8) + number(0, 4) + Array("WAVEfmt ".utf8) + number(format.count, 4)
    + format + chunks + Array("data".utf8) + number(length ?? sound.count, 4) + sound
}

@Suite struct GreetingTests {
  private func read(_ bytes: [UInt8]) -> Result<Config.Greeting, SidetoneSettings.Refusal> {
    let path = file("greeting", bytes)
    return Result { () throws(SidetoneSettings.Refusal) in try readGreeting(path) }
  }

  @Test(arguments: [8000, 16000, 24000])
  func `the samples are taken as they are`(rate: Int) throws {
    let greeting = try read(wave(rate: rate)).get()
    #expect(greeting == Config.Greeting(rate: rate, samples: [1, -2, 3]))
  }

  @Test func `chunks in between are stepped over and an open length reaches to the end`() throws {
    // An odd chunk has a byte of padding behind it.
    let note = Array("LIST".utf8) + number(3, 4) + [1, 2, 3, 0]
    #expect(try read(wave(before: note)).get().samples == [1, -2, 3])
    #expect(try read(wave(length: 0)).get().samples == [1, -2, 3])
    #expect(try read(wave(length: 0xffff_ffff)).get().samples == [1, -2, 3])
  }

  @Test func `each mistake is named`() {
    let long = [Int16](repeating: 0, count: 8000 * 30 + 1)
    let cases: [([UInt8], String)] = [
      ([], "no WAV"), (Array("ID3 mp3".utf8), "no WAV"), (wave(rate: 44100), "44100 samples"),
      (wave(channels: 2), "2 channels"), (wave(bits: 8), "8 bits"), (wave(tag: 7), "compressed"),
      (wave(samples: []), "no sound"), (wave(samples: long), "longer than 30 s"),
      (wave(length: 9), "cut off"), (Array(wave().prefix(30)), "cut off in its head"),
      (Array(wave().prefix(36)), "no sound"),
      (Array(wave().prefix(12) + wave().dropFirst(36)), "only behind"),
    ]
    for (bytes, words) in cases {
      guard case .failure(let refusal) = read(bytes) else {
        Issue.record("taken: \(words)")
        continue
      }
      #expect(refusal.text.contains(words), "\(refusal.text)")
    }
  }

  @Test func `no cut of a file is more than a mistake`() {
    let whole = wave()
    for count in 0..<whole.count { _ = read(Array(whole.prefix(count))) }
  }

  @Test func `a route names its greeting`() throws {
    let path = file("hello", wave(rate: 16000))
    let route = "[[routes]]\npath = \"/a\"\nupstream = \"echo\"\ngreeting = "
    #expect(try load(route + "\"\(path)\"").routes[0].greetingAudio?.rate == 16000)
    #expect(mistakes(route + "\"/nowhere.wav\"").first?.hasPrefix("f.toml:4: ") == true)
  }

  @Test func `a hold line and a goodbye are for those who talk`() throws {
    let path = file("hold", wave(rate: 24000, samples: [4]))
    let lines = "hold = \"\(path)\"\ngoodbye = \"\(path)\"\n"
    let route = "[[routes]]\npath = \"/a\"\n"
    let read = try load(route + "upstream = \"openai\"\n" + lines).routes[0]
    let sound = Config.Greeting(rate: 24000, samples: [4])
    #expect(read.holdAudio == sound && read.goodbyeAudio == sound && read.greetingAudio == nil)
    let wrong = mistakes(route + "upstream = \"deepgram\"\n" + lines)
    #expect(wrong.contains { $0.contains("hold is for upstreams that talk") })
    #expect(wrong.contains { $0.contains("goodbye is for upstreams that talk") })
  }

  @Test func `an apology has its time, and what is watched is for those who talk`() throws {
    let path = file("sorry", wave(rate: 8000, samples: [4]))
    let route = "[[routes]]\npath = \"/a\"\n"
    let talks = route + "upstream = \"openai\"\n"
    let apology = "apology = \"\(path)\"\n"
    #expect(try load(talks + apology).routes[0].watch.modelQuietSeconds == 4)
    let slow = try load(talks + apology + "model_quiet_seconds = 9\n").routes[0]
    #expect(slow.watch.modelQuietSeconds == 9 && slow.apologyAudio?.samples == [4])
    let watch = "caller_quiet_seconds = 20\ncaller_reprompts = 1\nreprompt = \"Hello?\"\n"
    let read = try load(talks + watch).routes[0].watch
    #expect((read.callerQuietSeconds, read.repromptsMax) == (20, 1) && read.reprompt == "Hello?")
    func isRefused(_ text: String, _ reason: String) -> Bool {
      mistakes(text).contains { $0.contains(reason) }
    }
    #expect(isRefused(talks + apology + "model_quiet_seconds = 0\n", "apology is for routes with"))
    #expect(isRefused(talks + "reprompt = \"a\"\n", "reprompt is for routes with caller_quiet"))
    #expect(isRefused(talks + watch.replacing("= 1\n", with: "= 0\n"), "caller_reprompts above 0"))
    #expect(isRefused(talks + watch.replacing("Hello?", with: " "), "must not be empty"))
    #expect(isRefused(talks + "caller_quiet_seconds = 601\n", "caller_quiet_seconds"))
    let firm = try load(talks + apology + "uninterrupted = [\"apology\"]\n").routes[0]
    #expect(firm.uninterrupted == [.apology])
    #expect(isRefused(talks + "uninterrupted = [\"hold\"]\n", "this route has no hold"))
    #expect(isRefused(talks + "uninterrupted = [\"goodbye\"]\n", "uninterrupted names"))
    let listens = route + "upstream = \"deepgram\"\n"
    #expect(isRefused(listens + apology, "apology is for upstreams that talk"))
    #expect(
      isRefused(listens + "model_quiet_seconds = 4\n", "model_quiet_seconds is for upstreams that"))
    #expect(isRefused(listens + watch, "caller_quiet_seconds is for upstreams that talk"))
    let webhook = route + "kind = \"voice\"\n"
    #expect(isRefused(webhook + watch, "caller_quiet_seconds is for kind"))
  }
}
