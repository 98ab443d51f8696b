// The memory plan as a table: one holder per line, their sum, and what that is for each call.

import Sidetone

/// Lines of text; the figures stand under each other.
func table(of plan: [PlanLine], callsMax: Int) -> [String] {
  let total = plan.reduce(0) { $0 + $1.bytes }
  let rows =
    plan.map { ($0.holder, size($0.bytes)) } + [
      ("total", size(total)), ("for each of \(callsMax) calls", size(total / max(callsMax, 1))),
    ]
  let names = rows.map(\.0.count).max() ?? 0
  let figures = rows.map(\.1.count).max() ?? 0
  return rows.map { name, figure in
    let gap = names - name.count + figures - figure.count
    return "  \(name)" + String(repeating: " ", count: gap + 2) + figure
  }
}

/// Bytes in the unit that keeps three or four figures, with one decimal: "46.9 KiB".
private func size(_ bytes: Int) -> String {
  let (unit, name) = bytes >= 1 << 20 ? (1 << 20, "MiB") : (1 << 10, "KiB")
  let tenths = (bytes * 10 + unit / 2) / unit
  return "\(tenths / 10).\(tenths % 10) \(name)"
}
