// Functions that a call's model calls, and what the call does about it: it has a server asked
// (Fetches), or does it itself, and tells the model what came of it.
//
//     model's message ──▶ call ──▶ Fetches ──▶ … ──▶ answered ──▶ the model
//                           └──▶ refused at once ────────────────────────▶
//
// An answer is a JSON object; a failure is one with `error`, a sentence, and `retryable`.

extension FunctionCalls {
  /// Memory for what the model may call, where it may. False where there is none left.
  static func prepare(in call: inout Call, _ store: Store) -> Bool {
    guard call.upstream.partner == .talker, !call.upstream.preparedFunctions(store).isEmpty else {
      return true
    }
    guard let functions = FunctionCalls(store) else { return false }
    call.functions = functions
    return true
  }

  // MARK: What the model says

  /// Calls that one message is heeded for. Each is looked for from the front.
  private static let messageCallsMax = 16

  /// What a message says of functions.
  static func handle(
    of news: Upstream.Event, _ message: Bytes, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) {
    if news.callerWords != nil { call.functions.heardCaller(at: turn.now) }
    if news.isInterrupted { interrupted(in: &call, store, &turn) }
    followServed(news, message, in: &call, store, &turn)
    guard news.callsFunctions || news.cancelsFunctions, call.functions.isOn,
      let reading = call.upstream.functions
    else { return }
    var place = 0
    while news.callsFunctions, let found = reading.call(message, place) {
      guard place < messageCallsMax else {
        noteRefused(
          message[found.name], "one message calls too many functions", in: &call, &turn)
        break
      }
      begin(found, message, needsID: reading.needsID, in: &call, store, &turn)
      place &+= 1
    }
    place = 0
    while news.cancelsFunctions, place < messageCallsMax,
      let id = reading.cancelled(message, place)
    {
      if let running = call.functions.running(message[id]) {
        cancel(running, in: &call, store, &turn)
      }
      place &+= 1
    }
    moved(in: &call, store, &turn)
  }

  /// One call: it runs, or is answered at once.
  private static func begin(
    _ found: Upstream.FunctionCall, _ message: Bytes, needsID: Bool, in call: inout Call,
    _ store: Store, _ turn: inout Turn
  ) {
    let id = message[found.id]
    guard !id.isEmpty || !needsID else {
      return noteRefused(
        message[found.name], "it has no id by which it could be answered", in: &call, &turn)
    }
    guard let name = Name(id) else {
      let sentence: StaticString = "its id is longer than 96 bytes"
      answer(
        id, message[found.name], error: PreparedFunction.Complaint(sentence), isRetryable: false,
        in: &call, store, &turn)
      return noteRefused(message[found.name], sentence, in: &call, &turn)
    }
    if !id.isEmpty, call.functions.knows(id) { return turn.note(.messageIgnored) }
    let isFull = call.functions.isFull
    let declared = call.upstream.preparedFunctions(store)
    let index = declared.firstIndex { message[found.name].equals($0.told.name.bytes) }
    let place = call.functions.add(name, index ?? 0, at: turn.now)
    guard let index else {
      return refuse(
        place, message[found.name], "there is no such function", in: &call, store, &turn)
    }
    let function = declared[index]
    if isFull {
      return refuse(
        place, message[found.name], "too many functions are running", isRetryable: true, in: &call,
        store, &turn)
    }
    var text = Writer(store.functionText.prefix(Limits.functionArgumentsBytesMax))
    if let arguments = found.arguments {
      if arguments.kind == .string {
        JSON.unescape(arguments, in: message, to: &text)
      } else {
        text.write(message[arguments.range])
      }
    }
    // No arguments at all are none.
    if text.count == 0, !text.overflowed { text.write("{}") }
    let room = store.functionText.dropping(Limits.functionArgumentsBytesMax)
    if let complaint = function.complaint(about: text, room: room.prefix(1024)) {
      return refuse(place, message[found.name], complaint, in: &call, store, &turn)
    }
    // Nobody is there any more for whom it would be done.
    if call.state.isClosing {
      return refuse(place, message[found.name], "the call is ending", in: &call, store, &turn)
    }
    begun(function, place, in: &call, at: turn.now)
    let complaint = run(function, text.written, place, in: &call, store, &turn)
    if let complaint { refuse(place, message[found.name], complaint, in: &call, store, &turn) }
  }

