// What is set once for many TLS connections: the certificates we show on listeners, whom we trust
// at upstreams, and the last session of each upstream, with which the next handshake is half as
// dear. Upstream certificates are always verified, name included.

import COpenSSL
import Sidetone
import Synchronization

@safe final class TLSContexts {
  private var servers: [OpaquePointer?] = unsafe []
  private var clients: [OpaquePointer?] = unsafe []
  /// They come and go on whichever thread a connection is used.
  private let sessions: Mutex<Sessions>
  private let endpoints: [Config.Endpoint]
  /// Of the connections' BIOs.
  let method: OpaquePointer

  @safe private struct Sessions: @unchecked Sendable {
    var last: [OpaquePointer?]
  }

  init(config: Config, _ method: OpaquePointer) throws(StartError) {
    unsafe self.method = unsafe method
    endpoints = config.upstreams.map(\.endpoint)
    unsafe sessions = Mutex(Sessions(last: Array(repeating: nil, count: endpoints.count)))
    for listener in config.listeners {
      unsafe servers.append(
        listener.isTLS ? try Self.makeServerContext(listener.certificate, listener.key) : nil)
    }
    for endpoint in endpoints {
      let isDialled = endpoint.isTLS && !endpoint.host.isEmpty
      unsafe clients.append(isDialled ? try makeClientContext(endpoint.caFile) : nil)
    }
  }

  deinit {
    for index in unsafe servers.indices { unsafe SSL_CTX_free(servers[index]) }
    // Not all were made where a file was refused.
    for index in unsafe clients.indices { unsafe SSL_CTX_free(clients[index]) }
    sessions.withLock {
      for index in unsafe $0.last.indices { unsafe SSL_SESSION_free($0.last[index]) }
    }
    unsafe BIO_meth_free(method)
  }

  func isServer(_ listener: Int) -> Bool { unsafe servers[listener] != nil }
  func isClient(_ upstream: Int) -> Bool { unsafe clients[upstream] != nil }

  func makeServer(_ listener: Int) -> OpaquePointer? { unsafe SSL_new(servers[listener]) }

  func makeClient(_ upstream: Int) -> OpaquePointer? {
    guard let ssl = unsafe SSL_new(clients[upstream]) else { return nil }
    let host = endpoints[upstream].host
    unsafe co_set_data(ssl, UnsafeMutableRawPointer(bitPattern: upstream + 1))
    if Address(text: host, port: 0) != nil && host != "localhost" {
      // An address is no name (RFC 6066 §3): it is not announced, and looked for among the
      // addresses.
      unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)
    } else {
      unsafe co_set_server_name(ssl, host)
      unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      unsafe SSL_set1_host(ssl, host)
    }
    sessions.withLock {
      if let session = unsafe $0.last[upstream] { _ = unsafe SSL_set_session(ssl, session) }
    }
    return unsafe ssl
  }

  // MARK: Making contexts

  private static func makeServerContext(_ certificate: String, _ key: String)
    throws(StartError) -> OpaquePointer
  {
    let context = unsafe makeContext(TLS_server_method(), groups: "X25519:P-256:P-384")
    // A key with a passphrase is refused; OpenSSL would ask for it on the terminal.
    unsafe SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
    unsafe co_cache_no_sessions(context)
    unsafe SSL_CTX_set_num_tickets(context, 1)
    func check(_ result: Int32, _ file: String) throws(StartError) {
      if result == 1 { return }
      unsafe SSL_CTX_free(context)
      throw .file(file, reason: lastError())
    }
    try unsafe check(SSL_CTX_use_certificate_chain_file(context, certificate), certificate)
    try unsafe check(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), key)
    return unsafe context
  }

  private func makeClientContext(_ caFile: String) throws(StartError) -> OpaquePointer {
    let context = unsafe Self.makeContext(
      TLS_client_method(), groups: "X25519:P-256:P-384:P-521")
    let result =
      unsafe caFile.isEmpty
      ? SSL_CTX_set_default_verify_paths(context) : SSL_CTX_load_verify_file(context, caFile)
    if result != 1 {
      unsafe SSL_CTX_free(context)
      throw .file(caFile.isEmpty ? "the system's authorities" : caFile, reason: Self.lastError())
    }
    unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    let protocols: [UInt8] = [8] + Array("http/1.1".utf8)
    _ = unsafe SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count))
    unsafe co_hand_out_sessions(context)
    unsafe co_set_context_data(context, Unmanaged.passUnretained(self).toOpaque())
    // Sessions come whenever the peer sends them, in TLS 1.3 after the handshake. 1: we keep it.
    unsafe SSL_CTX_sess_set_new_cb(context) { ssl, session in
      let contexts = unsafe Unmanaged<TLSContexts>.fromOpaque(
        co_context_data(SSL_get_SSL_CTX(ssl))
      ).takeUnretainedValue()
      unsafe contexts.remember(session, from: Int(bitPattern: co_data(ssl)) - 1)
      return 1
    }
    return unsafe context
  }

  /// `groups`: the key exchanges that we take part in, the dearest last.
  private static func makeContext(_ method: OpaquePointer?, groups: String) -> OpaquePointer {
    guard let context = unsafe SSL_CTX_new(method) else {
      preconditionFailure("there is memory at start")
    }
    let isRestricted = unsafe co_restrict(context, groups) == 1
    precondition(isRestricted, "an OpenSSL without P-256 or AES-GCM is none")
    unsafe SSL_CTX_set_msg_callback(context) { _, _, type, _, _, ssl, _ in
      if type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT { unsafe TLS.countMessage(ssl) }
    }
    return unsafe context
  }

  private func remember(_ session: OpaquePointer?, from upstream: Int) {
    sessions.withLock {
      unsafe SSL_SESSION_free($0.last[upstream])
      unsafe $0.last[upstream] = session
    }
  }

  /// OpenSSL's sentence for what went wrong last.
  private static func lastError() -> String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard let reason = unsafe ERR_reason_error_string(code) else {
      return Errno(rawValue: Int32(code & 0x7fff_ffff)).text
    }
    return unsafe String(cString: reason)
  }
}
