// Runs with a plot: what one peer does is written down here instead of drawn, and what must come of
// it.

import Sidetone
import TestSupport
import Testing

struct ScenarioTests {
  /// A quiet world with these callers, whose upstream is always in the same mood.
  private func world(
    _ plans: [Caller.Plan], callsMax: Int = 4, mood: @escaping (Int) -> Twin.Mood = { _ in .good }
  ) -> World {
    let world = World(seed: 1, config: Run.config(callsMax: callsMax))
    world.latencyMaxMicroseconds = 2000
    var dials = 0
    world.onDial = { _ in
      dials += 1
      return .success(Twin(world: world, mood: mood(dials)))
    }
    for (index, plan) in plans.enumerated() {
      let caller = Caller(world: world, number: index + 1, plan: plan)
      world.callers.append(caller)
      world.schedule(world.now) { caller.start() }
    }
    return world
  }

  private func carrier(
    frames: Int, _ leaving: Caller.Leaving = .stop, delay: Instant.Span = .zero
  ) -> Caller.Plan {
    Caller.Plan(leaving: leaving, frames: frames, delay: delay)
  }

  private func raw(
    frames: Int, _ leaving: Caller.Leaving = .close, burst: Int = 160,
    delay: Instant.Span = .zero
  ) -> Caller.Plan {
    Caller.Plan(style: .raw, leaving: leaving, frames: frames, burst: burst, delay: delay)
  }

  private func run(_ world: World, seconds: Int) {
    world.run(until: world.now + .seconds(seconds)) {}
  }

  private func expectHome(_ world: World) {
    #expect(world.failures == [])
    #expect(world.relay.missing == [])
  }

  // MARK: Callers

  @Test func `who stops reading is let go as too slow; the others miss nothing`() {
    var plan = raw(frames: 3000)
    plan.isDeaf = true
    let world = world([plan, carrier(frames: 3000), raw(frames: 3000)]) { _ in .wordy(20_000) }
    world.windowMax = 65_536
    run(world, seconds: 120)
    #expect(world.ends["c1"] == 1)
    #expect(world.marks.contains("ended too_slow") && world.marks.contains("reset a caller"))
    for caller in world.callers.dropFirst() {
      #expect(caller.heardUpTo == caller.sentAudio && caller.closeCode == 1000)
    }
    #expect(world.callers[2].hasLastWords)
    expectHome(world)
  }

  @Test func `a sender ten times as fast as speech is held back, and nothing of it is lost`() {
    var plan = raw(frames: 100, burst: 8000)
    plan.pause = .milliseconds(100)
    let world = world([plan, carrier(frames: 500)])
    run(world, seconds: 120)
    #expect(world.marks.contains("held back"))
    #expect(world.relay.totals.framesLost == 0 && world.relay.totals.audioLost == 0)
    for caller in world.callers { #expect(caller.heardUpTo == caller.sentAudio) }
    #expect(world.callers[0].sentAudio == 800_000 && world.callers[0].hasLastWords)
    expectHome(world)
  }

  @Test func `a fast sender whose upstream dies again and again still has whole replays`() {
    var plan = raw(frames: 100, burst: 8000)
    plan.pause = .milliseconds(100)
    let world = world([plan]) { $0 < 4 ? .dying(afterBytes: 60_000, .reset) : .good }
    run(world, seconds: 120)
    #expect(world.marks.contains("held back") && !world.marks.contains("shorter replay"))
    #expect(world.callers[0].heardUpTo == 800_000 && world.callers[0].sessions == 4)
    #expect(world.callers[0].hasLastWords)
    expectHome(world)
  }

  @Test
  func `of too many calls as many as fit are served, whole; the others are told so with 503`() {
    let world = world((0..<9).map { _ in carrier(frames: 300) })
    run(world, seconds: 60)
    let served = world.callers.filter(\.isOpen)
    #expect(served.count == 4)
    for caller in served {
      #expect(caller.heardUpTo == 300 * 160 && caller.closeCode == 1000)
    }
    #expect(world.callers.filter { $0.refusedWith == "HTTP/1.1 503" }.count == 5)
    expectHome(world)
  }

  @Test
  func `a caller that is gone without a word is let go after a ping and the time for its answer`() {
    let world = world([carrier(frames: 50, .vanish)])
    run(world, seconds: 38)
    #expect(world.relay.callsInUse == 1)
    run(world, seconds: 10)
    #expect(world.marks.contains("ended silent"))
    run(world, seconds: 10)
    expectHome(world)
  }

  @Test func `a client silent for a minute from the start is transcribed when it speaks`() {
    let delay = Instant.Span.seconds(60)
    let world = world([raw(frames: 100, delay: delay), carrier(frames: 100, delay: delay)])
    run(world, seconds: 59)
    #expect(world.relay.callsInUse == 2)
    #expect(world.marks.isSuperset(of: ["opening silence", "kept alive", "pinged"]))
    run(world, seconds: 30)
    for caller in world.callers {
      #expect(caller.heardUpTo == 16_000 && caller.sessions == 1 && caller.closeCode == 1000)
    }
    #expect(world.callers[0].hasLastWords)
    expectHome(world)
  }

  @Test func `who falls silent but stays has its last words a second later, and stays connected`() {
    let world = world([raw(frames: 77, .stay)])
    run(world, seconds: 10)
    let caller = world.callers[0]
    #expect(caller.hasLastWords)
    let wait = caller.lastWordsAt - caller.lastSpoke
    #expect(wait >= .seconds(1) && wait < .milliseconds(1100))
    run(world, seconds: 600)
    #expect(!caller.isDone && world.relay.callsInUse == 1)
    caller.depart()
    run(world, seconds: 10)
    #expect(caller.closeCode == 1000)
    expectHome(world)
  }

  @Test(arguments: [0, 2])
  func `both tracks arrive as two channels, whole and in step`(deaths: Int) {
    var plan = carrier(frames: 400)
    plan.style = .both
    let world = world([plan]) { $0 <= deaths ? .dying(afterBytes: 40_000, .reset) : .good }
    run(world, seconds: 60)
    #expect(world.callers[0].heardUpTo == 400 * 320 && world.callers[0].sessions == 1 + deaths)
    expectHome(world)
  }

  @Test func `on an echo route a raw client hears itself, byte for byte`() {
    var plan = raw(frames: 200, burst: 333)
    plan.path = "/echo/raw"
    let world = world([plan])
    run(world, seconds: 30)
    let caller = world.callers[0]
    #expect(caller.echoed == (0..<caller.sentAudio).map { caller.byte(at: $0) })
    #expect(caller.closeCode == 1000)
    expectHome(world)
  }

  @Test func `on an echo route a carrier hears itself in its own envelope`() {
    var plan = carrier(frames: 50)
    plan.path = "/echo"
    let world = world([plan])
    run(world, seconds: 30)
    let caller = world.callers[0]
    #expect(caller.lines.count == 50)
    #expect(
      caller.lines.allSatisfy {
        $0.hasPrefix("{\"event\":\"media\",\"streamSid\":\"MZ1\",\"media\":{\"payload\":\"")
      })
    expectHome(world)
  }