  /// What the caller said is answered by what is done: another session that heard it again would
  /// have it done again. Where it takes long, the caller is told.
  static func begun(
    _ function: PreparedFunction, _ place: Int, in call: inout Call, at now: Instant
  ) {
    let since = call.uplink.unanswered.since
    if call.uplink.agentBegan(at: now) != .never { call.functions.answers(since) }
    if !call.uplink.unanswered.isThere { call.conversation.callerAnswered() }
    if function.phraseAfter != .never {
      call.functions.tellCaller(of: place, at: now + function.phraseAfter)
    }
  }

  /// It is done, or begun. Why it cannot be, or nil.
  private static func run(
    _ function: PreparedFunction, _ arguments: Bytes, _ place: Int, in call: inout Call,
    _ store: Store, _ turn: inout Turn
  ) -> StaticString? {
    switch function.action {
    case .hangUp:
      if call.functions.transfer.stage != .none { return "the call is being transferred" }
      if call.functions.hangUpPlace != nil { return "it was called before" }
      call.functions.hangUp(place)
    case .post(let post): ask(post, function, arguments, place, in: &call, store, &turn)
    case .transfer(let targets, let isWarm):
      return Transfer.begin(
        place, to: targets, isWarm: isWarm, arguments, in: &call, store, &turn)
    case .sendDigits:
      return CarrierOrder.press(
        place, arguments, milliseconds: function.milliseconds, in: &call, store, &turn)
    case .collectDigits:
      return DigitCollection.begin(place, arguments, in: &call, store, &turn)
    case .served: return "it is a server's, which is asked without the relay"
    }
    return nil
  }

  /// Its server is asked.
  private static func ask(
    _ post: PreparedFunction.Post, _ function: PreparedFunction, _ arguments: Bytes, _ place: Int,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    var body = Writer(store.functionText.dropping(Limits.functionArgumentsBytesMax))
    body.write("{\"type\":\"function.called\",\"call_id\":\"")
    call.record.name.write(json: &body)
    body.write("\",\"route\":\"")
    body.write(json: call.upstream.preparedRoute(store).path.bytes)
    body.write("\",\"carrier\":\"")
    body.write(call.caller.carrier.name)
    body.write("\",\"function\":\"")
    body.write(function.told.name.bytes)
    body.write("\",\"id\":\"")
    call.functions.id(of: place).write(to: &body)
    body.write("\",\"arguments\":")
    body.write(arguments)
    let parameters = call.record.parameters(in: store.pool)
    body.write(",\"parameters\":")
    parameters.isEmpty ? body.write("{}") : body.write(parameters)
    body.write("}")
    precondition(!body.overflowed, "what stands around the arguments is short")
    do throws(FetchFailure) {
      var webhook = Writer(store.functionText.dropping(Limits.functionTextBytes &- 32))
      webhook.write("fn_")
      webhook.write(hex: turn.random.next64(), digits: 16)
      var request = FetchRequest(.post, post.url.bytes, milliseconds: function.milliseconds)
      request.secrets = post.secrets
      request.webhookID = webhook.written
      let fetch = try turn.fetches.begin(
        .function(call: call.id, place: place), request, body: body.written, at: turn.now)
      call.functions.asked(fetch, of: place)
    } catch {
      fail(place, error.sentence, isRetryable: error.isRetryable, in: &call, store, &turn)
    }
  }

