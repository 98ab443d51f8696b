// Two-way calls with a plot: what one side does is written down here instead of drawn, and what
// must come of it.

import Sidetone
import TestSupport
import Testing

struct DialogueTests {
  /// A quiet world whose models are always in the same mood.
  private func world(_ mood: @escaping (Int) -> Voice.Mood = { _ in .good }) -> World {
    let world = World(seed: 1, config: Talk.config(callsMax: 4))
    world.latencyMaxMicroseconds = 2000
    var dials = 0
    world.onDial = { upstream in
      dials += 1
      let kind = upstream == 2 ? Voice.Kind.gemini : .openai
      return .success(Voice(world: world, kind: kind, mood: mood(dials)))
    }
    return world
  }

  @discardableResult
  private func call(
    _ world: World, _ plan: Talker.Plan, _ script: [Turn]
  ) -> Talker {
    let talker = Talker(world: world, number: world.talkers.count + 1, plan: plan)
    talker.script = script
    world.talkers.append(talker)
    world.schedule(world.now) { talker.start() }
    return talker
  }

  private func run(_ world: World, seconds: Int) {
    world.run(until: world.now + .seconds(seconds)) { Talk.checkStep(world) }
  }

  private func expectHome(_ world: World) {
    for talker in world.talkers { talker.leave() }
    run(world, seconds: 130)
    #expect(world.failures == [])
    #expect(world.relay.missing == [])
  }

  // MARK: Playing

  @Test(arguments: [-200, 200])
  func `an hour by a carrier whose clock is 200 ppm fast or slow is in time to the end`(
    _ drift: Int
  ) {
    let world = world()
    let plan = Talker.Plan(carrier: .twilio, drift: drift, talksAfter: .never)
    let turn = Turn(milliseconds: 9000, delivery: .whole, gap: 1000)
    let talker = call(world, plan, Array(repeating: turn, count: 360))
    run(world, seconds: 3700)
    #expect(talker.isScriptOver && talker.items.count == 360)
    // What waits at the carrier never grows: the lead, one piece, and what it is slow by in 9 s.
    #expect(talker.mostAhead <= 1600 && talker.mostWaiting <= 1600 + 160)
    talker.checkItems(tellsModel: true)
    expectHome(world)
  }

  @Test func `a burst of 28 s is taken at once, played in its time, and nothing of it is cut`() {
    let world = world()
    let talker = call(
      world, Talker.Plan(path: "/talk/pcm"), [Turn(milliseconds: 28_000, delivery: .pieces)])
    run(world, seconds: 40)
    #expect(world.relay.totals.speechCut == 0)
    talker.checkItems(tellsModel: true)
    expectHome(world)
  }

  @Test(arguments: [Talker.Carrier.twilio, .telnyx, .ucid])
  func `an interruption at every moment of a turn tells what the carrier played`(
    _ carrier: Talker.Carrier
  ) {
    for delay in [0, 40, 300] where carrier != .ucid || delay == 0 {
      let world = world()
      world.dice = Dice(seed: UInt64(delay))
      let cuts: [Turn.Cut] = [.middle, .late, .early, .twice]
      let script = (0..<120).map { index in
        Turn(
          milliseconds: 30 + index * 10,
          delivery: Turn.Delivery.allCases[index % 4 == 2 ? 3 : index % 4],
          cut: cuts[index / 4 % 4], latePieces: 2, hasWords: index / 4 % 4 == 2, gap: 100)
      }
      let talker = call(
        world, Talker.Plan(carrier: carrier, delay: .milliseconds(delay)), script)
      run(world, seconds: 400)
      #expect(talker.isScriptOver && talker.items.contains { $0.told == 0 })
      #expect(talker.items.contains { $0.told ?? 0 > 200 } && talker.cleared > 20)
      talker.checkItems(tellsModel: true)
      expectHome(world)
    }
  }

  // MARK: Sessions

  @Test
  func `a model gone in mid-call is dialled again, and hears all that is said from then on`() {
    let world = world { $0 == 1 ? .dying(.seconds(3), .reset) : .good }
    let turn = Turn(milliseconds: 1500, delivery: .whole, gap: 200)
    let talker = call(world, Talker.Plan(), Array(repeating: turn, count: 6))
    run(world, seconds: 20)
    #expect(talker.sessions == 2 && talker.isScriptOver)
    talker.leave()
    run(world, seconds: 10)
    #expect(talker.uplink == talker.spoken && talker.closeCode == 1000)
    expectHome(world)
  }

  @Test func `what was said while the model was dialled for nine seconds reaches it whole`() {
    let world = world()
    let make = world.onDial!
    var dials = 0
    world.onDial = { upstream in
      dials += 1
      return dials < 6 ? .failure(World.DialFailure(failure: .refused)) : make(upstream)
    }
    let talker = call(world, Talker.Plan(), [])
    run(world, seconds: 30)
    talker.leave()
    run(world, seconds: 10)
    #expect(dials == 6 && talker.uplink == talker.spoken && world.relay.totals.audioLost == 0)
    expectHome(world)
  }

  // MARK: Webhooks

  /// Asks the webhook, and calls with its token after so many seconds each.
  private func request(_ world: World, callsAfter: [Int]) {
    let visitor = Visitor(world: world, query: "bot_type=openai&model=c1") { token in
      for seconds in callsAfter {
        world.schedule(world.now + .seconds(seconds)) {
          var plan = Talker.Plan(path: "/talk/phone", talksAfter: .milliseconds(500))
          plan.token = token
          let talker = Talker(world: world, number: world.talkers.count + 1, plan: plan)
          talker.script = [Turn(milliseconds: 2000, delivery: .whole)]
          world.talkers.append(talker)
          talker.start()
        }
      }
    }
    visitors.keep(visitor)
    world.schedule(world.now) { visitor.start() }
  }
  private final class Visitors {
    private var all: [Visitor] = []
    func keep(_ visitor: Visitor) { all.append(visitor) }
  }
  private let visitors = Visitors()

  @Test func `a call that was announced finds its model dialled, and talks`() {
    let world = world()
    var dialledAt: [Instant] = []
    let make = world.onDial!
    world.onDial = { upstream in
      dialledAt.append(world.now)
      return make(upstream)
    }
    request(world, callsAfter: [2])
    run(world, seconds: 20)
    #expect(dialledAt.count == 1 && dialledAt[0] < world.talkers[0].startedAt)
    #expect(world.talkers[0].uplink > 10 * 8000 && world.talkers[0].isScriptOver)
    #expect(world.relay.tokensInUse == 0 && world.relay.callsInUse == 1)
    expectHome(world)
  }

  @Test func `a call that was announced and never comes gives everything back after its 120 s`() {
    let world = world()
    request(world, callsAfter: [])
    run(world, seconds: 119)
    #expect(world.relay.tokensInUse == 1 && world.relay.callsInUse == 1)
    run(world, seconds: 3)
    #expect(world.relay.tokensInUse == 0 && world.relay.callsInUse == 0)
    expectHome(world)
  }

  @Test(arguments: [[1, 2], [121]])
  func `a token is good for one socket, and for two minutes`(_ callsAfter: [Int]) {
    let world = world()
    request(world, callsAfter: callsAfter)
    run(world, seconds: 140)
    #expect(world.talkers.last?.closeCode == 1008)
    #expect(world.talkers.count == 1 || world.talkers[0].closeCode == nil)
    expectHome(world)
  }
}
