// What a function has a call's carrier do, over HTTP: the carrier's row puts it into words, and its
// answer comes as that of any function's server.

enum CarrierOrder {
  /// Why this call's carrier cannot be asked; nil: it can.
  static func complaint(
    about ability: Carrier.Control.Abilities, in call: Call, _ store: Store
  ) -> StaticString? {
    guard let control = call.caller.carrier.control, control.abilities.contains(ability) else {
      return "this call's carrier cannot do it"
    }
    guard store.prepared.carriers[call.caller.row].control != nil else {
      return "the relay has no key by which to ask this call's carrier"
    }
    guard call.functions.handle.isGood(for: control.credentials) else {
      return "this call cannot be named to its carrier"
    }
    return nil
  }

  /// Room for what an order is made from: behind what is asked of it, and not in what `ask` writes.
  static func scratch(_ store: Store) -> Bytes {
    store.functionText.dropping(Limits.functionDraftBytes)
  }

  /// Whether the carrier has a key more to be asked by than this one.
  static func hasKey(behind key: Int, in call: Call, _ store: Store) -> Bool {
    (store.prepared.carriers[call.caller.row].control?.keys.count ?? 0) > key + 1
  }

  /// The carrier is asked; what comes of it, `FunctionCalls.answered` hears.
  static func ask(
    _ order: Carrier.Order, _ place: Int, key: Int = 0, milliseconds: Int, in call: inout Call,
    _ store: Store, _ turn: inout Turn
  ) {
    guard let control = call.caller.carrier.control,
      let prepared = store.prepared.carriers[call.caller.row].control, key < prepared.keys.count
    else {
      // Its key was there when the function was called, and settings were read anew.
      return FunctionCalls.fail(
        place, "the relay has no key by which to ask this call's carrier", isRetryable: false,
        in: &call, store, &turn)
    }
    let handle = call.functions.handle
    let room = store.functionText.dropping(Limits.functionArgumentsBytesMax)
    var body = Writer(room.prefix(part))
    var url = Writer(room.dropping(part).prefix(part / 2))
    url.write(prepared.url.bytes)
    let fits = control.write(
      order, handle, &url, &body, room.dropping(part + part / 2).prefix(part / 2))
    guard fits, !url.overflowed, !body.overflowed else {
      return FunctionCalls.fail(
        place, "it is longer than the carrier takes", isRetryable: false, in: &call, store, &turn)
    }
    var failure: FetchFailure?
    Bytes.withTemporary(Name.bytesMax) { text in
      var account = Writer(text)
      account.write(handle.account)
      var request = FetchRequest(.post, url.written, milliseconds: milliseconds)
      request.isForm = control.body == .form
      request.credentials =
        control.credentials == .bearer
        ? .bearer(prepared.keys[key].bytes)
        : .basic(user: account.written, password: prepared.keys[key].bytes)
      do throws(FetchFailure) {
        let fetch = try turn.fetches.begin(
          .function(call: call.id, place: place), request, body: body.written, at: turn.now)
        call.functions.asked(fetch, of: place)
      } catch { failure = error }
    }
    guard let failure else { return }
    FunctionCalls.fail(
      place, failure.sentence, isRetryable: failure.isRetryable, in: &call, store, &turn)
  }

  /// Of the room between arguments and `scratch`: the body; half as much for its address, and for
  /// what is encoded.
  private static let part = 16 * 1024

  // MARK: Keys

  private static let digitsMax = 32

  /// The model presses keys. `arguments` are a JSON object. Why it cannot; nil: the carrier is
  /// asked.
  static func press(
    _ place: Int, _ arguments: Bytes, milliseconds: Int, in call: inout Call, _ store: Store,
    _ turn: inout Turn
  ) -> StaticString? {
    if let complaint = complaint(about: .sendsDigits, in: call, store) { return complaint }
    var text = Writer(scratch(store).prefix(digitsMax))
    if let digits = JSON.find("digits", in: arguments), digits.kind == .string {
      JSON.unescape(digits, in: arguments, to: &text)
    }
    guard !text.overflowed, text.count > 0, text.written.areDigits else {
      return "`digits` must be 1 to 32 of 0 to 9, *, #, A to D and w"
    }
    ask(.digits(text.written), place, milliseconds: milliseconds, in: &call, store, &turn)
    return nil
  }
}

extension Bytes {
  fileprivate var areDigits: Bool {
    for index in 0..<count {
      switch self[index] {
      case 0x30...0x39, 0x41...0x44, UInt8(ascii: "*"), UInt8(ascii: "#"), UInt8(ascii: "w"): break
      default: return false
      }
    }
    return true
  }
}
