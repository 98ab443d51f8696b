// A configuration as its environment and its file say it.

import Sidetone
import SidetoneSettings

func config(_ environment: [String: String], _ file: String = "") throws -> Config {
  var sources = Settings.Sources()
  sources.environment = environment
  sources.file = (name: "f.toml", text: file)
  return try Settings.load(sources)
}
