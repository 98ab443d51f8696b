// Texts as Swift knows them, for those who may allocate: settings, files, what is read at start.

extension JSON {
  /// The text that a string stands for.
  package static func string(_ value: Value, in document: Bytes) -> String {
    guard value.hasEscapes else { return document[value.range].string }
    var characters = Text(value, in: document)
    var bytes: [UInt8] = []
    while let byte = characters.next() { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
