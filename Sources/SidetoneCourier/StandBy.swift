// A courier that finds another one at work in its directory: of a relay that was there before, of
// another relay, or of a service manager. It stands by, and takes the other's place when that goes.
// Meanwhile it tells its own relay which calls the other one has filed, since that one has another
// relay to talk to, or none.

import CLinux
import Sidetone

struct StandBy {
  private static let lookEvery: Int64 = 100
  /// A courier of the relay before is gone in less; then it is worth a line.
  private static let toldAfter: Int64 = 5000

  let directory: String
  let word: RelayWord
  let signals: CourierSignals
  let files: FileSystem

  /// The directory's lock, as soon as it is free; nil: the relay wants no courier any more.
  func lock() throws(Trouble) -> Int32? {
    let folder = "\(directory)/\(RecordFiles.calls)"
    let path = "\(directory)/courier.lock"
    let arrivals = DirectoryWatch()
    let begin = CourierLoop.now
    var isTold = false
    while true {
      if let lock = try files.lock(path) { return lock }
      if !arrivals.has(folder) {
        // Where it cannot be made the other one says so.
        try? files.makeDirectory(folder)
        _ = arrivals.add(folder)
      }
      if !isTold, CourierLoop.now - begin >= Self.toldAfter {
        isTold = true
        word.log(
          .info, "courier_stands_by",
          "another courier serves \(directory); it makes the files of this relay's calls as well")
      }
      waitFor(
        [signals.counter, word.descriptor ?? -1, arrivals.descriptor].map {
          Awaited(descriptor: $0)
        }, until: CourierLoop.now + Self.lookEvery)
      for name in arrivals.names() { tell(name, in: folder) }
      word.flush()
      if signals.take() || !word.receive().isEmpty { return nil }
    }
  }

  /// A call's file has come, behind its transcript.
  private func tell(_ name: String, in folder: String) {
    guard name.hasSuffix(".json"),
      let file = files.read("\(folder)/\(name)", bytesMax: 1 << 24).flatMap(JSONTree.init),
      let key = file["call_key"]?.string, let path = file["transcript"]?.string
    else { return }
    word.filed(key, String(path.split(separator: "/").last ?? ""))
  }
}
