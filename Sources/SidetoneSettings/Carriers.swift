// [carriers]: where carriers are asked to act on calls, and by which keys, as their rows have it;
// and which built-in functions of a route would find a carrier that can.

import Sidetone

extension Setting where Target == Draft {
  static let carriers: [Self] = carrierRows.flatMap(control).map { $0.counts(from: .reload) }

  private static func control(of carrier: CarrierRow) -> [Self] {
    guard let service = carrier.row.control?.service() else { return [] }
    let name = carrier.name
    let url = Self(
      table: "carriers", key: "\(name)_url", form: "URL", standard: service.url,
      help: "Where \(carrier.settings.displayName) is asked to act on calls; https, but for this "
        + "machine."
    ) { draft, written throws(Refusal) in
      let url = try readBase(try oneLine(try written.text()))
      guard url.hasPrefix("https://") || isLoopback(origin: url) else {
        throw Refusal("must begin with https://, since our key travels there")
      }
      draft.config[carrier: name].controlURL = url
    }
    guard case .own(_, let help) = service.key else { return [url] }
    let key = Self(table: "carriers", key: "\(name)_key", form: "KEY", help: help) {
      draft, written throws(Refusal) in
      draft.config[carrier: name].controlKey = try readSecret(try oneLine(try written.text()))
    }
    return [url, key.secret()]
  }
}

extension CarrierRow {
  /// The variables that its own documents have for what is set under `[carriers]`.
  var controlVariables: [(name: String, variable: String)] {
    guard let service = row.control?.service() else { return [] }
    let ours = "SIDETONE_CARRIERS_\(name.uppercased())"
    let url = (service.urlVariable, "\(ours)_URL")
    guard case .own(let variable, _) = service.key else { return [url] }
    return [url, (variable, "\(ours)_KEY")]
  }
}

extension Draft {
  /// Whether calls of this route come by carriers that can be asked for what a function does.
  mutating func judgeCarriers(
    of route: Config.Route, for function: Config.Function, at place: Place
  ) {
    guard let ability = function.builtIn?.ability else { return }
    let callers = carrierRows.filter { route.isFor(carrier: $0.name) }
    func can(_ carrier: CarrierRow) -> Bool {
      carrier.row.control?.abilities.contains(ability) == true
    }
    func isReady(_ carrier: CarrierRow) -> Bool {
      guard can(carrier), let control = carrier.row.control else { return false }
      return !config[carrier: carrier.name].keys(for: control).isEmpty
    }
    let what = "[[routes]] functions: \(function.name)"
    func names(_ carriers: [CarrierRow]) -> String {
      carriers.map(\.settings.displayName).joined(separator: ", ")
    }
    let unable = callers.filter { !can($0) }
    let keyless = callers.filter { can($0) && !isReady($0) }
    let variables = keyless.compactMap { $0.row.control?.service().key.variable }
      .joined(separator: ", ")
    if callers.allSatisfy({ !can($0) }) {
      warn(
        place,
        "\(what): no carrier of \(route.path) can do it; \(names(carrierRows.filter(can))) can")
    } else if !callers.contains(where: isReady) {
      warn(place, "\(what): no carrier of \(route.path) can be asked without \(variables)")
    } else if !route.carriers.isEmpty {
      if !unable.isEmpty { warn(place, "\(what): \(names(unable)) cannot do it") }
      if !keyless.isEmpty {
        warn(place, "\(what): \(names(keyless)) cannot be asked without \(variables)")
      }
    }
  }
}

extension Config.Function.BuiltIn {
  /// What it has a carrier do.
  fileprivate var ability: Carrier.Control.Abilities? {
    switch self {
    case .transfer: .transfers
    case .sendDigits: .sendsDigits
    case .hangUp, .collectDigits: nil
    }
  }
}
