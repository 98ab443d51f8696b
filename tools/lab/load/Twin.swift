// The Deepgram side of the load: takes the relay's connections, answers the handshake, knows each
// frame again in the audio, sends a result for each second of it, and the last words when told to
// finish. It understands only what a relay sends to Deepgram, and takes a message cut anywhere.

import CDigest
import CLinux
import Glibc

final class LoadTwin {
  private struct Connection {
    enum State { case free, handshaking, open, finishing }
    var state = State.free
    var socket = LoadSocket(-1)
    /// The beginning of a frame whose rest is in a later message.
    let partial = UnsafeMutablePointer<UInt8>.allocate(capacity: LoadAudio.size)
    var partialCount = 0
    var frames = 0
    var results = 0
  }

  private let tally: LoadTally
  private let reader: ArrivalReader
  private let poll: LoadPoll
  private let listener: Int32
  private let connections: UnsafeMutablePointer<Connection>
  private var free: [Int]
  private let tail = UnsafeMutablePointer<UInt8>.allocate(capacity: LoadAudio.tail.count)
  private(set) var liveCount = 0

  init(
    port: UInt16, capacity: Int, tally: LoadTally, reader: ArrivalReader, poll: LoadPoll
  ) throws(LoadMistake) {
    self.tally = tally
    self.reader = reader
    self.poll = poll
    connections = .allocate(capacity: capacity)
    for index in 0..<capacity { (connections + index).initialize(to: Connection()) }
    free = Array((0..<capacity).reversed())
    tail.initialize(from: LoadAudio.tail, count: LoadAudio.tail.count)
    listener = try LoadSocket.listen(on: port)
    poll.add(listener, .listener, 0)
  }

  // MARK: Connections

  func accept() {
    while let index = free.last, let socket = LoadSocket.accept(from: listener) {
      free.removeLast()
      connections[index].state = .handshaking
      connections[index].socket = socket
      connections[index].partialCount = 0
      connections[index].frames = 0
      connections[index].results = 0
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
    tally.strayBytes += connections[index].partialCount
    connections[index].socket.close()
    connections[index].state = .free
    free.append(index)
    liveCount -= 1
  }

  private func readable(_ index: Int) {
    switch reader.read(connections[index].socket) {
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
      if String(decoding: frame.payload, as: UTF8.self).contains("CloseStream") { finish(index) }
    case 8:
      // Either the answer to our Close, or the relay goes by itself.
      if connections[index].state == .open { send([0x88, 2, 0x03, 0xe8], index) }
      end(index)
    case 9:
      send([0x8a, UInt8(frame.payload.count & 127)] + frame.payload, index)
    default: break
    }
  }

  private func send(_ bytes: [UInt8], _ index: Int) {
    guard bytes.withUnsafeBytes({ connections[index].socket.send($0) }) else { return }
    if connections[index].socket.isHeldBack {
      poll.change(connections[index].socket.descriptor, .upstream, index, writable: true)
    }
  }

  private func send(text: String, _ index: Int) {
    let length = text.utf8.count
    let head: [UInt8] =
      length < 126 ? [0x81, UInt8(length)] : [0x81, 126, UInt8(length >> 8), UInt8(length & 255)]
    send(head + Array(text.utf8), index)
  }

  /// Deepgram's order: the last result, one Metadata, Close 1000.
  private func finish(_ index: Int) {
    guard connections[index].state == .open else { return }
    connections[index].state = .finishing
    tally.finished += 1
    let seconds = Double(connections[index].frames) / 50
    let start = Double(connections[index].results / 3 * 3)
    result(index, start: start, duration: max(0, seconds - start), isFinal: true)
    send(
      text: """
        {"type":"Metadata","transaction_key":"deprecated","request_id":\
        "5f1b7c1e-0000-4000-8000-000000000001","sha256":\
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","created":\
        "2026-01-01T00:00:00.000Z","duration":\(seconds),"channels":1}
        """, index)
    send([0x88, 2, 0x03, 0xe8], index)
  }

  private func result(_ index: Int, start: Double, duration: Double, isFinal: Bool) {
    tally.results += 1
    send(
      text: """
        {"type":"Results","channel_index":[0,1],"duration":\(duration),"start":\(start),\
        "is_final":\(isFinal),"speech_final":\(isFinal),"from_finalize":false,"channel":\
        {"alternatives":[{"transcript":"hello how are you","confidence":0.98,"words":[\
        {"word":"hello","start":0.32,"end":0.64,"confidence":0.99,"punctuated_word":"Hello"},\
        {"word":"how","start":0.7,"end":0.8,"confidence":0.99,"punctuated_word":"how"},\
        {"word":"are","start":0.8,"end":0.9,"confidence":0.99,"punctuated_word":"are"},\
        {"word":"you","start":0.9,"end":1.0,"confidence":0.99,"punctuated_word":"you"}]}]},\
        "metadata":{"request_id":"5f1b7c1e-0000-4000-8000-000000000001","model_uuid":\
        "00000000-0000-4000-8000-0000000000aa","model_info":{"name":"2-general-nova",\
        "version":"2024-01-09.29447","arch":"nova-2"}}}
        """, index)
  }

  // MARK: Audio

  /// The audio of a connection is one stream of frames, however the relay cut it into messages.
  private func audio(_ bytes: UnsafeMutableRawBufferPointer, _ index: Int) {
    var place = UnsafeRawPointer(bytes.baseAddress!)
    var left = bytes.count
    while connections[index].partialCount > 0 && left > 0 {
      let partial = connections[index].partial
      let have = connections[index].partialCount
      let taken = min(LoadAudio.size &- have, left)
      UnsafeMutableRawPointer(partial + have).copyMemory(from: place, byteCount: taken)
      place += taken
      left &-= taken
      guard have &+ taken == LoadAudio.size else {
        connections[index].partialCount = have &+ taken
        return
      }
      if take(UnsafeRawPointer(partial), index) {
        connections[index].partialCount = 0
      } else {
        // Not ours at this place: look one byte further.
        tally.strayBytes &+= 1
        memmove(partial, partial + 1, LoadAudio.size &- 1)
        connections[index].partialCount = LoadAudio.size &- 1
      }
    }
    while left >= LoadAudio.size {
      let step = take(place, index) ? LoadAudio.size : 1
      if step == 1 { tally.strayBytes &+= 1 }
      place += step
      left &-= step
    }
    if left > 0 {
      UnsafeMutableRawPointer(connections[index].partial).copyMemory(from: place, byteCount: left)
      connections[index].partialCount = left
    }
  }

  /// False: no frame begins here.
  private func take(_ place: UnsafeRawPointer, _ index: Int) -> Bool {
    guard let stamp = Stamp(at: place) else { return false }
    if memcmp(place + Stamp.size, tail, LoadAudio.size &- Stamp.size) != 0 {
      tally.damaged &+= 1
    }
    tally.noteArrived(stamp, at: reader.arrival)
    connections[index].frames &+= 1
    if connections[index].frames % 50 == 0 {
      connections[index].results += 1
      let second = connections[index].results
      let start = (second - 1) / 3 * 3
      result(
        index, start: Double(start), duration: Double(second - start), isFinal: second % 3 == 0)
    }
    return true
  }
}
