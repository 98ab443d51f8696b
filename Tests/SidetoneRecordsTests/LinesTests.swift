// What `sidetone records journal` prints.

import Foundation
import Sidetone
import Testing

@testable import SidetoneRecords

struct LinesTests {
  private func lines(of scratch: Scratch, call: String? = nil) -> (lines: [String], status: Int32) {
    var lines: [String] = []
    let status = journalLines(directory: scratch.path, call: call) { lines.append($0) }
    return (lines, status)
  }

  private func write(_ entries: [String], to scratch: Scratch, instance: String = "1-1") {
    let bytes = FormatTests.segment(entries.map { Array($0.utf8) })
    scratch.write(bytes, to: scratch.segment(1, of: instance))
  }

  @Test func `entries of all journals are printed as they are, the oldest first`() {
    let scratch = Scratch()
    write([#"{"kind":"new","call":"b","x":{"y":[1,null]}}"#], to: scratch, instance: "10-1")
    write([#"{"kind":"started","call":"a","id":"C\u0041"}"#], to: scratch, instance: "9-1")
    let (lines, status) = lines(of: scratch)
    #expect(status == 0)
    #expect(
      lines == [
        #"{"kind":"started","call":"a","id":"C\u0041"}"#,
        #"{"kind":"new","call":"b","x":{"y":[1,null]}}"#,
      ])
  }

  @Test(arguments: ["a1", "CA"])
  func `one call is found by its key and by its id`(_ call: String) {
    let scratch = Scratch()
    write(
      [
        #"{"kind":"started","call":"a1","id":"C\u0041"}"#, #"{"kind":"key","call":"a1"}"#,
        #"{"kind":"key","call":"b2"}"#, #"{"kind":"key"}"#,
      ], to: scratch)
    let (lines, status) = lines(of: scratch, call: call)
    #expect(status == 0)
    #expect(lines.count == 2)
    #expect(lines.allSatisfy { $0.contains(#""call":"a1""#) })
  }

  @Test func `nothing moves the terminal`() {
    let scratch = Scratch()
    write(
      [
        "{\"kind\":\"final\",\n\t\"text\":\"\u{7f}\u{9b}31m\u{202e}\u{2028}\u{feff}ü😀\"}",
        "{\"kind\":\"final\",\"text\":\"\u{1b}[2J\"}", "\u{1b}[2J",
      ], to: scratch)
    let (lines, status) = lines(of: scratch)
    #expect(status == 1)
    #expect(
      lines[0]
        == #"{"kind":"final",  "text":"\u007f\u009b31m\u202e\u2028\ufeffü😀"}"#)
    // Such a text is no JSON, and so is said rather than printed.
    #expect(lines.count == 3)
    for line in lines[1...] { #expect(line.hasPrefix(#"{"kind":"damaged","journal":"1-1","#)) }
    for line in lines {
      #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) })
      #expect(Array(line.utf8).withBytes { JSON.isValid($0) })
    }
  }

  @Test func `damage is a line of its own, where it is`() {
    let scratch = Scratch()
    var bytes = FormatTests.segment((1...3).map { Entry.numbered($0) })
    bytes[SegmentHead.bytes + 90] ^= 1
    scratch.write(bytes, to: scratch.segment(1))
    let (lines, status) = lines(of: scratch)
    #expect(status == 1)
    #expect(lines.count == 3)
    #expect(
      lines[1].hasPrefix(#"{"kind":"damaged","journal":"1-1","sentence":"00000001.segment: "#))
  }

  @Test func `a journal from the future is named, and those behind it are read`() {
    let scratch = Scratch()
    var future = FormatTests.segment([])
    future.withMutableBytes { bytes in
      bytes.store(UInt32(9), at: 8)
      bytes.store(bytes.prefix(SegmentHead.bytes - 4).crc32c, at: SegmentHead.bytes - 4)
    }
    scratch.write(future, to: scratch.segment(1))
    write([#"{"kind":"key"}"#], to: scratch, instance: "2-1")
    let (lines, status) = lines(of: scratch)
    #expect(status == 1)
    #expect(lines.count == 2)
    #expect(lines[0].contains("written in version 9 of the format by a later sidetone"))
    #expect(lines[1] == #"{"kind":"key"}"#)
  }

  @Test func `a directory without journals is said`() {
    let (lines, status) = lines(of: Scratch())
    #expect(status == 1)
    #expect(lines.count == 1)
    #expect(lines[0].contains("No such file or directory"))
  }
}
