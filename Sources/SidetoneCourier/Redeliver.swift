// What a person asks for when a hook's owner has lost something: the ends of calls are told again,
// from the calls' files, under the ids that they had. A courier that runs is woken and sends them;
// without one they wait in the spool for the next.

import Sidetone

/// Puts `call.ended` of each call that began at `since` (Unix milliseconds) or later into the spool
/// once more, for each webhook that wants it, and turns hooks on again that had turned off. What
/// was extracted by now is in it. Prints what it did, or what is wrong; the exit status.
package func redeliver(
  _ config: CourierConfig, since: Int64, at now: Int64, _ print: (String) -> Void
) -> Int32 {
  do throws(Trouble) {
    let files = FileSystem()
    let hooks = try destinations(config, files, at: now).filter { hook in
      hook.form == .data && !hook.extracts
    }
    guard !hooks.isEmpty else {
      print("no webhook is configured: there is nobody to tell it to")
      return 1
    }
    let (calls, events) = try redeliver(config, since: since, to: hooks, files, at: now)
    let names = hooks.map(\.shownName).joined(separator: ", ")
    print(
      "\(events) ends of \(calls) calls are told again to \(names)"
        + (events > 0 ? "" : ": those that want none, or are still to be told, are left out"))
    return 0
  } catch {
    print(error.sentence)
    return 1
  }
}

/// How many calls there were, and how many events were put into the spool for them.
func redeliver(
  _ config: CourierConfig, since: Int64, to hooks: [any Destination], _ files: FileSystem,
  at now: Int64
) throws(Trouble) -> (calls: Int, events: Int) {
  let path = "\(config.directory)/courier.sqlite"
  try files.makeFile(path)
  let spool = try Spool(path: path, bytesMax: config.spoolBytesMax)
  for hook in hooks { try spool.turnOn(hook.name) }
  let folder = "\(config.directory)/\(RecordFiles.calls)"
  var (calls, events) = (0, 0)
  for name in files.names(in: folder) where name.hasPrefix("call_") && name.hasSuffix(".json") {
    guard let file = files.read("\(folder)/\(name)", bytesMax: 1 << 26).flatMap(JSONTree.init),
      let event = endEvent(of: file, in: config.directory, files, since: since)
    else { continue }
    calls += 1
    try spool.transaction { () throws(Trouble) in
      for hook in hooks where hook.wants(.ended) {
        if try spool.enqueue(event, to: hook.name, at: now) { events += 1 }
      }
    }
  }
  _ = try spool.settle()
  // A courier looks at the spool again when a name comes there.
  let look = "\(Courier.journalDirectory(config.directory))/.look"
  try files.makeDirectory(Courier.journalDirectory(config.directory))
  try files.makeFile(look)
  try files.remove(look)
  return (calls, events)
}

/// Nil for what is no call's file, and for calls that began earlier.
private func endEvent(
  of file: JSONTree, in directory: String, _ files: FileSystem, since: Int64
) -> OutgoingEvent? {
  guard let key = file["call_key"]?.string, let id = file["event_id"]?.string,
    let began = file["started_at"]?.string, began >= timestamp(since),
    let ended = unixMilliseconds(of: file["ended_at"]?.string ?? began)
  else { return nil }
  var data = file
  let transcript = file["transcript"]?.string.flatMap { path in
    files.read("\(directory)/\(path)", bytesMax: 1 << 26).flatMap(JSONTree.init)
  }
  data.set("conversation", transcript?["conversation"] ?? .list([]))
  return OutgoingEvent(
    row: 0, id: id, kind: .ended, call: key, at: ended, body: data.compact)
}
