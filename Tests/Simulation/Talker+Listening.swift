// What leaves the relay for a caller who talks with a voice model, judged at the moment at which it
// leaves: nothing stale, nothing twice, nothing out of order, neither early nor late.

import Sidetone

/// What one message to a caller was.
enum Sent {
  /// Samples by item, in order; -1: silence that belongs to none.
  case audio([(item: Int, count: Int)])
  case mark(String)
  case clear
  case other
}

/// Marks that a carrier was sent and has not returned: each comes back when what lies in front of
/// it was played, or at once where that is forgotten.
struct WaitingMarks {
  private var names: [String] = []
  private var epoch = 0

  /// The epoch in which it waits.
  mutating func add(_ name: String) -> Int {
    names.append(name)
    return epoch
  }

  /// Nothing was forgotten since, and one waits.
  func isWaiting(since epoch: Int) -> Bool { epoch == self.epoch && !names.isEmpty }

  mutating func removeFirst() { names.removeFirst() }

  /// What was not played is forgotten: those that come back at once.
  mutating func forget() -> [String] {
    epoch += 1
    defer { names = [] }
    return names
  }
}

/// What µ-law says.
func decoded(mulaw bytes: [UInt8]) -> [Int16] {
  var samples = [UInt8](repeating: 0, count: bytes.count * 2)
  _ = bytes.withBytes { bytes in
    samples.withMutableBytes { Samples.decode(bytes, as: .mulaw8k, into: $0) }
  }
  return int16s(samples)
}

/// Little-endian samples of two bytes.
func int16s(_ bytes: [UInt8]) -> [Int16] {
  (0..<bytes.count / 2).map {
    Int16(truncatingIfNeeded: Int(bytes[2 * $0]) | Int(bytes[2 * $0 + 1]) << 8)
  }
}

/// Frames of a server as they leave, so that one that is under way is known.
struct LeavingFrames {
  private var bytes: [UInt8] = []
  private var isHeadOver = false
  private var isRefused = false
  var isMidFrame: Bool { !bytes.isEmpty }

  /// The payloads of the text frames that are whole by now.
  mutating func take(_ more: [UInt8]) -> [[UInt8]] {
    bytes += more
    if !isHeadOver {
      guard let end = headEnd(of: bytes) else { return [] }
      isRefused = !bytes.starts(with: "HTTP/1.1 101".utf8)
      bytes.removeFirst(end)
      isHeadOver = true
    }
    // What says why is no frame.
    if isRefused { bytes = [] }
    var payloads: [[UInt8]] = []
    while bytes.count >= 2 {
      var length = Int(bytes[1] & 0x7f)
      var start = 2
      if length == 126 {
        guard bytes.count >= 4 else { break }
        length = Int(bytes[2]) << 8 | Int(bytes[3])
        start = 4
      }
      guard bytes.count >= start + length else { break }
      if bytes[0] & 0xf == 1 { payloads.append(Array(bytes[start..<start + length])) }
      bytes.removeFirst(start + length)
    }
    return payloads
  }
}

extension Talker {
  func departed(_ bytes: [UInt8], at now: Instant) {
    for text in leaving.take(bytes) {
      let sent = judge(text, now)
      isExempt = false
      arriving.append(sent)
    }
  }

  private func judge(_ text: [UInt8], _ now: Instant) -> Sent {
    let isMedia = text.starts(with: "{\"event\":\"media\"".utf8)
    if !isMedia,
      place(behind: "\"clear\"", in: text) != nil
        || place(behind: "\"clearBuffer\"", in: text) != nil
    {
      shadow.clear(at: now)
      cleared += 1
      isClearOwed = false
      return .clear
    }
    if !isMedia, let start = place(behind: "\"mark\":{\"name\":\"", in: text) {
      let end = text[start...].firstIndex(of: 0x22) ?? text.count
      return .mark(String(decoding: text[start..<end], as: UTF8.self))
    }
    guard let samples = samples(of: text) else {
      world.fail("caller \(number): \(String(decoding: text.prefix(60), as: UTF8.self))")
      return .other
    }
    if isClearOwed, !isExempt {
      isClearOwed = false
      world.fail("caller \(number): audio after an interruption, and no clear before it")
    }
    checkLength(samples.count)
    let stretches = sound == .exact ? matchBytes(text) : matchLevels(samples)
    if world.isPrompt { checkTime(samples.count, stretches, now) }
    for (item, count) in stretches { shadow.take(count, of: item, at: now) }
    return .audio(stretches)
  }

