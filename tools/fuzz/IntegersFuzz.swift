// A list of integers is read exactly where the general JSON reader finds an array of 16-bit
// integers, and what is read writes and reads back the same. In a whole message the scanner, which
// does not look into the list, calls nothing sound that is not.

import Sidetone

private let media = Media(
  when: "type", is: "media", at: "data", "samples", rate: "sampleRate", as: .integers)

func fuzzIntegers(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let isMessage = input.byte() & 1 == 1
  let memory = ExactMemory(input.rest)
  if isMessage { locate(memory.bytes) } else { _ = read(memory.bytes) }
  return 0
}

private func locate(_ message: Bytes) {
  let isText = String(validating: message.array, as: UTF8.self) != nil
  let isValid = JSON.isValid(message)
  switch media.locate(message) {
  case .audio(let piece):
    precondition(piece.rate >= 0 && piece.order == -1)
    let isRead = read(message[piece.payload])
    precondition(isValid || !isText || !isRead, "what is read was in a sound message")
  case .other: precondition(isValid || !isText)
  case .malformed: break
  }
}

/// Whether the text is a list.
private func read(_ text: Bytes) -> Bool {
  let count = Integers.count(in: text)
  let place = ExactMemory(count: 2 * count)
  let isRead = Integers.parse(text, into: place.bytes) == count
  precondition(isRead == isList(text), "both readers agree")
  guard isRead else { return false }
  let written = ExactMemory(count: Integers.textCount(of: place.bytes))
  Integers.write(place.bytes, into: written.bytes)
  let again = ExactMemory(count: 2 * count)
  precondition(Integers.parse(written.bytes, into: again.bytes) == count)
  precondition(again.bytes.equals(place.bytes), "what is written reads back")
  return true
}

/// The same, as the general reader sees it.
private func isList(_ text: Bytes) -> Bool {
  let document = ExactMemory(count: text.count + 7)
  let opening: StaticString = "{\"a\":["
  document.bytes.copy(opening.bytes)
  document.bytes.copy(text, at: 6)
  document.bytes[text.count + 6] = UInt8(ascii: "]")
  guard let array = JSON.find("a", in: document.bytes), array.kind == .array,
    array.range.upperBound == document.bytes.count
  else { return false }
  var elements = JSON.Elements(of: array, in: document.bytes)
  while let element = elements.next() {
    guard element.kind == .number,
      document.bytes[element.range].array.allSatisfy({ $0 == 0x2d || $0 &- 0x30 <= 9 }),
      let value = JSON.integer(element, in: document.bytes), Int16(exactly: value) != nil
    else { return false }
  }
  return true
}
