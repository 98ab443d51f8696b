// How long a server is left alone after it failed, for everything that is sent to one. Two things
// wait apart from each other:
//
// - **What failed** waits by its own count of attempts: 1 s, 2 s, 4 s … to 1 h, up to a quarter
//   less by chance, so that what failed together does not come back together.
// - **The server** waits where it did not answer, or asked for rest: nothing at all goes there for
//   a time that grows the same way, and then one request alone, which finds out. Any answer ends
//   this. So a dead server costs one request at a time, and a live one that refuses a single thing
//   is kept from nothing else.
//
// What a server names itself (`Retry-After`) counts where it is longer, up to a day. Times are Unix
// milliseconds, since they outlive the process; a wall clock that is set back cannot make a wait
// longer than the longest there is.

import Sidetone

package enum Backoff {
  package static let longestMilliseconds: Int64 = 3_600_000
  package static let askedMillisecondsMax: Int64 = 86_400_000
  /// Attempts after which the wait grows no more.
  package static let attemptsToLongest = 13

  /// The wait behind the attempt of this number (the first is 1).
  package static func milliseconds(
    after attempt: Int, asked: Int64? = nil, random: inout Random
  ) -> Int64 {
    let doublings = min(max(attempt, 1), attemptsToLongest) - 1
    let whole = min(longestMilliseconds, 1000 << Int64(doublings))
    let less = Int64(random.next() % 1024) * (whole / 4) / 1024
    return max(whole - less, min(asked ?? 0, askedMillisecondsMax))
  }
}

/// Whether a server may be asked now.
package struct ServerRest: Sendable {
  /// An outage as long as that is one, and not an unlucky request.
  private static let outageMilliseconds: Int64 = 3_600_000

  private var failures = 0
  /// Requests that were begun before this number say nothing new about a failure behind it.
  private(set) var round = 0
  private var since: Int64 = 0
  private var until: Int64 = 0
  /// Since when there was no outage, as far as is known.
  private var upSince: Int64?

  package init() {}

  /// Whether it has not answered, or has asked for rest, and has not answered since.
  package var isResting: Bool { failures > 0 }

  /// When something may go again; nil: now, as far as the server is concerned.
  package mutating func end(at now: Int64) -> Int64? {
    guard isResting else { return nil }
    until = min(until, now + Backoff.askedMillisecondsMax)
    return until > now ? until : nil
  }

  /// How many more requests may go now, where so many are under way and so many may be.
  package mutating func room(underWay: Int, max: Int, at now: Int64) -> Int {
    guard isResting else { return Swift.max(0, max - underWay) }
    return underWay == 0 && end(at: now) == nil ? 1 : 0
  }

  /// For how long there was no outage; counted from the first answer at most.
  package func upMilliseconds(at now: Int64) -> Int64 { upSince.map { now - $0 } ?? 0 }

  package mutating func answered(at now: Int64) {
    if upSince == nil || isResting && now - since >= Self.outageMilliseconds { upSince = now }
    failures = 0
  }

  /// A request of that round got no answer, or one that asks for rest. Answers when the rest ends.
  package mutating func failed(
    round: Int, asked: Int64?, at now: Int64, random: inout Random
  ) -> Int64 {
    if !isResting { since = now }
    if round == self.round || !isResting {
      failures += 1
      self.round += 1
      until = 0
    }
    let wait = Backoff.milliseconds(after: failures, asked: asked, random: &random)
    until = max(until, now + wait)
    return until
  }
}
