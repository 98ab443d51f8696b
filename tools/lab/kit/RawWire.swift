// A client of a raw socket: binary audio both ways, results as JSON. Its goodbye is the Close of
// the WebSocket, and it is owed the last results before the answer to that.

package struct RawWire: Wire {
  package let uplink: WireFormat
  package var downlink: WireFormat { uplink }
  package let callID = ""

  package init(_ format: WireFormat) { uplink = format }

  package func begin() -> [WireMessage] { [] }
  package func media(_ bytes: [UInt8], at milliseconds: Int) -> [WireMessage] { [.binary(bytes)] }
  package func digit(_ digit: Character) -> [WireMessage] { [] }
  package func played(_ mark: String) -> [WireMessage] { [] }
  package func end() -> [WireMessage] { [] }

  package func read(_ message: WireMessage) -> [WireEvent] {
    guard case .text(let text) = message else {
      if case .binary(let bytes) = message { return [.audio(bytes)] }
      return []
    }
    guard let message = JSON(text.utf8), let type = message["type"]?.string else {
      return [.wrong("the relay sent a text that is no message: \(text)")]
    }
    switch type {
    case "ready": return [.line("ready, call \(message["call_id"]?.string ?? "without an id")")]
    case "transcript":
      let kind = message["is_final"]?.bool == true ? "[FINAL]" : "[INTERIM]"
      let channel = message["channel"]?.number.map { " (channel \(Int($0)))" } ?? ""
      return [.line("\(kind) \(message["text"]?.string ?? "")\(channel)")]
    case "deepgram_response": return []
    case "error":
      let code = message["code"]?.string ?? message["code"]?.number.map { "\(Int($0))" } ?? ""
      let problem = "error \(code): \(message["message"]?.string ?? "")"
      return [.line(problem), .wrong(problem)]
    default: return [.line("message of type \(type)")]
    }
  }
}
