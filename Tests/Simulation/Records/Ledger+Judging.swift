// Whether the records are right, once everybody has come to rest.
//
// - Each call of which anything was acknowledged has one transcript and one call file, both whole.
// - Its lines are lines that were said, in their order, none twice; every acknowledged one is
//   there, but for as many as were counted as dropped.
// - It ended as it was said to have; where that was never acknowledged, it may have been killed.
// - The hook was told the same: in order, each event under one id, and all of it.

import Sidetone
import SidetoneRecords

@testable import SidetoneCourier

extension Ledger {
  /// One call, as it was put.
  private struct Call {
    let key: String
    let instance: Instance
    var puts: [Put] = []

    func isAcknowledged(_ put: Put) -> Bool { put.isTaken && put.number <= instance.acknowledged }
    var mustBeThere: Bool { puts.contains(where: isAcknowledged) }
    var ended: Put? { puts.last { $0.entry.kind == "ended" } }
    var words: [Put] { puts.filter { !$0.text.isEmpty } }
  }

  /// Acknowledged lines that are in no transcript, and those of which the hook was not told.
  private struct Missing {
    /// Entries of calls of which there is nothing at all.
    var calls = 0
    var transcript = 0
    var hook = 0
    var most: Int { calls + max(transcript, hook) }

    mutating func add(_ other: Missing) {
      calls += other.calls
      transcript += other.transcript
      hook += other.hook
    }
  }

  func judge(_ directory: String, _ hook: HookServer) {
    let calls = Self.calls(of: instances)
    let transcripts = files(in: directory, RecordFiles.transcripts)
    let callFiles = files(in: directory, RecordFiles.calls)
    for instance in instances { judgeBooks(instance) }
    var missing: [String: Missing] = [:]
    for (key, call) in calls {
      let pair = (transcripts[key] ?? [], callFiles[key] ?? [])
      guard call.mustBeThere || pair.0.count + pair.1.count > 0 else { continue }
      missing[call.instance.path, default: Missing()].add(judge(call, pair, hook))
    }
    for instance in instances {
      let gone = missing[instance.path] ?? Missing()
      // Of a call that is gone as a whole interim lines are gone too.
      let counted = instance.droppedWords + (gone.calls > 0 ? instance.droppedInterims : 0)
      if gone.most > counted {
        fail("\(gone.most) acknowledged entries are in no record, \(counted) were counted")
      }
    }
    let unknown = Set(transcripts.keys).union(callFiles.keys).subtracting(calls.keys)
    for key in unknown { fail("files of \(key), a call that never was") }
  }

  private static func calls(of instances: [Instance]) -> [String: Call] {
    var calls: [String: Call] = [:]
    for instance in instances {
      for put in instance.puts {
        let key = put.entry.call
        calls[key, default: Call(key: key, instance: instance)].puts.append(put)
      }
    }
    return calls
  }

  /// What went in came out or was counted. Nobody can count what dies with a process, of which
  /// nothing was acknowledged.
  private func judgeBooks(_ instance: Instance) {
    let known = instance.read + instance.dropped
    let least = instance.isClean ? instance.puts.count : Int(instance.acknowledged)
    if known < least || instance.isClean && known > least && !instance.hasFailed {
      fail(
        "\(instance.puts.count) entries in, \(instance.acknowledged) acknowledged, "
          + "\(instance.read) read, \(instance.dropped) counted as dropped")
    }
  }

  // MARK: Files

  /// The files of a folder by the key of their call; each must be whole.
  private func files(in directory: String, _ folder: String) -> [String: [(String, JSONTree)]] {
    var files: [String: [(String, JSONTree)]] = [:]
    for name in FileSystem().names(in: "\(directory)/\(folder)") {
      let content = FileSystem().read("\(directory)/\(folder)/\(name)", bytesMax: 1 << 26)
      guard let tree = content.flatMap(JSONTree.init), let key = tree["call_key"]?.string else {
        fail("\(folder)/\(name) is not whole")
        continue
      }
      files[key, default: []].append((name, tree))
    }
    return files
  }

