// Ends a process of the simulation in front of one thing that it would do: the n-th of its kind, as
// drawn. From then on it does nothing.

final class Killer {
  /// What it is ended in front of; nil: never.
  let moment: String?
  private var left = 0
  private(set) var isDead = false

  init(_ moment: String? = nil) { self.moment = moment }

  static let moments = [
    "create", "write", "torn write", "sync", "sync the directory", "close", "measure",
    "entry started", "entry connected", "entry final", "entry interim", "entry said", "entry ended",
    "behind started", "behind final", "behind said", "behind ended",
    "acknowledgement", "word filed", "time",
  ]

  /// Comes late in a call, or where much is said, and once.
  var isRare: Bool {
    ["final", "said", "ended", "filed", "close"].contains { moment?.hasSuffix($0) ?? false }
  }

  static func drawn(_ dice: inout Dice) -> Killer {
    let killer = Killer(moments[dice.below(moments.count)])
    if !killer.isRare {
      killer.left = dice.below(killer.moment?.hasSuffix("write") ?? false ? 20 : 4)
    }
    return killer
  }

  /// False: it is dead, and does not do this.
  func passes(_ moment: String) -> Bool {
    guard !isDead else { return false }
    guard moment == self.moment else { return true }
    left -= 1
    isDead = left < 0
    return !isDead
  }

  func kill() { isDead = true }
}
