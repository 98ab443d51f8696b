// TLS for the load, in memory: the socket carries what OpenSSL sealed, so that the kernel still
// says when it arrived. Nobody's certificate is checked.

import COpenSSL
import Glibc

/// What all connections of one side share.
final class LoadTLSContext {
  private let context: OpaquePointer
  private let isServer: Bool

  /// For those who dial.
  init() throws(LoadMistake) {
    isServer = false
    guard let context = SSL_CTX_new(TLS_client_method()) else {
      throw LoadMistake("OpenSSL has no memory")
    }
    self.context = context
  }

  /// For those who accept, with the certificate and the key of two PEM files.
  init(certificate: String, key: String) throws(LoadMistake) {
    isServer = true
    guard let context = SSL_CTX_new(TLS_server_method()) else {
      throw LoadMistake("OpenSSL has no memory")
    }
    self.context = context
    guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1,
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1
    else { throw LoadMistake("\(certificate) and \(key) are no certificate and its key") }
  }

  func open() -> LoadTLS? {
    SSL_new(context).map { session in
      if isServer { SSL_set_accept_state(session) } else { SSL_set_connect_state(session) }
      return LoadTLS(session)
    }
  }
}

/// One connection's TLS.
final class LoadTLS {
  /// The longest piece of sealed bytes that is taken out at once.
  static let pieceMax = 1 << 15
  private let session: OpaquePointer
  private let incoming = BIO_new(BIO_s_mem())
  private let outgoing = BIO_new(BIO_s_mem())
  /// What was to be sent before the handshake was over.
  private var early: [UInt8] = []

  fileprivate init(_ session: OpaquePointer) {
    self.session = session
    SSL_set_bio(session, incoming, outgoing)
  }

  deinit { SSL_free(session) }

  /// Takes the handshake as far as it goes; false where it failed.
  func shakeHands() -> Bool {
    if SSL_is_init_finished(session) == 1 { return true }
    let result = SSL_do_handshake(session)
    if result == 1 {
      let bytes = early
      early = []
      return bytes.withUnsafeBytes { $0.isEmpty || seal($0) }
    }
    return goesOn(result)
  }

  /// Seals what is sent, or keeps it until it can be.
  func seal(_ message: UnsafeRawBufferPointer) -> Bool {
    guard SSL_is_init_finished(session) == 1 else {
      early += message
      return true
    }
    return SSL_write(session, message.baseAddress, Int32(message.count)) == message.count
  }

  /// The next sealed bytes that must go out; how many.
  func takeSealed(_ place: UnsafeMutableRawPointer) -> Int {
    BIO_ctrl_pending(outgoing) == 0
      ? 0 : max(0, Int(BIO_read(outgoing, place, Int32(Self.pieceMax))))
  }

  func feed(_ sealed: UnsafeRawPointer, count: Int) {
    BIO_write(incoming, sealed, Int32(count))
  }

  /// What can be read now; nil where the peer said that it ends, or said nonsense. As a rule that
  /// is one record, and asking for another would cost as much again.
  func read(_ place: UnsafeMutablePointer<UInt8>, count: Int) -> Int? {
    var done = 0
    while done < count {
      let result = SSL_read(session, place + done, Int32(count - done))
      if result <= 0 { return goesOn(result) || done > 0 ? done : nil }
      done += Int(result)
      if BIO_ctrl_pending(incoming) == 0 && SSL_pending(session) == 0 { break }
    }
    return done
  }

  func end() { SSL_shutdown(session) }

  private func goesOn(_ result: Int32) -> Bool {
    defer { ERR_clear_error() }
    let error = SSL_get_error(session, result)
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
  }
}