  // MARK: The upstream

  @Test(arguments: [
    (400, 1, 1011, "upstream_refused"), (401, 1, 1011, "upstream_key"),
    (402, 1, 1011, "upstream_payment"), (403, 1, 1011, "upstream_key"),
    (429, 7, 1013, "upstream_busy"), (500, 7, 1011, "upstream_unavailable"),
    (503, 7, 1011, "upstream_unavailable"),
  ])
  func `a refused session is tried again only where that can help, and the client is told`(
    status: Int, dials: Int, code: Int, word: String
  ) {
    var count = 0
    let world = world([raw(frames: 100, .stay)]) {
      count = $0
      return .refusing(status)
    }
    run(world, seconds: 60)
    #expect(count == dials)
    #expect(world.callers[0].closeCode == UInt16(code))
    #expect(world.callers[0].lines.contains { $0.contains("\"code\":\"\(word)\"") })
    expectHome(world)
  }

  @Test func `an upstream that dies again and again: every replay begins where the finals ended`() {
    let deaths: [Twin.Death] = [.reset, .close]
    let world = world([carrier(frames: 1500), raw(frames: 1500)]) {
      $0 % 3 == 0 ? .good : .dying(afterBytes: 9000 * $0, deaths[$0 % 2])
    }
    run(world, seconds: 120)
    #expect(world.marks.contains("replayed") && !world.marks.contains("shorter replay"))
    for caller in world.callers {
      #expect(caller.heardUpTo == caller.sentAudio && caller.sessions > 1)
    }
    #expect(world.callers[1].hasLastWords)
    expectHome(world)
  }

  @Test
  func `a half-open upstream is noticed within the time for a ping and its answer, and replaced`() {
    // Slowly enough that the ring holds it all: what went into the void is said again.
    var plan = raw(frames: 2000)
    plan.pause = .milliseconds(40)
    let world = world([plan]) { $0 == 1 ? .dying(afterBytes: 8000, .silence) : .good }
    run(world, seconds: 43)
    #expect(world.callers[0].sessions == 2)
    run(world, seconds: 120)
    #expect(world.callers[0].heardUpTo == world.callers[0].sentAudio)
    expectHome(world)
  }

  @Test func `a result of 900 KiB in small pieces does not end the call that it belongs to`() {
    // So many at once that the pool has no room for the same message beside the original.
    let callers = (0..<3).map { _ in raw(frames: 300) } + [carrier(frames: 300)]
    let world = world(callers) { _ in .wordy(900 * 1024) }
    world.isBytewise = false
    run(world, seconds: 60)
    #expect(world.callers.allSatisfy { $0.closeCode == 1000 && $0.heardUpTo == $0.sentAudio })
    #expect(world.callers[0].hasLastWords)
    #expect(world.relay.totals.answersTooLong > 0)
    expectHome(world)
  }

  // MARK: The end of the relay

  @Test
  func `draining refuses new calls, lets running ones finish, and says when the last is over`() {
    let world = world([carrier(frames: 500), raw(frames: 500)])
    run(world, seconds: 2)
    world.relay.drain(at: world.now)
    let late = Caller(world: world, number: 3, plan: carrier(frames: 10))
    world.callers.append(late)
    late.start()
    run(world, seconds: 3)
    #expect(late.refusedWith == "HTTP/1.1 503" && !world.wasDrained)
    run(world, seconds: 60)
    for caller in world.callers.prefix(2) {
      #expect(caller.heardUpTo == caller.sentAudio && caller.closeCode == 1000)
    }
    #expect(world.wasDrained)
    expectHome(world)
  }

  @Test func `stopping ends every call at once, with a Close that says why`() {
    let world = world([carrier(frames: 500), raw(frames: 500)])
    run(world, seconds: 2)
    world.relay.stop(at: world.now)
    run(world, seconds: 2)
    #expect(world.callers.allSatisfy { $0.closeCode == 1001 } && world.wasDrained)
    run(world, seconds: 10)
    expectHome(world)
  }
}
