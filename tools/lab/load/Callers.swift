// The Twilio side of the load: each slot plays one call after another. A slot acts when it is its
// turn in the schedule, once every 20 ms, and otherwise only listens, in two-way calls to the
// twin's voice:
//
//     idle -> connecting -> upgrading -> ready -> talking -> leaving -> idle or over
//
// `start` and the first frame go out together, so the relay has audio before it has an upstream.

import CLinux
import Glibc

final class LoadCallers {
  private struct Slot {
    enum State { case idle, connecting, upgrading, ready, talking, leaving, over }
    var state = State.idle
    var socket = LoadSocket(-1)
    var call: UInt32 = 0
    var sequence: UInt32 = 0
    /// The first half of a frame was sent, and the second was not.
    var isHalfway = false
    /// Monotonic; for the answer to the upgrade, and for the end after `stop`.
    var deadline: Int64 = 0
    /// Of two-way calls: what the caller hears.
    var ear = StepEar()
    var listener = PlayoutTally.Listener()
  }

  private static let patience: Int64 = 8_000_000_000
  private let options: LoadOptions
  private let tally: LoadTally
  private let reader: ArrivalReader
  private let poll: LoadPoll
  private let messages = CallerMessages()
  private let tlsContext: LoadTLSContext?
  /// A heard message's bytes, what each byte stands for, and the message's samples.
  private let heard = UnsafeMutablePointer<UInt8>.allocate(
    capacity: ArrivalReader.longestMessage)
  private let linears = UnsafeMutablePointer<Int16>.allocate(capacity: 256)
  private let samples = UnsafeMutablePointer<Int16>.allocate(
    capacity: ArrivalReader.longestMessage)
  private let slots: UnsafeMutablePointer<Slot>
  let slotCount: Int
  private var nextCall: UInt32 = 0
  private let callCount: UInt32
  private(set) var talkingCount = 0
  private(set) var overCount = 0

  /// What a slot does when it is its turn and it talks.
  enum Mode { case send, hold, leave }
  var mode = Mode.send

  /// Messages in which a frame goes out, each in a turn of its own.
  var halves: Int { options.manner == .ucid ? 2 : 1 }

  init(
    options: LoadOptions, tally: LoadTally, reader: ArrivalReader, poll: LoadPoll
  ) throws(LoadMistake) {
    tlsContext = options.isTLS ? try LoadTLSContext() : nil
    self.options = options
    self.tally = tally
    self.reader = reader
    self.poll = poll
    slotCount = options.calls
    callCount = UInt32(tally.up.ledger.calls)
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
    linears.initialize(from: Steps.linears, count: 256)
  }

  // MARK: The schedule

  /// The turn of one slot, which was due at `due`.
  func turn(of index: Int, half: Int, due: Int64) {
    if half == 1 {
      if slots[index].state == .talking && slots[index].isHalfway { frame(index, due: due) }
      return
    }
    switch slots[index].state {
    case .idle: begin(index)
    case .connecting, .upgrading:
      if LoadClock.monotonic() > slots[index].deadline { refuse(index) }
    case .ready:
      if mode == .leave { return over(index) }
      slots[index].state = .talking
      talkingCount += 1
      if start(index) { frame(index, due: due) }
    case .talking: talk(index, due: due)
    case .leaving:
      if LoadClock.monotonic() > slots[index].deadline {
        tally.stuck += 1
        over(index)
      }
    case .over: break
    }
  }

  private func talk(_ index: Int, due: Int64) {
    let done = options.shortCalls > 0 && slots[index].sequence >= options.frames
    if done && waits(index) { return }
    if done || mode == .leave || !tally.up.ledger.hasRoom(call: slots[index].call) {
      leave(index)
    } else if mode == .send {
      frame(index, due: due)
    }
  }

  /// Whether a short call has not heard all that it should, and still may.
  private func waits(_ index: Int) -> Bool {
    guard options.isTwoWay, slots[index].ear.next < options.frames else { return false }
    if Int(slots[index].sequence) == options.frames {
      slots[index].sequence &+= 1
      slots[index].deadline = LoadClock.monotonic() + Self.patience
    }
    return LoadClock.monotonic() < slots[index].deadline
  }

  private func start(_ index: Int) -> Bool {
    let call = slots[index].call
    switch options.manner {
    case .twilio:
      return send(messages.connected(), index) && send(messages.start(call: call), index)
    case .ucid: return send(messages.ucidStart(call: call), index)
    case .raw: return true
    }
  }

  private func frame(_ index: Int, due: Int64) {
    if options.manner == .ucid, !slots[index].isHalfway {
      slots[index].isHalfway = true
      let (call, sequence) = (slots[index].call, slots[index].sequence)
      _ = send(messages.ucidSteps(call: call, sequence: sequence, half: 0), index)
      return
    }
    slots[index].isHalfway = false
    let stamp = Stamp(
      call: slots[index].call, sequence: slots[index].sequence, sent: LoadClock.now())
    slots[index].sequence &+= 1
    tally.up.noteSent(stamp, due: due)
    _ = send(message(stamp), index)
  }

  /// What ends the frame.
  private func message(_ stamp: Stamp) -> CallerMessages.Message {
    switch options.manner {
    case .raw: messages.raw(stamp)
    case .ucid: messages.ucidSteps(call: stamp.call, sequence: stamp.sequence, half: 1)
    case .twilio:
      options.isTwoWay
        ? messages.steps(call: stamp.call, sequence: stamp.sequence) : messages.media(stamp)
    }
  }

