// The courier's process in virtual time: the real courier on real SQLite and real files, driven as
// CourierLoop drives it, started and started again as CourierProcess does, and killed in front of
// anything that it changes outside itself.

import CLinux
import Glibc
import Sidetone
import SidetoneRecords

@testable import SidetoneCourier

enum RunClock {
  /// Unix milliseconds at a time of the run, in nanoseconds.
  static func milliseconds(_ now: Int64) -> Int64 {
    (1_700_000_000_000_000_000 + now) / 1_000_000
  }
  static func nanoseconds(_ milliseconds: Int64) -> Int64 {
    milliseconds * 1_000_000 - 1_700_000_000_000_000_000
  }
}

final class CourierPlayer {
  private enum Phase {
    case serving, draining
    case leaving(until: Int64)
  }

  private struct Process {
    var courier: Courier
    var word: RelayWord
    var disturbance: Disturbance
    var phase = Phase.serving
    var failures = 0
    var since: Int64
    var due: Int64
  }

  private let directory: String
  private let hook: HookServer
  private var dice: Dice
  private var process: Process?
  /// The relay's end of the pair; -1: there is none.
  private var relayEnd: Int32 = -1
  /// When the relay starts the next one, in Unix milliseconds; `max`: it does not.
  private var startAt = Int64.max
  private var pause: Int64 = 1000
  /// Kills are over: what is left shall be delivered.
  var isSafe = false
  var onDelete: () -> Void = {}
  private(set) var marks: Set<String> = []
  private(set) var failures: [String] = []

  init(_ directory: String, _ hook: HookServer, seed: UInt64) {
    self.directory = directory
    self.hook = hook
    dice = Dice(seed: seed &* 13 &+ 3)
  }

  var isRunning: Bool { process != nil }

  // MARK: The relay's side

  /// A relay begins, and starts a courier; it waits for the one of the last relay to end.
  func relayBegan(at now: Int64) {
    startAt = now
    pause = 1000
  }

  /// The relay is dead.
  func relayEnded(at now: Int64) {
    startAt = .max
    hangUp()
    rouse(at: now)
  }

  /// The relay says that nothing more comes.
  func drain(at now: Int64) {
    startAt = .max
    if relayEnd >= 0 { _ = send(relayEnd, "drain", 5, 0) }
    rouse(at: now)
  }

  /// A journal has grown, or come.
  func rouse(at now: Int64) {
    if process?.failures == 0 { process?.due = now }
  }

  private func hangUp() {
    if relayEnd >= 0 { _ = Glibc.close(relayEnd) }
    relayEnd = -1
  }

  /// What it has said since the last time.
  func words() -> [[UInt8]] {
    var words: [[UInt8]] = []
    var space = [UInt8](repeating: 0, count: 8192)
    while relayEnd >= 0 {
      let count = recv(relayEnd, &space, space.count, Int32(MSG_DONTWAIT))
      if count <= 0 { break }
      words.append(Array(space[..<count]))
    }
    return words
  }

  // MARK: Its process

  /// When it has something to do, in Unix milliseconds.
  var due: Int64 { process?.due ?? startAt }

  func turn(at now: Int64) {
    if process == nil, startAt <= now { start(at: now) }
    var steps = 0
    while process != nil, due <= now {
      step(at: now)
      steps += 1
      if steps > 10_000 { return fail("it does not come to rest") }
    }
  }

  private func fail(_ what: String) {
    failures.append("the courier: \(what)")
    process = nil
    startAt = .max
  }

