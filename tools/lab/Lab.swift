import Glibc
import LabLoad

@main struct Lab {
  static func main() {
    var arguments = CommandLine.arguments.dropFirst()
    switch arguments.popFirst() {
    case "load": exit(Load.run(Array(arguments)))
    default: print(Load.help)
    }
  }
}
