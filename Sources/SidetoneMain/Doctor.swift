// `sidetone doctor`: opens a session with each upstream as a call would, with the settings of its
// routes and without audio, ends it cleanly, and says what was accepted, what was refused and how
// long it took. It is the relay itself that dials, for a caller of its own on a loopback port, so
// what is said here is what callers would meet.

import Glibc
import Sidetone
import SidetoneLinux
import SidetoneSettings

enum Doctor {
  /// What came of one upstream.
  struct Finding {
    enum Outcome { case well, bad, untried }
    var name: String
    var outcome: Outcome
    var text: String
    var isWell: Bool { outcome != .bad }
  }

  /// Whether something was tried, and all of it went well.
  static func isWell(_ findings: [Finding]) -> Bool {
    findings.allSatisfy(\.isWell) && findings.contains { $0.outcome == .well }
  }

  /// One session to open: a relay that has nothing but this upstream.
  struct Visit {
    var name: String
    var config: Config
  }

  static func examine(_ config: Config) -> [Finding] {
    let keyless = config.upstreams.filter(\.isWithoutKey).map {
      Finding(name: $0.name, outcome: .untried, text: "not dialled: \($0.keyVariable) is not set")
    }
    return visits(of: config).map(dial) + keyless
  }

  // MARK: Whom to dial

  /// Each upstream with what each route asks of it, once where routes ask the same; one that no
  /// route leads to is dialled as it is.
  static func visits(of config: Config) -> [Visit] {
    var visits: [Visit] = []
    var seen: Set<String> = []
    let calls = config.routes.filter { $0.kind == .call }
    for (index, upstream) in config.upstreams.enumerated()
    where upstream.speaksFor.isEmpty && !upstream.isWithoutKey && !upstream.endpoint.host.isEmpty {
      let routes = calls.filter { config.upstreams(of: $0).contains(index) }
      for route in routes.isEmpty ? [Config.Route()] : routes {
        let asked = config.asked(of: upstream, on: route)
        let text =
          (asked.options + asked.fixed).map { "\($0.name)=\($0.value)" }
          + ["\(route.upstreamRate)"]
        guard seen.insert(([upstream.name] + text).joined(separator: "\n")).inserted else {
          continue
        }
        let name = route.path.isEmpty ? upstream.name : "\(upstream.name) (\(route.path))"
        visits.append(Visit(name: name, config: relay(to: upstream, on: route, of: config)))
      }
    }
    return visits
  }

  private static let path = "/doctor"

  private static func relay(
    to upstream: Config.Upstream, on route: Config.Route, of config: Config
  ) -> Config {
    var relay = Config()
    relay.listeners[0].port = 0
    relay.limits = config.limits
    relay.limits.callsMax = 1
    relay.limits.otherLinksMax = 16
    relay.limits.twoWayCallsMax = 1
    relay.limits.redialsMax = 0
    relay.limits.drainSeconds = 0
    relay.limits.finishSeconds = min(config.limits.finishSeconds, confirmSecondsMax)
    relay.logsJSON = true
    var upstream = upstream
    // Nobody is there to be greeted.
    upstream.options.removeAll { $0.name == "greeting" }
    relay.upstreams = [upstream] + config.upstreams.filter { $0.speaksFor == upstream.name }
    relay.limits.cascadeCallsMax = 1
    var own = Config.Route()
    own.path = path
    own.upstream = upstream.name
    own.carriers = [caller]
    own.options = route.options
    own.standardOptions = route.standardOptions
    own.upstreamRate = route.upstreamRate
    own.isOpen = true
    relay.routes = [own]
    return relay
  }

  /// The carrier whose calls begin with their handshake.
  private static let caller =
    Carrier.all.first { $0.open != nil }.map(\.name.description) ?? ""

  // MARK: A visit

  private static let answerSecondsMax = 30
  private static let endSecondsMax = 10
  /// So long the relay waits for the word that all results are there, however long calls do.
  private static let confirmSecondsMax = 5

