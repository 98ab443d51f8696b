// The addresses on which connections are taken. A listening socket is opened here, or was handed
// over by whoever started us: by socket activation, descriptors from 3 on, as many as LISTEN_FDS
// says (systemd's sd_listen_fds). At a drain it is let go of where another process takes new
// connections from then on, so that running calls end here and new ones begin there.

import CLinux
import Glibc
import Sidetone

/// Listening sockets that somebody else has opened for this process.
package struct InheritedListeners: Sendable {
  private var all: [(descriptor: Int32, address: Address)] = []

  package init() {}

  /// Those that the variables of this process tell of; none where they are meant for another
  /// process.
  package static func found() throws(StartError) -> InheritedListeners {
    func variable(_ name: String) -> String? {
      unsafe getenv(name).map { unsafe String(cString: $0) }
    }
    return try found(variable("LISTEN_PID"), variable("LISTEN_FDS"))
  }

  /// `first`: the descriptor from which on they are.
  static func found(
    _ process: String?, _ count: String?, first: Int32 = 3
  ) throws(StartError) -> InheritedListeners {
    var found = InheritedListeners()
    guard process.flatMap(Int32.init) == getpid(), let count = count.flatMap(Int32.init), count > 0
    else { return found }
    for descriptor in first..<first + min(count, 64) {
      var raw = cl_address()
      guard unsafe cl_adopt_listener(descriptor, &raw) == 0 else {
        throw .handedOver("descriptor \(descriptor) of LISTEN_FDS is no TCP socket that listens")
      }
      found.all.append((descriptor, Address(raw)))
    }
    return found
  }

  /// As settings write them.
  package var addresses: [String] { all.map { $0.address.listenText } }

  /// The socket that listens there; port 0: on any port of that address.
  mutating func take(_ wanted: Address) -> Int32? {
    let place = all.firstIndex {
      $0.address.high == wanted.high && $0.address.low == wanted.low
        && (wanted.port == 0 || $0.address.port == wanted.port)
    }
    return place.map { all.remove(at: $0).descriptor }
  }
}

extension Address {
  /// `127.0.0.1:8080`, `[::1]:8080`.
  fileprivate var listenText: String {
    let text = Bytes.withTemporary(64) { place in
      var writer = Writer(place)
      writer.write(self)
      return String(decoding: writer.written.array, as: UTF8.self)
    }
    return (text.contains(":") ? "[\(text)]" : text) + ":\(port)"
  }

  /// As /proc/net/tcp writes it: words of 32 bits in the machine's order, then the port.
  fileprivate var kernelText: String {
    func hex(_ number: UInt32, _ width: Int) -> String {
      let digits = String(number, radix: 16, uppercase: true)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let words = [high >> 32, high, low >> 32, low].map {
      hex(UInt32(truncatingIfNeeded: $0).byteSwapped, 8)
    }
    let isMapped = high == 0 && low >> 32 == 0xffff
    return (isMapped ? words[3] : words.joined()) + ":" + hex(UInt32(port), 4)
  }
}

extension Machine {
  /// One address on which connections are taken.
  package struct Listener {
    package let address: String
    package let port: UInt16
    var descriptor: Int32
    /// Somebody else has opened it, and keeps it.
    var isInherited = false
    package var isOpen: Bool { descriptor >= 0 }
  }

  func openListeners(_ inherited: InheritedListeners) throws(StartError) {
    var inherited = inherited
    for index in config.listeners.indices { try openListener(index, &inherited) }
    guard let stranger = inherited.addresses.first else { return }
    throw .handedOver(
      "a socket on \(stranger) was handed over (LISTEN_FDS), which neither listen.address nor listen.operators names"
    )
  }

  private func openListener(
    _ index: Int, _ inherited: inout InheritedListeners
  ) throws(StartError) {
    let wanted = config.listeners[index]
    guard let address = Address(text: wanted.address, port: wanted.port) else {
      throw .address(wanted.address)
    }
    do throws(Errno) {
      var raw = cl_address(address)
      let isOnlyV6 = config.listeners.contains {
        $0.address == "0.0.0.0" && $0.port == wanted.port && wanted.port != 0
      }
      let given = inherited.take(address)
      let isShared = config.sharesPorts
      let descriptor: Int32
      if let given {
        descriptor = given
      } else {
        descriptor = Int32(try attempt { unsafe Int(cl_listen(&raw, 4096, isOnlyV6, isShared)) })
      }
      let port = try attempt { Int(cl_bound_port(descriptor)) }
      _ = try attempt { Int(cl_set_options(descriptor, SocketCall.userTimeoutMilliseconds)) }
      listeners.append(
        Listener(
          address: wanted.address, port: UInt16(port), descriptor: descriptor,
          isInherited: given != nil))
      poller.register(descriptor, for: .readable, as: Source(.listener(index)))
    } catch {
      guard wanted.isOptional else {
        throw .listen(address: wanted.address, port: wanted.port, error)
      }
      listeners.append(Listener(address: wanted.address, port: wanted.port, descriptor: -1))
      relay.log(
        .warning, "not_listening", "\(wanted.address):\(wanted.port): \(error.text)", at: now)
    }
  }

  // MARK: Letting go

  /// While calls end here: new connections are another process's, where there is one. Those that
  /// wait in a queue of ours alone are still taken, since nobody else can.
  func leaveListeners() {
    for index in listeners.indices where listeners[index].isOpen {
      let listener = listeners[index]
      if !listener.isInherited {
        guard config.sharesPorts, Self.listeningCount(listener) > 1 else { continue }
        takeQueue(of: index)
      }
      closeListener(index)
      relay.log(
        .info, "listener_left", "\(listener.address):\(listener.port) is another process's now",
        at: now)
    }
  }

  private func takeQueue(of listener: Int) {
    while true {
      var peer = Address.none
      guard
        case .done(let descriptor) = SocketCall.accept(
          on: listeners[listener].descriptor, peer: &peer)
      else { return }
      admit(Int32(descriptor), from: peer, on: listener)
      performOutputs()
    }
  }

  /// The socket may live on elsewhere, so the poller must hear of it.
  func closeListener(_ index: Int) {
    poller.remove(listeners[index].descriptor)
    _ = cl_close(listeners[index].descriptor)
    listeners[index].descriptor = -1
  }

  /// How many sockets listen there, ours included, as the kernel's table has it. What listens
  /// stands in front of its connections.
  static func listeningCount(_ listener: Listener) -> Int {
    guard let address = Address(text: listener.address, port: listener.port) else { return 0 }
    let text = address.kernelText
    let isV4 = !listener.address.contains(":")
    let table = SystemLimits.text(isV4 ? "/proc/net/tcp" : "/proc/net/tcp6", bytesMax: 1 << 16)
    return table.split(separator: "\n").count { line in
      let words = line.split(separator: " ", maxSplits: 4)
      // 0A: it listens.
      return words.count > 3 && words[1] == text && words[3] == "0A"
    }
  }
}