  private func begin(_ index: Int) {
    guard nextCall < callCount, mode == .send else { return over(index) }
    slots[index].call = nextCall
    slots[index].sequence = 0
    slots[index].isHalfway = false
    slots[index].ear = StepEar()
    slots[index].listener = PlayoutTally.Listener()
    slots[index].deadline = LoadClock.monotonic() + Self.patience
    nextCall += 1
    guard let socket = LoadSocket.connect(to: options.address, port: options.port, tlsContext)
    else {
      tally.refused += 1
      return
    }
    slots[index].socket = socket
    slots[index].state = .connecting
    poll.add(socket.descriptor, .caller, index, writable: true)
  }

  /// As carriers do: `stop`, then the closing handshake.
  private func leave(_ index: Int) {
    talkingCount -= 1
    slots[index].state = .leaving
    slots[index].deadline = LoadClock.monotonic() + Self.patience
    if stop(index) { _ = send(messages.close(), index) }
  }

  private func stop(_ index: Int) -> Bool {
    let call = slots[index].call
    switch options.manner {
    case .twilio:
      return send(messages.stop(call: call, sequence: slots[index].sequence), index)
    case .ucid: return send(messages.ucidStop(call: call), index)
    case .raw: return true
    }
  }

  private func refuse(_ index: Int) {
    tally.refused += 1
    over(index)
  }

  /// The call has ended; the next one, where there is one, begins on the slot's next turn.
  private func over(_ index: Int) {
    switch slots[index].state {
    case .talking: talkingCount -= 1
    case .idle, .over: break
    default: break
    }
    if slots[index].state != .idle { slots[index].socket.close() }
    if options.shortCalls > 0 && nextCall < callCount && mode == .send {
      slots[index].state = .idle
    } else {
      slots[index].state = .over
      overCount += 1
    }
  }

  // MARK: The socket

  private func send(_ message: CallerMessages.Message, _ index: Int) -> Bool {
    guard slots[index].socket.send(message) else {
      lost(index)
      return false
    }
    if slots[index].socket.isHeldBack {
      poll.change(slots[index].socket.descriptor, .caller, index, writable: true)
    }
    return true
  }

  /// The connection is gone. While leaving that is the end we wait for.
  private func lost(_ index: Int) {
    switch slots[index].state {
    case .connecting, .upgrading: tally.refused += 1
    case .ready, .talking: tally.broken += 1
    case .idle, .leaving, .over: break
    }
    over(index)
  }

  func happened(_ event: LoadPoll.Event) {
    let index = event.index
    if slots[index].state == .idle || slots[index].state == .over { return }
    if event.readable { readable(index) }
    if slots[index].state == .idle || slots[index].state == .over || !event.writable { return }
    if slots[index].state == .connecting {
      slots[index].state = .upgrading
      _ = slots[index].socket.send(
        """
        GET \(target(of: index)) HTTP/1.1\r\nHost: 127.0.0.1:\(options.port)\r
        Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
        """)
    } else if !slots[index].socket.flush() {
      return lost(index)
    }
    let waiting = slots[index].socket.isHeldBack
    poll.change(slots[index].socket.descriptor, .caller, index, writable: waiting)
  }

  /// Those who have no start message say in the query what they send.
  private func target(of index: Int) -> String {
    guard options.manner == .raw else { return options.path }
    return "\(options.path)?encoding=mulaw&sample_rate=8000&call_id=load-\(slots[index].call)"
  }

  private func readable(_ index: Int) {
    switch reader.read(&slots[index].socket) {
    case .nothing: break
    case .ended: lost(index)
    case .bytes(let count): take(count, index)
    }
  }

  private func take(_ count: Int, _ index: Int) {
    var at = 0
    if slots[index].state == .upgrading {
      let text = UnsafeBufferPointer(start: reader.buffer, count: count)
      guard let end = text.firstRange(of: Array("\r\n\r\n".utf8)) else {
        slots[index].socket.keep(reader.buffer, count: count)
        if count > 16_384 { refuse(index) }
        return
      }
      guard text.starts(with: Array("HTTP/1.1 101 ".utf8)) else { return refuse(index) }
      slots[index].state = .ready
      at = end.upperBound
    }
    while let frame = LoadFrame(at: reader.buffer + at, count: count - at) {
      at += frame.length
      if frame.opcode == 8 { return lost(index) }
      if frame.opcode == 1 { hear(frame.payload, index) }
      if frame.opcode == 9, !send(messages.pong(UnsafeRawBufferPointer(frame.payload)), index) {
        return
      }
    }
    let left = count - at
    if left > ArrivalReader.longestMessage { return lost(index) }
    if left > 0 || slots[index].socket.keptCount > 0 {
      slots[index].socket.keep(reader.buffer + at, count: left)
    }
  }

  /// What the relay plays to the caller.
  private func hear(_ message: UnsafeMutableRawBufferPointer, _ index: Int) {
    guard let down = tally.down else { return }
    let count =
      options.manner == .ucid
      ? message.integers(behind: "\"samples\":", to: samples) : payload(of: message)
    tally.playout?.noteArrived(count, for: &slots[index].listener, at: reader.arrival)
    down.noteHeard(
      samples, count: count, perStep: StepSounds.lawBytes, by: &slots[index].ear,
      at: reader.arrival)
  }

  /// Decodes a message's µ-law into samples; how many.
  private func payload(of message: UnsafeMutableRawBufferPointer) -> Int {
    guard let letters = message.string(behind: "\"payload\":") else { return 0 }
    let count = Base64.decode(letters.baseAddress!, count: letters.count, to: heard)
    for place in 0..<count { samples[place] = linears[Int(heard[place])] }
    return count
  }
}
