// What of an upstream's messages is not as it was asked for, or not understood: the formats that a
// session states, and what the log is told of the rest, once each.

extension UpstreamLeg {
  struct Told: OptionSet, BitwiseCopyable {
    let rawValue: UInt8
    static let notJSON = Told(rawValue: 1)
    static let unknownType = Told(rawValue: 2)
    static let otherSpeech = Told(rawValue: 4)
    static let strangeSpeech = Told(rawValue: 8)
    static let unreadableSpeech = Told(rawValue: 16)
  }

  /// Whether the log has not yet named this of its messages; it has from now on.
  private mutating func tell(_ what: Told) -> Bool { told.insert(what).inserted }

  /// A message that is not is counted, and the first of a call named; one of an unknown type can
  /// still be passed on. Functions that it asks for are declined.
  mutating func understands(
    _ news: Upstream.Event, _ message: Bytes, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    FunctionCalls.declineOthers(news, message, on: &self, as: name, store, &turn)
    guard news.isMalformed || news.unknown != nil else { return true }
    turn.note(news.isMalformed ? .messageBad : .messageIgnored)
    if news.isMalformed, tell(.notJSON) {
      turn.note(.upstream(.notJSON(prepared(store).name.bytes, text: message)), of: name)
    }
    if let type = news.unknown, tell(.unknownType) {
      turn.note(.upstream(.strange(prepared(store).name.bytes, type: message[type])), of: name)
    }
    return !news.isMalformed
  }

  /// The same of a message in which speech was looked for.
  mutating func noteNotJSON(
    _ message: Bytes, as name: Name, _ store: Store, _ turn: inout Turn
  ) {
    _ = understands(.malformed, message, as: name, store, &turn)
  }

  // MARK: Formats

  /// What a session that is ready says of its audio is what it has. False where that cannot be
  /// served.
  mutating func adopt(
    _ news: Upstream.Event, as name: Name, _ store: Store, _ turn: inout Turn
  ) -> Bool {
    guard let takes = adopted(news.takes, instead: input, as: name, store, &turn),
      let sends = adopted(news.sends, instead: output, as: name, store, &turn)
    else { return false }
    become(takes: takes, sends: sends)
    return true
  }

  private func adopted(
    _ stated: Upstream.StatedFormat, instead asked: Format, as name: Name, _ store: Store,
    _ turn: inout Turn
  ) -> Format? {
    switch stated {
    case .unsaid: return asked
    case .format(let format) where format == asked: return asked
    case .format(let format):
      turn.note(
        .upstream(.format(prepared(store).name.bytes, format.described, isHeeded: true)), of: name)
      return format
    case .unknown:
      turn.note(.upstream(.format(prepared(store).name.bytes, nil, isHeeded: false)), of: name)
      return nil
    }
  }

  /// A piece of its speech is no base64: said once.
  mutating func noteUnreadable(as name: Name, _ store: Store, _ turn: inout Turn) {
    guard tell(.unreadableSpeech) else { return }
    turn.note(.upstream(.unreadable(prepared(store).name.bytes)), of: name)
  }

  /// Its speech has another rate than it said, or is none of ours (0): said once.
  mutating func noteOtherSpeech(
    _ rate: Int, isHeeded: Bool, as name: Name, _ store: Store, _ turn: inout Turn
  ) {
    guard tell(isHeeded ? .otherSpeech : .strangeSpeech) else { return }
    let format = rate > 0 ? Format(codec: .linear16, rate: rate).described : nil
    turn.note(.upstream(.format(prepared(store).name.bytes, format, isHeeded: isHeeded)), of: name)
  }
}
