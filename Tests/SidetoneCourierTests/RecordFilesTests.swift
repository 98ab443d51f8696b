// The two files of a call on the disk: whole, private, under their own names, and later where they
// cannot be written now.

import Foundation
import Testing

@testable import SidetoneCourier

@Suite struct RecordFilesTests {
  private let folder = Folder()
  private let call = [started(), spoken("a blue hatchback"), ended()]

  @Test func `a call that has ended has a transcript and a call file`() throws {
    try journal(folder, call)
    try courier(folder).run()
    #expect(folder.names("transcripts") == ["call_TEST-001_1750000000000_transcript.json"])
    #expect(folder.names("calls") == ["call_TEST-001_1750000000000.json"])
    let file = try #require(folder.tree("calls/call_TEST-001_1750000000000.json"))
    let path = try #require(file["transcript"]?.string)
    #expect(folder.tree(path)?["conversation"]?.elements.count == 1)
    #expect(file["extracted_reason"] == "no extraction is configured")
  }

  @Test func `directories are for their owner alone, and so are files`() throws {
    try journal(folder, call)
    try courier(folder).run()
    for name in ["transcripts", "calls"] {
      #expect(folder.mode(name) == 0o700)
      for file in folder.names(name) { #expect(folder.mode("\(name)/\(file)") == 0o600) }
    }
    #expect(folder.mode("courier.sqlite") == 0o600)
  }

  @Test func `what others keep in the directory stays, and so does its mode`() throws {
    folder.put("mine", "calls/list.txt")
    chmod("\(folder.path)/calls", 0o755)
    try journal(folder, call)
    try courier(folder).run()
    #expect(folder.text("calls/list.txt") == "mine")
    #expect(folder.mode("calls") == 0o755)
    #expect(folder.names("calls").count == 2)
  }

  @Test func `two calls with one id in one millisecond have four files`() throws {
    try journal(
      folder,
      [
        started(of: 1), started(of: 2), spoken("one", of: 1), spoken("two", of: 2), ended(of: 1),
        ended(of: 2),
      ])
    try courier(folder).run()
    #expect(
      folder.names("calls") == [
        "call_TEST-001_1750000000000.json", "call_TEST-001_1750000000000_\(key(2)).json",
      ])
    // By their names the one with the key comes first.
    for (name, text) in zip(folder.names("transcripts"), ["two", "one"]) {
      let lines = folder.tree("transcripts/\(name)")?["conversation"]?.elements
      #expect(lines?.first?["text"] == .text(text))
    }
  }

  @Test func `a call of an earlier courier's is not overwritten either`() throws {
    try journal(folder, call)
    try courier(folder).run()
    try journal(folder, as: "1750000000000-2", [started(of: 9), ended(of: 9)])
    try courier(folder).run()
    #expect(folder.names("calls").count == 2)
    #expect(folder.tree("calls/call_TEST-001_1750000000000.json")?["call_key"] == .text(key(1)))
  }

  @Test func `a file that is no call's is not overwritten`() throws {
    folder.put("notes", "transcripts/call_TEST-001_1750000000000_transcript.json")
    try journal(folder, call)
    try courier(folder).run()
    #expect(folder.text("transcripts/call_TEST-001_1750000000000_transcript.json") == "notes")
    #expect(folder.names("transcripts").count == 2)
  }

  @Test func `what a killed courier left beside the file does no harm`() throws {
    folder.put("half a f", "calls/.call_TEST-001_1750000000000.json.part")
    try journal(folder, call)
    try courier(folder).run()
    #expect(folder.names("calls") == ["call_TEST-001_1750000000000.json"])
  }

  @Test func `a link that is laid where the file is written leads nobody astray`() throws {
    folder.put("precious", "victim")
    folder.put("", "calls/x")
    symlink("\(folder.path)/victim", "\(folder.path)/calls/.call_TEST-001_1750000000000.json.part")
    try journal(folder, call)
    try courier(folder).run()
    #expect(folder.text("victim") == "precious")
    #expect(folder.tree("calls/call_TEST-001_1750000000000.json") != nil)
  }

  @Test(arguments: ["../../x", "a/b\nc", "..", "", String(repeating: "y", count: 200)])
  func `no id leads out of the directory`(id: String) throws {
    let below = Folder()
    folder.put("", "inner/x")
    try journal(below, [started(id), ended()])
    try courier(below).run()
    #expect(below.names("calls").count == 1)
    #expect(below.names("transcripts").count == 1)
    #expect(below.names("") == ["calls", "courier.sqlite", "journal", "transcripts"])
    let file = try #require(below.tree("calls/\(below.names("calls")[0])"))
    #expect(file["call_id"] == .known(id))
  }

  // MARK: Where they cannot be written

  private let troubles: [(deed: String, error: Int32, words: String)] = [
    ("write", 28, "make room"), ("sync", 5, "disk fails"), ("rename", 30, "mount it writable"),
    ("sync the directory", 5, "disk fails"), ("make the directory", 13, "let the user"),
  ]

  @Test func `every trouble is said once with its path and its remedy, and then it is tried again`()
    throws
  {
    for trouble in troubles {
      let folder = Folder()
      try journal(folder, call)
      var isFailing = true
      let disturbance = Disturbance { deed, path in
        let isCalls = path.contains("/calls")
        return isFailing && isCalls && deed == trouble.deed ? trouble.error : nil
      }
      let ear = Ear()
      let courier = try courier(folder, ear: ear, disturbance: disturbance)
      try courier.run(at: start)
      try courier.run(at: start + 60_000)
      #expect(ear.events == ["delivery_failed"], "once: \(trouble.deed)")
      #expect(ear.lines[0].text.contains("\(folder.path)/calls"))
      #expect(ear.lines[0].text.contains(trouble.words), "\(ear.lines[0].text)")
      isFailing = false
      #expect(try courier.wakeTime(at: start + 60_000) != nil)
      try courier.run(at: start + 120_000)
      #expect(ear.events == ["delivery_failed", "delivered_again"])
      #expect(folder.names("calls") == ["call_TEST-001_1750000000000.json"])
    }
  }

  @Test func `a file where the directory should be is named, and what others do goes on`() throws {
    folder.put("", "calls")
    try journal(folder, call)
    let (ear, hook) = (Ear(), Sink())
    let courier = try courier(folder, [hook], ear: ear)
    try courier.run(at: start)
    #expect(ear.events == ["delivery_failed"])
    #expect(ear.lines[0].text.contains("a file stands where a directory belongs"))
    #expect(hook.kinds == [.started, .final, .ended])
    #expect(folder.names("transcripts").count == 1)
  }

  @Test func `a directory that is taken away while the courier runs is made again`() throws {
    try journal(folder, call)
    let courier = try courier(folder)
    try courier.run()
    try FileManager.default.removeItem(atPath: "\(folder.path)/calls")
    try journal(folder, as: "1750000000000-2", [started("B", of: 2), ended(of: 2)])
    try courier.run()
    #expect(folder.names("calls") == ["call_B_1750000000000.json"])
  }

  @Test func `calls that end together share the syncing of the directories`() throws {
    let many = (1...20).flatMap { [started("C\($0)", of: $0), ended(of: $0)] }
    try journal(folder, many)
    let disturbance = Disturbance()
    try courier(folder, disturbance: disturbance).run()
    #expect(folder.names("calls").count == 20)
    // Two directories, each once when it was made and once; and the journal that was removed.
    #expect(disturbance.passed.filter { $0 == "sync the directory" }.count == 5)
  }
}
