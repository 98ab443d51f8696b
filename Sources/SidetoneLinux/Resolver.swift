// Names to addresses, by c-ares on the loop's own poller, so that a name server that takes seconds
// delays nobody but those who wait for it. Addresses are kept for as long as their TTL says; the
// one that worked last is tried first. Numbers and "localhost" ask nobody.

import CAres
import CLinux
import Glibc
import Sidetone

@safe final class Resolver {
  enum Answer {
    case addresses
    case waiting
    case failed(LinkFailure)
  }

  /// What is known of one upstream's host.
  fileprivate final class Name {
    let host: String
    let port: UInt16
    unowned let resolver: Resolver
    let upstream: Int
    var addresses: [Address] = []
    /// Where in `addresses` to begin.
    var first = 0
    /// Why there are no addresses, where the last question said so.
    var failure: LinkFailure?
    /// Until when `addresses` or `failure` may be used.
    var expires = Instant.zero
    var isAsking = false

    init(_ endpoint: Config.Endpoint, _ resolver: Resolver, upstream: Int) {
      host = endpoint.host
      port = endpoint.port
      self.resolver = resolver
      self.upstream = upstream
    }
  }

  private static let addressesMax = 8
  private static let ttlSecondsMax = 3600
  /// One question to one server; the second and last try gets twice as long.
  private static let tryMilliseconds: Int32 = 2000

  private let poller: Poller
  /// The sockets of c-ares that are registered.
  private var watched: [Int32] = []
  private let nameServers: String
  private var channel: ares_channel?
  /// The servers did not answer: perhaps they are others by now, so they are read anew.
  private var isChannelStale = true
  private var names: [Name] = []
  /// Those of upstreams that are no more, of whom a question is still under way.
  private var leaving: [Name] = []
  private var asking = 0
  private var finished: [Int] = []
  private var now = Instant.zero

  /// When `advance` wants to be called at the latest.
  private(set) var wakeTime = Instant.never

  /// `nameServers`: "address:port" and so on, in the place of the system's; empty: the system's.
  init(upstreams: [Config.Upstream], poller: Poller, nameServers: String) {
    self.poller = poller
    self.nameServers = nameServers
    _ = Self.library
    names = upstreams.indices.map { makeName(upstreams[$0], $0) }
  }

  private func makeName(_ upstream: Config.Upstream, _ place: Int) -> Name {
    let name = Name(upstream.endpoint, self, upstream: place)
    if let address = Address(text: name.host, port: name.port) {
      name.addresses = [address]
      name.expires = .never
    }
    return name
  }

  /// Other upstreams from now on; what is known of those that are kept stays known.
  func follow(_ upstreams: [Config.Upstream], keeps: [Bool]) {
    leaving = (leaving + zip(names, keeps).filter { !$1 }.map(\.0)).filter(\.isAsking)
    names = upstreams.indices.map { keeps[$0] ? names[$0] : makeName(upstreams[$0], $0) }
  }

  /// Gives up every question.
  func close() {
    if let channel = unsafe channel { unsafe ares_destroy(channel) }
    unsafe channel = nil
  }

  private static let library = ares_library_init(ARES_LIB_INIT_ALL)

  // MARK: For the dialler

  /// Whether the addresses of an upstream are known; asks for them where they are not. Those who
  /// have to wait hear from `takeFinished`.
  func look(up upstream: Int, at now: Instant) -> Answer {
    self.now = now
    let name = names[upstream]
    if now >= name.expires && !name.isAsking { ask(name) }
    if name.isAsking { return .waiting }
    if let failure = name.failure { return .failed(failure) }
    return .addresses
  }

  /// The address to try after `attempt` others, or nil when all were tried.
  func address(_ attempt: Int, of upstream: Int) -> Address? {
    let name = names[upstream]
    guard attempt < name.addresses.count else { return nil }
    return name.addresses[(name.first + attempt) % name.addresses.count]
  }

  /// This address took a connection: the next dial begins with it.
  func worked(_ address: Address, for upstream: Int) {
    let name = names[upstream]
    name.first = name.addresses.firstIndex(of: address) ?? 0
  }

  /// An upstream whose name is known by now, or known not to be had.
  func takeFinished() -> Int? { finished.popLast() }

  // MARK: For the loop

