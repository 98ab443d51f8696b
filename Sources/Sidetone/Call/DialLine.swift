// Calls that have lost their session, or fall back, dial one after the other, so that an upstream
// that has fallen is not run over while it gets up, nor one that takes over. Their links stand in a
// line for each upstream, from one to the next:
//
//     first ◀──▶ second ◀──▶ … ◀──▶ last (Availability)
//       └── has a deadline: when its turn comes
//
// 1. Only the first waits for a moment, the others for those in front of them. Who is not wanted
//    any more steps out, and leaves no gap.
// 2. Where nobody waits and the last dial is long enough ago, it is one's turn at once.

enum DialLine {
  /// When this link is to be dialled: now, and then it is not in the line; later, as its first; or,
  /// `never`, behind those in front of it.
  static func join(
    _ link: Int, of upstream: Int, _ store: Store, _ turn: inout Turn
  ) -> Instant {
    let last = turn.availability.lastInLine(upstream)
    let due = turn.availability.redialDue(upstream)
    if last == Link.nobody, due <= turn.now {
      turn.availability.redialled(upstream, at: turn.now)
      return turn.now
    }
    store.links[link].ahead = last
    if last != Link.nobody { store.links[Int(last)].behind = Int32(link) }
    turn.availability.setLastInLine(upstream, Int32(link))
    return last == Link.nobody ? due : .never
  }

  /// It is the first one's turn.
  static func turnCame(
    for link: Int, of upstream: Int, _ store: Store, _ turn: inout Turn
  ) {
    turn.availability.redialled(upstream, at: turn.availability.redialDue(upstream))
    leave(link, of: upstream, store, &turn)
  }

  /// Where it is in the line it is no more.
  static func leave(_ link: Int, of upstream: Int, _ store: Store, _ turn: inout Turn) {
    guard store.links[link].phase == .waiting else { return }
    let (ahead, behind) = (store.links[link].ahead, store.links[link].behind)
    (store.links[link].ahead, store.links[link].behind) = (Link.nobody, Link.nobody)
    if ahead != Link.nobody { store.links[Int(ahead)].behind = behind }
    guard behind != Link.nobody else {
      return turn.availability.setLastInLine(upstream, ahead)
    }
    store.links[Int(behind)].ahead = ahead
    guard ahead == Link.nobody else { return }
    store.links[Int(behind)].setDeadline(turn.availability.redialDue(upstream), &turn)
  }
}
