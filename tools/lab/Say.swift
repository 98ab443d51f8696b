// The verbs `say` and `hear`: the tone code between a text and a WAV file, without any network.

import LabKit

enum Say {
  static let verb = Verb(
    name: "say", usage: "TEXT FILE",
    summary: "write a text as tones to a WAV file",
    description: """
      Writes the tones that `call --say` sends: 8 kHz PCM, mono. The file can be played to anything
      that leads to one of the lab's twins, or be read back with `hear`.
      """,
    options: [],
    run: { arguments throws(Failure) in
      guard arguments.rest.count == 2 else { throw Failure.misuse("a TEXT and a FILE are wanted") }
      let samples = Tones.encode(arguments.rest[0])
      let sound = Recording(rate: Tones.sampleRate, channels: [samples])
      try File.write(sound.wav, to: arguments.rest[1])
      Console.say("\(Double(samples.count) / Double(Tones.sampleRate)) s of tones")
      return 0
    })
}

enum Hear {
  static let verb = Verb(
    name: "hear", usage: "FILE",
    summary: "print the words that a WAV file says in tones",
    description:
      "Prints each word with its start and end in seconds; [?] is a word that was damaged.",
    options: [],
    run: { arguments throws(Failure) in
      let path = try arguments.only("a FILE")
      let file = try File.read(path)
      let sound: Recording
      do throws(Recording.Unreadable) {
        sound = try Recording(wav: file)
      } catch {
        throw Failure("\(path): \(error.reason)")
      }
      var ear = ToneDecoder()
      let heard = ear.hear(sound.resampled(to: Tones.sampleRate).mono)
      for word in heard + ear.finish() { Console.say("\(word.start) \(word.end) \(word.text)") }
      return 0
    })
}