  func descriptorIsReady(_ descriptor: Int32, _ ready: Readiness, at now: Instant) {
    self.now = now
    // A refused port shows as an error and never as readable bytes; c-ares learns of it by reading.
    let read = !ready.subtracting(.writable).isEmpty
    let write = ready.contains(.writable)
    unsafe ares_process_fd(
      channel, read ? descriptor : ARES_SOCKET_BAD, write ? descriptor : ARES_SOCKET_BAD)
    setWakeTime()
  }

  /// Repeats and gives up questions whose time has come.
  func advance(at now: Instant) {
    guard now >= wakeTime else { return }
    self.now = now
    unsafe ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
    setWakeTime()
  }

  private func setWakeTime() {
    var span = timeval()
    guard asking > 0, unsafe ares_timeout(channel, nil, &span) != nil else {
      wakeTime = .never
      return
    }
    wakeTime = now + .microseconds(span.tv_sec * 1_000_000 + Int(span.tv_usec))
  }

  // MARK: Questions

  private func ask(_ name: Name) {
    guard openChannel() else { return unsafe answer(name, Int32(ARES_ENOMEM), nil) }
    name.isAsking = true
    asking += 1
    var hints = ares_addrinfo_hints()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe ares_getaddrinfo(
      channel, name.host, nil, &hints,
      { raw, status, _, result in
        let name = unsafe Unmanaged<Name>.fromOpaque(raw!).takeUnretainedValue()
        // The resolver has been closed.
        if status == ARES_EDESTRUCTION { return }
        name.isAsking = false
        name.resolver.asking -= 1
        unsafe name.resolver.answer(name, status, result)
        if let result = unsafe result { unsafe ares_freeaddrinfo(result) }
      }, Unmanaged.passUnretained(name).toOpaque())
    setWakeTime()
  }

  private func answer(_ name: Name, _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?)
  {
    finished.append(name.upstream)
    var found: [Address] = []
    var seconds = Self.ttlSecondsMax
    var node = unsafe result?.pointee.nodes
    while let entry = unsafe node, found.count < Self.addressesMax {
      var raw = cl_address()
      if unsafe cl_read_sockaddr(entry.pointee.ai_addr, &raw) {
        raw.port = name.port
        found.append(Address(raw))
        unsafe seconds = min(seconds, Int(entry.pointee.ai_ttl))
      }
      unsafe node = entry.pointee.ai_next
    }
    if !found.isEmpty {
      let last = name.addresses.isEmpty ? nil : name.addresses[name.first]
      name.addresses = found
      name.first = found.firstIndex { $0 == last } ?? 0
      name.failure = nil
      name.expires = now + .seconds(max(1, seconds))
      return
    }
    let isKnown = [ARES_ENOTFOUND, ARES_ENODATA, ARES_EBADNAME, ARES_ENONAME].contains(status)
    isChannelStale = isChannelStale || !isKnown
    // Old addresses are better than none while the servers are away.
    name.failure = isKnown ? .nameNotFound : name.addresses.isEmpty ? .nameTimedOut : nil
    name.expires = now + .seconds(1)
  }

  /// A channel to the name servers of this moment; false when there is no memory for one.
  private func openChannel() -> Bool {
    guard isChannelStale && asking == 0 else { return unsafe channel != nil }
    close()
    isChannelStale = false
    var options = unsafe ares_options()
    unsafe options.timeout = Self.tryMilliseconds
    unsafe options.tries = 2
    unsafe options.sock_state_cb_data = Unmanaged.passUnretained(self).toOpaque()
    unsafe options.sock_state_cb = { raw, descriptor, reads, writes in
      let resolver = unsafe Unmanaged<Resolver>.fromOpaque(raw!).takeUnretainedValue()
      resolver.watch(descriptor, reads: reads != 0, writes: writes != 0)
    }
    let mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
    guard unsafe ares_init_options(&channel, &options, Int32(mask)) == ARES_SUCCESS else {
      return false
    }
    if !nameServers.isEmpty { _ = unsafe ares_set_servers_ports_csv(channel, nameServers) }
    return true
  }

  private func watch(_ descriptor: Int32, reads: Bool, writes: Bool) {
    let place = watched.firstIndex(of: descriptor)
    let wanted: Readiness = [reads ? .readable : [], writes ? .writable : []]
    if wanted.isEmpty {
      guard let place else { return }
      watched.remove(at: place)
      poller.remove(descriptor)
    } else if place == nil {
      watched.append(descriptor)
      poller.register(descriptor, for: wanted, as: Source(.resolver(descriptor)))
    } else {
      poller.modify(descriptor, for: wanted, as: Source(.resolver(descriptor)))
    }
  }
}
