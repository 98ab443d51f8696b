// SIGHUP: what reads the settings anew for the machine, on whichever thread that asks.

import Sidetone
import SidetoneLinux
import SidetoneSettings
import Synchronization

extension Main {
  /// Reads the settings from where they stood at the start, and says what differs from those in
  /// force: `start`, until others have followed.
  static func rereader(
    _ arguments: Arguments, after start: Settings.Reading, _ speaker: PhraseSpeaker
  ) -> @Sendable () -> Reread {
    let inForce = InForceSettings(start)
    return {
      do throws(Mistakes) {
        let (next, changes) = try Settings.read(sources(of: arguments), after: inForce.reading)
        let mistakes = recordsMistakes(next.config)
        guard mistakes.isEmpty else {
          speaker.look(at: nil)
          return .mistakes(mistakes)
        }
        speaker.look(at: next.config)
        return .settings(next.config, changes: changes) { inForce.follow(next) }
      } catch {
        speaker.look(at: nil)
        return .mistakes(error.all.map(\.description))
      }
    }
  }
}

/// What counts at present.
private final class InForceSettings: Sendable {
  private let current: Mutex<Settings.Reading>
  init(_ reading: Settings.Reading) { current = Mutex(reading) }
  var reading: Settings.Reading { current.withLock { $0 } }
  func follow(_ next: Settings.Reading) { current.withLock { $0 = next } }
}
