// A relay with one upstream and one caller of its own, on a loopback port: what it is told and what
// it hears is what a caller would. For `doctor` and `phrases`, which ask something of a service.

import Glibc
import Sidetone
import SidetoneLinux

final class LoneRelay {
  /// Why there is none, as a sentence.
  struct Failure: Error { var text: String }

  let caller: LoneCaller
  private let house: House
  private let ends: [Int32]
  private var lines: LogLines

  fileprivate static let path = "/alone"

  /// `query`: what the caller says of its audio.
  init(_ config: Config, query: String) throws(Failure) {
    var pair: [Int32] = [-1, -1]
    guard pipe(&pair) == 0 else { throw Failure(text: "no pipe: \(systemError())") }
    let nowhere = open("/dev/null", O_WRONLY)
    ends = pair + [nowhere]
    func failed(_ text: String, _ ends: [Int32]) -> Failure {
      for end in ends { close(end) }
      return Failure(text: text)
    }
    guard let writer = try? LineWriter(transcripts: nowhere, logs: pair[1]) else {
      throw failed("no thread for lines", ends)
    }
    do throws(StartError) {
      house = House(try Machine(config: config, lines: writer, catchesSignals: false))
    } catch {
      throw failed("\(error)", ends)
    }
    lines = LogLines(descriptor: pair[0])
    house.start()
    let target = "\(Self.path)?\(query)"
    guard let caller = LoneCaller(port: house.machine.listeners[0].port, target: target) else {
      house.stop()
      throw failed("no caller: \(systemError())", ends)
    }
    self.caller = caller
  }

  func stop() {
    caller.hangUp()
    house.stop()
    for end in ends { close(end) }
  }

  /// What the relay has logged, after a little while at most.
  func nextLines() -> [Line] {
    caller.wait(beside: ends[0], milliseconds: 100)
    return lines.read()
  }

  /// What it has logged behind its end.
  func lastLines() -> [Line] {
    usleep(50_000)
    return lines.read()
  }

  /// A line of the log.
  struct Line {
    var event: String
    var detail: String

    /// It says what is wrong; others say what follows from it.
    var isComplaint: Bool { Self.complaining.contains(event) }
    private static let complaining: Set = [
      "upstream_refused", "upstream_error", "upstream_closed", "upstream_lost", "call_refused",
      "results_missing",
    ]
  }
}

extension Config {
  /// Settings of a relay that has nothing but this upstream, for one call on its one route.
  init(for upstream: Upstream, of config: Config) {
    self.init()
    listeners[0].port = 0
    limits = config.limits
    limits.callsMax = 1
    limits.otherLinksMax = 16
    limits.twoWayCallsMax = 1
    limits.cascadeCallsMax = 1
    limits.redialsMax = 0
    limits.drainSeconds = 0
    logsJSON = true
    upstreams = [upstream] + config.upstreams.filter { $0.speaksFor == upstream.name }
    var own = Route()
    own.path = LoneRelay.path
    own.upstream = upstream.name
    // The carrier whose calls begin with their handshake.
    own.carriers = [Sidetone.Carrier.all.first { $0.open != nil }.map(\.name.description) ?? ""]
    own.isOpen = true
    routes = [own]
  }
}

private func systemError() -> String { String(cString: strerror(errno)) }

/// By a clock that is never set.
func seconds() -> Double {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

// MARK: - The relay in a thread

private final class House: @unchecked Sendable {
  let machine: Machine
  private var thread = pthread_t()

  init(_ machine: Machine) { self.machine = machine }

  func start() {
    let result = pthread_create(
      &thread, nil,
      { raw in
        guard let raw else { return nil }
        _ = Unmanaged<House>.fromOpaque(raw).takeRetainedValue().machine.run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    precondition(result == 0, "there is a thread to be had")
  }

  /// Twice: not to wait for running calls.
  func stop() {
    machine.interrupter.interrupt()
    machine.interrupter.interrupt()
    pthread_join(thread, nil)
  }
}

// MARK: - The log

/// Lines of the log as they come through a pipe, each one JSON object.
private struct LogLines {
  private let descriptor: Int32
  private var rest: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  /// The whole lines that have come.
  mutating func read() -> [LoneRelay.Line] {
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count <= 0 { break }
      rest += piece.prefix(count)
    }
    var lines: [LoneRelay.Line] = []
    while let end = rest.firstIndex(of: 0x0a) {
      let bytes = Array(rest[..<end])
      rest.removeFirst(end + 1)
      if let line = bytes.withBytes(Self.line) { lines.append(line) }
    }
    return lines
  }

  private static func line(_ bytes: Bytes) -> LoneRelay.Line? {
    guard let event = JSON.find("event", in: bytes), event.kind == .string,
      let detail = JSON.find("detail", in: bytes), detail.kind == .string
    else { return nil }
    return LoneRelay.Line(
      event: bytes[event.range].string, detail: JSON.string(detail, in: bytes))
  }
}

// MARK: - The caller

/// A raw client that says nothing, on a socket of its own.
final class LoneCaller {
  private let descriptor: Int32
  private(set) var hasEnded = false
  /// Everything that came, the head of the handshake first.
  private var taken: [UInt8] = []

  /// Nil where there is no connection.
  fileprivate init?(port: UInt16, target: String) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      close(descriptor)
      return nil
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    say(
      """
      GET \(target) HTTP/1.1\r
      Host: 127.0.0.1:\(port)\r
      Upgrade: websocket\r
      Connection: Upgrade\r
      Sec-WebSocket-Version: 13\r
      Sec-WebSocket-Key: c2lkZXRvbmUtZG9jdG9yLg==\r
      \r

      """)
  }

  private func say(_ text: String) { say(Array(text.utf8)) }

  private func say(_ bytes: [UInt8]) {
    _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Until the log or the relay has something.
  fileprivate func wait(beside log: Int32, milliseconds: Int32) {
    var watched = [
      pollfd(fd: log, events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&watched, 2, milliseconds)
    guard watched[1].revents != 0 else { return }
    var piece = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &piece, piece.count, 0)
    if count > 0 { taken += piece.prefix(count) }
    hasEnded = count == 0 || (count < 0 && errno != EAGAIN)
  }

  /// The audio that it was sent, as raw bytes.
  var sound: [UInt8] {
    let end = Array("\r\n\r\n".utf8)
    guard let head = taken.indices.first(where: { taken[$0...].starts(with: end) }) else {
      return []
    }
    var frames = Array(taken[(head + end.count)...])
    var decoder = WebSocket(role: .client, messageBytesMax: 1 << 20)
    return frames.withMutableBytes { bytes in
      var sound: [UInt8] = []
      while true {
        switch decoder.nextEvent(in: bytes) {
        case .binary(let range): sound += bytes[range].array
        case .needMore, .failed, .close: return sound
        case .text, .ping, .pong: break
        }
      }
    }
  }

  /// Nothing more will be said: the relay ends the session and closes. A mask of zeros is a mask.
  func finish() {
    let text = Array("{\"type\":\"CloseStream\"}".utf8)
    say([0x81, 0x80 | UInt8(text.count), 0, 0, 0, 0] + text)
  }

  fileprivate func hangUp() { close(descriptor) }
}
