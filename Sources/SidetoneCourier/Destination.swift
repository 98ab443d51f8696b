// Where events go. A destination is one file that makes one of these, and one line in the list of
// Destinations.swift. The spool keeps what is still to be delivered and when; a destination only
// delivers: it is given an event, works on it as long as it takes without ever waiting, and says
// later what became of it.
//
//     spool: due events  ->  begin  ->  (descriptors, wakeTime, advance)*  ->  Finished  ->  spool
//
// Of each call at most one event is with a destination at a time, the oldest; the next comes when
// that one is delivered or given up. So the order of a call is kept whatever fails.

/// What is told about a call, in the words by which webhooks choose.
package enum EventKind: String, CaseIterable, Sendable {
  case started = "call.started"
  case final = "transcript.final"
  case interim = "transcript.interim"
  case ended = "call.ended"
  case extracted = "call.extracted"
}

/// One event on its way to one destination.
package struct OutgoingEvent: Equatable, Sendable {
  /// Its place in the spool, by which `Finished` names it.
  package var row: Int64
  /// `<call key>-<number>`: the same at every attempt and after every restart.
  package var id: String
  package var kind: EventKind
  /// The call's key.
  package var call: String
  /// When it happened, in Unix milliseconds.
  package var at: Int64
  /// A JSON object: what is told (`data` in a webhook's message).
  package var body: [UInt8]
  /// Attempts that failed before.
  package var attempts: Int

  package init(
    row: Int64, id: String, kind: EventKind, call: String, at: Int64, body: [UInt8],
    attempts: Int = 0
  ) {
    self.row = row
    self.id = id
    self.kind = kind
    self.call = call
    self.at = at
    self.body = body
    self.attempts = attempts
  }
}

/// What became of an event.
package enum Verdict: Equatable, Sendable {
  case delivered
  /// It is given to the destination again at that time (Unix milliseconds).
  case again(at: Int64, reason: String)
  /// It is taken out of the spool and counted as failed.
  case givenUp(reason: String)
  /// The destination wants nothing any more, now and after a restart; what waits for it is dropped
  /// and counted.
  case off(reason: String)
}

/// What extraction found in a call.
package struct Extracted: Equatable, Sendable {
  /// A JSON object: the fields. While a call runs, those that changed.
  package var fields: JSONTree
  /// A JSON object: why a field is null.
  package var reasons: JSONTree
  /// Whether the call had ended.
  package var isFinal: Bool

  package init(fields: JSONTree, reasons: JSONTree, isFinal: Bool) {
    self.fields = fields.flattened(below: Entry.depthMax)
    self.reasons = reasons
    self.isFinal = isFinal
  }
}

package struct Finished: Equatable, Sendable {
  package var row: Int64
  package var verdict: Verdict
  /// Only from extraction.
  package var extracted: Extracted?

  package init(row: Int64, verdict: Verdict, extracted: Extracted? = nil) {
    self.row = row
    self.verdict = verdict
    self.extracted = extracted
  }
}

/// A descriptor that the courier's loop waits for.
package struct Awaited: Equatable, Sendable {
  package var descriptor: Int32
  package var toRead: Bool
  package var toWrite: Bool

  package init(descriptor: Int32, toRead: Bool = true, toWrite: Bool = false) {
    self.descriptor = descriptor
    self.toRead = toRead
    self.toWrite = toWrite
  }
}

/// What the body of an event is made of.
package enum EventForm: Sendable {
  /// What happened: `data` in a webhook's message.
  case data
  /// A call's two files.
  case files
}

/// All times are Unix milliseconds.
package protocol Destination: AnyObject {
  /// One line, the same after every restart with the same settings; the spool knows it by this.
  var name: String { get }
  /// How the log and the figures name it: without secrets.
  var shownName: String { get }
  var form: EventForm { get }
  /// Whether it finds something in calls (`Finished.extracted`).
  var extracts: Bool { get }
  func wants(_ kind: EventKind) -> Bool
  /// A person wants it to be told again, behind `Verdict.off`.
  func turnedOn()
  /// How many more events may begin now.
  var room: Int { get }
  /// Takes an event. `transcript` gives the call's transcript up to now, in the form of its file;
  /// it is made when asked for, and only within this call.
  func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64)
  /// What `advance` should be called for.
  var awaited: [Awaited] { get }
  /// When `advance` should be called, whatever comes before; nil: there is nothing to wait for.
  var wakeTime: Int64? { get }
  /// Goes on with what was begun, never waiting for a peer; what was finished since the last time.
  func advance(at now: Int64) -> [Finished]
}

extension Destination {
  package var form: EventForm { .data }
  package var extracts: Bool { false }
  package func turnedOn() {}
}
