// What we say in HTTP: whole responses, written into the caller's window in one go. Every response
// ends its connection, so nothing can be smuggled in behind a request.

extension HTTP {
  package enum Status: UInt16, Sendable {
    case switchingProtocols = 101
    case ok = 200
    case badRequest = 400
    case unauthorized = 401
    case forbidden = 403
    case notFound = 404
    case methodNotAllowed = 405
    case timeout = 408
    case bodyTooLarge = 413
    case targetTooLong = 414
    case misdirected = 421
    case upgradeRequired = 426
    case tooManyRequests = 429
    case headTooLarge = 431
    case internalError = 500
    case notImplemented = 501
    case unavailable = 503
    case versionNotSupported = 505

    package var reason: StaticString {
      switch self {
      case .switchingProtocols: "Switching Protocols"
      case .ok: "OK"
      case .badRequest: "Bad Request"
      case .unauthorized: "Unauthorized"
      case .forbidden: "Forbidden"
      case .notFound: "Not Found"
      case .methodNotAllowed: "Method Not Allowed"
      case .timeout: "Request Timeout"
      case .bodyTooLarge: "Content Too Large"
      case .targetTooLong: "URI Too Long"
      case .misdirected: "Misdirected Request"
      case .upgradeRequired: "Upgrade Required"
      case .tooManyRequests: "Too Many Requests"
      case .headTooLarge: "Request Header Fields Too Large"
      case .internalError: "Internal Server Error"
      case .notImplemented: "Not Implemented"
      case .unavailable: "Service Unavailable"
      case .versionNotSupported: "HTTP Version Not Supported"
      }
    }

    /// The word that programs compare, in the body of an error.
    package var code: StaticString {
      switch self {
      case .switchingProtocols, .ok: "ok"
      case .badRequest: "bad_request"
      case .unauthorized: "unauthorized"
      case .forbidden: "forbidden"
      case .notFound: "not_found"
      case .methodNotAllowed: "method_not_allowed"
      case .timeout: "timeout"
      case .bodyTooLarge: "body_too_large"
      case .targetTooLong: "target_too_long"
      case .misdirected: "misdirected"
      case .upgradeRequired: "upgrade_required"
      case .tooManyRequests: "too_many_requests"
      case .headTooLarge: "head_too_large"
      case .internalError: "internal_error"
      case .notImplemented: "not_implemented"
      case .unavailable: "unavailable"
      case .versionNotSupported: "version_not_supported"
      }
    }
  }

  /// One response on its way into a Writer: `begin`, any `field`s, `beginBody`, the body, `end`.
  /// The length stands before the body, so its digits are filled in at the end.
  package struct Response: BitwiseCopyable {
    private var lengthAt = 0
    private var bodyAt = 0
    private let isHead: Bool

    /// Room for the digits of a body's length; a longer body does not fit any outbox.
    private static let lengthDigits = 8

    /// `isHead`: the answer to a HEAD request, whose body is measured and then left out.
    @_noAllocation package init(_ status: Status, isHead: Bool = false, into out: inout Writer) {
      self.isHead = isHead
      out.write("HTTP/1.1 ")
      out.write(decimal: Int(status.rawValue))
      out.write(" ")
      out.write(status.reason)
      out.write("\r\nConnection: close\r\nCache-Control: no-store\r\n")
      // RFC 9110 §15.5.2, §15.5.22: these name what would have been let through.
      if status == .unauthorized { out.write("WWW-Authenticate: Bearer\r\n") }
      if status == .upgradeRequired {
        out.write("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
      }
    }

    @_noAllocation package mutating func beginBody(_ type: StaticString, into out: inout Writer) {
      out.write("Content-Type: ")
      out.write(type)
      out.write("\r\nContent-Length: ")
      lengthAt = out.count
      out.write(decimal: 0, width: Self.lengthDigits)
      out.write("\r\n\r\n")
      bodyAt = out.count
    }

    /// A body without a length, which ends with the connection, and is to be passed on as it comes.
    @_noAllocation package func beginStream(_ type: StaticString, into out: inout Writer) {
      out.write("Content-Type: ")
      out.write(type)
      out.write("\r\nX-Accel-Buffering: no\r\n\r\n")
    }

    @_noAllocation package func end(into out: inout Writer) {
      guard !out.overflowed else { return }
      let length = out.count &- bodyAt
      var digits = Writer(out.into[lengthAt..<lengthAt &+ Self.lengthDigits])
      digits.write(decimal: length, width: Self.lengthDigits)
      if isHead { out.rewind(to: bodyAt) }
    }
  }

  /// One header line. The value must hold no line break; what comes from outside is never written
  /// so.
  @_noAllocation package static func writeField(
    _ name: StaticString, _ value: Bytes, into out: inout Writer
  ) {
    for index in 0..<value.count { precondition(isText(value[index]), "a header's value is text") }
    out.write(name)
    out.write(": ")
    out.write(value)
    out.write("\r\n")
  }

  /// An error that needs no more than a constant sentence: what is wrong, and how to mend it. The
  /// sentence stands in JSON as it is, so it holds no quote and no backslash.
  @_noAllocation package static func writeError(
    _ status: Status, code: StaticString? = nil, _ sentence: StaticString, isHead: Bool = false,
    into out: inout Writer
  ) {
    var response = Response(status, isHead: isHead, into: &out)
    response.beginBody("application/json", into: &out)
    beginError(code ?? status.code, into: &out)
    out.write(sentence)
    endError(into: &out)
    response.end(into: &out)
  }

  @_noAllocation package static func writeError(_ fault: Fault, into out: inout Writer) {
    writeError(fault.status, fault.sentence, into: &out)
  }

  /// The start of an error's body; the message, escaped for JSON, and `endError` follow.
  @_noAllocation package static func beginError(_ code: StaticString, into out: inout Writer) {
    out.write("{\"error\":{\"code\":\"")
    out.write(code)
    out.write("\",\"message\":\"")
  }

  @_noAllocation package static func endError(into out: inout Writer) { out.write("\"}}\n") }
}
