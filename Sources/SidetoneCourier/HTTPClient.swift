// HTTP for the courier: requests over libcurl, driven by a loop that owns the waiting. Nothing
// here waits, and nothing decides what an answer means.
//
//     wait until `descriptor` is readable, at most `waitMilliseconds`
//     advance() ──▶ what has ended since: an answer, or why there is none
//     takePiece() ──▶ what has come of an answer that is wanted in pieces; who does not take it has
//                     the server wait
//
// TLS is verified, redirects are answers, proxies are those of the usual variables (`https_proxy`,
// `http_proxy`, `all_proxy`, `no_proxy`) except to this machine, and every request is bounded in
// time and size.

import CCourier
import CLinux
import Sidetone

package struct HTTPRequest: Sendable {
  package struct Header: Equatable, Sendable {
    package let name: String
    package let value: String
  }

  package let url: HTTPURL
  /// GET, without a body; else POST.
  package var isGet = false
  package var headers: [Header] = []
  package var body: [UInt8] = []
  package var connectMilliseconds = 10_000
  package var totalMilliseconds = 30_000
  /// Bytes of the answer's body that are kept; what is longer is cut there, and `isCut` says so.
  package var answerBytesMax = 1 << 20
  /// The body of an answer with a status of 2xx is taken while it comes, in pieces of at most so
  /// many bytes, 16 KiB or more; 0: it is not. Of any other answer so many bytes are kept.
  package var pieceBytesMax = 0

  package init(to url: HTTPURL) { self.url = url }

  package mutating func add(_ name: String, _ value: String) {
    headers.append(Header(name: name, value: value))
  }
}

package struct HTTPAnswer: Equatable, Sendable {
  package var status: Int
  package var body: [UInt8] = []
  package var isCut = false
  /// The header `Retry-After` as it came; "" without one.
  package var retryAfter = ""
  /// Where a redirect leads; "" where the answer is none.
  package var redirect = ""

  package init(status: Int) { self.status = status }
}

/// Why there is no answer.
package struct HTTPFailure: Error, Equatable, Sendable {
  package enum Kind: Sendable { case noName, noRoute, noTrust, tooSlow, broken, ourMistake }

  package let kind: Kind
  /// For people: what happened, with the library's words.
  package let sentence: String
  /// The status where the answer had begun; 0: it had not.
  package let status: Int

  package init(_ kind: Kind, _ sentence: String, status: Int = 0) {
    self.kind = kind
    self.sentence = sentence
    self.status = status
  }
}

package typealias HTTPResult = Result<HTTPAnswer, HTTPFailure>

