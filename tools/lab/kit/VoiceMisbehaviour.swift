// How the twin of a voice model can go wrong, by order: from the command line for every session, or
// for one session by a key that begins with `misbehave:`.

package struct VoiceMisbehaviour: Equatable, Sendable {
  /// Answer the handshake with this status.
  package var refusal: Int?
  /// With `refusal`: the seconds of its Retry-After.
  package var retryAfter: Int?
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
  /// Take the set-up and never answer it.
  package var mutesSetup = false
  /// Close after so many seconds.
  package var closeAfter: Double?
  /// Close behind the first audio of an answer.
  package var closesAfterFirst = false
  /// The code of such a close, where it is not the usual one.
  package var closeCode: UInt16?
  /// Write audio in the URL alphabet of base64.
  package var writesURLBase64 = false
  /// Send what the model said as words behind the end of its turn.
  package var delaysWords = false
  /// Send what the model said as words letter by letter, each as an escape.
  package var escapesWords = false

  /// OpenAI: refuse every session.update.
  package var rejectsUpdate = false
  /// OpenAI: so many deltas of a cancelled response come after its end; voices: between Clear and
  /// Cleared.
  package var trailingDeltas = 0
  /// OpenAI: send the caller's words so many seconds late.
  package var transcriptsLate: Double?
  /// OpenAI: fail to transcribe, with this code.
  package var transcriptError: String?
  /// OpenAI: the session expires after so many seconds.
  package var expireAfter: Double?
  /// OpenAI: so many deltas of a cancelled response come between the caller's sound and its end.
  package var deltasBeforeCancel = 0
  /// OpenAI: the most items that an answer is told in.
  package var items = 1
  /// OpenAI: the items of an answer come side by side, a piece of each in turn.
  package var interleavesItems = false
  /// OpenAI: the words of a turn of the caller's come behind those of the next one.
  package var swapsTranscripts = false
  /// OpenAI: answer so many seconds after the response was created.
  package var thinks = 0.0
  /// OpenAI: the session is in this format, whatever was asked for.
  package var echoFormat: String?
  /// OpenAI: close with this code instead of answering what the caller said.
  package var questionClose: UInt16?
  /// OpenAI: an answer that brings no sound.
  package enum SilentAnswer: String, Sendable {
    case text = "text-only"
    case call = "call-only"
    case limited = "rate-limit"
    case incomplete
    case bareError = "bare-error"
  }
  package var silentAnswer: SilentAnswer?
  /// How many answers bring no sound.
  package var silentAnswers = Int.max

  /// Gemini: answer setup with a close of this code.
  package var setupRefusal: UInt16?
  /// Gemini: send goAway after so many seconds, and cut `timeLeft` later.
  package var goAwayAfter: Double?
  package var timeLeft = 2.0
  /// Gemini: refuse every resumption handle.
  package var refusesHandles = false
  /// Gemini: close with 1011 for want of quota after so many seconds.
  package var quotaAfter: Double?
  /// Gemini: say `interrupted` once nothing is being said, so many seconds after the start or on.
  package var strayInterruptedAfter: Double?
  /// Gemini: so many answers are the end of a turn alone.
  package var rejected = 0
  package var turnReason = "RESPONSE_REJECTED"
  /// Gemini: the rate of the audio.
  package var rate = 24_000
  /// Gemini: an answer is over with `IDLE`; `turnComplete` ends only a piece of it.
  package var endsWithIdle = false

  /// Agent: answer the settings with an error.
  package var refusesSettings = false
  /// Agent: ask for a function before each of so many answers.
  package var functions = 0

  package init() {}

  package struct Unknown: Error, Equatable {
    package let name: String
  }

  private static let commonHelp = """
    refuse=STATUS      answer the handshake with 400, 401, 403, 404, 429 or 503
    retry-after=N      with such an answer: Retry-After: N
    silent             accept, read everything, never say a word
    reset-after=N      break the connection after N seconds
    unknown            send messages and fields that no document names
    frames=N           send each message in frames of N bytes
    mute-setup         take the set-up and never answer it
    close-after=N      close N seconds after the start, with 1000
    close-after-first  close with 1011 behind the first audio of an answer
    close-code=CODE    use this code for such a close
    base64=url         write audio in the URL alphabet of base64
    late-words         send the words of an answer behind the end of its turn
    escaped-words      send the words of an answer letter by letter, each as an escape
    first=K            only the first K sessions go wrong
    """
  package static let openAIHelp =
    commonHelp + """

      reject-update      refuse every session.update: the session stays PCM at 24 kHz
      trailing-deltas=N  send N audio deltas of a cancelled response after its response.done
      slow-cancel=N      send N audio deltas of a cancelled response ahead of its response.done
      late-transcripts=N send the caller's words N seconds late
      failed-transcripts send .failed in place of the caller's words
      failed-transcripts=CODE the same with model_not_found, insufficient_quota or invalid_api_key
      expire-after=N     session_expired and close 1001 after N seconds
      items=N            tell an answer in N items, their ends behind the last of them
      interleaved        with items=N: a piece of each item in turn
      swapped-transcripts send the words of each second turn of the caller's before the first's
      think=N            send the first delta N seconds after response.created
      echo-format=NAME   the session is in pcm, pcmu or pcma, whatever was asked for
      die-on-question=CODE close with CODE once the answer to the caller's words is created
      text-only=K        the first K answers are text; here and below all of them without =K
      call-only=K        ... a function call and nothing else
      rate-limit=K       ... failed: "try again in 1.3s"
      incomplete=K       ... incomplete before any sound
      bare-error=K       ... an error of which only the type is filled, and no response
      """
  package static let geminiHelp =
    commonHelp + """

      refuse-setup=CODE  answer setup with a close: 1007, 1008 or 1011
      go-away=N          send goAway after N seconds, then cut the connection
      time-left=N        seconds between goAway and the cut (2)
      refuse-handle      refuse every resumption handle
      no-quota=N         close with 1011 for want of quota after N seconds
      stray-interrupted=N interrupted with nothing to interrupt, from N seconds after the start on
      rejected=K         the first K answers are turnComplete with a reason; without =K all
      turn-reason=NAME   the reason of those (RESPONSE_REJECTED)
      rate=N             audio at 8000, 16000 or 48000 samples a second
      idle-ends          turnComplete is IN_PROGRESS; the turn ends with IDLE
      """

  package static let agentHelp =
    commonHelp + """

      refuse-settings    answer the settings with INVALID_SETTINGS, and close
      ask-function=K     ask for a function before each of the first K answers
      """

  package static let speakHelp =
    commonHelp + """

      trailing-deltas=N  send N pieces of what was cleared ahead of Cleared
      """

  /// Reads a list of the names that the helps explain, separated by commas.
  package init(_ list: String) throws(Unknown) {
    for item in list.split(separator: ",") {
      let halves = item.split(separator: "=", maxSplits: 1).map(String.init)
      if halves.count == 2, set(halves[0], text: halves[1]) { continue }
      let value = halves.count == 2 ? Double(halves[1]) : nil
      guard value.map({ $0 >= 0 && $0 < 1e9 }) ?? (halves.count == 1),
        set(halves[0], value) || setOpenAI(halves[0], value) || setGemini(halves[0], value)
          || setAnswers(halves[0], value) || setAgent(halves[0], value)
      else { throw Unknown(name: String(item)) }
    }
  }

  /// Words of the model as they are sent, in one message each.
  func pieces(of words: String) -> [String] {
    escapesWords ? words.map { String($0) } : [words]
  }

  private mutating func set(_ name: String, text: String) -> Bool {
    let codes = ["model_not_found", "insufficient_quota", "invalid_api_key"]
    switch name {
    case "base64" where text == "url": writesURLBase64 = true
    case "failed-transcripts" where codes.contains(text): transcriptError = text
    case "echo-format" where ["pcm", "pcmu", "pcma"].contains(text): echoFormat = text
    case "turn-reason": turnReason = text
    default: return false
    }
    return true
  }

  private mutating func set(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("refuse", let status?) where [400, 401, 403, 404, 429, 503].contains(status):
      refusal = Int(status)
    case ("retry-after", let seconds?): retryAfter = Int(seconds)
    case ("silent", nil): isSilent = true
    case ("reset-after", let seconds?): resetAfter = seconds
    case ("unknown", nil): sendsUnknown = true
    case ("frames", let bytes?) where bytes >= 1: frameBytes = Int(bytes)
    case ("first", let count?): first = Int(count)
    case ("mute-setup", nil): mutesSetup = true
    case ("close-after", let seconds?): closeAfter = seconds
    case ("close-after-first", nil): closesAfterFirst = true
    case ("close-code", let code?) where Self.closeCodes.contains(code): closeCode = UInt16(code)
    case ("late-words", nil): delaysWords = true
    case ("escaped-words", nil): escapesWords = true
    default: return false
    }
    return true
  }

  private mutating func setOpenAI(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("reject-update", nil): rejectsUpdate = true
    case ("trailing-deltas", let count?): trailingDeltas = Int(count)
    case ("late-transcripts", let seconds?): transcriptsLate = seconds
    case ("failed-transcripts", nil): transcriptError = "audio_unintelligible"
    case ("expire-after", let seconds?): expireAfter = seconds
    case ("slow-cancel", let count?): deltasBeforeCancel = Int(count)
    case ("items", let count?) where count >= 1: items = Int(count)
    case ("interleaved", nil): interleavesItems = true
    case ("swapped-transcripts", nil): swapsTranscripts = true
    case ("think", let seconds?): thinks = seconds
    case ("die-on-question", let code?) where Self.closeCodes.contains(code):
      questionClose = UInt16(code)
    default: return false
    }
    return true
  }

  /// The codes that a frame may carry.
  static let closeCodes = 1000.0...4999

  private mutating func setAnswers(_ name: String, _ value: Double?) -> Bool {
    let count = value.map { Int($0) } ?? .max
    if name == "rejected" {
      rejected = count
      return true
    }
    guard let answer = SilentAnswer(rawValue: name) else { return false }
    silentAnswer = answer
    silentAnswers = count
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
    case ("stray-interrupted", let seconds?): strayInterruptedAfter = seconds
    case ("rate", let rate?) where [8000, 16_000, 24_000, 48_000].contains(rate):
      self.rate = Int(rate)
    case ("idle-ends", nil): endsWithIdle = true
    default: return false
    }
    return true
  }

  private mutating func setAgent(_ name: String, _ value: Double?) -> Bool {
    switch (name, value) {
    case ("refuse-settings", nil): refusesSettings = true
    case ("ask-function", let count?): functions = Int(count)
    default: return false
    }
    return true
  }

  /// The order in a key, if there is one.
  package static func order(in key: String) -> String? {
    key.hasPrefix(Misbehaviour.prefix) ? String(key.dropFirst(Misbehaviour.prefix.count)) : nil
  }
}
