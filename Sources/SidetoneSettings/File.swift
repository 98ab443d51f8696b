// Settings from the TOML file: tables of known keys, upstreams by name, and the list of routes.

import Sidetone

extension Draft {
  /// Assigns what the file says and returns its routes, which are judged when all else is known.
  mutating func read(file: String, _ nodes: [TOMLNode]) -> [WrittenRoute] {
    var routes: [WrittenRoute] = []
    let tables = Setting<Draft>.tables
    for node in nodes {
      let place = Place.file(file, line: node.line)
      switch (node.key, node.value) {
      case ("upstreams", .table(let upstreams)):
        for upstream in upstreams { read(file: file, upstream: upstream) }
      case ("upstreams", _):
        refuse(place, "upstreams are tables: write [upstreams.NAME]")
      case ("routes", .array(let members)):
        routes += members.compactMap { readRoute(file: file, $0) }
      case ("functions", .array(let members)):
        for member in members { readFunction(file: file, member) }
      case ("functions", _):
        refuse(place, "functions are a list of tables: write [[functions]]")
      case ("records", .table(let members)): read(file: file, records: members)
      case ("routes", _):
        refuse(place, "routes are a list of tables: write [[routes]]")
      case (let name, .table(let members)) where tables.contains(name):
        read(file: file, table: name, members)
      case (let name, _) where tables.contains(name):
        refuse(place, "`\(name)` is a table: write [\(name)]")
      case (let name, _):
        let names = tables + ["upstreams", "functions", "routes"]
        refuse(place, unknown("at the top of the file", name, among: names))
      }
    }
    return routes
  }

  private mutating func read(file: String, table: String, _ members: [TOMLNode]) {
    let rows = Setting<Draft>.all.filter { $0.table == table }
    for member in members {
      let place = Place.file(file, line: member.line)
      if let row = rows.first(where: { $0.key == member.key }) {
        assign(row, .node(member), at: place)
      } else {
        refuse(place, unknown("in [\(table)]", member.key, among: rows.map(\.key)))
      }
    }
  }

  private mutating func read(file: String, upstream: TOMLNode) {
    let place = Place.file(file, line: upstream.line)
    guard case .table(let members) = upstream.value else {
      return refuse(place, "upstreams are tables: write [upstreams.\(upstream.key)]")
    }
    guard !upstream.key.isEmpty, upstream.key.utf8.allSatisfy(isNameByte) else {
      return refuse(place, "an upstream's name has only letters, digits, `_` and `-`")
    }
    let name = upstreams[indexOfUpstream(upstream.key)].name
    if name != upstream.key {
      refuse(
        place, "upstream `\(upstream.key)` is too much like `\(name)`: variables would not differ")
    }
    noteName("upstreams.\(name)", at: place)
    let rows = Setting<Config.Upstream>.all
    for member in members {
      let place = Place.file(file, line: member.line)
      if let row = rows.first(where: { $0.key == member.key }) {
        assign(row, upstream: name, .node(member), at: place)
      } else {
        refuse(place, unknown("in [upstreams.\(name)]", member.key, among: rows.map(\.key)))
      }
    }
  }
}
