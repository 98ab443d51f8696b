// What every row of Upstream.all must stand, whoever adds it. A row that is dialled brings its
// messages to Tests/Fixtures/<its name>, or fails here. Cascades listen alike, and have one place.

import Testing

@testable import Sidetone

struct UpstreamsTests {
  private static let dialled = Upstream.all.filter { row in
    row.isDialled && (row.speaker == nil || row.name.description == "cascade")
  }.map(\.name.description)
  private static let fixtures = dialled.flatMap { FixtureFile.all(of: $0) }

  /// Everything that a message says, in a fixed order and joined by a plus.
  private func event(_ row: String, _ message: Bytes) -> String {
    let upstream = Upstream.all[Upstream.index(of: row)!]
    var words: [String] = []
    if let path = upstream.voice?.speech {
      switch path.locate(message) {
      case .speech(let piece):
        #expect(piece.payload.upperBound <= message.count)
        #expect(piece.item.upperBound <= message.count)
        words.append("speech")
        guard piece.isNotAll else { return "speech" }
      case .other: break
      case .malformed: return "malformed"
      }
    }
    words += self.words(of: upstream.read(message), within: message.count)
    return words.isEmpty ? "other" : words.joined(separator: "+")
  }

  private func words(of news: Upstream.Event, within count: Int) -> [String] {
    if news.isMalformed { return ["malformed"] }
    let ranges = [
      news.heard?.text, news.heard?.confidence, news.heard?.language, news.callerWords?.text,
      news.callerWords?.language, news.agentWords?.text, news.item, news.complaint?.code,
      news.complaint?.message, news.handle,
    ]
    for range in ranges { #expect((range?.upperBound ?? 0) <= count) }
    #expect((news.heard?.endMicroseconds ?? 0) >= -1)
    #expect((news.leavesWithin ?? .zero) >= .zero)
    let context: [(String, Bool)] = [
      ("ready", news.isReady), ("transcribes", news.transcribes), ("heard", news.heard != nil),
      ("interrupted", news.isInterrupted), ("caller", news.callerWords != nil),
      ("agent", news.agentWords != nil), ("spoken", news.isSpoken), ("over", news.isTurnOver),
      ("complaint", news.complaint != nil), ("fatal", news.complaint?.verdict != nil),
      ("owed", news.transcriptsOwed == 1), ("paid", news.transcriptsOwed == -1),
      ("handle", news.handle != nil), ("leaves", news.leavesWithin != nil),
      ("finished", news.isFinished), ("times", news.speech != nil),
    ]
    return context.filter(\.1).map(\.0)
  }

  @Test func `names are different, and the list finds each by its name`() {
    #expect(Set(Upstream.all.map(\.name.description)).count == Upstream.all.count)
    for (index, upstream) in Upstream.all.enumerated() {
      #expect(Upstream.index(of: upstream.name.description) == index)
    }
  }

  @Test(arguments: dialled)
  func `every upstream that is dialled has its messages`(name: String) {
    let events = Set(FixtureFile.all(of: name).flatMap { $0.event.split(separator: "+") })
    let row = Upstream.all[Upstream.index(of: name)!]
    let voice = row.speaker == nil ? row.voice : nil
    var expected: Set<Substring> =
      voice != nil
      ? ["ready", "speech", "interrupted", "caller", "agent", "spoken", "over", "other"]
      : row.speaker != nil
        ? ["interrupted", "caller", "times", "finished", "other"] : ["heard", "finished", "other"]
    // Speech of its own needs no message.
    if voice?.speech.isBinary == true { expected.remove("speech") }
    #expect(events.isSuperset(of: expected))
  }

  @Test(arguments: fixtures)
  func `a message is what its name says, however it is written`(fixture: FixtureFile) {
    for text in [fixture.text] + fixture.variants {
      #expect(event(fixture.row, kept(text)) == fixture.event, "\(text)")
    }
  }

  @Test(arguments: fixtures)
  func `a message that breaks off reads nothing behind its end`(fixture: FixtureFile) {
    let bytes = Array(fixture.text.utf8)
    for length in 0..<bytes.count {
      let page = ForbiddenPage(Array(bytes.prefix(length)))
      withExtendedLifetime(page) { _ = event(fixture.row, page.bytes) }
    }
  }

  @Test(arguments: fixtures)
  func `damage is read as something or nothing, and never past the end`(fixture: FixtureFile) {
    var dice = SeededRandom(seed: 1)
    let bytes = Array(fixture.text.utf8)
    let page = ForbiddenPage(count: bytes.count)
    for _ in 0..<2000 {
      bytes.withBytes { page.bytes.copy($0) }
      for _ in 0...Int.random(in: 0..<4, using: &dice) {
        page.bytes[Int.random(in: 0..<bytes.count, using: &dice)] =
          UInt8.random(in: 0...255, using: &dice)
      }
      _ = event(fixture.row, page.bytes)
    }
  }

  @Test(arguments: dialled)
  func `queries and commands of every format are short, plain, and without a secret`(name: String) {
    let upstream = Upstream.all[Upstream.index(of: name)!]
    for codec in [Format.Codec.mulaw, .alaw, .linear16] {
      for channels in 1...2 {
        let format = Format(codec: codec, rate: 8000, channels: channels)
        var session = Upstream.Session(hears: format, says: format)
        guard let hears = upstream.hears(format, session) else { continue }
        session.hears = hears
        let query = written { upstream.query(session, &$0) }
        #expect(query.count < 256)
        #expect(query.array.allSatisfy { $0 > 0x20 && $0 < 0x7f })
      }
    }
    for command in Self.commands {
      let text = written { upstream.write(command, anySession, &$0) }
      #expect(text.isEmpty || JSON.isValid(text))
    }
  }

  private static let commands: [Upstream.Command] = [
    .keepAlive, .finalize, .finish, .greet(.empty), .greet(kept("Say+%22hi%22%0A%ff")), .respond,
    .truncate(item: kept("item_1"), milliseconds: 1480), .forget(item: kept("item_1")),
    .keys(kept("5")), .keys(kept("47#")),
    .answer(id: kept("f1"), function: kept("look"), kept("{\"a\":1}")),
    .lateAnswer(function: kept("look"), kept("{}")),
  ]

  @Test(arguments: dialled)
  func `whatever options say, the first message is JSON, and so is audio in its envelope`(
    name: String
  ) {
    let upstream = Upstream.all[Upstream.index(of: name)!]
    let names = [
      "model", "voice", "language", "instructions", "system_instruction", "transcription_model",
      "turn_detection", "silence_milliseconds", "threshold", "speed", "audio", "think_provider",
      "listen_model",
    ]
    for value in ["", "a", "500", "0.5", "-", "1.", "%22%7d", "%ff%00", "semantic_vad", "none"] {
      let options = kept(names.map { "\($0)=\(value)" }.joined(separator: "&"))
      for caller in [Format.mulaw8k, Format(codec: .linear16, rate: 16_000, isBigEndian: true)] {
        var session = Upstream.Session(hears: caller, says: caller, options: options)
        guard let hears = upstream.hears(caller, session) else { continue }
        session.hears = hears
        session.says = upstream.voice?.says(caller, session) ?? hears
        session.handle = kept("handle-1")
        let setup = written { upstream.setup(session, &$0) }
        #expect(setup.isEmpty || JSON.isValid(setup), "\(setup.string)")
        let message = written { message in
          var suffix = Writer(kept(count: 256))
          upstream.envelope(hears, &message, &suffix)
          if message.count > 0 { message.write("AAAA") }
          message.write(suffix.written)
        }
        #expect(message.isEmpty || JSON.isValid(message))
      }
    }
  }

  @Test(arguments: Upstream.all.map(\.name.description))
  func `what operators read of it is whole`(name: String) {
    let row = Upstream.all[Upstream.index(of: name)!]
    let settings = row.settings()
    #expect(!settings.displayName.isEmpty)
    if let service = settings.service {
      #expect(row.isDialled && !service.host.isEmpty && service.path.hasPrefix("/"))
      #expect(row.needsKey == !service.keyVariable.isEmpty && !service.urlVariable.isEmpty)
    }
    #expect(Set(settings.options.map(\.name)).count == settings.options.count)
    for option in settings.options {
      #expect(!option.help.isEmpty)
      guard let (other, _) = option.condition else { continue }
      #expect(settings.options.contains { $0.name == other })
    }
    #expect(Set(settings.paths.map(\.path)).count == settings.paths.count)
    #expect(settings.paths.allSatisfy { $0.path.hasPrefix("/") })
    for path in settings.paths {
      for option in path.options {
        #expect(Array(option.name.utf8).withBytes { row.allows($0) }, "\(option.name)")
      }
    }
  }

  @Test(arguments: dialled)
  func `a chunk in its envelope fits in a block, from every caller`(name: String) throws {
    let row = Upstream.all[Upstream.index(of: name)!]
    for codec in [Format.Codec.mulaw, .linear16] {
      let caller = Format(codec: codec, rate: codec == .mulaw ? 8000 : 24_000)
      let session = Upstream.Session(hears: caller, says: caller)
      guard let hears = row.hears(caller, session) else { continue }
      var (prefix, suffix) = (Writer(kept(count: 256)), Writer(kept(count: 256)))
      row.envelope(hears, &prefix, &suffix)
      guard prefix.count > 0 else { continue }
      let envelope = try #require(Envelope(prefix: prefix.written, suffix: suffix.written))
      let bytes = hears.bytes(forMilliseconds: row.timing.chunkMillisecondsMax)
      #expect(bytes <= envelope.audioBytesMax(as: .base64))
    }
  }

  @Test(arguments: dialled)
  func `every status and every close code has a verdict`(name: String) {
    let upstream = Upstream.all[Upstream.index(of: name)!]
    for status in 100...599 {
      let verdict = upstream.refused(status)
      #expect(verdict.cause != .none && !verdict.code.description.isEmpty)
      // Nobody is asked again who has refused for good.
      if status == 401 || status == 403 { #expect(!verdict.retry) }
    }
    for code in 0...4999 { #expect(upstream.closed(UInt16(code), .empty).cause != .none) }
  }
}