  /// What waited for the end of an input, or of what was said.
  static func settle(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    if call.functions.waits { Transfer.askWhenHeard(in: &call, store, &turn) }
    if call.functions.waits { DigitCollection.finishWhenDue(in: &call, store, &turn) }
    Transfer.endIfDeclined(in: &call, store, &turn)
    hangUpIfAsked(in: &call, store, &turn)
  }

  /// The model has hung up, its answer is over or lost, and what else it called is done: its
  /// session is left, and what it has said is played to its end.
  private static func hangUpIfAsked(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    guard call.functions.hangUpPlace != nil, !call.conversation.isAnswerOpen,
      call.state.isTalking && !call.functions.isAtWork || call.state.isWithoutSession
    else { return }
    hangUp(.hungUp, in: &call, store, &turn)
  }

  /// The session is left, what was said is played to its end, and the call ends.
  static func hangUp(
    _ why: Cause, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    if call.upstream.isOpen(store) {
      call.upstream.leave(store, &turn)
      call.sessionEnded(store, &turn)
    }
    call.perform(hungUp(why, in: &call, store, &turn), store, &turn)
  }

  /// The session of a model that has hung up is left, or lost: no other is asked for.
  static func hungUp(
    _ why: Cause = .hungUp, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) -> CallState.Action {
    if let place = call.functions.hangUpPlace {
      end(place, .answered, "", in: &call, store, &turn)
      call.functions.goOn()
    }
    call.upstream.leaveNext(store, &turn)
    return call.state.givenUp(why, at: turn.now)
  }

  /// The caller speaks over a model that has hung up, or has the call transferred when it has said
  /// so: it is to hear that first, and may ask for it again.
  private static func interrupted(
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.functions.isOn, call.upstream.isOpen(store) else { return }
    let transfer = call.functions.transfer
    let waiting = transfer.stage == .waiting ? transfer.place : nil
    guard let place = call.functions.hangUpPlace ?? waiting else { return }
    if waiting == nil { call.functions.goOn() }
    fail(
      place, "the caller speaks, so the call goes on", isRetryable: true, in: &call, store, &turn)
    moved(in: &call, store, &turn)
  }

  // MARK: What becomes of it

  /// What came of asking a function's server. `settle` follows.
  static func answered(
    _ place: Int, _ result: FetchResult, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard call.functions.isOn, call.functions.isRunning(place) else {
      return turn.note(.messageIgnored)
    }
    let action = call.upstream.preparedFunctions(store)[call.functions.function(of: place)].action
    let isFormer = call.functions.isFormer(place)
    switch result {
    case .failed(let failure):
      // What a carrier was asked for may have been done: twice it must not be.
      let isRetryable = action.isOrder ? failure.isUnsent : failure.isRetryable
      fail(place, failure.sentence, isRetryable: isRetryable, in: &call, store, &turn)
    case .answered(401, _, _) where Transfer.askByNextKey(place, in: &call, store, &turn): return
    case .answered(let status, let body, let isCut):
      if !(200...299).contains(status) {
        let passes = status == 429 || !action.isOrder && (status >= 500 || status == 408)
        fail(
          place, action.refusal, status: status, isRetryable: passes, in: &call, store, &turn)
      } else if let done = action.done {
        let isTransfer = call.functions.isTransferring(place)
        deliver(done.bytes, place, in: &call, store, &turn)
        end(place, .answered, "", in: &call, store, &turn)
        if isTransfer { Transfer.accepted(in: &call, store, &turn) }
      } else if isCut || body.count > Limits.functionAnswerBytesMax {
        fail(place, "its answer is larger than 32 KiB", isRetryable: false, in: &call, store, &turn)
      } else {
        var answer = Writer(store.functionText.prefix(Limits.functionDraftBytes))
        answer.write(functionAnswer: body)
        guard !answer.overflowed else {
          return fail(
            place, "its answer is larger than 32 KiB", isRetryable: false, in: &call, store, &turn)
        }
        deliver(answer.written, place, in: &call, store, &turn)
        end(place, .answered, "", in: &call, store, &turn)
      }
    }
    moved(isInWords: isFormer, in: &call, store, &turn)
  }

