// What every row of Upstream.all must stand, whoever adds it. A row that is dialled brings its
// messages to Tests/Fixtures/<its name>, or fails here.

import Testing

@testable import Sidetone

struct UpstreamsTests {
  private static let dialled = Upstream.all.filter(\.isDialled).map(\.name.description)
  private static let fixtures = dialled.flatMap { FixtureFile.all(of: $0) }

  private func event(_ row: String, _ message: Bytes) -> String {
    let event = Upstream.all[Upstream.index(of: row)!].read(message)
    if event.isMalformed { return "malformed" }
    if event.isFinished { return "finished" }
    if let heard = event.heard {
      #expect(heard.text.upperBound <= message.count)
      #expect(heard.confidence.upperBound <= message.count)
      #expect(heard.endMicroseconds >= 0)
      return "heard"
    }
    return "other"
  }

  @Test("Names are different, and the list finds each by its name")
  func names() {
    #expect(Set(Upstream.all.map(\.name.description)).count == Upstream.all.count)
    for (index, upstream) in Upstream.all.enumerated() {
      #expect(Upstream.index(of: upstream.name.description) == index)
    }
  }

  @Test("Every upstream that is dialled has its messages", arguments: dialled)
  func hasFixtures(name: String) {
    let events = Set(FixtureFile.all(of: name).map(\.event))
    #expect(events.isSuperset(of: ["heard", "finished", "other"]))
  }

  @Test("A message is what its name says, however it is written", arguments: fixtures)
  func reads(fixture: FixtureFile) {
    for text in [fixture.text] + fixture.variants {
      #expect(event(fixture.row, kept(text)) == fixture.event, "\(text)")
    }
  }

  @Test("A message that breaks off reads nothing behind its end", arguments: fixtures)
  func truncations(fixture: FixtureFile) {
    let bytes = Array(fixture.text.utf8)
    for length in 0..<bytes.count {
      let page = ForbiddenPage(Array(bytes.prefix(length)))
      withExtendedLifetime(page) { _ = event(fixture.row, page.bytes) }
    }
  }

  @Test("Damage is read as something or nothing, and never past the end", arguments: fixtures)
  func damage(fixture: FixtureFile) {
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

  @Test(
    "Queries and commands of every format are short, plain, and without a secret",
    arguments: dialled)
  func writes(name: String) {
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
    for command in [Upstream.Command.keepAlive, .finalize, .finish] {
      let text = written { upstream.write(command, &$0) }
      #expect(text.isEmpty || JSON.find("type", in: text) != nil)
    }
  }

  @Test("Every status and every close code has a verdict", arguments: dialled)
  func verdicts(name: String) {
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
