// Who gets events: the list. A destination is one file, and one line here.

/// All that the settings name, the files first. Throws what is wrong with them, or that a library
/// is missing.
package func destinations(
  _ config: CourierConfig, _ files: FileSystem, at now: Int64
) throws(Trouble) -> [any Destination] {
  var all: [any Destination] = [RecordFiles(directory: config.directory, files: files)]
  for (index, hook) in config.hooks.enumerated() {
    // Of several at one address each has a number.
    let before = config.hooks[..<index].count { $0.url == hook.url }
    all.append(try WebhookDestination(hook, number: before + 1, at: now))
  }
  if let extraction = config.extraction {
    all.append(try ExtractionDestination(extraction, files, at: now))
  }
  return all
}

extension CourierConfig {
  /// Every mistake in what is to be delivered where, for a look before anything starts, and what is
  /// right and should be known. A mistake begins with the setting's name below `records`.
  package func check() -> (mistakes: [String], warnings: [String]) {
    var mistakes: [String] = []
    var warnings: [String] = []
    if let sentence = FileSystem().obstacle(to: directory) {
      mistakes.append("directory: \(sentence)")
    }
    for (index, hook) in hooks.enumerated() {
      let name = "webhooks, number \(index + 1)"
      do throws(CourierMistake) {
        _ = try WebhookConfig(hook)
        if hook.secrets.isEmpty {
          warnings.append(
            "\(name): without `secrets` nothing is signed, and anybody can post there")
        }
      } catch {
        mistakes.append("\(name): \(error.sentence)")
      }
    }
    if let extraction {
      do throws(CourierMistake) {
        let (_, schema) = try extraction.read(FileSystem())
        warnings += schema.warnings.map { "extraction: \($0)" }
      } catch {
        mistakes.append("extraction: \(error.sentence)")
      }
    }
    if !hooks.isEmpty || extraction != nil, let sentence = HTTPClient.missing() {
      mistakes.append(sentence)
    }
    return (mistakes, warnings)
  }
}
