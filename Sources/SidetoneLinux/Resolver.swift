// Names to addresses.

import Sidetone

final class Resolver {
  enum Answer {
    case addresses
    case waiting
    case failed(LinkFailure)
  }

  private var entries: [[Address]] = []
  init(upstreams: [Config.Upstream]) {
    entries = upstreams.map {
      Address(text: $0.endpoint.host, port: $0.endpoint.port).map { [$0] } ?? []
    }
  }
  func look(up upstream: Int, at now: Instant) -> Answer {
    entries[upstream].isEmpty ? .failed(.nameNotFound) : .addresses
  }
  func address(_ attempt: Int, of upstream: Int) -> Address? {
    attempt < entries[upstream].count ? entries[upstream][attempt] : nil
  }
  func worked(_ address: Address, for upstream: Int) {}
  func advance(at now: Instant) {}
  var wakeTime: Instant { .never }
  func descriptorIsReady(_ descriptor: Int32, _ ready: UInt32) {}
  func takeFinished() -> Int? { nil }
}
