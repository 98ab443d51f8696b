// What is set once for many TLS connections: the certificates we show on listeners, whom we trust
// at upstreams, and the last session of each upstream, with which the next handshake is half as
// dear. Upstream certificates are always verified, name included.
//
// Other settings may follow. Their contexts are made on any thread (TLSReplacement), and take the
// place of these on the loop's; a connection that stands keeps the one that it began with.

import COpenSSL
import Sidetone
import Synchronization

@safe final class TLSContexts: @unchecked Sendable {
  /// By listener. These, and all but the sessions, are the loop's to touch.
  private var servers: [OpaquePointer?] = unsafe []
  /// Whom upstreams are trusted by: by the file that says so, as loading one is dear.
  private var trusts: [String: OpaquePointer] = unsafe [:]
  /// They come and go on whichever thread a connection is used.
  private let sessions: Mutex<Sessions>
  private var endpoints: [Config.Endpoint]
  /// Of the connections' BIOs.
  let method: OpaquePointer

  @safe private struct Sessions: @unchecked Sendable {
    var last: [OpaquePointer?]
    /// How often another upstream has taken the place of one: a session of the former is not kept.
    var turns: [Int]
  }

  init(config: Config, _ method: OpaquePointer) throws(StartError) {
    unsafe self.method = unsafe method
    endpoints = config.upstreams.map(\.endpoint)
    let count = endpoints.count
    unsafe sessions = Mutex(
      Sessions(
        last: Array(repeating: nil, count: count), turns: Array(repeating: 0, count: count)))
    for listener in config.listeners {
      unsafe servers.append(
        listener.isTLS ? try Self.makeServerContext(listener.certificate, listener.key) : nil)
    }
    for endpoint in endpoints where endpoint.isDialledSecurely {
      guard unsafe trusts[endpoint.caFile] == nil else { continue }
      unsafe trusts[endpoint.caFile] = try makeClientContext(endpoint.caFile)
    }
  }

  deinit {
    // Not all were made where a file was refused.
    for index in unsafe servers.indices { unsafe SSL_CTX_free(servers[index]) }
    for unsafe(_, context) in unsafe trusts { unsafe SSL_CTX_free(context) }
    sessions.withLock {
      for index in unsafe $0.last.indices { unsafe SSL_SESSION_free($0.last[index]) }
    }
    unsafe BIO_meth_free(method)
  }

  func isServer(_ listener: Int) -> Bool { unsafe servers[listener] != nil }
  func isClient(_ upstream: Int) -> Bool { endpoints[upstream].isDialledSecurely }

  func makeServer(_ listener: Int) -> OpaquePointer? { unsafe SSL_new(servers[listener]) }

  func makeClient(_ upstream: Int) -> OpaquePointer? {
    let host = endpoints[upstream].host
    guard let context = unsafe trusts[endpoints[upstream].caFile],
      let ssl = unsafe SSL_new(context)
    else { return nil }
    let turn = sessions.withLock { $0.turns[upstream] }
    unsafe co_set_data(
      ssl, UnsafeMutableRawPointer(bitPattern: turn << Self.placeBits | upstream + 1))
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

  /// Upstreams are fewer, and so are reloads in the life of a process.
  private static let placeBits = 24

  // MARK: Following

  /// Contexts for other settings, on any thread. `hasSystems`: the system's authorities are loaded.
  /// Refuses files that cannot be used, and a certificate that has expired where it is not the one
  /// that is shown already.
  func replacement(
    for config: Config, hasSystems: Bool
  ) throws(StartError) -> TLSReplacement {
    let next = TLSReplacement()
    for (index, listener) in config.listeners.enumerated() {
      guard listener.isTLS else {
        unsafe next.servers.append(nil)
        continue
      }
      let context = unsafe try Self.makeServerContext(listener.certificate, listener.key)
      unsafe next.servers.append(context)
      let (shown, new) = unsafe (servers[index], SSL_CTX_get0_certificate(context))
      let isOver = unsafe X509_cmp_current_time(X509_get0_notAfter(new)) < 0
      let isShown =
        unsafe shown != nil && X509_cmp(SSL_CTX_get0_certificate(shown), new) == 0
      if isOver, !isShown { throw .file(listener.certificate, reason: "it has expired") }
    }
    for endpoint in config.upstreams.map(\.endpoint) where endpoint.isDialledSecurely {
      let file = endpoint.caFile
      guard !(file.isEmpty && hasSystems), unsafe next.trusts[file] == nil else { continue }
      unsafe next.trusts[file] = try makeClientContext(file)
    }
    return next
  }

  var hasSystems: Bool { unsafe trusts[""] != nil }

  /// These count from now on. `keeps`: the upstreams of which the last session is still good.
  func follow(_ next: TLSReplacement, _ upstreams: [Config.Upstream], keeps: [Bool]) {
    endpoints = upstreams.map(\.endpoint)
    unsafe swap(&servers, &next.servers)
    for unsafe(file, context) in unsafe next.trusts {
      let former = unsafe trusts.updateValue(context, forKey: file)
      unsafe next.trusts[file] = former
    }
    sessions.withLock {
      for place in keeps.indices where !keeps[place] {
        if place < $0.turns.count {
          unsafe SSL_SESSION_free($0.last[place])
          unsafe $0.last[place] = nil
          $0.turns[place] += 1
        } else {
          unsafe $0.last.append(nil)
          $0.turns.append(0)
        }
      }
    }
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
      return unsafe contexts.remember(session, from: Int(bitPattern: co_data(ssl))) ? 1 : 0
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

  /// False: it is of an upstream that is no more. `data`: what the connection was given.
  private func remember(_ session: OpaquePointer?, from data: Int) -> Bool {
    let upstream = data & (1 << Self.placeBits - 1) - 1
    return sessions.withLock {
      guard $0.turns[upstream] == data >> Self.placeBits else { return false }
      unsafe SSL_SESSION_free($0.last[upstream])
      unsafe $0.last[upstream] = session
      return true
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

/// Contexts that are about to take the place of others; whichever are left in it go with it.
@safe final class TLSReplacement: @unchecked Sendable {
  fileprivate var servers: [OpaquePointer?] = unsafe []
  fileprivate var trusts: [String: OpaquePointer] = unsafe [:]

  deinit {
    for index in unsafe servers.indices { unsafe SSL_CTX_free(servers[index]) }
    for unsafe(_, context) in unsafe trusts { unsafe SSL_CTX_free(context) }
  }
}

extension Config.Endpoint {
  fileprivate var isDialledSecurely: Bool { isTLS && !host.isEmpty }
}
