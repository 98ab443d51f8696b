// Calls that the model has another server answer (Model Context Protocol). They are known here
// since the model waits for them like for ours, and is asked to go on when it has the answers.

extension FunctionCalls {
  /// What a message says of one; an answer that is cut off takes its calls with it.
  static func followServed(
    _ news: Upstream.Event, _ message: Bytes, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    guard call.functions.isOn, news.servedCall != nil || news.ending != nil else { return }
    let running = call.functions.running
    if let served = news.servedCall { follow(served, message, in: &call, store, &turn) }
    if let ending = news.ending, ending.how == .cancelled || ending.how == .failed {
      endServed("its answer was cut off", in: &call, store, &turn)
    }
    if call.functions.running != running { moved(in: &call, store, &turn) }
  }

  private static func endServed(
    _ sentence: StaticString, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    for place in call.functions.places
    where call.functions.isRunning(place) && isServed(place, in: call, store) {
      end(place, .failed, sentence, in: &call, store, &turn)
    }
  }

  private static func follow(
    _ served: Upstream.ServedCall, _ message: Bytes, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    let id = message[served.id]
    switch served.stage {
    case .begun(let server):
      let declared = call.upstream.preparedFunctions(store)
      let index = declared.firstIndex {
        $0.isServed && message[server].equals($0.told.name.bytes)
      }
      guard let index, let name = Name(id), !id.isEmpty, !call.functions.knows(id),
        !call.functions.isFull
      else { return turn.note(.messageIgnored) }
      let place = call.functions.add(name, index, at: turn.now)
      begun(declared[index], place, in: &call, at: turn.now)
    case .answered, .failed:
      guard let place = call.functions.running(id), isServed(place, in: call, store) else {
        return turn.note(.messageIgnored)
      }
      if case .failed = served.stage {
        end(place, .failed, "its server has failed", in: &call, store, &turn)
      } else {
        end(place, .answered, "", in: &call, store, &turn)
      }
    }
  }

  /// The session is gone, and with it whoever has called: what was asked of us is told to the next
  /// one, and of other servers nothing comes any more.
  static func sessionEnded(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    Cascade.sessionEnded(in: &call, store, &turn)
    HistoryRing.rememberUnwritten(in: &call, store, &turn)
    endServed("its session is gone", in: &call, store, &turn)
    call.functions.sessionEnded()
  }

  private static func isServed(_ place: Int, in call: Call, _ store: Store) -> Bool {
    call.upstream.preparedFunctions(store)[call.functions.function(of: place)].isServed
  }
}
