// What an upstream is asked for on a route. An option may stand in several places, and each name is
// taken from one of them: the route goes before the upstream's url, and that before what stands
// there by default. (What a caller asks for goes before all of it; see `Upstream.Session`.)

extension Config {
  /// Names may stand several times where they came so from their place.
  package struct Asked {
    package var options: [(name: String, value: String)] = []
    /// What the url has beside options.
    package var fixed: [(name: String, value: String)] = []

    fileprivate mutating func add(
      _ more: [(name: String, value: String)], isOption: (String) -> Bool = { _ in true }
    ) {
      let taken = Set((options + fixed).map(\.name))
      for option in more where !taken.contains(option.name) {
        if !isOption(option.name) {
          fixed.append(option)
        } else if !option.value.isEmpty {
          options.append(option)
        }
      }
    }
  }

  package func asked(of upstream: Upstream, on route: Route) -> Asked {
    let row = Sidetone.Upstream.index(of: upstream.kind).map { Sidetone.Upstream.all[$0] }
    var asked = Asked()
    asked.add(route.options)
    asked.add(Query.decoded(upstream.endpoint.query)) { name in
      row.map { row in Array(name.utf8).withBytes { row.allows($0) } } ?? false
    }
    asked.add(route.standardOptions)
    asked.add(upstream.options)
    return asked
  }
}
