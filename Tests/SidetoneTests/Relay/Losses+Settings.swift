// Ways to lose what somebody has set: the driver reads it, and tells what is wrong.

extension Loss {
  static let settings = [
    Loss("settings that were read anew and are wrong", "reloadsRefused") {
      let rig = Rig()
      rig.relay.reloadRefused()
      return rig
    }
  ]

  static let warm = [
    Loss("a session that was kept warm and is lost for good", "warmLost") {
      let rig = Talk.rig { $0.routes[3].warm = 1 }
      rig.advance(milliseconds: 1)
      for _ in 0..<40 where rig.relay.totals.warmLost == 0 {
        if let dialled = rig.dialled.last, !rig.isGone(dialled) { rig.fail(dialled) }
        rig.advance(milliseconds: 1000)
      }
      return rig
    }
  ]
}
