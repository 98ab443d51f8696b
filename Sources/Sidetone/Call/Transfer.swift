// A transfer that a call's model has asked for, of which there is one at a time. The carrier is
// asked when what was said has been heard, and ends the stream of a call that it has transferred;
// what it refuses goes back to the model.
//
//     called ──▶ waiting ──▶ asked ──▶ accepted ──▶ the session is left, and the carrier closes
//        │          │            └───▶ refused ───▶ the model is told, and the call goes on
//        │          └── taken back by the model, or spoken over: nobody was asked
//        └── refused at once: nobody who may be reached, a carrier that cannot
//
// 1. It outlives its session. A call that is given up meanwhile waits for its carrier's word before
//    it says goodbye, and ends as ever where that is no.
// 2. Only the carrier's yes makes it a transfer. A stream that ends before waits for its word as
//    for last words; without it the call ended for the reason that its caller had.

struct Transfer: BitwiseCopyable {
  enum Stage: BitwiseCopyable { case none, waiting, asked }

  private(set) var stage = Stage.none
  /// Its call of a function, and which of the function's targets it is for.
  private(set) var place = 0
  private var target = 0
  /// By which of the carrier's keys it is asked.
  private var key = 0
  /// What the carrier says to the caller before.
  private var summary = Chain()
  /// Then the carrier is asked, whatever is still being said.
  private(set) var askBy = Instant.never

  /// So long what is being said is waited for.
  private static let patience = Instant.Span.seconds(15)
  private static let summaryBytesMax = 1000
  private static let addressBytesMax = 256

  mutating func release(_ store: Store) {
    summary.clear(in: store.pool)
    self = Transfer()
  }
}

extension Transfer {
  /// The model has called for it. `arguments` are a JSON object.
  static func begin(
    _ place: Int, to targets: [PreparedFunction.Target], isWarm: Bool, _ arguments: Bytes,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> StaticString? {
    if let complaint = CarrierOrder.complaint(about: .transfers, in: call, store) {
      return complaint
    }
    if call.functions.transfer.stage != .none { return "the call is being transferred already" }
    if call.functions.manner == .hangsUp { return "the call is ending" }
    guard let target = index(in: targets, of: arguments) else {
      return "`to` is none of those to whom calls may be transferred"
    }
    var transfer = Transfer()
    (transfer.stage, transfer.place, transfer.target) = (.waiting, place, target)
    transfer.askBy = turn.now + patience
    if isWarm, call.caller.carrier.control?.abilities.contains(.speaks) == true,
      let summary = JSON.find("summary", in: arguments), summary.kind == .string
    {
      var text = Writer(CarrierOrder.scratch(store).prefix(summaryBytesMax))
      JSON.unescape(summary, in: arguments, to: &text)
      if text.overflowed { return "its summary is longer than 1000 bytes" }
      if !transfer.summary.append(text.written, from: store.pool) {
        return "there is no memory for its summary"
      }
    }
    call.functions.transfer = transfer
    call.functions.wait()
    return nil
  }

  /// The target that they name, or whose address they have; nil: none that may be reached.
  private static func index(
    in targets: [PreparedFunction.Target], of arguments: Bytes
  ) -> Int? {
    guard let to = JSON.find("to", in: arguments), to.kind == .string else { return nil }
    return Bytes.withTemporary(addressBytesMax) { place in
      var text = Writer(place)
      JSON.unescape(to, in: arguments, to: &text)
      if text.overflowed { return nil }
      return targets.firstIndex { text.written.equals($0.name.bytes) }
        ?? targets.firstIndex { text.written.equals($0.address.bytes) }
    }
  }

  /// What was said has been heard, or takes too long: the carrier is asked.
  static func askWhenHeard(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let transfer = call.functions.transfer
    guard transfer.stage == .waiting, !call.state.isClosing || call.state.isAwaitingCarrier else {
      return
    }
    call.conversation.retire(&call.record, at: turn.now)
    let isHeard = call.conversation.isQuiet && !call.conversation.isAnswerOpen
    guard isHeard || turn.now >= transfer.askBy else { return }
    call.functions.transfer.stage = .asked
    call.functions.waitNoMore()
    ask(in: &call, store, &turn)
    // Where it could not be, the model knows by now.
    FunctionCalls.moved(by: transfer.place, in: &call, store, &turn)
  }

  /// The carrier does not know the call's account by this key: it is asked by the next one. False
  /// where there is none.
  static func askByNextKey(
    _ place: Int, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard call.functions.isTransferring(place),
      CarrierOrder.hasKey(behind: call.functions.transfer.key, in: call, store)
    else { return false }
    call.functions.transfer.key += 1
    ask(in: &call, store, &turn)
    FunctionCalls.moved(by: place, in: &call, store, &turn)
    return true
  }

  private static func ask(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    let transfer = call.functions.transfer
    let functions = call.upstream.preparedFunctions(store)
    let function = functions[call.functions.function(of: transfer.place)]
    guard case .transfer(let targets, _) = function.action else {
      preconditionFailure("it was begun by such a function")
    }
    let text = Transcript.whole(
      transfer.summary, scratch: CarrierOrder.scratch(store), in: store.pool)
    CarrierOrder.ask(
      .transfer(to: targets[transfer.target].address.bytes, saying: text), transfer.place,
      key: transfer.key, milliseconds: function.milliseconds, in: &call, store, &turn)
  }

  /// The carrier has taken it: nobody here has anything more to say, and the carrier ends the
  /// stream. Where that has ended already, last words are still fetched.
  static func accepted(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    if !call.state.isClosing || call.state.isAwaitingCarrier {
      call.upstream.leaveNext(store, &turn)
      call.upstream.leave(store, &turn)
      call.sessionEnded(store, &turn)
      call.conversation.close()
    }
    call.perform(
      call.state.transferred(within: .seconds(store.limits.transferSeconds), at: turn.now), store,
      &turn)
  }

  /// Words are to come before the call ends: the caller's, or the carrier's on a transfer.
  static func isOwedWords(in call: Call) -> Bool {
    call.conversation.isOwedWords || call.functions.isTransferring
      || call.upstream.cascade.isOwedWords
  }

  /// A call that was given up is not taken by its carrier: it says goodbye, and ends.
  static func endIfDeclined(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.state.isAwaitingCarrier, !call.functions.isInTransfer else { return }
    call.perform(call.state.carrierDeclined(at: turn.now), store, &turn)
  }

  /// The state of a call has lasted long enough: its carrier was waited for.
  static func noteEnd(of call: Call, _ store: Store, _ turn: inout Turn) {
    guard call.state.state == .closing(.transferred) else { return }
    let seconds = store.limits.transferSeconds
    turn.note(.caller(.odd(.transferUnended(seconds: seconds))), of: call.record.name)
  }
}