@safe package final class HTTPClient {
  /// How a request that was begun came out.
  package struct Ended: Sendable {
    package let id: UInt64
    package let result: HTTPResult
    /// Where it failed: what had come and was not taken yet of an answer in pieces.
    package var rest: [UInt8] = []
  }

  package struct Piece: Sendable {
    package let id: UInt64
    package let bytes: [UInt8]
  }

  private let client: OpaquePointer
  private let authorities: String
  private var underWay: [UInt64: OpaquePointer] = unsafe [:]
  /// Requests that could not even be begun.
  private var unbegun: [Ended] = []
  private var lastID: UInt64 = 0

  /// - Parameter authorities: a file of certificates (PEM) to trust in place of the system's; ""
  ///   for the system's.
  package init(authorities: String = "") throws(Trouble) {
    if let sentence = Self.missing() { throw Trouble(sentence) }
    guard let client = unsafe cc_client_create() else {
      throw Trouble("there is no memory or no descriptor for an HTTP client")
    }
    unsafe self.client = client
    self.authorities = authorities
  }

  /// Loads the library; why that is not possible, or nil.
  package static func missing() -> String? {
    guard let words = unsafe cc_curl_load() else { return nil }
    return
      "webhooks, extraction, functions and keys of LiteLLM need libcurl.so.4 of 7.85 or later (Debian: apt install libcurl4): "
      + (unsafe String(cString: words))
  }

  deinit { unsafe cc_client_delete(client) }

  /// Becomes readable when `advance` has something to do.
  package var descriptor: Int32 { unsafe cc_client_descriptor(client) }

  /// `advance` is wanted after so many milliseconds at the latest; nil: no deadline.
  package var waitMilliseconds: Int? {
    if !unbegun.isEmpty { return 0 }
    let wait = unsafe cc_client_wait(client)
    return wait < 0 ? nil : wait
  }

  /// Requests that were begun and have not ended.
  package var count: Int { unsafe underWay.count + unbegun.count }

  /// Begins a request; its result comes out of `advance` under the number that is answered here.
  package func begin(_ request: HTTPRequest) -> UInt64 {
    lastID += 1
    if let transfer = unsafe transfer(request, lastID) {
      unsafe underWay[lastID] = transfer
    } else {
      let failure = HTTPFailure(.ourMistake, "the request could not be made: no memory for it")
      unbegun.append(Ended(id: lastID, result: .failure(failure)))
    }
    return lastID
  }

  /// Ends a request of which nobody wants the answer any more. What reached the server stays there.
  package func cancel(_ id: UInt64) {
    if let transfer = unsafe underWay.removeValue(forKey: id) {
      unsafe cc_transfer_cancel(client, transfer)
    }
    unbegun.removeAll { $0.id == id }
  }

  /// Goes on with all that can go on, without waiting.
  package func advance() -> [Ended] {
    unsafe cc_client_advance(client)
    var ended = unbegun
    unbegun.removeAll()
    while let transfer = unsafe cc_client_next_ended(client) {
      let id = unsafe cc_transfer_id(transfer)
      unsafe underWay.removeValue(forKey: id)
      var one = unsafe Ended(id: id, result: Self.result(of: transfer))
      if case .failure = one.result, unsafe cc_transfer_is_in_pieces(transfer) {
        one.rest = unsafe Self.body(of: transfer)
      }
      ended.append(one)
      unsafe cc_transfer_delete(transfer)
    }
    return ended
  }

  /// Takes a piece of an answer that is wanted in pieces, each answer in its turn; nil: none has
  /// come.
  package func takePiece() -> Piece? {
    guard let transfer = unsafe cc_client_next_piece(client) else { return nil }
    let piece = unsafe Piece(id: cc_transfer_id(transfer), bytes: Self.body(of: transfer))
    unsafe cc_transfer_took_piece(client, transfer)
    return piece
  }

  /// A transfer that the library works on, or nil.
  private func transfer(_ request: HTTPRequest, _ id: UInt64) -> OpaquePointer? {
    guard let transfer = unsafe cc_transfer_create(request.url.text, id) else { return nil }
    if request.pieceBytesMax > 0 { unsafe cc_transfer_set_pieces(transfer, request.pieceBytesMax) }
    // An `Expect` would cost a large body a round trip, or a second where nobody answers it.
    let lines = request.headers.map { "\($0.name): \($0.value)" } + ["Expect:"]
    for line in lines {
      precondition(line.utf8.allSatisfy { $0 >= 0x20 }, "headers were checked before")
    }
    let isWhole =
      unsafe lines.allSatisfy { unsafe cc_transfer_add_header(transfer, $0) }
      && (request.isGet
        ? cc_transfer_set_get(transfer)
        : request.body.withUnsafeBytes { unsafe setBody($0, of: transfer) })
      && (authorities.isEmpty || cc_transfer_set_authorities(transfer, authorities))
      && (!request.url.isLoopback || cc_transfer_set_direct(transfer))
      && cc_transfer_begin(
        client, transfer, request.connectMilliseconds, request.totalMilliseconds,
        request.answerBytesMax)
    if isWhole { return unsafe transfer }
    unsafe cc_transfer_delete(transfer)
    return nil
  }

  private func setBody(_ bytes: UnsafeRawBufferPointer, of transfer: OpaquePointer) -> Bool {
    guard let start = bytes.baseAddress else { return true }
    return unsafe cc_transfer_set_body(transfer, start, bytes.count)
  }

  private static func result(of transfer: OpaquePointer) -> HTTPResult {
    if let kind = HTTPFailure.Kind(unsafe cc_transfer_trouble(transfer)) {
      let words = printable(unsafe String(cString: cc_transfer_text(transfer)))
      return .failure(
        HTTPFailure(kind, words, status: Int(unsafe cc_transfer_status(transfer))))
    }
    var answer = HTTPAnswer(status: Int(unsafe cc_transfer_status(transfer)))
    answer.body = unsafe body(of: transfer)
    answer.isCut = unsafe cc_transfer_is_cut(transfer)
    answer.retryAfter = printable(unsafe String(cString: cc_transfer_retry_after(transfer)))
    answer.redirect = printable(unsafe String(cString: cc_transfer_redirect(transfer)))
    return .success(answer)
  }

  private static func body(of transfer: OpaquePointer) -> [UInt8] {
    var count = 0
    guard let body = unsafe cc_transfer_body(transfer, &count) else { return [] }
    return unsafe Array(UnsafeRawBufferPointer(start: body, count: count))
  }
}

extension HTTPFailure.Kind {
  /// Nil where there is an answer.
  fileprivate init?(_ trouble: cc_trouble) {
    switch trouble {
    case CC_ANSWERED: return nil
    case CC_NO_NAME: self = .noName
    case CC_NO_ROUTE: self = .noRoute
    case CC_NO_TRUST: self = .noTrust
    case CC_TOO_SLOW: self = .tooSlow
    case CC_OUR_MISTAKE: self = .ourMistake
    default: self = .broken
    }
  }
}

/// What a stranger wrote, fit for a line of a log: control characters become `?`, and what is long
/// is cut.
func printable(_ text: some StringProtocol, max: Int = 300) -> String {
  var out = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    if out.count == max { return String(out) + "…" }
    out.append(scalar.properties.generalCategory.isPrintable ? scalar : "?")
  }
  return String(out)
}

extension Unicode.GeneralCategory {
  /// Neither a control character nor one that turns the direction of a line, or ends it.
  fileprivate var isPrintable: Bool {
    switch self {
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator: false
    default: true
    }
  }
}

extension Random {
  /// Another one each time, of what the kernel has.
  static func unforeseen() -> Random {
    var seed = [UInt8](repeating: 0, count: 32)
    let count = unsafe seed.withUnsafeMutableBytes { unsafe cl_random($0.baseAddress, $0.count) }
    precondition(count >= 0, "the kernel gives random bytes")
    return Random(seed: seed)
  }
}
