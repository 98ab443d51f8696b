// The machine's small parts, each alone.

import CLinux
import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct PartsTests {
  // MARK: Calls

  @Test func `interrupted calls are made again`() {
    var results = [-4, -4, 7]
    guard case .done(7) = perform({ results.removeFirst() }) else {
      Issue.record("the third call went through")
      return
    }
    #expect(results.isEmpty)
  }

  @Test func `would block and errors are values`() {
    guard case .wouldBlock = perform({ -11 }), case .failed(.tooManyFiles) = perform({ -24 }) else {
      Issue.record("an outcome is wrong")
      return
    }
    #expect(Errno.tooManyFiles.isExhaustion)
    #expect(Errno.addressInUse.text == "Address already in use")
  }

  @Test func `a wrong descriptor stops the process`() async {
    await #expect(processExitsWith: .failure) { _ = perform { -9 } }
  }

  @Test func `addresses are read and mapped`() {
    #expect(Address(text: "10.1.2.3", port: 80) == Address(ipv4: 0x0a01_0203, port: 80))
    #expect(Address(text: "::1", port: 80)?.isLoopback == true)
    #expect(Address(text: "localhost", port: 80)?.isLoopback == true)
    for text in ["", "10.1.2", "example.com", "::1%lo", "[::1]"] {
      #expect(Address(text: text, port: 80) == nil)
    }
  }

  @Test func `sources survive the kernel`() {
    let id = SlotID(index: 12345, generation: 77)
    guard case .socket(id) = Source(rawValue: Source(.socket(id)).rawValue).kind,
      case .listener(3) = Source(rawValue: Source(.listener(3)).rawValue).kind,
      case .resolver(99) = Source(rawValue: Source(.resolver(99)).rawValue).kind,
      case .signals = Source(rawValue: Source(.signals).rawValue).kind
    else {
      Issue.record("a source came back as another")
      return
    }
  }

  // MARK: Waiting

  @Test func `milliseconds are rounded up`() {
    let spans: [(Int64, Int32)] = [
      (-5, 0), (0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (.max - 1, .max),
      (.max, -1),
    ]
    for (nanoseconds, milliseconds) in spans {
      #expect(Poller.milliseconds(of: Instant.Span(nanoseconds: nanoseconds)) == milliseconds)
    }
  }

  @Test(arguments: [38, 1] as [Int32])
  func `an old kernel is asked once and then waited for without spinning`(_ error: Int32) throws {
    let poller = try Poller()
    cl_force(CL_EPOLL_WAIT, error, 0, 1)
    let begin = Clock.now
    for _ in 0..<3 {
      guard case .done(0) = poller.wait(atMost: .microseconds(1_200)) else {
        Issue.record("nothing is ready, and nothing is wrong")
        return
      }
    }
    #expect(Clock.now - begin >= .microseconds(3_600))
    #expect(!poller.takesNanoseconds)
  }

  @Test func `another failure of waiting is told and changes nothing`() throws {
    let poller = try Poller()
    cl_force(CL_EPOLL_WAIT, 22, 0, 1)
    guard case .failed(Errno(rawValue: 22)) = poller.wait(atMost: .zero) else {
      Issue.record("the kernel said no")
      return
    }
    #expect(poller.takesNanoseconds)
  }

  // MARK: The gap between turns

  /// So many frames in this second, a turn each; how long after its last turn the loop would wait.
  private func pause(
    _ gap: inout TurnGap, second: Int = 0, framesPerSecond: Int,
    wakeIn span: Instant.Span = .seconds(1)
  ) -> Instant.Span? {
    var now = Instant.zero + .seconds(second)
    for _ in 0..<framesPerSecond {
      now = now + Instant.Span(nanoseconds: 1_000_000_000 / Int64(framesPerSecond))
      gap.turnBegins(at: now)
      gap.countFrame()
    }
    return gap.pauseEnd(afterTurnAt: now, wake: now + span).map { $0 - now }
  }

  @Test func `turns are not kept apart unless asked for`() {
    var gap = TurnGap(microseconds: Limits().turnGapMicroseconds)
    #expect(pause(&gap, framesPerSecond: 100_000) == nil)
  }

  @Test func `turns are kept apart only while many frames come`() {
    var gap = TurnGap(microseconds: 200)
    #expect(pause(&gap, framesPerSecond: 19_000) == nil)
    #expect(pause(&gap, second: 1, framesPerSecond: 21_000) == .microseconds(200))
    #expect(pause(&gap, second: 2, framesPerSecond: 1_000) == nil)
  }

  @Test func `a pause ends when something is due`() {
    var gap = TurnGap(microseconds: 2_000)
    let soon = Instant.Span.microseconds(300)
    #expect(pause(&gap, framesPerSecond: 25_000, wakeIn: soon) == soon)
  }

  // MARK: Deadlines and queues

  @Test func `deadlines expire once and may be set anew`() {
    let deadlines = Deadlines(capacity: 4)
    deadlines.set(0, to: Instant(nanoseconds: 10))
    deadlines.set(1, to: Instant(nanoseconds: 20))
    deadlines.set(2, to: Instant(nanoseconds: 15))
    deadlines.clear(2)
    var expired: [Int] = []
    deadlines.expire(at: Instant(nanoseconds: 9)) { expired.append($0) }
    #expect(expired.isEmpty)
    deadlines.expire(at: Instant(nanoseconds: 17)) {
      expired.append($0)
      deadlines.set(3, to: Instant(nanoseconds: 18))
    }
    #expect(expired == [0])
    #expect(deadlines.earliest == Instant(nanoseconds: 18))
    deadlines.expire(at: Instant(nanoseconds: 30)) { expired.append($0) }
    #expect(expired == [0, 1, 3])
    #expect(deadlines.earliest == .never)
  }

  @Test func `a slot stands in the queue once`() {
    var queue = SlotQueue(capacity: 3)
    defer { queue.deallocate() }
    for index in [2, 0, 2, 1, 0] { queue.push(index) }
    #expect(queue.count == 3)
    var popped = [queue.pop(), queue.pop()]
    queue.push(2)
    popped += [queue.pop(), queue.pop(), queue.pop()]
    #expect(popped == [2, 0, 1, 2, nil])
  }

  // MARK: Lines

  @Test func `lines leave in order on their streams`() throws {
    let (transcripts, logs) = (Pipe(), Pipe())
    let lines = try LineWriter(
      transcripts: transcripts.fileHandleForWriting.fileDescriptor,
      logs: logs.fileHandleForWriting.fileDescriptor)
    for number in 0..<100 {
      Array("\(number)\n".utf8).withBytes {
        lines.put($0, to: number % 2 == 0 ? .transcript : .log)
      }
    }
    lines.close()
    let expected = { (rest: Int) in (0..<100).filter { $0 % 2 == rest }.map { "\($0)\n" }.joined() }
    #expect(read(transcripts) == expected(0))
    #expect(read(logs) == expected(1))
  }

  @Test func `a blocked pipe drops lines, counts them, and silences no other stream`() throws {
    let (transcripts, logs) = (Pipe(), Pipe())
    let lines = try LineWriter(
      capacity: 16_384, transcripts: transcripts.fileHandleForWriting.fileDescriptor,
      logs: logs.fileHandleForWriting.fileDescriptor)
    let line = [UInt8](repeating: UInt8(ascii: "x"), count: 999) + [10]
    for _ in 0..<300 {
      line.withBytes { lines.put($0, to: .transcript) }
      lines.wake()
    }
    Array("still here\n".utf8).withBytes { lines.put($0, to: .log) }
    lines.wake()
    #expect(logs.fileHandleForReading.availableData == Data("still here\n".utf8))
    let dropped = lines.droppedCount(of: .transcript)
    #expect(dropped > 0 && lines.droppedCount(of: .log) == 0)
    #expect(lines.takesLog)
    lines.close(waitingMilliseconds: 20)
    var text = ""
    while text.utf8.count < (300 - dropped) * 1000 {
      text += String(decoding: transcripts.fileHandleForReading.availableData, as: UTF8.self)
    }
    #expect(text.split(separator: "\n").allSatisfy { $0.count == 999 })
  }

  @Test func `a full disk drops lines, and they are counted`() throws {
    let full = open("/dev/full", O_WRONLY)
    let log = Pipe()
    defer { close(full) }
    let lines = try LineWriter(
      transcripts: full, logs: log.fileHandleForWriting.fileDescriptor)
    for _ in 0..<5 { Array("said\n".utf8).withBytes { lines.put($0, to: .transcript) } }
    lines.close()
    #expect(lines.droppedCount(of: .transcript) == 5 && lines.droppedCount(of: .log) == 0)
  }

  @Test func `lines of both streams keep their order where they lead to one place`() throws {
    let pipe = Pipe()
    let writing = pipe.fileHandleForWriting.fileDescriptor
    let lines = try LineWriter(transcripts: writing, logs: writing)
    for number in 0..<200 {
      Array("\(number)\n".utf8).withBytes {
        lines.put($0, to: number % 3 == 0 ? .transcript : .log)
      }
    }
    lines.close()
    #expect(read(pipe) == (0..<200).map { "\($0)\n" }.joined())
  }

  private func read(_ pipe: Pipe) -> String {
    try? pipe.fileHandleForWriting.close()
    return String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  }
}
