// How a twin can go wrong, by order: from the command line for every session, or for one session by
// a key or a tag that begins with `misbehave:`. Written as a list such as `reset-after=2,first=1`.

package struct Misbehaviour: Equatable, Sendable {
  package static let prefix = "misbehave:"

  /// Answer the handshake with this status.
  package var refusal: Int?
  /// With `refusal`: the seconds of its Retry-After, where they are not the usual ones.
  package var retryAfter: Int?
  /// Take everything and never say anything.
  package var isSilent = false
  /// Break the connection after so many seconds of audio.
  package var resetAfter: Double?
  /// Close with 1011 in the first word after so many seconds of audio.
  package var failAfter: Double?
  /// Read nothing more after so many seconds of audio.
  package var stopReadingAfter: Double?
  /// Send the last results so many seconds after CloseStream.
  package var finalsLate: Double?
  /// Send messages and fields that no document names.
  package var sendsUnknown = false
  /// Take audio at no more than 1.25 times real time.
  package var isThrottled = false
  /// Leave Finalize unanswered.
  package var ignoresFinalize = false
  /// Leave CloseStream unanswered.
  package var ignoresEnd = false
  /// Leave the duration out of Results.
  package var omitsDuration = false
  /// Send a message of type Error after so many seconds of audio.
  package var errorAfter: Double?
  /// Close after so many seconds of audio.
  package var closeAfter: Double?
  /// Close behind an empty interim result.
  package var closesAfterFirst = false
  /// The code of such a close, where it is not the usual one.
  package var closeCode: UInt16?
  /// Only so many sessions go wrong; those after them are well.
  package var first = Int.max

  package init() {}

  package struct Unknown: Error, Equatable {
    package let name: String
  }

  package static let help = """
    refuse=STATUS      answer the handshake with 400, 401, 402, 403, 429 or 503
    retry-after=N      with such an answer: Retry-After: N
    silent             accept, read everything, never say a word
    reset-after=N      break the connection after N seconds of audio
    fail-after=N       close with 1011 in the middle of a word after N seconds of audio
    stop-reading=N     stop reading after N seconds of audio
    late-finals=N      send the last results N seconds after CloseStream
    throttle           take audio at no more than 1.25 times real time
    unknown            send messages and fields that no document names
    no-finalize        leave Finalize unanswered
    no-end             leave CloseStream unanswered
    no-duration        leave the duration out of Results
    error-after=N      send a message of type Error after N seconds of audio, and go on
    close-after=N      close after N seconds of audio, with 1000
    close-after-first  answer the first audio with an empty interim result and close with 1011
    close-code=CODE    use this code for such a close
    first=K            only the first K sessions go wrong
    """

  /// Reads a list of the names that `help` explains, separated by commas.
  package init(_ list: String) throws(Unknown) {
    for item in list.split(separator: ",") {
      let halves = item.split(separator: "=", maxSplits: 1).map(String.init)
      let value = halves.count == 2 ? Double(halves[1]) : nil
      switch (halves[0], value) {
      case ("refuse", let status?) where [400, 401, 402, 403, 429, 503].contains(status):
        refusal = Int(status)
      case ("retry-after", let seconds?) where seconds >= 0 && seconds < 1e6:
        retryAfter = Int(seconds)
      case ("silent", nil): isSilent = true
      case ("reset-after", let seconds?): resetAfter = seconds
      case ("fail-after", let seconds?): failAfter = seconds
      case ("stop-reading", let seconds?): stopReadingAfter = seconds
      case ("late-finals", let seconds?) where seconds >= 0: finalsLate = seconds
      case ("throttle", nil): isThrottled = true
      case ("unknown", nil): sendsUnknown = true
      case ("no-finalize", nil): ignoresFinalize = true
      case ("no-end", nil): ignoresEnd = true
      case ("no-duration", nil): omitsDuration = true
      case ("error-after", let seconds?): errorAfter = seconds
      case ("close-after", let seconds?): closeAfter = seconds
      case ("close-after-first", nil): closesAfterFirst = true
      case ("close-code", let code?) where VoiceMisbehaviour.closeCodes.contains(code):
        closeCode = UInt16(code)
      case ("first", let count?) where count >= 0 && count < 1e9: first = Int(count)
      default: throw Unknown(name: String(item))
      }
    }
  }

  /// The order in the request's key or tags, if there is one.
  package static func order(in request: DeepgramRequest) -> String? {
    ([request.key] + request.tags).first { $0.hasPrefix(prefix) }
      .map { String($0.dropFirst(prefix.count)) }
  }
}
