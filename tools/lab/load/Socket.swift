// The few system calls of the load, and the reading of WebSocket frames where they lie in the
// buffer.

import CLinux
import Glibc

/// A non-blocking TCP socket with what it has read but could not use yet.
struct LoadSocket {
  let descriptor: Int32
  /// Bytes of a message that is not whole yet. Almost always empty.
  private(set) var kept: UnsafeMutablePointer<UInt8>?
  private(set) var keptCount = 0
  /// Bytes that the socket did not take. Almost always empty.
  private var unsent: [UInt8] = []
  private let tls: LoadTLS?

  /// A context where the connection shall speak TLS.
  init(_ descriptor: Int32, _ context: LoadTLSContext? = nil) {
    self.descriptor = descriptor
    tls = context?.open()
    Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    // The kernel notes when bytes arrive; see `ArrivalReader`.
    Self.set(descriptor, SOL_SOCKET, ArrivalReader.timestampOption)
  }

  static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
    var on: Int32 = 1
    setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  private static let kind =
    Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

  private static func withAddress<R>(
    _ address: UInt32, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
  ) -> R {
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_addr.s_addr = address
    place.sin_port = port.bigEndian
    return withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// Begins to connect; nil where not even that is possible.
  static func connect(
    to address: UInt32, port: UInt16, _ context: LoadTLSContext? = nil
  ) -> LoadSocket? {
    let descriptor = socket(AF_INET, kind, 0)
    guard descriptor >= 0 else { return nil }
    let result = withAddress(address, port) { Glibc.connect(descriptor, $0, $1) }
    if result < 0 && errno != EINPROGRESS {
      Glibc.close(descriptor)
      return nil
    }
    return LoadSocket(descriptor, context)
  }

  /// A socket that listens on loopback.
  static func listen(on port: UInt16) throws(LoadMistake) -> Int32 {
    let descriptor = socket(AF_INET, kind, 0)
    set(descriptor, SOL_SOCKET, SO_REUSEADDR)
    let bound = withAddress(UInt32(0x7f00_0001).bigEndian, port) { bind(descriptor, $0, $1) }
    guard bound == 0, Glibc.listen(descriptor, 4_096) == 0 else {
      throw LoadMistake(
        "port \(port) of the twin cannot be had: \(String(cString: strerror(errno)))")
    }
    return descriptor
  }

  static func accept(from listener: Int32, _ context: LoadTLSContext?) -> LoadSocket? {
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return LoadSocket(descriptor, context)
  }

  /// Sends, or keeps what the socket does not take until `flush`. False: the socket is broken.
  mutating func send(_ message: UnsafeRawBufferPointer) -> Bool {
    guard let tls else { return sendPlain(message) }
    return tls.shakeHands() && tls.seal(message) && sendSealed(tls)
  }

  /// Takes sealed bytes that arrived, and what they ask for: how many bytes could be read at
  /// `place`; nil where the connection is over.
  fileprivate mutating func open(
    _ sealed: UnsafeRawPointer, count: Int, into place: UnsafeMutablePointer<UInt8>, room: Int
  ) -> Int? {
    guard let tls else { return nil }
    tls.feed(sealed, count: count)
    guard tls.shakeHands() else { return nil }
    let read = tls.read(place, count: room)
    return sendSealed(tls) ? read : nil
  }

  private mutating func sendSealed(_ tls: LoadTLS) -> Bool {
    while true {
      let sent = withUnsafeTemporaryAllocation(byteCount: LoadTLS.pieceMax, alignment: 8) { piece in
        let count = tls.takeSealed(piece.baseAddress!)
        return count == 0 ? nil : sendPlain(UnsafeRawBufferPointer(rebasing: piece[..<count]))
      }
      guard let sent else { return true }
      if !sent { return false }
    }
  }

  private mutating func sendPlain(_ message: UnsafeRawBufferPointer) -> Bool {
    var done = 0
    if unsent.isEmpty {
      done = Glibc.send(
        descriptor, message.baseAddress, message.count, Int32(MSG_NOSIGNAL))
      if done == message.count { return true }
      if done < 0 {
        guard errno == EAGAIN else { return false }
        done = 0
      }
    }
    unsent.append(contentsOf: message[done...])
    return true
  }

  mutating func send(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { send(UnsafeRawBufferPointer($0)) }
  }

  /// Tries again with what was kept. False: the socket is broken.
  mutating func flush() -> Bool {
    guard !unsent.isEmpty else { return true }
    let bytes = unsent
    unsent = []
    return bytes.withUnsafeBytes { sendPlain($0) }
  }

  var isHeldBack: Bool { !unsent.isEmpty }
  var isTLS: Bool { tls != nil }

  mutating func keep(_ bytes: UnsafeMutablePointer<UInt8>, count: Int) {
    kept?.deallocate()
    kept = nil
    keptCount = count
    guard count > 0 else { return }
    kept = .allocate(capacity: count)
    kept?.update(from: bytes, count: count)
  }

  mutating func close() {
    keep(UnsafeMutablePointer(bitPattern: 8)!, count: 0)
    if let tls {
      tls.end()
      _ = sendSealed(tls)
    }
    Glibc.close(descriptor)
  }
}

/// Reads into one shared buffer, and learns from the kernel when the last of the bytes arrived, so
/// that a delay does not grow while the bytes wait for this process to come round.
final class ArrivalReader {
  /// SO_TIMESTAMPNS, which is also the type of the control message; socket(7).
  static let timestampOption: Int32 = 35
  static let longestMessage = 1 << 17
  let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * longestMessage)
  private let sealed = UnsafeMutableRawPointer.allocate(byteCount: longestMessage, alignment: 8)
  private let control = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
  private let vector = UnsafeMutablePointer<iovec>.allocate(capacity: 1)
  private var header = msghdr()
  /// When the last byte of the last read arrived, in nanoseconds on the wall clock.
  private(set) var arrival: Int64 = 0

