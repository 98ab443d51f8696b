// Whatever a carrier sends, the audio found in it lies in the message, is what the general JSON
// reader finds under the same names, and only a sound message has any.

import Sidetone

private let media = Media(
  when: "event", is: "media", at: "media", "payload", timestamp: "timestamp", track: "track",
  as: .base64)

func fuzzMedia(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = FuzzInput(start, count)
  let original = ExactMemory(input.rest)
  let memory = ExactMemory(input.rest)
  let message = memory.bytes
  let isText = String(validating: message.array, as: UTF8.self) != nil
  let isValid = JSON.isValid(message)

  switch media.locate(message) {
  case .audio(let piece):
    precondition(isValid || !isText, "the text was checked when it arrived")
    precondition(piece.payload.upperBound <= message.count && piece.timestamp >= -1)
    check(message[piece.payload], against: original.bytes)
    decode(message[piece.payload])
  case .other:
    precondition(isValid || !isText)
    precondition(!isMedia(original.bytes))
  case .malformed:
    precondition(!isValid || isMedia(original.bytes))
  }
  checkLearned(input.rest, as: original.bytes)
  return 0
}

/// Whatever was learned before, the message is read as the scanner reads it.
private func checkLearned(_ content: UnsafeBufferPointer<UInt8>, as original: Bytes) {
  for carrier in [Carrier.twilio, Carrier.telnyx, Carrier.ucid] {
    let plain = ExactMemory(content)
    let expected = carrier.media.locate(plain.bytes)
    var learned = LearnedMessage()
    for text in samples {
      _ = learned.locate(text.bytes, by: carrier.media)
      for _ in 0..<2 {
        let memory = ExactMemory(content)
        precondition(learned.locate(memory.bytes, by: carrier.media) == expected)
        precondition(memory.bytes.equals(plain.bytes))
      }
    }
  }
}

private let samples = [
  Text("{}"),
  Text(
    #"{"event":"media","sequenceNumber":"4","streamSid":"MZ1","media":{"track":"inbound","#
      + #""chunk":"2","timestamp":"20","payload":"/////w=="}}"#),
  Text(
    #"{"event":"media","type":"media","ucid":"CALL-0001","data":{"samples":[0,12,-7],"#
      + #""bitsPerSample":16,"sampleRate":8000,"channelCount":1,"numberOfFrames":3}}"#),
]

private func isMedia(_ message: Bytes) -> Bool {
  guard let event = JSON.find("event", in: message) else { return false }
  return JSON.text(event, in: message, equals: "media")
}

/// Only where the first object of that name has a payload do the two readers look at the same
/// place.
private func check(_ payload: Bytes, against message: Bytes) {
  precondition(isMedia(message))
  guard let value = JSON.find("media", "payload", in: message), value.kind == .string else {
    return
  }
  let room = ExactMemory(count: value.range.count)
  var text = Writer(room.bytes)
  JSON.unescape(value, in: message, to: &text)
  precondition(text.written.equals(payload))
}

private func decode(_ payload: Bytes) {
  guard let count = Base64.decodedCount(of: payload) else { return }
  let audio = ExactMemory(count: count)
  let written = Base64.decode(payload, into: audio.bytes)
  precondition(written == nil || written == count)
  precondition(Base64.decode(payload, into: payload) == written)
  if let written { precondition(audio.bytes.equals(payload.prefix(written))) }
}
