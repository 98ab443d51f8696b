// What `/ready` says of each kind of calls, and when it is 503.

import TestSupport
import Testing

@testable import Sidetone

struct ReadyTests {
  private static func rig(_ change: (inout Config) -> Void = { _ in }) -> Rig {
    Talk.rig {
      $0.limits.callsMax = 8
      $0.limits.twoWayCallsMax = 2
      change(&$0)
    }
  }

  private func ask(_ rig: Rig, _ page: String = "ready") throws -> String {
    let link = try #require(rig.accept())
    rig.feed("GET /\(page) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", on: link)
    return String(decoding: rig.taken(from: link), as: UTF8.self)
  }

  private func talk(_ rig: Rig) throws {
    let caller = try #require(rig.open("/talk"))
    rig.start(caller)
  }

  @Test func `it tells the places of each kind, and is ready while any kind has one`() throws {
    let rig = Self.rig()
    #expect(
      try ask(rig).contains(#""transcription":{"free":8,"max":8},"voice":{"free":2,"max":2}"#))
    for _ in 0..<2 { try talk(rig) }
    let answer = try ask(rig)
    #expect(answer.hasPrefix("HTTP/1.1 200 "))
    #expect(answer.contains(#""transcription":{"free":6,"max":8},"voice":{"free":0,"max":2}"#))
    let metrics = try ask(rig, "metrics")
    #expect(metrics.contains("\nsidetone_voice_places_free 0\n"))
    #expect(metrics.contains("\nsidetone_transcription_places_free 6\n"))
  }

  @Test(arguments: [
    ([Config.CallKind.voice], 503), ([.voice, .transcription], 503), ([.transcription], 200),
  ])
  func `it is 503 when what it is for is full`(kinds: [Config.CallKind], status: Int) throws {
    let rig = Self.rig { $0.readyRequires = kinds }
    #expect(try ask(rig).hasPrefix("HTTP/1.1 200 "))
    for _ in 0..<2 { try talk(rig) }
    let answer = try ask(rig)
    #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
    #expect(answer.contains(#""status":"full""#) == (status == 503))
  }

  @Test func `where only voice models are served their places count`() throws {
    let rig = Self.rig { $0.upstreams[0].key = "" }
    #expect(try !ask(rig).contains("transcription"))
    for _ in 0..<2 { try talk(rig) }
    #expect(try ask(rig).contains(#""status":"full""#))
  }

  @Test func `an upstream that does badly has no place, and is not full`() throws {
    let rig = Self.rig { $0.readyRequires = [.transcription] }
    _ = try #require(rig.open("/ws/transcribe"))
    let link = try #require(rig.dialled.last)
    rig.connected(link)
    rig.feed("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", on: link)
    let answer = try ask(rig)
    #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains(#""status":"no_upstream""#))
    #expect(answer.contains(#""transcription":{"free":0,"max":8}"#))
  }

  @Test func `an upstream's own bound counts`() throws {
    let rig = Self.rig { $0.upstreams[0].sessionsMax = 1 }
    #expect(try ask(rig).contains(#""transcription":{"free":1,"max":1}"#))
    _ = try #require(rig.open("/ws/transcribe"))
    #expect(try ask(rig).contains(#""transcription":{"free":0,"max":1}"#))
  }
}