  private func start(at now: Int64) {
    var pair: [Int32] = [-1, -1]
    precondition(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
    hangUp()
    relayEnd = pair[0]
    startAt = .max
    let isDoomed = !isSafe && dice.percent(60)
    let disturbance = Disturbance(killsAt: isDoomed ? dice.below(40) : nil) {
      [weak self] _, _ in
      guard let self, !isSafe, dice.percent(2) else { return nil }
      return [ErrorNumber.inputOutput, ErrorNumber.noSpace][dice.below(2)]
    }
    let files = FileSystem(disturbance: disturbance)
    let word = RelayWord(pair[1])
    do throws(Trouble) {
      try files.makeDirectory(Courier.journalDirectory(directory))
      let courier = try Courier(
        directory: directory,
        destinations: [RecordFiles(directory: directory, files: files), HookClient(hook)],
        word: word, disturbance: disturbance, at: now)
      process = Process(
        courier: courier, word: word, disturbance: disturbance, since: now, due: now)
    } catch {
      guard error.kind == .passing else {
        return died(word, disturbance, error, since: now, at: now)
      }
      letGo(word)
      hangUp()
      startAt = now + 250
    }
  }

  private func step(at now: Int64) {
    guard var process else { return }
    listen(&process, at: now)
    do throws(Trouble) {
      let hasMore = try process.courier.step(at: now)
      process.failures = 0
      onDelete()
      if try isOver(process, hasMore: hasMore, at: now) { return leave(process, at: now) }
      process.due = hasMore ? now : max(try process.courier.wakeTime(at: now) ?? .max, now)
    } catch {
      onDelete()
      if error.kind != .passing {
        self.process = nil
        return died(process.word, process.disturbance, error, since: process.since, at: now)
      }
      marks.insert("courier in trouble")
      process.failures += 1
      process.due = now + min(50 << Int64(min(process.failures, 8)), 10_000)
      if case .draining = process.phase { return leave(process, at: now) }
    }
    if case .leaving(let end) = process.phase {
      if now >= end { return leave(process, at: now) }
      process.due = min(process.due, end)
    }
    self.process = process
  }

  private func listen(_ process: inout Process, at now: Int64) {
    process.word.flush()
    for message in process.word.receive() {
      switch message {
      case .drain: process.phase = .draining
      case .end:
        process.phase = .leaving(until: now + 10_000)
        process.courier.mustScan = true
      }
    }
  }

  private func isOver(
    _ process: Process, hasMore: Bool, at now: Int64
  ) throws(Trouble) -> Bool {
    if case .serving = process.phase { return false }
    if hasMore { return false }
    return try process.courier.isIdle(at: now)
  }

  /// It ends by itself.
  private func leave(_ process: Process, at now: Int64) {
    _ = try? process.courier.spool.settle()
    onDelete()
    self.process = nil
    letGo(process.word)
  }

  private func letGo(_ word: RelayWord) {
    if let end = word.descriptor { _ = Glibc.close(end) }
  }

  private func died(
    _ word: RelayWord, _ disturbance: Disturbance, _ trouble: Trouble, since: Int64, at now: Int64
  ) {
    letGo(word)
    if trouble.kind == .killed {
      // Files that it does not write any more are no word of its end, which comes a little later.
      marks.insert("courier killed before \(disturbance.passed[disturbance.killsAt ?? 0])")
    } else {
      failures.append("the courier: \(trouble.sentence)")
    }
    if relayEnd >= 0 {
      startAt = now + pause
      pause = now - since >= 60_000 ? 1000 : min(2 * pause, 30_000)
    }
  }

  /// With its relay, by a loss of power.
  func losePower() {
    if let process {
      self.process = nil
      letGo(process.word)
    }
    hangUp()
    startAt = .max
  }

  // MARK: Without a relay

  /// Goes on up to a time, in nanoseconds of the run.
  func run(until end: Int64) {
    while due < .max, RunClock.nanoseconds(due) <= end {
      _ = words()
      turn(at: due)
    }
  }

  /// Courier after courier, until nothing is left to do; what is left after many, nil: nothing.
  func finish(from now: Int64) -> String? {
    isSafe = true
    var time = RunClock.milliseconds(now)
    var left = ""
    for _ in 1...20 {
      run(until: RunClock.nanoseconds(time))
      relayBegan(at: time)
      turn(at: time)
      // Long enough for what waits to become due, and for scans and deletions.
      run(until: RunClock.nanoseconds(time + 60_000))
      let count = (try? process?.courier.waitingCount()) ?? -1
      left = "\(count) events wait, journals: \(journals)"
      let isDone = count == 0 && journals.isEmpty
      drain(at: time + 60_000)
      run(until: RunClock.nanoseconds(time + 60_000))
      hangUp()
      if isDone { return nil }
      time += 120_000
    }
    return left
  }

  private var journals: [String] {
    FileSystem().names(in: Courier.journalDirectory(directory))
  }
}
