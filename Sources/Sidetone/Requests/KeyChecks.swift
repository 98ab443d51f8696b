// Callers' keys that a LiteLLM proxy knows: `GET {url}/key/info` with the caller's own key as
// Bearer is asked once for each, and its word counts for a while. Keys are known by their SHA-256.
//
//     unknown ──▶ asking ──200, active──▶ good (`litellm_cache_seconds`) ──▶ unknown
//                   ├──400, 401, 403, 404, 429──▶ refused (5 s) ──▶ unknown
//                   └──all else, or nothing in 2 s──▶ unjudged, while those who wait are told
//
// A connection whose key is being asked about waits with its request, and is judged anew when the
// word has come. https://docs.litellm.ai/docs/proxy/virtual_keys

final class KeyChecks {
  /// What is known of a key.
  enum Verdict: Equatable {
    case unknown
    /// The rows say which.
    case good(Int)
    case refused(Refusal.OfKey, Int)
    case unjudged
  }

  /// Keys that are remembered.
  static var rowsMax: Int { Limits.checkedKeysMax }
  /// How long the proxy has.
  static let patienceMilliseconds = 2000
  private static let refusedSpan = Instant.Span.seconds(5)
  /// The longest key, in bytes.
  static let keyBytesMax = 256

  private struct Row {
    enum State: Equatable {
      case free
      case asking
      case good(until: Instant)
      case refused(Refusal.OfKey, until: Instant)
      /// While those who wait are told.
      case unjudged
    }
    var digest: [UInt8] = []
    var state = State.free
    var words: [UInt8] = []
    /// While it is asked about: nobody is told it in the proxy's words.
    var key: [UInt8] = []
    /// Another proxy was asked than the one whose word counts now.
    var isOfFormer = false
  }

  private struct Waiting {
    var link: SlotID
    var row: Int
  }

  private var rows: [Row] = []
  private var waiting: [Waiting] = []
  private var url: Text?
  private var span = Instant.Span.zero
  private var troubleLines = LineLimit()

  init(_ config: Config) { follow(config) }

  /// Another proxy's word counts from now on; what the former has said is forgotten.
  func follow(_ config: Config) {
    let next = config.liteLLM.map { Text($0.url + "/key/info") }
    if next?.bytes.array != url?.bytes.array {
      for row in rows.indices {
        if rows[row].state == .asking {
          rows[row].isOfFormer = true
        } else {
          rows[row].state = .free
        }
      }
    }
    url = next
    span = .seconds(config.liteLLM?.cacheSeconds ?? 0)
    rows.reserveCapacity(next == nil ? 0 : Self.rowsMax)
  }

  var isOn: Bool { url != nil }

  // MARK: Looking up

  /// What is known of the key with this digest.
  func verdict(of digest: Bytes, at now: Instant) -> Verdict {
    guard let row = row(of: digest) else { return .unknown }
    switch rows[row].state {
    case .good(let until) where now <= until: return .good(row)
    case .refused(let why, let until) where now <= until: return .refused(why, row)
    case .unjudged: return .unjudged
    case .free, .asking, .good, .refused: return .unknown
    }
  }

  private func row(of digest: Bytes) -> Int? {
    rows.firstIndex { row in row.state != .free && row.digest.withBytes { $0.equals(digest) } }
  }

  /// What the proxy said of a refused key, for people; may be nothing.
  func writeWords(of row: Int, into out: inout Writer) {
    guard !rows[row].words.isEmpty else { return }
    out.write("It says: ")
    rows[row].words.withBytes { out.write($0) }
  }

  // MARK: Asking

  /// Has the proxy asked about a key, for a connection that waits for it; false where that cannot
  /// be, which the log has been told.
  func ask(
    about key: Bytes, _ digest: Bytes, for link: SlotID, _ turn: inout Turn
  ) -> Bool {
    if isWaiting(link) { return true }
    let known = row(of: digest)
    let asked = known.flatMap { rows[$0].state == .asking ? $0 : nil }
    do throws(FetchFailure) {
      let row = if let asked { asked } else { try begin(key, digest, inPlaceOf: known, &turn) }
      waiting.append(Waiting(link: link, row: row))
      return true
    } catch {
      tell(error.sentence.bytes, &turn)
      turn.counters.keysUnjudged &+= 1
      return false
    }
  }

  func isWaiting(_ link: SlotID) -> Bool { waiting.contains { $0.link == link } }

  private func begin(
    _ key: Bytes, _ digest: Bytes, inPlaceOf known: Int?, _ turn: inout Turn
  ) throws(FetchFailure) -> Int {
    guard let url, rows.count(where: { $0.state == .asking }) < Limits.keysAskedMax,
      let row = known ?? freeRow(at: turn.now)
    else { throw .full }
    var request = FetchRequest(.get, url.bytes, milliseconds: Self.patienceMilliseconds)
    request.credentials = .bearer(key)
    _ = try turn.fetches.begin(.key(row), request, at: turn.now)
    rows[row] = Row(digest: digest.array, state: .asking, key: key.array)
    return row
  }

  /// A row for a key that is not there: a new one, one that is over, a refused one, the oldest good
  /// one.
  private func freeRow(at now: Instant) -> Int? {
    if rows.count < Self.rowsMax {
      rows.append(Row())
      return rows.count - 1
    }
    func rank(_ state: Row.State) -> Instant? {
      switch state {
      case .free: .zero
      case .refused(_, let until): min(until, now)
      case .good(let until): until
      case .asking, .unjudged: nil
      }
    }
    var best: (row: Int, rank: Instant)?
    for row in rows.indices {
      guard let rank = rank(rows[row].state) else { continue }
      if best.map({ rank < $0.rank }) ?? true { best = (row, rank) }
    }
    return best?.row
  }

  // MARK: The answer

  /// What came of asking about the key in this row.
  func answered(_ row: Int, _ result: FetchResult, _ turn: inout Turn) {
    let answer = rows[row].key.withBytes { Answer(result, to: $0) }
    rows[row].key = []
    switch rows[row].isOfFormer ? .unjudged : answer.verdict {
    case .good:
      rows[row].state = .good(until: turn.now + span)
      turn.counters.keysGood &+= 1
    case .refused(let why):
      rows[row].state = .refused(why, until: turn.now + Self.refusedSpan)
      turn.counters.keysRefused &+= 1
    case .unjudged:
      rows[row].state = .unjudged
      turn.counters.keysUnjudged &+= 1
    }
    rows[row].words = answer.words
    if let trouble = answer.trouble { trouble.withBytes { tell($0, &turn) } }
  }

  /// A connection that waited for the word on this row, and does no more; nil: none is left.
  func takeWaiting(_ row: Int) -> SlotID? {
    guard let place = waiting.firstIndex(where: { $0.row == row }) else { return nil }
    return waiting.remove(at: place).link
  }

  /// All who waited know it. What was not judged is asked again for the next.
  func settle(_ row: Int) {
    if rows[row].state == .unjudged { rows[row].state = .free }
  }

  private func tell(_ sentence: Bytes, _ turn: inout Turn) {
    guard let withheld = troubleLines.take(at: turn.now) else { return }
    turn.note(.relay(.keysUnjudged(sentence, withheld: withheld)), of: nil)
  }
}