  private func samples(of text: [UInt8]) -> [Int16]? {
    if plan.carrier == .ucid {
      guard let start = place(behind: "\"samples\":[", in: text),
        let end = text[start...].firstIndex(of: 0x5d)
      else { return nil }
      return text[start..<end].split(separator: 0x2c).compactMap {
        Int16(String(decoding: $0, as: UTF8.self))
      }
    }
    guard let bytes = payload(of: text, behind: "\"payload\":\"") else { return nil }
    return decoded(mulaw: bytes)
  }

  private func checkLength(_ count: Int) {
    let isRight: Bool
    switch plan.carrier {
    case .twilio: isRight = (1...320).contains(count)
    case .telnyx: isRight = (160...320).contains(count)
    case .ucid: isRight = count == 80
    }
    if !isRight { world.fail("caller \(number): \(count) samples in one message") }
  }

  // MARK: Which item

  /// Exactly the bytes of the items, in their order, each once; void ones end where they are.
  private func matchBytes(_ text: [UInt8]) -> [(item: Int, count: Int)] {
    guard let bytes = payload(of: text, behind: "\"payload\":\"") else { return [] }
    if isExempt { return [(-1, bytes.count)] }
    var stretches: [(item: Int, count: Int)] = []
    for byte in bytes {
      while cursor < items.count, isBehind(items[cursor]) { cursor += 1 }
      var item = -1
      if byte != 0xff {
        guard cursor < items.count, items[cursor].departed < items[cursor].handed,
          byte == items[cursor].byte(at: items[cursor].departed)
        else {
          world.fail("caller \(number): stale or wrong audio, item \(cursor) of \(items.count)")
          return stretches
        }
        items[cursor].departed += 1
        item = cursor
      }
      add(item, to: &stretches)
    }
    return stretches
  }

  private func add(_ item: Int, to stretches: inout [(item: Int, count: Int)]) {
    if let last = stretches.last, last.item == item {
      stretches[stretches.count - 1].count += 1
    } else {
      stretches.append((item, 1))
    }
  }

  /// Nothing of this item is to come any more.
  private func isBehind(_ item: Item) -> Bool {
    if item.isVoid { return true }
    let whole = item.handed / Item.bytesPerSample(sound)
    return item.departed >= whole && items.dropFirst(item.index + 1).contains { $0.handed > 0 }
  }

  /// The items whose level is heard for 5 ms and more, in their order.
  private func matchLevels(_ samples: [Int16]) -> [(item: Int, count: Int)] {
    if isExempt { return [(-1, samples.count)] }
    var stretches: [(item: Int, count: Int)] = []
    let latest = items.lastIndex { $0.handed > 0 } ?? -1
    let candidates = (max(0, latest - 5)..<max(latest + 1, 0)).filter { index in
      samples.count { items[index].isLevel($0) } >= 40
    }
    for index in candidates {
      if items[index].isVoid { world.fail("caller \(number): stale audio of item \(index)") }
      if index < cursor { world.fail("caller \(number): item \(index) after \(cursor)") }
      cursor = max(cursor, index)
    }
    var item = -1
    for sample in samples {
      if let index = candidates.first(where: { items[$0].isLevel(sample) }) {
        item = index
        items[index].departed += 1
      } else if abs(Int(sample)) < 500 {
        item = -1
      }
      add(item, to: &stretches)
    }
    return stretches
  }

