// Ways to lose what somebody has set: the driver reads it, and tells what is wrong.

extension Loss {
  static let settings = [
    Loss("settings that were read anew and are wrong", "reloadsRefused") {
      let rig = Rig()
      rig.relay.reloadRefused()
      return rig
    }
  ]
}