  private func judge(
    _ call: Call, _ pair: ([(String, JSONTree)], [(String, JSONTree)]), _ hook: HookServer
  ) -> Missing {
    if pair.0.isEmpty, pair.1.isEmpty {
      return Missing(calls: call.puts.count(where: call.isAcknowledged))
    }
    guard pair.0.count == 1, pair.1.count == 1 else {
      fail("call \(call.key): \(pair.0.count) transcripts, \(pair.1.count) call files")
      return Missing()
    }
    let (transcript, file) = (pair.0[0].1, pair.1[0].1)
    if file["transcript"]?.string != "\(RecordFiles.transcripts)/\(pair.0[0].0)" {
      fail("call \(call.key): the two files do not belong together")
    }
    let lines = (transcript["conversation"]?.elements ?? []).map(\.whole).filter { !$0.isEmpty }
    judgeEnd(file["cause"]?["word"]?.string ?? "", of: call)
    let events = hook.received.filter { $0.call == call.key }
    return Missing(
      transcript: judge(lines, of: call, "its transcript"),
      hook: judge(events, transcript, of: call))
  }

  /// Lines are some of those that were said, in their order. How many that were acknowledged are
  /// not there.
  private func judge(_ lines: [String], of call: Call, _ place: String) -> Int {
    let words = call.words
    var next = 0
    var found: Set<UInt64> = []
    for line in lines {
      guard let at = words[next...].firstIndex(where: { $0.text == line }) else {
        fail("call \(call.key): \"\(line.prefix(40))\" in \(place) is doubled, or misplaced")
        return 0
      }
      found.insert(words[at].number)
      next = at + 1
    }
    let mayHaveGaps = call.instance.lostPower || call.instance.dropped > 0
    if !mayHaveGaps, words.prefix(lines.count).map(\.text) != lines {
      fail("call \(call.key): a line is missing in the middle of \(place)")
    }
    return words.count { call.isAcknowledged($0) && !found.contains($0.number) }
  }

  private func judgeEnd(_ cause: String, of call: Call) {
    mark("ended \(cause)")
    guard let ended = call.ended, ended.isTaken else {
      if cause != "killed" { fail("call \(call.key): never ended, and its cause is \(cause)") }
      return
    }
    if cause == ended.entry.text("cause") { return }
    let mayBeLost = call.instance.droppedWords > 0 || !call.isAcknowledged(ended)
    if cause != "killed" || !mayBeLost || call.instance.isClean && call.instance.dropped == 0 {
      fail("call \(call.key): ended as \(cause), not as \(ended.entry.text("cause") ?? "")")
    }
  }

  // MARK: The hook

  private func judge(
    _ events: [OutgoingEvent], _ transcript: JSONTree, of call: Call
  ) -> Int {
    var first: [OutgoingEvent] = []
    for event in events {
      if let known = first.first(where: { $0.id == event.id }) {
        mark("told twice")
        if known.body != event.body { fail("\(event.id) is two events") }
      } else {
        if let last = first.last, last.order >= event.order {
          fail("\(event.id) came behind \(last.id)")
        }
        first.append(event)
      }
    }
    guard let last = first.last, last.kind == .ended else {
      fail("call \(call.key): its end was not told")
      return 0
    }
    if JSONTree(last.body)?["conversation"] != transcript["conversation"] {
      fail("call \(call.key): the hook was told of another conversation")
    }
    let lines = first.filter { $0.kind == .final }.compactMap { JSONTree($0.body)?.whole }
      .filter { !$0.isEmpty }
    return judge(lines, of: call, "what the hook was told")
  }
}

extension Ledger.Put {
  /// The words that stand as a line of their own in a record; empty: none.
  fileprivate var text: String {
    switch entry.kind {
    case "final", "said": entry.text("text") ?? ""
    case "interrupted": (entry.text("heard") ?? "") + (entry.text("unheard") ?? "")
    default: ""
    }
  }
}

extension JSONTree {
  /// A line as it was said, heard or not.
  fileprivate var whole: String { self["generated"]?.string ?? self["text"]?.string ?? "" }
}

extension OutgoingEvent {
  fileprivate var order: Int { Int(id.split(separator: "-").last ?? "") ?? -1 }
}
