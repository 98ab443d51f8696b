// What is remembered about a call: who, when, how much. Operators see it while the call runs,
// the last line of the log when it has ended.

package struct CallRecord: BitwiseCopyable, Sendable {
  /// Messages of audio from the caller, and audio handed to the upstream.
  private(set) var framesIn = 0
  private(set) var bytesSent = 0
  /// Parameters for which there was no room.
  private(set) var parametersLeftOut: UInt16 = 0
  private var firstAudioMilliseconds = 0
  private(set) var identity: CallIdentity
  /// Results with words.
  private var transcripts = 0
  /// The names and texts that its webhook gave it: a JSON object, without what looks like a secret.
  private var parameters = Chain()
  private var generatedMilliseconds = 0
  private var heardMilliseconds = 0
  private(set) var delays = CallDelays()
  private var interruptions: UInt32 = 0
  private var cutMilliseconds: UInt32 = 0
  private var ready = Event.ReadyTimes()
  private var firstAudio = FirstAudio.awaited

  /// The line about it is written by the call's timer, off the path of a frame.
  private enum FirstAudio: BitwiseCopyable { case awaited, told }

  init(peer: Address, at now: Instant, wall: WallTime) {
    identity = CallIdentity(peer: peer, startedAt: now, startedWall: wall)
  }

  var name: Name {
    @inline(__always) get { identity.name }
    set { identity.name = newValue }
  }
  var startedAt: Instant { identity.startedAt }
  /// Whether it is written down.
  var isKept: Bool { identity.key != 0 }

  /// The call was dialled ahead: its caller has come, and the call is as old as that.
  mutating func callerCame(as other: CallRecord) {
    identity.peer = other.identity.peer
    identity.startedAt = other.identity.startedAt
    identity.startedWall = other.identity.startedWall
  }

  @_noAllocation mutating func frameCame() { framesIn &+= 1 }
  @_noAllocation mutating func sent(_ bytes: Int) { bytesSent &+= bytes }
  @_noAllocation mutating func delayed(by delay: Instant.Span) { delays.record(delay) }
  mutating func transcribed() { transcripts &+= 1 }
  mutating func wasInterrupted() { interruptions &+= 1 }

  /// The agent is done with an item, of which so much was heard, and so much had no room.
  mutating func said(milliseconds: Int, heard: Int, cut: Int) {
    cutMilliseconds &+= UInt32(clamping: cut)
    generatedMilliseconds &+= milliseconds
    heardMilliseconds &+= heard
  }

  /// Another session is the call's, which took so long to be ready.
  mutating func sessionBegan(afterMilliseconds milliseconds: Int32) { ready.add(milliseconds) }

  /// Whether the first audio has come and nobody was told.
  func owesFirstAudio(_ lastAudio: Instant) -> Bool {
    firstAudio == .awaited && lastAudio != .never
  }

  /// The line about the first audio is written off its path, but before whatever comes next.
  mutating func tellFirstAudio(of uplink: Uplink, _ turn: inout Turn) {
    guard owesFirstAudio(uplink.lastAudio) else { return }
    firstAudio = .told
    firstAudioMilliseconds = age(at: turn.now).milliseconds
    let event = Event.OfCall.firstAudio(
      milliseconds: firstAudioMilliseconds, bytes: uplink.receivedBytes / max(framesIn, 1))
    turn.note(.call(event), of: name)
  }

  func age(at now: Instant) -> Instant.Span { now - startedAt }

  /// It is written down from now on; 0: it is not.
  mutating func keep(under key: UInt64) { identity.key = key }

  /// When what a session heard was said, in microseconds of its audio, negative where that is not
  /// known; it began so many microseconds behind the first audio.
  func when(from start: Int, to end: Int, behind offset: Int) -> Event.When {
    func milliseconds(_ microseconds: Int) -> Int {
      microseconds < 0 ? -1 : firstAudioMilliseconds &+ (offset &+ microseconds) / 1000
    }
    return Event.When(start: milliseconds(start), end: milliseconds(end))
  }

  /// Milliseconds since the call began.
  func milliseconds(at time: Instant) -> Int { max(0, (time - startedAt).milliseconds) }

  // MARK: Parameters

  /// The caller has said who it is.
  mutating func begin(
    _ arrival: CallerLeg.Arrival, _ start: Carrier.Start, _ store: Store, _ turn: inout Turn
  ) {
    let id = arrival.message[start.call]
    name = CallerLeg.name(id, store.scratch)
    if id.count > Name.bytesMax { turn.note(.caller(.odd(.idCut(bytes: id.count))), of: name) }
    if !arrival.parameters.isEmpty {
      keep(parameters: arrival.parameters, scratch: store.scratch, from: store.pool)
    } else if !start.quotedParameters.isEmpty || !start.called.isEmpty {
      keep(quoted: start.quotedParameters, called: start.called, in: arrival.message, store)
    }
    if parametersLeftOut > 0 {
      let (left, most) = (Int(parametersLeftOut), Self.parameterBytesMax)
      turn.note(.caller(.odd(.parametersLeftOut(left, bytesMax: most))), of: name)
    }
  }

  private static let parameterBytesMax = 1024
  private static let calledBytesMax = 64

  /// The same of an object that stands in a string, and of the number that was called (`did`).
  private mutating func keep(
    quoted: Range<Int>, called: Range<Int>, in message: Bytes, _ store: Store
  ) {
    Bytes.withTemporary(Self.parameterBytesMax) { place in
      var text = Writer(place)
      JSON.unescape(JSON.Value(.string, quoted, hasEscapes: true), in: message, to: &text)
      var object = Bytes.empty
      if !text.overflowed, let whole = JSON.whole(of: text.written), whole.kind == .object {
        object = text.written[whole.range]
      }
      keep(
        parameters: object, called: message[called], scratch: store.scratch, from: store.pool)
      // It is too long, or no object.
      if !quoted.isEmpty, object.isEmpty { parametersLeftOut &+= 1 }
    }
  }

  /// Keeps what its webhook gave it: each parameter whole, as many as there is room for.
  mutating func keep(
    parameters object: Bytes, called: Bytes = .empty, scratch: Bytes, from pool: BlockPool
  ) {
    parameters.clear(in: pool)
    parametersLeftOut = 0
    var kept: UInt16 = 0
    var writer = Writer(scratch.prefix(Self.parameterBytesMax - 1))
    writer.write("{")
    if (1...Self.calledBytesMax).contains(called.count) {
      writer.write("\"did\":\"")
      writer.write(jsonText: called)
      writer.write("\"")
      kept = 1
    } else if !called.isEmpty {
      parametersLeftOut = 1
    }
    var members = JSON.Members(of: JSON.Value(.object, 0..<object.count), in: object)
    while let member = members.next() {
      let name = object[member.name.range]
      guard !name.mayNameKey else { continue }
      let mark = writer.count
      writer.write(mark > 1 ? ",\"" : "\"")
      writer.write(jsonText: name)
      writer.write("\":")
      if member.value.kind == .string { writer.write("\"") }
      writer.write(jsonText: object[member.value.range])
      if member.value.kind == .string { writer.write("\"") }
      if writer.overflowed {
        writer.rewind(to: mark)
        parametersLeftOut &+= 1
      } else {
        kept &+= 1
      }
    }
    guard kept > 0 else { return }
    var text = Writer(scratch.prefix(Self.parameterBytesMax))
    _ = text.reserve(writer.count)
    text.write("}")
    if !parameters.append(text.written, from: pool) { parametersLeftOut &+= kept }
  }

  /// A JSON object; empty where its webhook gave it nothing.
  func parameters(in pool: BlockPool) -> Bytes { parameters.front(in: pool) }

  mutating func releaseParameters(to pool: BlockPool) { parameters.clear(in: pool) }

  // MARK: For people

  /// Its row in `/stats`.
  func row(at now: Instant, in pool: BlockPool) -> CallRow {
    CallRow(
      peer: identity.peer, name: name, startedWall: identity.startedWall, duration: age(at: now),
      bytesSent: bytesSent, transcripts: transcripts, parameters: parameters(in: pool))
  }

  /// The last line.
  func ending(
    _ cause: Cause, isTwoWay: Bool, hasStarted: Bool, of uplink: Uplink, at now: Instant
  ) -> Event.Ending {
    Event.Ending(
      cause: cause, milliseconds: age(at: now).milliseconds, frames: framesIn,
      results: transcripts, isTwoWay: isTwoWay, heardMilliseconds: heardMilliseconds,
      generatedMilliseconds: generatedMilliseconds, interruptions: Int(interruptions),
      receivedBytes: uplink.receivedBytes, sentBytes: bytesSent, lostBytes: uplink.lostBytes,
      hasStarted: hasStarted, delays: delays.figures, lateFrames: uplink.lateFrames,
      missingFrames: uplink.missingFrames, cutMilliseconds: Int(cutMilliseconds),
      skippedMilliseconds: uplink.skippedMilliseconds, ready: ready)
  }
}

/// One running call, as `/stats` shows it.
package struct CallRow: Sendable {
  package var peer: Address
  package var name: Name
  package var startedWall: WallTime
  package var duration: Instant.Span
  package var bytesSent: Int
  package var transcripts: Int
  /// A JSON object, or nothing.
  package var parameters: Bytes

  package init(
    peer: Address, name: Name, startedWall: WallTime, duration: Instant.Span, bytesSent: Int,
    transcripts: Int, parameters: Bytes = .empty
  ) {
    self.peer = peer
    self.name = name
    self.startedWall = startedWall
    self.duration = duration
    self.bytesSent = bytesSent
    self.transcripts = transcripts
    self.parameters = parameters
  }
}