  init() {
    header.msg_iov = vector
    header.msg_iovlen = 1
    header.msg_control = control
  }

  enum Outcome {
    /// So many bytes lie in `buffer`, those kept from before included.
    case bytes(Int)
    case nothing
    case ended
  }

  func read(_ socket: inout LoadSocket) -> Outcome {
    if let kept = socket.kept { buffer.update(from: kept, count: socket.keptCount) }
    let place = buffer + socket.keptCount
    let room = 2 * Self.longestMessage - socket.keptCount
    vector.pointee =
      socket.isTLS
      ? iovec(iov_base: sealed, iov_len: Self.longestMessage)
      : iovec(iov_base: place, iov_len: room)
    header.msg_controllen = 128
    let count = recvmsg(socket.descriptor, &header, 0)
    if count < 0 && (errno == EAGAIN || errno == EINTR) { return .nothing }
    if count <= 0 { return .ended }
    // One control message: its length (8 bytes), level and type (4 each), then a timespec.
    let hasStamp =
      header.msg_controllen >= 32
      && control.load(fromByteOffset: 12, as: Int32.self) == Self.timestampOption
    if hasStamp {
      let time = control.load(fromByteOffset: 16, as: timespec.self)
      arrival = Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    } else {
      arrival = LoadClock.now()
    }
    guard socket.isTLS else { return .bytes(socket.keptCount &+ count) }
    guard let opened = socket.open(sealed, count: count, into: place, room: room) else {
      return .ended
    }
    return opened == 0 ? .nothing : .bytes(socket.keptCount &+ opened)
  }
}

/// A WebSocket frame that lies whole in a buffer, unmasked in place.
struct LoadFrame {
  var opcode: UInt8
  var payload: UnsafeMutableRawBufferPointer
  /// Bytes from the frame's first to the one behind its last.
  var length: Int

  /// Nil: not whole yet.
  init?(at bytes: UnsafeMutablePointer<UInt8>, count: Int) {
    guard count >= 2 else { return nil }
    var size = Int(bytes[1] & 127)
    var header = 2
    if size == 126 {
      guard count >= 4 else { return nil }
      size = Int(bytes[2]) << 8 | Int(bytes[3])
      header = 4
    } else if size == 127 {
      guard count >= 10 else { return nil }
      size = (2..<10).reduce(0) { $0 << 8 | Int(bytes[$1]) }
      guard size >= 0 && size <= ArrivalReader.longestMessage else { return nil }
      header = 10
    }
    let masked = bytes[1] & 0x80 != 0
    if masked { header += 4 }
    guard count >= header + size else { return nil }
    opcode = bytes[0] & 15
    length = header + size
    let place = UnsafeMutableRawPointer(bytes + header)
    payload = UnsafeMutableRawBufferPointer(start: place, count: size)
    if masked {
      let key = UnsafeRawPointer(bytes + header - 4).loadUnaligned(as: UInt32.self)
      MessageWriter.mask(place, count: size, key: key)
    }
  }
}
