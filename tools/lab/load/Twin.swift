// The upstream's side of the load: takes the relay's connections, answers the handshake and the
// control frames. What an upstream does with the audio stands in a file for each of them.

import CDigest
import CLinux
import Glibc

final class LoadTwin {
  struct Connection {
    enum State { case free, handshaking, open, finishing }
    var state = State.free
    var socket = LoadSocket(-1)
    /// The beginning of a frame whose rest is in a later message.
    let partial = UnsafeMutablePointer<UInt8>.allocate(capacity: LoadAudio.size)
    var partialCount = 0
    var frames = 0
    var results = 0
    var voice = Voice()
  }

  let options: LoadOptions
  let tally: LoadTally
  let reader: ArrivalReader
  private let poll: LoadPoll
  private let listener: Int32
  private let tlsContext: LoadTLSContext?
  let connections: UnsafeMutablePointer<Connection>
  let capacity: Int
  private var free: [Int]
  /// What follows the stamp in every frame of a one-way call.
  let tail = UnsafeMutablePointer<UInt8>.allocate(capacity: LoadAudio.tail.count)
  let voices = VoiceMessages()
  private(set) var liveCount = 0
  /// Nothing more is said on two-way calls.
  var isHolding = false

  init(
    _ options: LoadOptions, capacity: Int, tally: LoadTally, reader: ArrivalReader, poll: LoadPoll
  ) throws(LoadMistake) {
    self.options = options
    self.capacity = capacity
    self.tally = tally
    self.reader = reader
    self.poll = poll
    connections = .allocate(capacity: capacity)
    for index in 0..<capacity { (connections + index).initialize(to: Connection()) }
    free = Array((0..<capacity).reversed())
    tail.initialize(from: LoadAudio.tail, count: LoadAudio.tail.count)
    if let certificate = options.twinCertificate, let key = options.twinKey {
      tlsContext = try LoadTLSContext(certificate: certificate, key: key)
    } else {
      tlsContext = nil
    }
    listener = try LoadSocket.listen(on: options.twinPort)
    poll.add(listener, .listener, 0)
  }

  // MARK: Connections

  func accept() {
    while let index = free.last, let socket = LoadSocket.accept(from: listener, tlsContext) {
      free.removeLast()
      connections[index].state = .handshaking
      connections[index].socket = socket
      connections[index].partialCount = 0
      connections[index].frames = 0
      connections[index].results = 0
      connections[index].voice = Voice()
      poll.add(socket.descriptor, .upstream, index)
      liveCount += 1
      tally.upstreams += 1
    }
  }

  func happened(_ event: LoadPoll.Event) {
    if event.writable, connections[event.index].state != .free {
      if !connections[event.index].socket.flush() { return end(event.index) }
      let waiting = connections[event.index].socket.isHeldBack
      poll.change(
        connections[event.index].socket.descriptor, .upstream, event.index, writable: waiting)
    }
    if event.readable, connections[event.index].state != .free { readable(event.index) }
  }

  private func end(_ index: Int) {
    tally.up.strayBytes += connections[index].partialCount
    connections[index].socket.close()
    connections[index].state = .free
    free.append(index)
    liveCount -= 1
  }

  private func readable(_ index: Int) {
    switch reader.read(&connections[index].socket) {
    case .nothing: break
    case .ended: end(index)
    case .bytes(let count): take(count, index)
    }
  }

  /// What was read, whole frames first; the rest is kept.
  private func take(_ count: Int, _ index: Int) {
    var at = 0
    if connections[index].state == .handshaking {
      guard let length = handshake(index, count) else { return end(index) }
      at = length
    }
    if connections[index].state != .handshaking {
      while let frame = LoadFrame(at: reader.buffer + at, count: count &- at) {
        at &+= frame.length
        handle(frame, index)
        if connections[index].state == .free { return }
      }
    }
    let left = count &- at
    if left > ArrivalReader.longestMessage { return end(index) }
    if left > 0 || connections[index].socket.keptCount > 0 {
      connections[index].socket.keep(reader.buffer + at, count: left)
    }
  }

  // MARK: Handshake

  /// The length of the request, 0 while it is not whole, nil where it is none.
  private func handshake(_ index: Int, _ count: Int) -> Int? {
    let text = String(
      decoding: UnsafeBufferPointer(start: reader.buffer, count: count), as: UTF8.self)
    guard let end = text.utf8.firstRange(of: Array("\r\n\r\n".utf8)) else {
      return count < 16_384 ? 0 : nil
    }
    var key: Substring?
    for line in text[..<end.lowerBound].split(separator: "\r\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2, parts[0].lowercased() == "sec-websocket-key" {
        key = parts[1].drop { $0 == " " }
      }
    }
    guard let key else { return nil }
    let answer = """
      HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r
      Sec-WebSocket-Accept: \(Self.accept(key))\r
      dg-request-id: 5f1b7c1e-0000-4000-8000-000000000001\r\n\r\n
      """
    guard connections[index].socket.send(answer) else { return nil }
    connections[index].state = .open
    if options.isTwoWay { sayCreated(index) }
    return text.utf8.distance(from: text.startIndex, to: end.upperBound)
  }

  /// RFC 6455 §4.2.2: the answer that proves that the key was understood.
  static func accept(_ key: Substring) -> String {
    let joined = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
    var digest = [UInt8](repeating: 0, count: 21)
    SHA1(joined, joined.count, &digest)
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for group in stride(from: 0, to: 21, by: 3) {
      let word = digest[group..<group + 3].reduce(0) { $0 << 8 | Int($1) }
      for shift in [18, 12, 6, 0] { text.append(letters[word >> shift & 63]) }
    }
    text[27] = 0x3d  // 20 bytes: the last group holds two
    return String(decoding: text, as: UTF8.self)
  }

  // MARK: Messages

  private func handle(_ frame: LoadFrame, _ index: Int) {
    switch frame.opcode {
    case 0, 2:
      if connections[index].state == .open { audio(frame.payload, index) }
    case 1:
      if options.isTwoWay {
        event(frame.payload, index)
      } else if String(decoding: frame.payload, as: UTF8.self).contains("CloseStream") {
        finish(index)
      }
    case 8:
      // Either the answer to our Close, or the relay goes by itself.
      if connections[index].state == .open {
        if options.isTwoWay { tally.finished += 1 }
        send([0x88, 2, 0x03, 0xe8], index)
      }
      end(index)
    case 9:
      send([0x8a, UInt8(frame.payload.count & 127)] + frame.payload, index)
    default: break
    }
  }

  func send(_ bytes: [UInt8], _ index: Int) {
    bytes.withUnsafeBytes { send($0, index) }
  }

  func send(_ bytes: UnsafeRawBufferPointer, _ index: Int) {
    guard connections[index].socket.send(bytes) else { return }
    if connections[index].socket.isHeldBack {
      poll.change(connections[index].socket.descriptor, .upstream, index, writable: true)
    }
  }

  func send(text: String, _ index: Int) {
    let length = text.utf8.count
    let head: [UInt8] =
      length < 126 ? [0x81, UInt8(length)] : [0x81, 126, UInt8(length >> 8), UInt8(length & 255)]
    send(head + Array(text.utf8), index)
  }
}
