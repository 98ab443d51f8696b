// How a carrier acts on a call when it is asked over HTTP. A row says where that is, by which key,
// and puts orders into its words; what it is asked with (address, key, ids) is given to it.
//
//     order ──▶ (row) ──▶ path and body ──▶ Fetches ──▶ the carrier

extension Carrier {
  /// What a carrier can be asked to do with a call.
  package struct Control: Sendable {
    /// What operators set so that it can be asked; for start only.
    package let service: @Sendable () -> ControlService
    package let credentials: Credentials
    package let body: BodyForm
    package let abilities: Abilities
    /// Writes what stands behind the service's address, and the body. `scratch` is room for what
    /// has to be encoded. False: it is longer than the carrier takes.
    package let write:
      @Sendable (
        Order, Handle, _ path: inout Writer, _ body: inout Writer, _ scratch: Bytes
      ) -> Bool

    /// By what it knows who asks.
    package enum Credentials: Sendable {
      /// `Authorization: Bearer KEY`.
      case bearer
      /// `Authorization: Basic`, of the call's account and the key.
      case account
    }

    package enum BodyForm: Sendable { case json, form }

    package struct Abilities: OptionSet, Sendable {
      package let rawValue: UInt8
      package static let transfers = Abilities(rawValue: 1)
      /// It says a text to the caller before it transfers the call.
      package static let speaks = Abilities(rawValue: 2)
      package static let sendsDigits = Abilities(rawValue: 4)
      package init(rawValue: UInt8) { self.rawValue = rawValue }
    }
  }

  package enum Order {
    /// Connects the caller with a number or a SIP address, in place of us; `saying`: what the
    /// caller is told before that, in plain text, or nothing.
    case transfer(to: Bytes, saying: Bytes)
    /// Presses keys: 0 to 9, `*`, `#`, A to D, and `w` for half a second.
    case digits(Bytes)

    var ability: Control.Abilities {
      switch self {
      case .transfer: .transfers
      case .digits: .sendsDigits
      }
    }
  }

  /// What operators set so that a carrier can be asked: under `[carriers]`, with the row's name in
  /// front.
  package struct ControlService: Sendable {
    /// Its address, without a slash at the end, and the variable that names another.
    package var url: String
    package var urlVariable: String
    package var key: Key

    package enum Key: Sendable {
      /// What its signatures are checked against.
      case signatures(variable: String)
      case own(variable: String, help: String)

      package var variable: String {
        switch self {
        case .signatures(let variable), .own(let variable, _): variable
        }
      }
    }
  }

  /// How a carrier knows a call, to the letter; what it is called here is fit for paths and logs,
  /// and may be shorter.
  package struct Handle: BitwiseCopyable, Sendable {
    package private(set) var call = Name()
    package private(set) var account = Name()

    package init() {}

    /// Out of the message that started the call.
    package init(_ start: Start, in message: Bytes, scratch: Bytes) {
      call = Self.id(start.call, in: message, scratch)
      account = Self.id(start.account, in: message, scratch)
    }

    /// Empty where it is too long, or would lead elsewhere in an address whatever is done to it.
    private static func id(_ text: Range<Int>, in message: Bytes, _ scratch: Bytes) -> Name {
      guard text.count <= 6 * Name.bytesMax else { return Name() }
      var plain = Writer(scratch.prefix(6 * Name.bytesMax))
      JSON.unescape(JSON.Value(.string, text, hasEscapes: true), in: message, to: &plain)
      return plain.written.isDots ? Name() : Name(plain.written) ?? Name()
    }

    /// Whether an order can name the call, and who asks.
    func isGood(for credentials: Control.Credentials) -> Bool {
      guard !call.isEmpty else { return false }
      switch credentials {
      case .bearer: return true
      case .account: return !account.isEmpty && account.isPlainID
      }
    }
  }
}

extension Name {
  /// Letters, digits and dashes, as ids of accounts are made of.
  fileprivate var isPlainID: Bool {
    Bytes.withTemporary(Self.bytesMax) { place in
      var text = Writer(place)
      text.write(self)
      for index in 0..<text.count {
        switch text.written[index] {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d: break
        default: return false
        }
      }
      return true
    }
  }
}

extension Bytes {
  /// A way up or nowhere, as a segment of a path; so is nothing.
  fileprivate var isDots: Bool {
    for index in 0..<count where self[index] != UInt8(ascii: ".") { return false }
    return true
  }
}

extension Writer {
  /// As one segment of a path.
  mutating func write(segment name: Name) {
    Bytes.withTemporary(Name.bytesMax) { place in
      var text = Writer(place)
      text.write(name)
      Query.encode(text.written, into: &self)
    }
  }
}
