// What a request that was let in wants of the calls: a page about them, a call for a caller who has
// come, or one for a caller whom a webhook announces (Relay+Callers).

extension Relay {
  func receivedRequest(_ window: Bytes, on link: Int) {
    guard let admitted = requests.received(window, on: link, store, &turn) else { return }
    do throws(Refusal) {
      try respond(to: admitted, on: link)
    } catch {
      requests.refuse(link, error, of: admitted.request, store, &turn)
    }
  }

  private func respond(to admitted: Requests.Admitted, on link: Int) throws(Refusal) {
    switch admitted.destination {
    case .health, .ready, .metrics, .stats:
      let snapshot = Snapshot(
        of: calls, since: startedAt, isDraining: draining.isOn, config, store, turn)
      try requests.sendPage(admitted, snapshot, calls, on: link, store, &turn)
    case .voice(let route):
      // The stream that the answer names would be refused: the carrier shall use its fallback.
      if draining.isOn { throw .draining }
      giveUp(try requests.sendStream(admitted, route, on: link, store, &turn))
    case .connect(let route):
      if draining.isOn { throw .draining }
      try announce(admitted, route, on: link)
    case .call(let route): try beginCall(admitted, route, on: link)
    }
  }
}
