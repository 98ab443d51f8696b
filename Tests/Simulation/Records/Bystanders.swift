// What peers of a relay are sent and when, with records on a disk that is broken all the time, and
// without records. No call of these runs ends with a Close: its time alone may differ.

import Foundation
import Sidetone
import TestSupport

struct Bystanders {
  /// Every message that left the relay, with its time and who it was for. Keys and masks are left
  /// out: a relay that writes records draws one number more.
  private(set) var messages: [String] = []
  private(set) var failures: [String] = []
  private(set) var entries = 0

  init(seed: UInt64, weather: Weather.Kind?) {
    var config = RecordsRun.config
    if weather == nil { config.records = nil }
    let world = World(seed: seed, config: config)
    defer { world.forget() }
    world.latencyMaxMicroseconds = 2000
    world.wordiness = 300
    world.onDial = { upstream in
      if upstream == 0 { return .success(Twin(world: world, mood: .good)) }
      return .success(Voice(world: world, kind: upstream == 4 ? .gemini : .openai, mood: .good))
    }
    Self.addCallers(to: world)
    let listener = Listener(world)
    if let weather {
      runRecorded(world, seed, weather)
    } else {
      world.run(until: world.now + Self.span) { Self.check(world) }
    }
    failures += world.failures
    entries = world.driver.entries.count
    messages = listener.messages
  }

  private static let span = Instant.Span.seconds(8)

  private static func check(_ world: World) {
    Run.checkStep(world, true)
    Talk.checkStep(world)
  }

  private static func addCallers(to world: World) {
    for number in 1...3 {
      var plan = Caller.Plan()
      plan.style = [.carrier, .carrier, .raw][number - 1]
      plan.leaving = number == 1 ? .reset : .stay
      plan.frames = number == 1 ? 150 : 2000
      let caller = Caller(world: world, number: number, plan: plan)
      world.callers.append(caller)
      world.schedule(world.now + .milliseconds(world.dice.below(1000))) { caller.start() }
    }
    for number in 11...12 {
      var plan = Talker.Plan()
      plan.carrier = Talker.Carrier.allCases[world.dice.below(3)]
      plan.path = ["/talk/exact", "/talk/pcm", "/talk/gemini"][world.dice.below(3)]
      plan.leaving = .reset
      plan.leavesAfter = number == 11 ? .seconds(5) : nil
      let talker = Talker(world: world, number: number, plan: plan)
      talker.script = (0..<6).map { _ in Turn.drawn(&world.dice) }
      world.talkers.append(talker)
      world.schedule(world.now + .milliseconds(world.dice.below(1000))) { talker.start() }
    }
  }

  private mutating func runRecorded(_ world: World, _ seed: UInt64, _ weather: Weather.Kind) {
    let directory = RecordsRun.makeDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let hook = HookServer(seed: seed, outage: 0..<Int64.max)
    let courier = CourierPlayer(directory, hook, seed: seed)
    let disk = SharedDisk(seed: seed, weather: Weather())
    let relay = RecordedRelay(
      "1", world, in: directory, on: disk, Ledger(), courier, Killer(), at: 0)
    guard let relay else { return failures.append("the relay did not begin") }
    disk.weather.spells = [(weather, 0..<Int64.max)]
    world.run(until: world.now + Self.span) {
      Self.check(world)
      relay.turn()
    }
    relay.die(byPower: false)
    courier.losePower()
  }
}

/// Takes apart what leaves a relay.
private final class Listener {
  private struct Ear {
    let name: String
    var head = Head()
    var socket: Socket
  }

  private(set) var messages: [String] = []
  private var ears: [ObjectIdentifier: Ear] = [:]
  private unowned let world: World

  init(_ world: World) {
    self.world = world
    world.onSent.append { self.hear($1, by: $0) }
  }

  private func hear(_ bytes: [UInt8], by peer: any Peer) {
    let id = ObjectIdentifier(peer)
    let isCaller = peer is Caller || peer is Talker
    var ear = ears[id] ?? Ear(name: "peer \(ears.count)", socket: Socket(isClient: isCaller))
    if let rest = ear.head.rest(of: bytes) {
      for message in ear.socket.take(rest) {
        messages.append("\(world.now.nanoseconds) \(ear.name) \(Self.text(message))")
      }
    }
    ears[id] = ear
  }

  private static func text(_ message: Socket.Message) -> String {
    switch message {
    case .text(let bytes): String(decoding: bytes, as: UTF8.self)
    case .binary(let bytes): "\(bytes)"
    case .ping(let bytes): "ping \(bytes)"
    case .close(let code): "close \(code)"
    case .failed: "failed"
    }
  }
}
