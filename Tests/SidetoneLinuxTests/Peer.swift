// The other side of a test: a blocking socket that gives up after a minute, and a machine that runs
// in a thread of its own. A minute is longer than any machine stands still: no test comes to it
// where all is well, and none is wrong where a machine was late.

import CLinux
import Foundation
import Glibc

@testable import Sidetone
@testable import SidetoneLinux

/// How long a test waits for what must come.
let patienceSeconds = 60

/// Asks until it is so; whether it was in time.
func becomesTrue(_ isSo: () throws -> Bool) rethrows -> Bool {
  let limit = Clock.now + .seconds(patienceSeconds)
  while Clock.now < limit {
    if try isSo() { return true }
    usleep(1000)
  }
  return false
}

/// A call of a blocking socket, until no signal disturbs it: a process that was stopped goes on
/// with one.
private func undisturbed(_ call: () -> Int) -> Int {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

/// A blocking TCP socket.
final class Peer {
  let descriptor: Int32

  init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
    var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(
        descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  convenience init(port: UInt16) {
    var raw = cl_address(Address(ipv4: 0x7f00_0001, port: port))
    let descriptor = cl_socket(&raw)
    self.init(adopting: descriptor)
    cl_connect(descriptor, &raw)
  }

  deinit { close(descriptor) }

  @discardableResult func send(_ bytes: [UInt8]) -> Int {
    undisturbed { Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
  }
  func send(_ text: String) { send(Array(text.utf8)) }

  /// Exactly so many bytes, or fewer where the stream ends or nothing more comes.
  func read(_ count: Int) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while all.count < count {
      let most = min(buffer.count, count - all.count)
      let got = undisturbed { recv(descriptor, &buffer, most, 0) }
      if got <= 0 { break }
      all += buffer.prefix(got)
    }
    return all
  }

  /// Everything up to the end of the stream; nil where it broke instead.
  func readToEnd() -> [UInt8]? {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let got = undisturbed { recv(descriptor, &buffer, buffer.count, 0) }
      if got < 0 { return nil }
      if got == 0 { return all }
      all += buffer.prefix(got)
    }
  }

  /// Up to and with the empty line behind an HTTP head.
  func readHead() -> String {
    var all: [UInt8] = []
    while !all.suffix(4).elementsEqual([13, 10, 13, 10]) {
      let byte = read(1)
      if byte.isEmpty { break }
      all += byte
    }
    return String(decoding: all, as: UTF8.self)
  }

  /// Asks for a WebSocket under `path`; the answer's head.
  func upgrade(_ path: String) -> String {
    send(
      """
      GET \(path) HTTP/1.1\r
      Host: localhost\r
      Connection: Upgrade\r
      Upgrade: websocket\r
      Sec-WebSocket-Version: 13\r
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
      \r

      """)
    return readHead()
  }

  /// A binary message under the mask of zeros (RFC 6455 §5.2).
  func sendMessage(_ payload: [UInt8]) {
    precondition(payload.count < 65_536)
    let length = [UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    send([0x82, 0x80 | 126] + length + [0, 0, 0, 0] + payload)
  }

  /// So many bytes of audio, or what comes before the connection ends.
  func readAudio(_ count: Int) -> [UInt8] {
    var audio: [UInt8] = []
    while audio.count < count {
      let message = readAudio()
      if message.isEmpty { break }
      audio += message
    }
    return audio
  }

  /// The payload of the next binary message; empty where none comes. Texts are about the call, not
  /// of it.
  func readAudio() -> [UInt8] {
    while true {
      let head = read(2)
      guard head.count == 2 else { return [] }
      var length = Int(head[1])
      if length == 126 {
        let more = read(2)
        length = Int(more[0]) << 8 | Int(more[1])
      }
      let payload = read(length)
      if head[0] == 0x82 { return payload }
    }
  }
}

/// A listening socket of the test's own.
final class Acceptor {
  let descriptor: Int32
  let port: UInt16

  init() {
    var raw = cl_address(Address(ipv4: 0x7f00_0001, port: 0))
    descriptor = cl_listen(&raw, 16, false, false)
    port = UInt16(cl_bound_port(descriptor))
    _ = fcntl(descriptor, F_SETFL, 0)
    var patience = timeval(tv_sec: patienceSeconds, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }
  deinit { close(descriptor) }

  /// The next connection, or nil where none comes.
  func accept() -> Peer? {
    let got = undisturbed { Int(Glibc.accept(descriptor, nil, nil)) }
    return got < 0 ? nil : Peer(adopting: Int32(got))
  }
}

/// A machine in a thread.
final class Running: @unchecked Sendable {
  let machine: Machine
  let port: UInt16
  private let ended = DispatchSemaphore(value: 0)
  private var status: Int32?

  /// `before` runs in the machine's thread before its first turn.
  init(
    _ config: Config, nameServers: String = "", lines: LineWriter? = nil,
    turnGap: TurnGap? = nil, lingerSpan: Instant.Span? = nil,
    inherited: InheritedListeners = InheritedListeners(),
    before: @escaping @Sendable () -> Void = {}, reread: (@Sendable () -> Reread)? = nil
  ) throws {
    let nowhere = open("/dev/null", O_WRONLY)
    machine = try Machine(
      config: config, lines: try lines ?? LineWriter(transcripts: nowhere, logs: nowhere),
      catchesSignals: false, nameServers: nameServers, inherited: inherited, reread: reread)
    port = machine.listeners[0].port
    if let turnGap { machine.turnGap = turnGap }
    if let lingerSpan { machine.lingerSpan = lingerSpan }
    Thread { [self] in
      before()
      status = machine.run()
      ended.signal()
    }.start()
  }

  func interrupt() { machine.interrupter.interrupt() }

  /// The exit status, or nil when the machine does not end.
  func waitForEnd() -> Int32? {
    guard ended.wait(timeout: .now() + .seconds(patienceSeconds)) == .success else { return nil }
    // Whoever asks again knows it at once.
    ended.signal()
    return status
  }

  func stop() {
    interrupt()
    interrupt()
    _ = waitForEnd()
  }
}

extension Config {
  /// A small relay on a free loopback port, with `/echo`, and `/ws/transcribe` to `endpoint`. Peers
  /// have their time to begin, since many tests share a processor.
  static func small(dialling endpoint: Endpoint = Endpoint()) -> Config {
    var config = Config()
    config.listeners[0].port = 0
    config.limits.callsMax = 8
    // An address may have a quarter of them.
    config.limits.otherLinksMax = 64
    config.limits.handshakeSeconds = 120
    config.limits.firstByteSeconds = 120
    for (name, path) in [("echo", "/echo"), ("deepgram", "/ws/transcribe")] {
      var upstream = Upstream()
      upstream.name = name
      upstream.kind = name
      upstream.key = "a key"
      upstream.endpoint = endpoint
      config.upstreams.append(upstream)
      var route = Route()
      route.path = path
      route.upstream = name
      route.carriers = ["raw"]
      config.routes.append(route)
    }
    return config
  }
}

extension Config.Endpoint {
  init(host: String, port: UInt16, isTLS: Bool = false, caFile: String = "") {
    self.init()
    self.host = host
    self.port = port
    self.isTLS = isTLS
    self.caFile = caFile
    path = "/v1/listen"
  }
}

extension Machine {
  /// Connections in their handshake.
  var shaking: Int {
    (0..<sockets.capacity).count { sockets.isInUse($0) && sockets[$0].stage == .handshaking }
  }
}