  /// The model is told why; nothing came of it.
  static func fail(
    _ place: Int, _ sentence: StaticString, status: Int = 0, isRetryable: Bool, in call: inout Call,
    _ store: Store, _ turn: inout Turn
  ) {
    deliver(
      error: sentence, status: status, isRetryable: isRetryable, place, in: &call, store, &turn)
    end(place, .failed, sentence, status: status, in: &call, store, &turn)
  }

  /// The same of a call that makes no sense. `name`: as the model wrote it.
  private static func refuse(
    _ place: Int, _ name: Bytes, _ sentence: StaticString, isRetryable: Bool = false,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    refuse(
      place, name, PreparedFunction.Complaint(sentence), isRetryable: isRetryable, in: &call, store,
      &turn)
  }

  private static func refuse(
    _ place: Int, _ name: Bytes, _ complaint: PreparedFunction.Complaint, isRetryable: Bool = false,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let id = call.functions.id(of: place)
    withBytes(of: id) {
      answer($0, name, error: complaint, isRetryable: isRetryable, in: &call, store, &turn)
    }
    call.functions.ended(place, store)
    noteRefused(name, complaint.sentence, id: id, in: &call, &turn)
  }

  /// The model does not want it any more.
  private static func cancel(_ place: Int, in call: inout Call, _ store: Store, _ turn: inout Turn)
  {
    turn.fetches.cancel(call.functions.fetch(of: place))
    if place == call.functions.hangUpPlace { call.functions.goOn() }
    if call.functions.digits.isOpen, call.functions.digits.place == place {
      DigitCollection.giveBack(in: &call, &turn)
    }
    end(place, .cancelled, "", in: &call, store, &turn)
  }

  /// The call is over: nobody waits for an answer any more.
  static func end(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    for place in call.functions.places where call.functions.isRunning(place) {
      cancel(place, in: &call, store, &turn)
    }
    call.functions.release(store)
  }

  static func end(
    _ place: Int, _ outcome: Event.Function.Outcome, _ sentence: StaticString, status: Int = 0,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let name = call.upstream.preparedFunctions(store)[call.functions.function(of: place)].told.name
    let milliseconds = call.functions.age(of: place, at: turn.now)
    if call.functions.isRunning(place) { call.functions.ended(place, store) }
    note(
      name.bytes, outcome, sentence, status: status, milliseconds: milliseconds,
      id: call.functions.id(of: place), in: &call, &turn)
  }

  /// Said once in a call, and always counted.
  private static func noteRefused(
    _ name: Bytes, _ sentence: StaticString, id: Name = Name(), in call: inout Call,
    _ turn: inout Turn
  ) {
    let isSaid = call.functions.refused()
    note(name, .refused, sentence, id: id, isSaid: isSaid, in: &call, &turn)
  }

  private static func note(
    _ name: Bytes, _ outcome: Event.Function.Outcome, _ sentence: StaticString, status: Int = 0,
    milliseconds: Int = 0, id: Name = Name(), isSaid: Bool = true, in call: inout Call,
    _ turn: inout Turn
  ) {
    let event = Event.Function(
      name: name, id: id, milliseconds: milliseconds, outcome: outcome, sentence: sentence,
      status: status, isSaid: isSaid)
    turn.note(.agent(.function(event)), of: call.record.identity)
  }

  // MARK: Telling the model

  private static func deliver(
    error sentence: StaticString, status: Int, isRetryable: Bool, _ place: Int, in call: inout Call,
    _ store: Store, _ turn: inout Turn
  ) {
    var text = Writer(store.functionText.prefix(Limits.functionDraftBytes))
    text.write(
      functionError: PreparedFunction.Complaint(sentence), status: status,
      isRetryable: isRetryable)
    deliver(text.written, place, in: &call, store, &turn)
  }

