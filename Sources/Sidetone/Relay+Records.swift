// What the driver takes and tells of the journal and of the courier, the process that delivers what
// is in it. The journal is the driver's; the courier's words are read here.

extension Relay {
  /// The next entry for the journal goes into `place`, which has `Entries.bytesMax`; how many bytes
  /// it has, nil where there is none. Entries are numbered from 1 as they are taken.
  package func takeEntry(into place: Bytes) -> Int? { turn.entries.take(into: place) }

  /// The journal is on the disk up to the entry of this number; it lost so many, ever.
  package func journalSynced(upTo entry: UInt64, lost: Int, at now: Instant) {
    turn.now = now
    turn.entries.lostByDriver = lost
    calls.synced(entry, store, &turn)
  }

  /// One message of the courier: `filed KEY NAME`, `unfiled KEY SENTENCE`, `log LEVEL TEXT` or
  /// `status NAME=NUMBER …`. Others are of a later version, and ignored.
  package func courierSaid(_ message: Bytes, at now: Instant) {
    turn.now = now
    var words = Words(message)
    let verb = words.next()
    if verb.equals("filed"), let key = words.key() {
      calls.filed(key, .saved(words.rest), store, &turn)
    } else if verb.equals("unfiled"), let key = words.key() {
      calls.filed(key, .failed(words.rest), store, &turn)
    } else if verb.equals("log") {
      let level = words.next()
      let text = words.rest
      turn.write(
        level.equals("error") ? .error : level.equals("warning") ? .warning : .info, "courier", nil
      ) { $0.write(text) }
    } else if verb.equals("status") {
      while !words.rest.isEmpty { turn.delivery.read(words.next()) }
    } else {
      turn.note(.messageIgnored)
    }
  }
}
