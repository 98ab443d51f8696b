// TLS for the lab's callers, by OpenSSL straight on the descriptor. Certificates are checked
// against the system's authorities, or those of a file, unless the caller asked for no check at
// all.

import COpenSSL

final class TLS {
  enum Trust {
    case system
    case file(String)
    case anybody
  }

  private let context: OpaquePointer
  private let session: OpaquePointer
  private(set) var wantsWrite = false

  init(_ descriptor: Int32, host: String, trust: Trust) throws(Failure) {
    guard let context = SSL_CTX_new(TLS_client_method()), let session = SSL_new(context) else {
      throw Failure("OpenSSL has no memory")
    }
    self.context = context
    self.session = session
    switch trust {
    case .anybody: SSL_set_verify(session, SSL_VERIFY_NONE, nil)
    case .system: SSL_CTX_set_default_verify_paths(context)
    case .file(let path):
      guard SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
        throw Failure("\(path) holds no certificates that can be read")
      }
    }
    if case .anybody = trust {
      // Nothing to check.
    } else {
      SSL_set_verify(session, SSL_VERIFY_PEER, nil)
      if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) != 1 {
        SSL_set1_host(session, host)
      }
    }
    // The server is told which name is meant (RFC 6066 §3); the macro for it is out of Swift's
    // reach.
    host.withCString { name in
      _ = SSL_ctrl(
        session, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
        UnsafeMutableRawPointer(mutating: name))
    }
    SSL_set_fd(session, descriptor)
  }

  deinit {
    SSL_free(session)
    SSL_CTX_free(context)
  }

  func handshake() -> Stream.Step { step(Int(SSL_connect(session))) }

  func read(_ bytes: UnsafeMutableRawBufferPointer) -> Stream.Step {
    step(Int(SSL_read(session, bytes.baseAddress, Int32(bytes.count))))
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Stream.Step {
    step(Int(SSL_write(session, bytes.baseAddress, Int32(min(bytes.count, 16384)))))
  }

  func close() { SSL_shutdown(session) }

  private func step(_ result: Int) -> Stream.Step {
    wantsWrite = false
    if result > 0 { return .done(result) }
    defer { ERR_clear_error() }
    switch SSL_get_error(session, Int32(result)) {
    case SSL_ERROR_WANT_READ: return .wouldBlock
    case SSL_ERROR_WANT_WRITE:
      wantsWrite = true
      return .wouldBlock
    case SSL_ERROR_ZERO_RETURN: return .ended
    default:
      let verdict = SSL_get_verify_result(session)
      if verdict != X509_V_OK {
        let reason = String(cString: X509_verify_cert_error_string(verdict))
        return .failed("the server's certificate is not trusted: \(reason)")
      }
      let error = ERR_peek_error()
      guard error != 0, let reason = ERR_reason_error_string(error) else { return .ended }
      return .failed("TLS: \(String(cString: reason))")
    }
  }
}