  private static func withBytes(of id: Name, _ body: (Bytes) -> Void) {
    Bytes.withTemporary(Name.bytesMax) { place in
      var text = Writer(place)
      text.write(id)
      body(text.written)
    }
  }

  private static func answer(
    _ id: Bytes, _ name: Bytes, error complaint: PreparedFunction.Complaint, isRetryable: Bool,
    in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    // In front of the complaint's place.
    var text = Writer(store.functionText.prefix(Limits.functionArgumentsBytesMax))
    text.write(functionError: complaint, isRetryable: isRetryable)
    call.upstream.command(
      .answer(id: id, function: name, text.written), as: call.record.name, store, &turn)
  }

  /// To the session that has called it, or in words to the one that stands instead; where none
  /// does, it is kept for the next one.
  static func deliver(
    _ answer: Bytes, _ place: Int, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    let name = call.upstream.preparedFunctions(store)[call.functions.function(of: place)].told.name
      .bytes
    if !call.upstream.isOpen(store) {
      // The last blocks are everybody's audio's.
      let isRoom =
        store.pool.free - answer.count / BlockPool.blockBytes > store.limits.blocksOfCalls
      if !isRoom || !call.functions.keep(answer, of: place, store) {
        turn.note(.upstream(.untold), of: call.record.name)
      }
    } else if call.functions.isFormer(place) {
      call.upstream.command(
        .lateAnswer(function: name, answer), as: call.record.name, store, &turn)
      HistoryRing.remember(answer, of: name, in: &call, store, &turn)
    } else {
      withBytes(of: call.functions.id(of: place)) {
        call.upstream.command(
          .answer(id: $0, function: name, answer), as: call.record.name, store, &turn)
      }
      HistoryRing.remember(answer, of: name, in: &call, store, &turn)
    }
  }

  /// A session stands: it is told of what came while none did.
  static func tellKept(in call: inout Call, _ store: Store, _ turn: inout Turn) {
    var hasTold = false
    for place in call.functions.places where call.functions.isKept(place) {
      let kept = Transcript.whole(
        call.functions.answer(of: place), scratch: store.functionText, in: store.pool)
      let name = call.upstream.preparedFunctions(store)[call.functions.function(of: place)].told
        .name.bytes
      call.upstream.command(.lateAnswer(function: name, kept), as: call.record.name, store, &turn)
      HistoryRing.remember(kept, of: name, in: &call, store, &turn)
      call.functions.ended(place, store)
      hasTold = true
    }
    if hasTold { call.conversation.functionsAnswered(goesOn: false, at: turn.now) }
  }

  /// The same of this one, which another session may have called.
  static func moved(by place: Int, in call: inout Call, _ store: Store, _ turn: inout Turn) {
    moved(isInWords: call.functions.isFormer(place), in: &call, store, &turn)
  }

  /// Something was called or answered: the model is not asked to go on before it has all answers
  /// that it waits for. `isInWords`: it was told so of what another session has called.
  static func moved(
    isInWords: Bool = false, in call: inout Call, _ store: Store, _ turn: inout Turn
  ) {
    guard let reading = call.upstream.functions else { return }
    let all = call.upstream.preparedFunctions(store)
    let running = call.functions.places.filter { call.functions.isRunning($0) }
    call.conversation.functionsRun(
      isWaitedFor: running.contains {
        !call.functions.isFormer($0) && !all[call.functions.function(of: $0)].told.talksMeanwhile
      })
    if running.isEmpty, call.functions.manner != .hangsUp, call.upstream.isOpen(store) {
      let goesOn = isInWords ? reading.goesOnWithWords : reading.goesOn
      call.conversation.functionsAnswered(goesOn: goesOn, at: turn.now)
    }
  }
}
