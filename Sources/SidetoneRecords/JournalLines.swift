// What `sidetone records journal` prints: each entry as a JSON object on its line, and in its place
// what could not be read.

import Sidetone

/// Prints the entries of all journals under a directory of records, or those of one call: the key
/// in its entries, or its id on the wire. Answers the exit status: 0, or 1 where not all was
/// readable, of which a line of its own says what.
package func journalLines(
  directory: String, call: String?, _ print: (String) -> Void
) -> Int32 {
  var lines = JournalLines(call: call)
  do throws(DiskError) {
    _ = try LinuxDisk().names(in: JournalPath.journals(directory))
  } catch {
    lines.say("unreadable", "", JournalStart.error(error, JournalPath.journals(directory)).sentence)
  }
  lines.give(print)
  for instance in JournalReader.instances(of: directory) {
    var reader = JournalReader(directory: JournalPath.instance(directory, instance))
    while lines.add(reader.next(), of: instance) { lines.give(print) }
    if !reader.trouble.isEmpty { lines.say("unreadable", instance, reader.trouble) }
    lines.give(print)
  }
  return lines.isWhole ? 0 : 1
}

private struct JournalLines {
  private let call: String?
  private var keys: Set<String> = []
  private var ready: [String] = []
  private(set) var isWhole = true

  init(call: String?) {
    self.call = call
    if let call { keys.insert(call) }
  }

  mutating func give(_ print: (String) -> Void) {
    for line in ready { print(line) }
    ready = []
  }

  /// False: there is nothing more.
  mutating func add(_ item: JournalItem, of instance: String) -> Bool {
    switch item {
    case .entry(let entry):
      entry.withBytes { document in
        if !JSON.isValid(document) {
          say("damaged", instance, "an entry of \(entry.count) bytes is no JSON")
        } else if isWanted(document) {
          ready.append(printable(document.string))
        }
      }
    case .damaged(_, let sentence): say("damaged", instance, sentence)
    case .tooNew(let version):
      say(
        "too_new", instance,
        "written in version \(version) of the format by a later sidetone: this one reads up to "
          + "\(SegmentHead.version), and leaves it as it is")
      return false
    case .end: return false
    }
    return true
  }

  private mutating func isWanted(_ document: Bytes) -> Bool {
    guard let call else { return true }
    guard let key = text("call", of: document) else { return false }
    if text("id", of: document) == call { keys.insert(key) }
    return keys.contains(key)
  }

  private func text(_ name: StaticString, of document: Bytes) -> String? {
    guard let value = JSON.find(name, in: document), value.kind == .string else { return nil }
    var place = [UInt8](repeating: 0, count: value.range.count)
    let count = place.withMutableBytes { bytes in
      var writer = Writer(bytes)
      JSON.unescape(value, in: document, to: &writer)
      return writer.count
    }
    return String(decoding: place[..<count], as: UTF8.self)
  }

  mutating func say(_ kind: StaticString, _ instance: String, _ sentence: String) {
    isWhole = false
    var line = [UInt8](repeating: 0, count: 128 + 6 * (instance.utf8.count + sentence.utf8.count))
    let count = line.withMutableBytes { bytes in
      var writer = Writer(bytes)
      writer.write("{\"kind\":\"")
      writer.write(kind)
      writer.write("\",\"journal\":\"")
      Array(instance.utf8).withBytes { writer.write(json: $0) }
      writer.write("\",\"sentence\":\"")
      Array(sentence.utf8).withBytes { writer.write(json: $0) }
      writer.write("\"}")
      return writer.count
    }
    ready.append(printable(String(decoding: line[..<count], as: UTF8.self)))
  }

  /// The same JSON, in which nothing moves a terminal's cursor or turns its text around.
  private func printable(_ json: String) -> String {
    var line = ""
    for scalar in json.unicodeScalars {
      // Between tokens there is white space; inside strings there is none.
      line += scalar.value < 0x20 ? " " : scalar.markEscapes ?? String(scalar)
    }
    return line
  }
}
