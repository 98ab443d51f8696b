// Runs a courier from its beginning to its end. What may pass, such as a full disk, is waited for;
// what will not, such as a library that is not there, is a sentence and the end.

import CLinux
import Glibc
import Sidetone

/// Runs a courier until it is over; the exit status: 0, or 1 where it could not begin or, with
/// `once`, where something is left.
///
/// - Parameters:
///   - word: one end of the socketpair to the relay that started it; nil where none did.
///   - once: delivers what there is and ends.
package func runCourier(_ config: CourierConfig, word descriptor: Int32?, once: Bool) -> Int32 {
  let word = RelayWord(descriptor)
  func refused(_ event: String, _ sentence: String) -> Int32 {
    word.log(.error, event, sentence)
    return 1
  }
  if let sentence = Database.missing() { return refused("library_missing", sentence) }
  let start = CourierStart(config, word, once: once)
  do throws(Trouble) {
    // What is wrong with the settings, or is not installed, will not pass.
    let all = try destinations(config, start.files, at: CourierLoop.now)
    guard let lock = try start.lock() else {
      if descriptor != nil { return 0 }
      return refused(
        "courier_is_there",
        "another courier serves \(config.directory) (it holds courier.lock); one is enough")
    }
    defer { _ = cl_close(lock) }
    let courier = try start.courier(all)
    let loop = CourierLoop(courier, word: word, signals: start.signals, once: once)
    guard loop.run() else { return 1 }
    // What this would carry over is carried over at the next start.
    _ = try? courier.spool.settle()
    let left = once ? try courier.waitingCount() : 0
    return left == 0
      ? 0
      : refused("events_left", "\(left) events are left; they are tried again at the next start")
  } catch {
    return refused("courier_not_started", error.sentence)
  }
}

private struct CourierStart {
  let config: CourierConfig
  let word: RelayWord
  let once: Bool
  let signals: CourierSignals
  let files = FileSystem()

  init(_ config: CourierConfig, _ word: RelayWord, once: Bool) {
    self.config = config
    self.word = word
    self.once = once
    signals = CourierSignals(areObeyed: word.descriptor == nil)
  }

  /// The lock of the directory, which is made. Nil where another courier has it and nobody waits
  /// for this one; a relay's stands by.
  func lock() throws(Trouble) -> Int32? {
    try patiently { () throws(Trouble) -> Int32? in
      try files.makeDirectory(Courier.journalDirectory(config.directory))
      if word.descriptor == nil { return try files.lock("\(config.directory)/courier.lock") }
      return try StandBy(directory: config.directory, word: word, signals: signals, files: files)
        .lock()
    }
  }

  func courier(_ destinations: [any Destination]) throws(Trouble) -> Courier {
    try patiently { () throws(Trouble) -> Courier in
      try Courier(
        directory: config.directory, destinations: destinations, word: word,
        spoolBytesMax: config.spoolBytesMax, at: CourierLoop.now)
    }
  }

  /// Tries until it works, at least every ten seconds. A `Trouble` where nobody waits for it.
  private func patiently<Value>(_ body: () throws(Trouble) -> Value) throws(Trouble) -> Value {
    var told = ""
    var pause: Int64 = 250
    while true {
      do throws(Trouble) {
        return try body()
      } catch {
        if once { throw error }
        if told != error.sentence {
          word.log(.error, "courier_waits", "\(error.sentence); it is tried again")
        }
        told = error.sentence
        waitFor(
          [signals.counter, word.descriptor ?? -1].map { Awaited(descriptor: $0) },
          until: CourierLoop.now + pause)
        pause = min(2 * pause, 10_000)
        if signals.take() || !word.receive().isEmpty { throw error }
      }
    }
  }
}
