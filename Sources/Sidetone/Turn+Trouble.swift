// Whether what happened to an upstream is a line of its own, or is told with others: a thousand
// calls that lose the same upstream have one thing to say.

extension Turn {
  mutating func mayTell(_ event: Event.OfUpstream) -> Bool {
    switch event {
    case .dialled(let upstream, _), .connected(let upstream, _, _, _):
      return troubles.admitsGood(upstream, at: now)
    case .refused(let upstream, _, _, _, _), .closed(let upstream, _, _), .broke(let upstream, _):
      return admit(upstream, isLoss: true, isWarning: true)
    case .error(let upstream, _, _, _), .givenUp(let upstream, _),
      .fellBack(let upstream, _, _):
      return admit(upstream, isLoss: false, isWarning: true)
    case .triedAgain(let upstream, _, _, _):
      return admit(upstream, isLoss: false, isWarning: false)
    case .tookOver, .tooLarge, .untold, .strange, .notJSON, .unreadable, .format, .sessionLost:
      return true
    }
  }

  private mutating func admit(_ upstream: Bytes, isLoss: Bool, isWarning: Bool) -> Bool {
    let isWritten = troubles.admit(upstream, isLoss: isLoss, at: now)
    if !isWritten, isWarning { log.countWarning() }
    return isWritten
  }

  /// The minute of an upstream is over of which not every line was written.
  mutating func tellTroubles() {
    while let place = troubles.due(at: now) {
      write(.warning, "upstream_trouble", nil) {
        $0.write(place.upstream)
        $0.write(": ")
        $0.write(decimal: place.losses)
        $0.write(" sessions were lost or not to be had within a minute; lines not shown: ")
        $0.write(decimal: place.unshown)
      }
    }
  }
}