  private static func dial(_ visit: Visit) -> Finding {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return failure(visit, "no pipe: \(systemError())") }
    let nowhere = open("/dev/null", O_WRONLY)
    defer { for end in ends + [nowhere] { close(end) } }
    let house: House
    do throws(StartError) {
      guard let lines = try? LineWriter(transcripts: nowhere, logs: ends[1]) else {
        return failure(visit, "no thread for lines")
      }
      house = House(try Machine(config: visit.config, lines: lines, catchesSignals: false))
    } catch {
      return failure(visit, "\(error)")
    }
    house.start()
    defer { house.stop() }
    guard let caller = Caller(port: house.machine.listeners[0].port, path: path) else {
      return failure(visit, "no caller: \(systemError())")
    }
    defer { caller.hangUp() }
    return watch(caller, log: ends[0], of: visit)
  }

  private static func failure(_ visit: Visit, _ text: String) -> Finding {
    Finding(name: visit.name, outcome: .bad, text: text)
  }

  /// Reads the relay's log until the session stands, then ends it.
  private static func watch(_ caller: Caller, log: Int32, of visit: Visit) -> Finding {
    var story = Story()
    let began = seconds()
    var limit = began + Double(answerSecondsMax)
    var lines = LogLines(descriptor: log)
    while seconds() < limit, !caller.hasEnded {
      caller.wait(beside: log, milliseconds: 100)
      for line in lines.read() {
        if story.take(line), case .standing = story.state {
          caller.finish()
          story.askedToEnd = seconds()
          limit = story.askedToEnd + Double(endSecondsMax)
        }
      }
    }
    story.noteEnd(at: seconds(), within: visit.config.limits.finishSeconds)
    usleep(50_000)
    for line in lines.read() { _ = story.take(line) }
    let milliseconds = Int((seconds() - began) * 1000)
    return Finding(
      name: visit.name, outcome: story.isWell(hasEnded: caller.hasEnded) ? .well : .bad,
      text: story.text(after: milliseconds, hasEnded: caller.hasEnded))
  }

  /// What the log tells of one session.
  private struct Story {
    enum State { case dialling, standing }
    var state = State.dialling
    /// How long it took.
    var after = ""
    /// When it was to end.
    var askedToEnd = 0.0
    /// What the upstream, or what is between here and there, had to say.
    var complaints: [String] = []

    /// Lines that say what is wrong; others say what follows from it.
    private static let complaining: Set = [
      "upstream_refused", "upstream_error", "upstream_closed", "upstream_lost", "call_refused",
      "results_missing",
    ]

    func isWell(hasEnded: Bool) -> Bool {
      state == .standing && complaints.isEmpty && hasEnded
    }

    /// The relay let go, or is given up. Without a word of the upstream's it waits as long as it
    /// may.
    mutating func noteEnd(at now: Double, within most: Int) {
      guard case .standing = state, now - askedToEnd >= Double(most) - 0.05 else { return }
      complaints.append(
        "it did not confirm the end of its results within \(most) s, as every call would wait for")
    }

    /// True: the session stands since this line.
    mutating func take(_ line: LogLines.Line) -> Bool {
      if Self.complaining.contains(line.event) { complaints.append(line.detail) }
      guard line.event == "upstream_connected", state == .dialling else { return false }
      state = .standing
      if let place = line.detail.firstRange(of: " after ") {
        after = String(line.detail[place.lowerBound...])
      }
      return true
    }

    func text(after milliseconds: Int, hasEnded: Bool) -> String {
      let said = complaints.isEmpty ? "" : ": " + complaints.joined(separator: "; ")
      switch state {
      case .standing where complaints.isEmpty:
        return "accepted\(after), " + (hasEnded ? "ended cleanly" : "and did not end")
      case .standing: return "accepted\(after), but then\(said)"
      case .dialling:
        return (hasEnded ? "refused" : "no answer") + " after \(milliseconds) ms\(said)"
      }
    }
  }
}

private func systemError() -> String { String(cString: strerror(errno)) }

private func seconds() -> Double {
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
  struct Line {
    var event: String
    var detail: String
  }

  private let descriptor: Int32
  private var rest: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
  }

  /// The whole lines that have come.
  mutating func read() -> [Line] {
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      if count <= 0 { break }
      rest += piece.prefix(count)
    }
    var lines: [Line] = []
    while let end = rest.firstIndex(of: 0x0a) {
      let bytes = Array(rest[..<end])
      rest.removeFirst(end + 1)
      if let line = bytes.withBytes(Self.line) { lines.append(line) }
    }
    return lines
  }

  private static func line(_ bytes: Bytes) -> Line? {
    guard let event = JSON.find("event", in: bytes), event.kind == .string,
      let detail = JSON.find("detail", in: bytes), detail.kind == .string
    else { return nil }
    return Line(event: bytes[event.range].string, detail: JSON.string(detail, in: bytes))
  }
}

// MARK: - The caller

/// A raw client that says nothing, on a socket of its own.
private final class Caller {
  private let descriptor: Int32
  private(set) var hasEnded = false

  /// Nil where there is no connection.
  init?(port: UInt16, path: String) {
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
      GET \(path)?encoding=mulaw&sample_rate=8000 HTTP/1.1\r
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

  /// Until the log or the relay has something, which is read and not looked at.
  func wait(beside log: Int32, milliseconds: Int32) {
    var watched = [
      pollfd(fd: log, events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    _ = poll(&watched, 2, milliseconds)
    guard watched[1].revents != 0 else { return }
    var piece = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &piece, piece.count, 0)
    hasEnded = count == 0 || (count < 0 && errno != EAGAIN)
  }

  /// Nothing more will be said: the relay ends the session and closes. A mask of zeros is a mask.
  func finish() {
    let text = Array("{\"type\":\"CloseStream\"}".utf8)
    say([0x81, 0x80 | UInt8(text.count), 0, 0, 0, 0] + text)
  }

  func hangUp() { close(descriptor) }
}
