// What a caller says on its socket, carrier by carrier. A wire writes the carrier's messages around
// the audio and judges what comes back as the carrier judges it; it knows neither sockets nor time.
// A carrier is one file that conforms to this, and one line in `CallPlan.Manner`.

package protocol Wire {
  /// The caller's audio, and the audio that comes back.
  var uplink: WireFormat { get }
  var downlink: WireFormat { get }
  /// The name under which the other side knows this call; empty where it has none.
  var callID: String { get }

  /// What comes before the audio.
  mutating func begin() -> [WireMessage]
  /// A frame of audio, which begins so many milliseconds after the first one.
  mutating func media(_ bytes: [UInt8], at milliseconds: Int) -> [WireMessage]
  /// A key was pressed; empty where the carrier tells nobody.
  mutating func digit(_ digit: Character) -> [WireMessage]
  /// All audio before a mark has been played, or thrown away.
  mutating func played(_ mark: String) -> [WireMessage]
  /// The goodbye; empty where the WebSocket's own Close is one.
  mutating func end() -> [WireMessage]

  /// What a message means to the carrier, in order.
  func read(_ message: WireMessage) -> [WireEvent]
}

package enum WireMessage: Equatable, Sendable {
  case text(String)
  case binary([UInt8])
}

package enum WireEvent: Equatable, Sendable {
  /// Audio in the format of the downlink.
  case audio([UInt8])
  /// Wants to hear when the audio before it has been played.
  case mark(String)
  /// Throw away what has not been played.
  case clear
  case hangUp
  /// A line for the person who called.
  case line(String)
  /// The carrier would refuse or ignore the message.
  case wrong(String)
}

/// The identifiers that carriers and services make up.
package enum Identifier {
  static func hexadecimal(_ digits: Int) -> String {
    String((0..<digits).map { _ in "0123456789abcdef".randomElement() ?? "0" })
  }

  /// RFC 9562 §5.4: random but for its version and variant.
  package static func uuid() -> String {
    var digits = Array(hexadecimal(32))
    digits[12] = "4"
    digits[16] = "8"
    for place in [8, 13, 18, 23] { digits.insert("-", at: place) }
    return String(digits)
  }
}

extension JSON {
  init(_ parameters: [Parameter]) {
    var members: Members = [:]
    for parameter in parameters { members[parameter.name] = .string(parameter.value) }
    self = .object(members)
  }

  /// The names of an object's members; empty for anything else.
  var keys: Set<String> { Set(members?.all.map(\.key) ?? []) }
}

/// A name and a value that travel with the call.
package struct Parameter: Equatable, Sendable {
  package let name: String
  package let value: String
  package init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}
