// Start here. The relay is an engine: bytes and time in, outputs out. It opens no socket, reads no clock,
// starts no thread. A driver (the machine in SidetoneLinux, or the simulation) tells it what happened, one
// thing at a time, and then performs what it asks for:
//
//     let place = relay.room(for: link)            // where the next bytes may go
//     let count = read(socket, place)              // the driver's system call
//     relay.received(count, on: link, at: now)     // one change
//     while let output = relay.next() { perform(output) }
//     sleep(until: relay.wakeTime)
//
// Every frame leaves in the turn in which it came: `received` moves it from the carrier's bytes into the
// upstream's outbox, and `next` names that outbox to the driver in the same turn.

/// What the relay asks its driver to do. Bytes are not in it: they lie in the link's outbox.
package enum Output: Equatable, Sendable {
  /// Open a connection to `Config.upstreams[upstream].endpoint`; answer with `connected` or `failed`.
  case dial(SlotID, upstream: Int)
  /// The outbox of this link has bytes: `outgoing`, write, `sent`, until it is empty or the socket is full
  /// (then again when it is writable). Named at most once per turn and link.
  case write(SlotID)
  /// Look for readable bytes on this link again; before, `room` was empty.
  case resumeReading(SlotID)
  /// The relay is done with this link. Write out what its socket still holds, tell the peer (close_notify,
  /// FIN), and let go of it; the name is dead already.
  case close(SlotID)
  /// As `close`, but at once: what was not written is lost, the peer sees a reset.
  case reset(SlotID)
  /// The last call has ended after `drain`, or the drain deadline has passed.
  case drained
}

/// Why a connection could not be made or broke.
package enum LinkFailure: UInt8, BitwiseCopyable, Sendable {
  case refused, unreachable, timedOut, reset, nameNotFound, nameTimedOut, tlsFailed
  case certificateRefused, noDescriptor, noMemory
}

package final class Relay {
  package let config: Config

  package init(config: Config, seed: [UInt8], now: Instant, wall: WallTime) {
    self.config = config
  }

  // MARK: Links

  /// A peer connected to `Config.listeners[listener]` (after TLS, where it has TLS). Nil: there is no room
  /// even for a refusal; drop it.
  package func accepted(on listener: Int, from peer: Address, at now: Instant) -> SlotID? { nil }

  /// The connection asked for by `.dial` stands (after TLS).
  package func connected(_ link: SlotID, at now: Instant) {}

  /// The connection asked for by `.dial` cannot be had, or a standing one broke. The name is dead after it.
  package func failed(_ link: SlotID, _ failure: LinkFailure, at now: Instant) {}

  /// Where the next bytes of this link go. Empty: the relay holds this peer back (leave its bytes in the
  /// kernel until `.resumeReading`), or the name is dead. Valid until the next call of any method.
  package func room(for link: SlotID) -> Bytes { .empty }

  /// That many bytes were put into `room`.
  package func received(_ count: Int, on link: SlotID, at now: Instant) {}

  /// The peer will send no more (end of stream).
  package func ended(_ link: SlotID, at now: Instant) {}

  /// The first contiguous run of what waits to be written; empty when there is nothing.
  package func outgoing(_ link: SlotID) -> Bytes { .empty }

  /// The socket took that many of the bytes of `outgoing`.
  package func sent(_ count: Int, on link: SlotID, at now: Instant) {}

  // MARK: Time and life

  /// Performs what is due. Call once per turn, after the inputs of that turn.
  package func advance(to now: Instant) {}

  /// When `advance` wants to be called at the latest.
  package var wakeTime: Instant { .never }

  /// The next thing to do, or nil when the turn is done.
  package func next() -> Output? { nil }

  /// The wall clock, told now and then, for time stamps that people read.
  package func setWall(_ wall: WallTime, at now: Instant) {}

  /// No new calls from now on; running ones may finish until the drain deadline.
  package func drain(at now: Instant) {}

  /// Ends every call now.
  package func stop(at now: Instant) {}

  /// Lines for people: takes the oldest into `place` (cut to fit) and says where they belong, or nil.
  package func takeLine(into place: Bytes) -> Line? { nil }

  /// A line that was taken: how long it is, and which stream it belongs to.
  package struct Line: Sendable {
    package enum Stream: Sendable { case transcript, log }
    package var stream: Stream
    package var count: Int
  }
}
