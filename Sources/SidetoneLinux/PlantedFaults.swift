// Mistakes made on purpose, in a build that is never shipped (`-Xswiftc -DPLANTED_FAULTS`): the
// budget gate must catch them, or it proves nothing. PLANTED_FAULT chooses one: `stall`
// sleeps for 1 ms in every turn of the loop, `turn` holds what is to be written until the next
// turn, `late` lets the engine's own times come 25 ms late.

#if PLANTED_FAULTS
  import Glibc
  import Sidetone

  enum PlantedFault {
    private static let name = unsafe getenv("PLANTED_FAULT").map {
      unsafe String(cString: $0)
    }
    nonisolated(unsafe) private(set) static var holdsOutputs = false
    static let lateness = Instant.Span.milliseconds(name == "late" ? 25 : 0)

    static func begin(_ machine: Machine) {
      if name == "stall" { usleep(1_000) }
      if name == "turn" {
        unsafe holdsOutputs = false
        machine.performOutputs()
        unsafe holdsOutputs = true
      }
    }
  }
#endif
