// What a LiteLLM proxy's answer to `/key/info` means. Proxies of all ages are met: `status` came
// late, and what is 429 or 401 today was 400 before.

extension KeyChecks {
  struct Answer {
    enum Verdict: Equatable {
      case good
      case refused(Refusal.OfKey)
      case unjudged
    }

    private(set) var verdict: Verdict
    /// The proxy's own words, for the caller: one line, without anything like a key.
    private(set) var words: [UInt8] = []
    /// What the operator should know; nil: all is as it should be.
    private(set) var trouble: [UInt8]?

    /// `key`: what was asked about, which no words may hold.
    init(_ result: FetchResult, to key: Bytes) {
      verdict = .unjudged
      switch result {
      case .failed(let failure): trouble = failure.sentence.bytes.array
      case .answered(let status, let body, let isCut):
        if status != 200 { words = Self.line(body, without: key) }
        judge(status, body, isCut: isCut)
      }
    }

    private mutating func judge(_ status: Int, _ body: Bytes, isCut: Bool) {
      let type = JSON.find("error", "type", in: body)
      func isType(_ name: StaticString) -> Bool {
        type.map { JSON.text($0, in: body, equals: name) } ?? false
      }
      switch status {
      case 200: judgeInfo(body, isCut: isCut)
      case _ where isType("budget_exceeded"), 429: verdict = .refused(.overBudget)
      case _ where isType("no_db_connection") && status == 400:
        verdict = .refused(.wrong)
        trouble = "it has no database, so it knows no key but its master key".bytes
      case 400, 401:
        verdict = .refused(isType("expired_key") ? .expired : .wrong)
      case 403: verdict = .refused(.forbidden)
      case 404 where isType("not_found_error"):
        verdict = .refused(.wrong)
        trouble =
          ("it takes a key that its database does not have, as its master key: set that one here "
          + "(LITELLM_MASTER_KEY)").bytes
      default:
        trouble = "it answered with status \(status)".bytes
      }
    }

    /// 200: `info` is the key's row.
    private mutating func judgeInfo(_ body: Bytes, isCut: Bool) {
      guard let info = JSON.find("info", in: body), info.kind == .object else {
        trouble =
          isCut
          ? "its answer is too long".bytes
          : "its answer is no key's: is that the proxy's url?".bytes
        return
      }
      verdict = .good
      if JSON.find("info", "blocked", in: body)?.kind == .true { refuse(.blocked) }
      if let status = JSON.find("info", "status", in: body), status.kind == .string,
        !JSON.text(status, in: body, equals: "active")
      {
        refuse(JSON.text(status, in: body, equals: "expired") ? .expired : .blocked)
      }
      if isSpent(body) { refuse(.overBudget) }
    }

    private mutating func refuse(_ why: Refusal.OfKey) {
      if verdict == .good { verdict = .refused(why) }
    }

    /// Over its budget, and not merely slowed for it.
    private func isSpent(_ body: Bytes) -> Bool {
      let isSlowed =
        JSON.find(
          "info", "metadata", "throttle_on_budget_exceeded", in: body)?.kind == .true
      guard !isSlowed, let spent = JSON.find("info", "spend", in: body),
        let budget = JSON.find("info", "max_budget", in: body),
        let spend = JSON.decimal(spent, scale: 6, in: body),
        let most = JSON.decimal(budget, scale: 6, in: body)
      else { return false }
      return spend >= most
    }

    /// A stranger's words as one line. What is longer than a word is left out: it may be a key, or
    /// the hash of one.
    private static func line(_ body: Bytes, without key: Bytes) -> [UInt8] {
      Bytes.withTemporary(2 * Reason.bytesMax) { place in
        var words = Writer(place)
        Reason.read(body, without: key, into: &words)
        var line: [UInt8] = []
        var run: [UInt8] = []
        for index in 0...words.count {
          if index < words.count, words.written[index].isOfKey {
            run.append(words.written[index])
            continue
          }
          line += run.count > longestWord ? Array("…".utf8) : run
          run = []
          if index < words.count { line.append(words.written[index]) }
        }
        return line
      }
    }

    private static let longestWord = 24
  }
}

extension UInt8 {
  /// A letter, a digit, `-` or `_`.
  fileprivate var isOfKey: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
    default: false
    }
  }
}

extension String {
  fileprivate var bytes: [UInt8] { Array(utf8) }
}
