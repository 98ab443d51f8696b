// What upstreams are asked for on routes: what the file says, the variables of services' options,
// and what is known about options that stand together, wherever each was written.

import Sidetone

extension Draft {
  /// Gives the default routes of a service what its variables say.
  mutating func setOptionsOfDefaults() {
    for kind in upstreamRows {
      guard let service = kind.settings.service, !service.optionVariables.isEmpty else { continue }
      let options = options(of: service, kind)
      let routes = config.routes.indices.filter { index in
        let route = config.routes[index]
        return !route.isConfigured && route.upstream == kind.name
          && takesVariables(route.path, of: kind)
      }
      for index in routes { config.routes[index].options = options }
      guard routes.isEmpty else { continue }
      for variable in service.optionVariables {
        guard let place = optionVariables[variable.variable]?.place else { continue }
        let paths = kind.settings.paths.filter(\.takesVariables).map(\.path)
        warn(
          place,
          "\(variable.variable) is for the default routes \(paths.joined(separator: ", ")), and the "
            + "file has others in their place: write options there")
      }
    }
  }

  /// Of one name, a variable of its own goes before the one that holds several.
  private mutating func options(
    of service: Upstream.Service, _ kind: UpstreamRow
  ) -> [(name: String, value: String)] {
    var options: [(name: String, value: String)] = []
    for (variable, option) in service.optionVariables {
      guard let (value, place) = optionVariables[variable] else { continue }
      var written = [(name: option, value: value)]
      if option.isEmpty {
        written = Query.decoded(value.hasPrefix("?") ? String(value.dropFirst()) : value)
        if written.contains(where: { $0.name.isEmpty || $0.value.isEmpty || $0.value.contains("=") }
        ) {
          refuse(place, "\(variable) must be such as smart_format=true&endpointing=300")
        }
      }
      if let reason = complaint(aboutOptions: written, of: kind) {
        refuse(place, "\(variable): \(reason)")
      }
      let taken = Set(options.map(\.name))
      options += written.filter { !taken.contains($0.name) }
    }
    return options
  }

  /// What is wrong with options for upstreams of that kind; nil: nothing.
  func complaint(
    aboutOptions options: [(name: String, value: String)], of kind: UpstreamRow
  ) -> String? {
    for option in options {
      if let owned = kind.settings.owned.first(where: { $0.name == option.name }) {
        return "`\(option.name)` \(owned.reason)"
      }
      let isAllowed = Array(option.name.utf8).withBytes { kind.row.allows($0) }
      if isAllowed || kind.settings.passesOptions { continue }
      let allowed = kind.row.allowed.description
      return "\(kind.name) takes no `\(option.name)` here; "
        + (allowed.isEmpty ? "it takes no options" : "it takes \(allowed)")
    }
    let bytes = options.reduce(0) { $0 + encodedBytes($1.name) + encodedBytes($1.value) + 2 }
    if bytes <= Limits.optionBytesMax { return nil }
    return "they take \(bytes) bytes in a query; there is room for \(Limits.optionBytesMax)"
  }

  /// Warns of what an upstream would not take together. `written`: the file's routes, which come
  /// first in the config.
  mutating func judgeOptions(_ written: [WrittenRoute]) {
    for (index, route) in config.routes.enumerated() {
      let writtenRoute = index < written.count ? written[index] : nil
      for upstream in config.upstreams(of: route).map({ config.upstreams[$0] }) {
        guard let kind = upstreamRow(of: upstream.kind) else { continue }
        for name in Set(route.options.map(\.name)).sorted() where kind.settings.passesOptions {
          let (place, what) = origin(of: name, route, writtenRoute, upstream)
          judge(name: name, of: kind, what, at: place)
        }
        for option in route.options where isModel(option.name) {
          let (place, what) = origin(of: option.name, route, writtenRoute, upstream)
          judge(model: option.value, of: kind, "\(what) \(option.name)", at: place, true)
        }
        guard kind.settings.passesOptions else { continue }
        let asked = config.asked(of: upstream, on: route)
        for complaint in kind.settings.complaints(.init(asked.options + asked.fixed)) {
          let (place, what) = origin(of: complaint.option, route, writtenRoute, upstream)
          warn(place, "\(what): `\(complaint.option)` \(complaint.text)")
        }
      }
    }
  }

  /// Where an option of a route was written, and what it is called there. One that stands there by
  /// default is told where something else was written that does not go with it.
  private func origin(
    of option: String, _ route: Config.Route, _ written: WrittenRoute?, _ upstream: Config.Upstream
  ) -> (place: Place, what: String) {
    let url = (place(of: "upstreams.\(upstream.name).url"), "[upstreams.\(upstream.name)] url")
    let isInURL = Query.decoded(upstream.endpoint.query).contains { $0.name == option }
    if !route.options.contains(where: { $0.name == option }), isInURL { return url }
    if let written { return (written.place(of: "options"), "[[routes]] options") }
    let service = upstreamRow(of: upstream.kind)?.settings.service
    let variables = service?.optionVariables ?? []
    for (variable, name) in variables where name == option || name.isEmpty {
      if let place = optionVariables[variable]?.place { return (place, variable) }
    }
    for (variable, _) in variables {
      if let place = optionVariables[variable]?.place { return (place, variable) }
    }
    return url
  }
}
