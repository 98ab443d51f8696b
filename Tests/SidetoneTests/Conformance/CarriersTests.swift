// What every row of Carrier.all must stand, whoever adds it. A new row brings its messages to
// Tests/Fixtures/<its name>, or fails here.

import Testing

@testable import Sidetone

struct CarriersTests {
  private static let fixtures = Carrier.all.flatMap { FixtureFile.all(of: $0.name.description) }

  private func row(_ fixture: FixtureFile) -> Carrier {
    Carrier.all[Carrier.index(of: fixture.row)!]
  }

  /// What a carrier makes of a message: `audio`, or the name of its event.
  private func event(_ carrier: Carrier, _ message: Bytes) -> String {
    if carrier.media.payloadEncoding != .binary {
      switch carrier.media.locate(message) {
      case .audio(let piece):
        #expect(piece.payload.upperBound <= message.count)
        return "audio"
      case .malformed: return "malformed"
      case .other: break
      }
    }
    let event = carrier.read(message)
    if case .started(let start) = event {
      #expect(max(start.call.upperBound, start.stream.upperBound) <= message.count)
    }
    if case .mark(let name) = event { #expect(name.upperBound <= message.count) }
    if case .complaint(let name) = event { #expect(name.upperBound <= message.count) }
    return String("\(event)".prefix { $0 != "(" })
  }

  @Test func `names are different, and the list finds each by its name`() {
    #expect(Set(Carrier.all.map(\.name.description)).count == Carrier.all.count)
    for (index, carrier) in Carrier.all.enumerated() {
      #expect(Carrier.index(of: carrier.name.description) == index)
      // Known by its first messages, or by its handshake.
      #expect(carrier.recognise != nil || carrier.open != nil)
    }
  }

  @Test(arguments: Carrier.all.map(\.name.description))
  func `every carrier has its messages`(name: String) {
    let events = Set(FixtureFile.all(of: name).map(\.event))
    #expect(!events.isEmpty)
    #expect(events.contains("ignored"))
    let carrier = Carrier.all[Carrier.index(of: name)!]
    if carrier.open == nil { #expect(events.contains("started")) }
    if carrier.media.payloadEncoding != .binary { #expect(events.contains("audio")) }
  }

  @Test(arguments: Carrier.all.map(\.name.description))
  func `what operators read of it is whole`(name: String) {
    let row = Carrier.all[Carrier.index(of: name)!]
    let settings = row.settings()
    #expect(!settings.displayName.isEmpty && settings.paths.allSatisfy { $0.hasPrefix("/") })
    // Every path that it says leads somewhere.
    let served = Set(Upstream.all.flatMap { $0.settings().paths.map(\.path) })
    #expect(served.isSuperset(of: settings.paths))
    guard let signature = row.signature else { return }
    let secret = signature.secret()
    #expect(!secret.setting.isEmpty && !secret.variable.isEmpty && !secret.help.isEmpty)
    #expect(signature.shownHeader.description.lowercased() == signature.header.description)
    #expect(signature.wrong.description.contains(secret.variable))
  }

  @Test(arguments: Carrier.all.map(\.name.description))
  func `how it is sent audio makes sense`(name: String) {
    guard let pacing = Carrier.all[Carrier.index(of: name)!].playout else { return }
    #expect(pacing.leastMilliseconds <= pacing.pieceMilliseconds)
    #expect(pacing.pieceMilliseconds <= pacing.leadMilliseconds)
  }

  @Test(arguments: fixtures)
  func `a message is what its name says, however it is written`(fixture: FixtureFile) {
    for text in [fixture.text] + fixture.variants {
      #expect(event(row(fixture), kept(text)) == fixture.event, "\(text)")
    }
  }

  @Test(arguments: fixtures)
  func `a message that breaks off reads nothing behind its end`(fixture: FixtureFile) {
    let bytes = Array(fixture.text.utf8)
    for length in 0..<bytes.count {
      let page = ForbiddenPage(Array(bytes.prefix(length)))
      withExtendedLifetime(page) {
        let event = event(row(fixture), page.bytes)
        if fixture.event == "audio" { #expect(event == "malformed", "at \(length)") }
      }
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
          Bool.random(using: &dice) ? UInt8.random(in: 0...255, using: &dice) : 0x22
      }
      _ = event(row(fixture), page.bytes)
    }
  }

  @Test(arguments: Carrier.all.map(\.name.description))
  func `a whole call cut at any byte is the same call`(name: String) {
    let bytes = FixtureFile.all(of: name).sorted { order($0) < order($1) }.flatMap {
      TestRelay.message(.text, Array($0.text.utf8))
    }
    let whole = TestRelay(carrier: name)
    whole.receive(bytes)
    for cut in 1..<bytes.count {
      let relay = TestRelay(carrier: name)
      relay.receive(Array(bytes[..<cut]))
      relay.receive(Array(bytes[cut...]))
      #expect(relay.books == whole.books, "cut at \(cut)")
    }
    let bytewise = TestRelay(carrier: name)
    for byte in bytes { bytewise.receive([byte]) }
    #expect(bytewise.books == whole.books)
    #expect(whole.relay.totals.callsStarted == 1 && whole.relay.totals.messagesBad == 0)
  }

  /// First what starts a call, last what ends it.
  private func order(_ fixture: FixtureFile) -> Int {
    switch fixture.event {
    case "started": return 1
    case "stopped", "finish": return 3
    default: return fixture.name.contains("connected") ? 0 : 2
    }
  }

  @Test(arguments: fixtures)
  func `whatever text a started call is sent, it is counted and the call goes on or ends`(
    fixture: FixtureFile
  ) {
    // Each carrier hears the messages of all the others, and binary where it sends text.
    for carrier in Carrier.all {
      let relay = TestRelay(carrier: carrier.name.description)
      relay.receive(TestRelay.message(.text, Array(fixture.text.utf8)))
      relay.receive(TestRelay.message(.binary, [1, 2, 3]))
      relay.receive(TestRelay.message(.text, Array(fixture.text.utf8)))
      #expect(relay.relay.callsInUse <= 1)
    }
  }
}
