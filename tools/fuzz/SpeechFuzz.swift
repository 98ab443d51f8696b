// Whatever an upstream sends, each piece of speech found in it lies in the message, and only a
// sound message has any; whatever it means, all ranges of the news lie in the message too, and what
// is no JSON has no meaning.

import Sidetone

func fuzzSpeech(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let voices = Upstream.all.filter { $0.voice != nil }
  let upstream = voices[input.byte() % voices.count]
  let original = ExactMemory(input.rest)
  let memory = ExactMemory(input.rest)
  let message = memory.bytes
  let isText = String(validating: message.array, as: UTF8.self) != nil
  let isValid = JSON.isValid(message)

  let expected = upstream.voice!.speech.locate(message)
  var learned = LearnedMessage()
  for _ in 0..<3 {
    let again = ExactMemory(input.rest)
    precondition(learned.locate(again.bytes, by: upstream.voice!.speech) == expected)
    precondition(again.bytes.equals(message))
  }
  switch expected {
  case .speech(let piece):
    precondition(isValid || !isText)
    check(piece, of: upstream.voice!.speech, in: message)
  // A text message beside speech of its own is checked by whoever reads it.
  case .other: precondition(isValid || !isText || upstream.voice!.speech.isBinary)
  case .malformed: break
  }
  check(upstream.read(original.bytes), in: original.bytes, isValid: isValid)
  return 0
}

/// Every piece of the message, each behind the one before it.
private func check(_ first: SpeechPath.Piece, of path: SpeechPath, in message: Bytes) {
  var piece = first
  while true {
    precondition(piece.payload.upperBound <= message.count)
    precondition(piece.item.upperBound <= message.count)
    decode(message[piece.payload])
    guard piece.next > 0 else { return }
    precondition(piece.next > piece.payload.upperBound && piece.next <= message.count)
    guard case .speech(let next) = path.locate(message, from: piece.next) else { return }
    precondition(next.payload.lowerBound >= piece.next)
    piece = next
  }
}

private func decode(_ payload: Bytes) {
  guard let count = Base64.decodedCount(of: payload) else { return }
  let audio = ExactMemory(count: count)
  let written = Base64.decode(payload, into: audio.bytes)
  precondition(written == nil || written == count)
}

private func check(_ news: Upstream.Event, in message: Bytes, isValid: Bool) {
  precondition(isValid || news.isMalformed)
  let ranges = [
    news.callerWords?.text, news.agentWords?.text, news.item, news.complaint?.code,
    news.complaint?.message, news.handle,
  ]
  for range in ranges { precondition((range?.upperBound ?? 0) <= message.count) }
  precondition((news.leavesWithin ?? .zero) >= .zero)
}
