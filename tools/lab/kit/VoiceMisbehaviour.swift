// How the twin of a voice model can go wrong, by order: from the command line for every session, or
// for one session by a key that begins with `misbehave:`.

package struct VoiceMisbehaviour: Equatable, Sendable {
  /// Answer the handshake with this status.
  package var refusal: Int?
  /// Take everything and never say anything.
  package var isSilent = false
  /// Break the connection after so many seconds.
  package var resetAfter: Double?
  /// Send messages and fields that no document names.
  package var sendsUnknown = false
  /// Send messages in frames of so many bytes.
  package var frameBytes: Int?
  /// Only so many sessions go wrong; those after them are well.
  package var first = Int.max

  /// OpenAI: refuse every session.update.
  package var rejectsUpdate = false
  /// OpenAI: so many deltas of a cancelled response come after its end.
  package var trailingDeltas = 0
  /// OpenAI: send the caller's words so many seconds late.
  package var transcriptsLate: Double?
  /// OpenAI: fail to transcribe.
  package var failsTranscripts = false
  /// OpenAI: the session expires after so many seconds.
  package var expireAfter: Double?

  /// Gemini: answer setup with a close of this code.
  package var setupRefusal: UInt16?
  /// Gemini: send goAway after so many seconds, and cut `timeLeft` later.
  package var goAwayAfter: Double?
  package var timeLeft = 2.0
  /// Gemini: refuse every resumption handle.
  package var refusesHandles = false
  /// Gemini: close with 1011 for want of quota after so many seconds.
  package var quotaAfter: Double?

  package init() {}

  package struct Unknown: Error, Equatable {
    package let name: String
  }

  private static let commonHelp = """
    refuse=STATUS      answer the handshake with 400, 401, 403, 404, 429 or 503
    silent             accept, read everything, never say a word
    reset-after=N      break the connection after N seconds
    unknown            send messages and fields that no document names
    frames=N           send each message in frames of N bytes
    first=K            only the first K sessions go wrong
    """
  package static let openAIHelp =
    commonHelp + """

      reject-update      refuse every session.update: the session stays PCM at 24 kHz
      trailing-deltas=N  send N audio deltas of a cancelled response after its response.done
      late-transcripts=N send the caller's words N seconds late
      failed-transcripts send .failed in place of the caller's words
      expire-after=N     session_expired and close 1001 after N seconds
      """
  package static let geminiHelp =
    commonHelp + """

      refuse-setup=CODE  answer setup with a close: 1007, 1008 or 1011
      go-away=N          send goAway after N seconds, then cut the connection
      time-left=N        seconds between goAway and the cut (2)
      refuse-handle      refuse every resumption handle
      no-quota=N         close with 1011 for want of quota after N seconds
      """

  /// Reads a list of the names that the helps explain, separated by commas.
  package init(_ list: String) throws(Unknown) {
    for item in list.split(separator: ",") {
      let halves = item.split(separator: "=", maxSplits: 1).map(String.init)
      let value = halves.count == 2 ? Double(halves[1]) : nil
      guard value.map({ $0 >= 0 && $0 < 1e9 }) ?? (halves.count == 1),
        set(halves[0], value) || setOpenAI(halves[0], value) || setGemini(halves[0], value)
      else { throw Unknown(name: String(item)) }
    }
  }

  private mutating func set(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("refuse", let status?) where [400, 401, 403, 404, 429, 503].contains(status):
      refusal = Int(status)
    case ("silent", nil): isSilent = true
    case ("reset-after", let seconds?): resetAfter = seconds
    case ("unknown", nil): sendsUnknown = true
    case ("frames", let bytes?) where bytes >= 1: frameBytes = Int(bytes)
    case ("first", let count?): first = Int(count)
    default: return false
    }
    return true
  }

  private mutating func setOpenAI(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("reject-update", nil): rejectsUpdate = true
    case ("trailing-deltas", let count?): trailingDeltas = Int(count)
    case ("late-transcripts", let seconds?): transcriptsLate = seconds
    case ("failed-transcripts", nil): failsTranscripts = true
    case ("expire-after", let seconds?): expireAfter = seconds
    default: return false
    }
    return true
  }

  private mutating func setGemini(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("refuse-setup", let code?) where [1007, 1008, 1011].contains(code):
      setupRefusal = UInt16(code)
    case ("go-away", let seconds?): goAwayAfter = seconds
    case ("time-left", let seconds?): timeLeft = seconds
    case ("refuse-handle", nil): refusesHandles = true
    case ("no-quota", let seconds?): quotaAfter = seconds
    default: return false
    }
    return true
  }

  /// The order in a key, if there is one.
  package static func order(in key: String) -> String? {
    key.hasPrefix(Misbehaviour.prefix) ? String(key.dropFirst(Misbehaviour.prefix.count)) : nil
  }
}
