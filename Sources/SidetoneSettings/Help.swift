// The settings as text for people, table by table, from the rows that read them.

import Sidetone

package func settingsHelp() -> String {
  var text = ""
  for table in Setting<Draft>.tables {
    text += "[\(table)]\n" + describe(Setting<Draft>.all.filter { $0.table == table }) + "\n"
  }
  text += "[[records.webhooks]]   (in the file only)\n" + describe(Setting<WrittenHook>.all) + "\n"
  text += "[upstreams.NAME]   (built in: \(defaultUpstreams.map(\.name).joined(separator: ", ")))\n"
  text += describe(Setting<Config.Upstream>.all) + "\n"
  text += "[[functions]]   (in the file only)\n" + describe(Setting<WrittenFunction>.all) + "\n"
  text += "[[routes]]   (in the file only)\n" + describe(Setting<WrittenRoute>.all)
  return text
}

private func describe<Target>(_ rows: [Setting<Target>]) -> String {
  rows.map { row in
    var form = row.standard.isEmpty ? row.form : "\(row.form), default \(row.standard)"
    if row.effect == .restart { form += "; needs a restart" }
    return "  \(row.key) = \(form)\n      \(row.help)\n"
  }.joined()
}
