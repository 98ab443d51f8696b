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

  private static func relay(
    to upstream: Config.Upstream, on route: Config.Route, of config: Config
  ) -> Config {
    var relay = Config(for: upstream, of: config)
    relay.limits.finishSeconds = min(config.limits.finishSeconds, confirmSecondsMax)
    // Nobody is there to be greeted.
    relay.upstreams[0].options.removeAll { $0.name == "greeting" }
    relay.routes[0].options = route.options
    relay.routes[0].standardOptions = route.standardOptions
    relay.routes[0].upstreamRate = route.upstreamRate
    return relay
  }

  // MARK: A visit

  private static let answerSecondsMax = 30
  private static let endSecondsMax = 10
  /// So long the relay waits for the word that all results are there, however long calls do.
  private static let confirmSecondsMax = 5

  private static func dial(_ visit: Visit) -> Finding {
    do throws(LoneRelay.Failure) {
      let relay = try LoneRelay(visit.config, query: "encoding=mulaw&sample_rate=8000")
      defer { relay.stop() }
      return watch(relay, of: visit)
    } catch {
      return failure(visit, error.text)
    }
  }

  private static func failure(_ visit: Visit, _ text: String) -> Finding {
    Finding(name: visit.name, outcome: .bad, text: text)
  }

  /// Reads the relay's log until the session stands, then ends it.
  private static func watch(_ relay: LoneRelay, of visit: Visit) -> Finding {
    var story = Story()
    let began = seconds()
    var limit = began + Double(answerSecondsMax)
    while seconds() < limit, !relay.caller.hasEnded {
      for line in relay.nextLines() {
        if story.take(line), case .standing = story.state {
          relay.caller.finish()
          story.askedToEnd = seconds()
          limit = story.askedToEnd + Double(endSecondsMax)
        }
      }
    }
    story.noteEnd(at: seconds(), within: visit.config.limits.finishSeconds)
    for line in relay.lastLines() { _ = story.take(line) }
    let milliseconds = Int((seconds() - began) * 1000)
    let hasEnded = relay.caller.hasEnded
    return Finding(
      name: visit.name, outcome: story.isWell(hasEnded: hasEnded) ? .well : .bad,
      text: story.text(after: milliseconds, hasEnded: hasEnded))
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
    mutating func take(_ line: LoneRelay.Line) -> Bool {
      if line.isComplaint { complaints.append(line.detail) }
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
