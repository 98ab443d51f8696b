// The operators' pages: their shapes, read by somebody else's JSON parser.
import Foundation
import Testing

@testable import Sidetone

private func body(_ response: Bytes) -> (head: String, body: String) {
  let parts = response.string.components(separatedBy: "\r\n\r\n")
  return (parts[0], parts.dropFirst().joined(separator: "\r\n\r\n"))
}

private func json(_ text: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}

struct PagesTests {
  private let control = Pages(service: "side\"tone")
  private let now = {
    var now = Snapshot()
    now.wall = WallTime(nanoseconds: 1_735_689_600_123_456_789)
    now.callsActive = 3
    now.totals.bytesToUpstreams = 1600
    now.totals.transcripts = 7
    now.uptime = .milliseconds(61_500)
    return now
  }()

  private func row(_ name: String, peer: Address = .here) throws -> CallRow {
    CallRow(
      peer: peer, name: try #require(Name(kept(name))),
      startedWall: WallTime(nanoseconds: 1_735_689_540_000_000_000),
      duration: .milliseconds(60_123), bytesSent: 480, transcripts: 2)
  }

  @Test func `health has the four fields`() throws {
    let (head, text) = body(written { control.writeHealth(now, into: &$0) })
    #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
    let health = try json(text)
    #expect(health.count == 4)
    #expect(health["status"] as? String == "healthy")
    #expect(health["service"] as? String == "side\"tone")
    #expect(health["active_connections"] as? Int == 3)
    #expect(health["timestamp"] as? String == "2025-01-01T00:00:00.123Z")
  }

  @Test(arguments: [
    (Readiness.ready, 200, "ready"), (.draining, 404, "draining"), (.full, 503, "full"),
    (.noUpstream, 503, "no_upstream"),
  ])
  func `readiness is a status and its reason`(state: Readiness, status: Int, word: String) throws {
    var snapshot = now
    snapshot.readiness = state
    let (head, text) = body(written { control.writeReady(snapshot, into: &$0) })
    #expect(head.hasPrefix("HTTP/1.1 \(status) "))
    #expect(try json(text)["status"] as? String == word)
    let silent = body(written { control.writeReady(snapshot, isHead: true, into: &$0) })
    #expect(silent.head == head)
    #expect(silent.body.isEmpty)
  }

  @Test func `stats have totals and a row for each call`() throws {
    let (_, text) = body(
      try written { out throws in
        var stats = control.beginStats(now, into: &out)
        stats.write(try row("c-1"), into: &out)
        stats.write(
          try row("ü\"\\", peer: Address(high: 0x2001_0db8 << 32, low: 5, port: 443)), into: &out)
        stats.end(into: &out)
      })
    let stats = try json(text)
    #expect(stats["active_connections"] as? Int == 3)
    #expect(stats["total_bytes_processed"] as? Int == 1600)
    #expect(stats["total_transcriptions"] as? Int == 7)
    let rows = try #require(stats["connections"] as? [[String: Any]])
    #expect(rows.count == 2)
    #expect(rows[0].count == 6)
    #expect(rows[0]["connection_id"] as? String == "127.0.0.1:40000-1735689540")
    #expect(rows[0]["call_id"] as? String == "c-1")
    #expect(rows[0]["started_at"] as? String == "2024-12-31T23:59:00.000Z")
    #expect(rows[0]["bytes_sent"] as? Int == 480)
    #expect(rows[0]["transcription_count"] as? Int == 2)
    #expect(rows[0]["duration_seconds"] as? Double == 60.123)
    #expect(rows[1]["connection_id"] as? String == "2001:db8::5:443-1735689540")
    #expect(rows[1]["call_id"] as? String == "ü\"\\")
  }

  @Test func `rows that do not fit are counted, at every size of the window`() throws {
    let row = try row("call-with-a-name")
    for size in stride(from: 420, to: 1400, by: 5) {
      var out = Writer(kept(count: size))
      var stats = control.beginStats(now, into: &out)
      for _ in 0..<5 { stats.write(row, into: &out) }
      stats.end(into: &out)
      try #require(!out.overflowed)
      let read = try json(body(out.written).body)
      let rows = try #require(read["connections"] as? [Any])
      #expect(rows.count + (read["connections_omitted"] as? Int ?? 0) == 5)
    }
  }

  @Test func `metrics are lines of name and value under their type`() throws {
    var delays = LatencyHistogram()
    for delay in [40, 60, 700] { delays.record(.microseconds(delay)) }
    let (head, text) = body(written { control.writeMetrics(now, delays: delays, into: &$0) })
    #expect(head.contains("Content-Type: text/plain; version=0.0.4"))
    let lines = text.split(separator: "\n")
    #expect(lines.contains("sidetone_calls_active 3"))
    #expect(lines.contains("sidetone_uptime_seconds 61"))
    #expect(lines.contains("# TYPE sidetone_transcripts_total counter"))
    #expect(lines.contains("sidetone_relay_delay_seconds_bucket{le=\"0.000050\"} 1"))
    #expect(lines.contains("sidetone_relay_delay_seconds_bucket{le=\"0.001000\"} 3"))
    #expect(lines.contains("sidetone_relay_delay_seconds_bucket{le=\"+Inf\"} 3"))
    #expect(lines.contains("sidetone_relay_delay_seconds_sum 0.000800"))
    for line in lines where !line.hasPrefix("#") && !line.contains("_seconds_") {
      let parts = line.split(separator: " ")
      #expect(parts.count == 2 && Int(parts[1]) != nil)
      #expect(lines.contains { $0.hasPrefix("# TYPE \(parts[0]) ") })
    }
  }

  @Test func `whatever is counted is shown in the metrics`() {
    var now = now
    let names = Mirror(reflecting: now.totals).children.compactMap(\.label)
    let numbers = names.indices.map { 1_000_001 + $0 }
    #expect(MemoryLayout<Counters>.size == names.count * MemoryLayout<Int>.size)
    now.totals = unsafe numbers.withUnsafeBytes { unsafe $0.load(as: Counters.self) }
    let (_, text) = body(
      written { control.writeMetrics(now, delays: LatencyHistogram(), into: &$0) })
    let hidden = zip(names, numbers).filter { !text.contains(" \($0.1)\n") }.map(\.0)
    // A part of those that ended.
    #expect(hidden == ["callsEndedAfterStart"])
  }
}
