// A courier of its own process, for tests that kill it: the directory, then nothing, `once`, or
// `word` with the number of the descriptor that leads to the relay.

import Glibc
import SidetoneCourier

@main struct CourierRunner {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count >= 2 else { exit(2) }
    let config = CourierConfig(directory: arguments[1])
    let word = arguments.count == 4 && arguments[2] == "word" ? Int32(arguments[3]) : nil
    exit(runCourier(config, word: word, once: arguments.dropFirst(2).first == "once"))
  }
}
