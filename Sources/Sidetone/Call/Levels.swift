// What the sides of a call were like, each under its name.

extension Event.Levels {
  init(of call: Call) {
    let first = call.uplink.figures(of: 0)
    let tracks = call.caller.tracks
    self.init()
    if call.caller.input.channels > 1 {
      caller = first
      agent = call.uplink.figures(of: 1)
      // Pauses are the connection's, and told once.
      agent?.gaps = nil
      areChannels = !tracks.areBoth
    } else if tracks.holds(.inbound) {
      caller = first
      agent = call.conversation.downlink.figures
    } else {
      agent = first
    }
  }
}