  // MARK: When

  /// Where carriers are sent audio ahead of its time, in samples.
  private var lead: Int { plan.carrier == .ucid ? 160 : 1600 }

  private func checkTime(_ count: Int, _ stretches: [(item: Int, count: Int)], _ now: Instant) {
    let ahead = shadow.waiting(at: now) + count
    mostAhead = max(mostAhead, ahead)
    if ahead > lead + 160 {
      world.fail("caller \(number): \(ahead / 8) ms ahead, too early")
    }
    // What a carrier without delay had to play ended here, though more could have been sent.
    guard shadow.waiting(at: now) == 0, let first = stretches.first(where: { $0.item >= 0 })
    else { return }
    let enough = (items[first.item].departed - first.count + 240) * Item.bytesPerSample(sound)
    guard let had = items[first.item].time(of: enough) else { return }
    let dry = shadow.end > 0 ? shadow.time(of: shadow.end) : .zero
    let late = now - max(dry, had)
    if late > .milliseconds(20) {
      world.fail("caller \(number): \(late.milliseconds) ms late, item \(first.item)")
    }
  }

  // MARK: Interruptions

  /// The relay is being told of an interruption: from this turn on nothing of these items may
  /// leave.
  func interrupted(upTo last: Int, at now: Instant) {
    isExempt = leaving.isMidFrame
    var wasPlaying = false
    for index in 0..<items.count where index <= last && !items[index].isVoid {
      guard items[index].isKnown else { continue }
      items[index].isVoid = true
      items[index].truth = player.played(of: index, at: now)
      if shadow.waiting(at: now) > 0 { wasPlaying = true }
    }
    if wasPlaying { isClearOwed = true }
  }

  /// The model was told how much of an item was heard; 0 stands for none of it.
  func told(_ name: String, milliseconds: Int) {
    guard let index = items.firstIndex(where: { $0.name == name }) else {
      return world.fail("caller \(number): told of \(name), which nobody said")
    }
    let item = items[index]
    if item.told != nil { world.fail("caller \(number): told twice of item \(index)") }
    items[index].told = milliseconds
    let received = item.handed / Item.bytesPerSample(sound)
    if milliseconds * 8 > received {
      world.fail("caller \(number): heard \(milliseconds) of \(received / 8) ms")
    }
    guard world.isPrompt, knowsHeard, let truth = item.truth else { return }
    let error = abs(milliseconds - truth / 8)
    if error > 20 + slack {
      world.fail("caller \(number): told \(milliseconds) ms, played \(truth / 8) of item \(index)")
    }
  }

  /// Whether the carrier's own position can be known: from marks, or where it has no delay. One
  /// that has vanished plays nothing more.
  private var knowsHeard: Bool { !hasVanished && (plan.carrier != .ucid || plan.delay == .zero) }
  private var hasVanished: Bool { hasLeft && plan.leaving == .vanish }
  /// There and back, in milliseconds; a level that begins or ends is not sharp.
  private var slack: Int { 2 * world.latencyMaxMicroseconds / 1000 + (sound == .exact ? 1 : 8) }

  // MARK: At the end

  /// What was not interrupted was sent whole, and the model was told of all that was.
  func checkItems(tellsModel: Bool) {
    for item in items where item.handed > 0 {
      let received = item.handed / Item.bytesPerSample(sound)
      if let truth = item.truth {
        if tellsModel, knowsHeard, world.isPrompt, item.told == nil,
          truth < received - 8 * (20 + slack)
        {
          world.fail("caller \(number): item \(item.index) was cut, and nobody was told")
        }
        continue
      }
      if item.isVoid { continue }
      let missing = received - item.departed
      if sound == .exact ? missing != 0 : abs(missing) > 80 {
        world.fail("caller \(number): \(missing) of \(received) samples of item \(item.index)")
      }
    }
  }
}
