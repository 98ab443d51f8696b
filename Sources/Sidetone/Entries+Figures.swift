// What was measured of a call, as members of the entry that tells of its end. What is not known is
// left out, or null where something is known beside it.

extension Writer {
  /// `delays`, in microseconds.
  mutating func write(_ delays: Event.Delays?) {
    guard let delays else { return }
    write(",\"delays\":{\"frames\":")
    write(decimal: delays.frames)
    write(",\"p50_us\":")
    write(decimal: delays.median.microseconds)
    write(",\"p99_us\":")
    write(decimal: delays.high.microseconds)
    write(",\"max_us\":")
    write(decimal: delays.worst.microseconds)
    write("}")
  }

  /// `levels`, each side under its name.
  mutating func write(_ levels: Event.Levels) {
    guard levels.caller != nil || levels.agent != nil else { return }
    write(",\"levels\":{\"")
    write(levels.areChannels ? "channel 0" : "caller")
    write("\":")
    write(levels.caller)
    write(",\"")
    write(levels.areChannels ? "channel 1" : "agent")
    write("\":")
    write(levels.agent)
    write("}")
  }

  private mutating func write(_ side: Event.SideFigures?) {
    guard let side else { return write("null") }
    write("{\"level_dbfs\":")
    write(side.sound?.level, decimals: 1)
    write(",\"clipping\":")
    write(side.sound?.clipped, decimals: 6)
    write(",\"silence\":")
    write(side.sound?.silence, decimals: 3)
    write(",\"gaps\":")
    if let gaps = side.gaps {
      write("{\"count\":")
      write(decimal: Int(gaps.count))
      write(",\"total_ms\":")
      write(decimal: Int(gaps.milliseconds))
      write("}")
    } else {
      write("null")
    }
    write("}")
  }

  /// When an answer's stages were reached, in milliseconds of the call.
  mutating func write(_ times: Event.AnswerTimes, since start: Instant) {
    func write(_ name: StaticString, _ time: Instant) {
      if time == .never { return }
      self.write(name)
      self.write(decimal: max(0, (time - start).milliseconds))
    }
    write(",\"speech_end\":", times.callerEnded)
    write(",\"asked\":", times.asked)
    write(",\"thought\":", times.thought)
    write(",\"first_byte\":", times.came)
    write(",\"sent\":", times.sent)
    write(",\"heard\":", times.heard)
  }

  /// A number of so many digits behind the point, given without it.
  private mutating func write(_ number: Int?, decimals: Int) {
    guard let number else { return write("null") }
    var unit = 1
    for _ in 0..<decimals { unit &*= 10 }
    if number < 0 { write("-") }
    let (whole, rest) = number.magnitude.quotientAndRemainder(dividingBy: UInt(unit))
    write(decimal: Int(whole))
    write(".")
    write(decimal: Int(rest), width: decimals)
  }
}
