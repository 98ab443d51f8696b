// Whether this machine can hold the plan: enough descriptors for every socket, enough memory for
// every holder. What does not fit is said before anything is taken, by `check` in the same words.
// Too few descriptors lower the number of calls; too little memory, or room for hardly a call,
// refuses the start.

import Glibc
import Sidetone

extension Machine {
  /// Sockets that wait for their peer's end of stream after our own: some for each connection that
  /// is no call.
  static func lingeringMax(_ limits: Limits) -> Int { min(256, 2 * limits.otherLinksMax) }

  /// Sockets at once: the engine's links, and those that linger. So many descriptors are there for
  /// them, and an accept takes none that a dial is owed.
  static func socketsMax(_ limits: Limits) -> Int { limits.linksMax + lingeringMax(limits) }

  /// Descriptors beside sockets: the poller, counters, listeners, those of the handshakes' helpers,
  /// questions to name servers, files that are read, and what closes only at the end of a turn.
  private static func descriptorsBeside(_ config: Config) -> Int {
    config.listeners.count + 16 + (config.records == nil ? 0 : 12)
  }

  /// Descriptors that a plan needs beside those that are open already.
  package static func descriptors(for config: Config) -> Int {
    socketsMax(config.limits) + descriptorsBeside(config)
  }

  /// Fewer calls than this are no service.
  private static let callsMin = 4
  /// What the process itself takes: the program, its libraries, its stacks.
  private static let processBytes = 16 << 20

  /// The settings with limits that `system` allows, and a warning where they were lowered.
  package static func fitted(
    _ config: Config, to system: SystemLimits? = nil
  ) throws(StartError) -> Config {
    let system = system ?? .found(wanting: descriptors(for: config))
    let fitted = try fitDescriptors(config, system)
    try checkMemory(fitted, system)
    return fitted
  }

  // MARK: Descriptors

  private static func fitDescriptors(
    _ config: Config, _ system: SystemLimits
  ) throws(StartError) -> Config {
    let needed = system.descriptorsOpen + descriptors(for: config)
    guard needed > system.descriptorsMax else { return config }
    let room = system.descriptorsMax - system.descriptorsOpen - descriptorsBeside(config)
    var fitted = config
    // Some are for those who only ask how it goes: `/health` answers while every call is taken.
    fitted.limits.otherLinksMax = min(config.limits.otherLinksMax, max(4, room / 10))
    fitted.limits.handshakesPerAddressMax = min(
      config.limits.handshakesPerAddressMax, fitted.limits.otherLinksMax)
    fitted.limits.subscribersMax = min(config.limits.subscribersMax, max(0, room / 32))
    func limits(for calls: Int) -> Limits {
      var limits = fitted.limits
      limits.callsMax = calls
      limits.twoWayCallsMax = min(config.twoWayCalls, calls)
      return limits
    }
    let calls = greatest(from: 0, below: config.limits.callsMax + 1) {
      socketsMax(limits(for: $0)) <= room
    }
    fitted.limits = limits(for: calls)
    let advice =
      "raise the limit to \(needed) (ulimit -n; LimitNOFILE= of systemd; "
      + "--ulimit nofile= of Docker)"
    let allowed = "\(system.descriptorsMax) descriptors are allowed"
    guard calls >= min(callsMin, config.limits.callsMax) else {
      throw .doesNotFit("only \(allowed), too few for \(callsMin) calls: \(advice)")
    }
    fitted.warnings.append(
      "only \(allowed) and limits.calls_max = \(config.limits.callsMax) needs \(needed): "
        + "\(calls) calls at once are taken; \(advice), or lower limits.calls_max")
    return fitted
  }

  // MARK: Memory

  /// Bytes that a plan takes, the process included.
  private static func bytes(of config: Config) -> Int {
    (config.plan + plan(for: config)).reduce(processBytes) { $0 + $1.bytes }
  }

  private static func checkMemory(_ config: Config, _ system: SystemLimits) throws(StartError) {
    let needed = bytes(of: config)
    guard let least = system.memory.min(by: { $0.bytes < $1.bytes }) else { return }
    if needed > least.bytes {
      throw .doesNotFit(
        "the plan takes \(size(needed)), and \(least.name) is \(size(least.bytes)): "
          + advice(config, below: least.bytes))
    }
    // What the kernel will not promise, it refuses here and not in the middle of the start.
    let probe = unsafe mmap(
      nil, needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard unsafe probe != MAP_FAILED else {
      let reason = Errno(rawValue: errno).text
      throw .doesNotFit(
        "the plan takes \(size(needed)), which the system does not give (\(reason)): "
          + advice(config, below: needed / 2))
    }
    _ = unsafe munmap(probe, needed)
  }

  private typealias Holder = (key: String, limit: WritableKeyPath<Limits, Int>, least: Int)

  /// The setting that takes most of the plan, and the most of it that fits.
  private static func advice(_ config: Config, below bound: Int) -> String {
    let holders: [Holder] = [
      ("calls_max", \.callsMax, 1), ("two_way_calls_max", \.twoWayCallsMax, 0),
      ("large_buffers_max", \.largeBuffersMax, 1), ("medium_buffers_max", \.mediumBuffersMax, 1),
      ("other_links_max", \.otherLinksMax, 16), ("subscribers_max", \.subscribersMax, 0),
      ("uplink_milliseconds_planned", \.uplinkMillisecondsPlanned, 500),
      ("playout_milliseconds_planned", \.playoutMillisecondsPlanned, 500),
    ]
    func bytes(_ holder: Holder, _ value: Int) -> Int {
      var lower = config
      lower.limits[keyPath: holder.limit] = value
      return Self.bytes(of: lower)
    }
    let dearest = holders.min { bytes($0, $0.least) < bytes($1, $1.least) } ?? holders[0]
    let now = config.limits[keyPath: dearest.limit]
    let name =
      "limits.\(dearest.key) (SIDETONE_LIMITS_\(dearest.key.uppercased())), which is \(now)"
    guard bytes(dearest, dearest.least) <= bound else { return "lower \(name), and others" }
    let fits = greatest(from: dearest.least, below: now) { bytes(dearest, $0) <= bound }
    return "lower \(name); \(fits) would fit"
  }

  /// The greatest number below `bound` that fits, as all smaller ones do; `least` fits anyhow.
  private static func greatest(from least: Int, below bound: Int, _ fits: (Int) -> Bool) -> Int {
    var (low, high) = (least, bound)
    while high - low > 1 {
      let middle = (low + high) / 2
      if fits(middle) { low = middle } else { high = middle }
    }
    return low
  }

  private static func size(_ bytes: Int) -> String {
    let tenths = (bytes * 10 + (1 << 19)) >> 20
    return "\(tenths / 10).\(tenths % 10) MiB"
  }
}
