// The benchmarks: micro-benchmarks of the codecs, and the relay as a whole against a C program that
// does next to nothing. What counts are ratios inside one run on one machine; absolute times are
// printed beside them because people ask.
//
//     SidetoneBench micro [--smoke] [NAME]   nanoseconds per operation
//     SidetoneBench compare [options]        floor, peers and relay in turn, as a table
//     SidetoneBench layout                   which cache lines hold what of a call
//     SidetoneBench gate [--prove]           the loose bounds, for tools/test

import Glibc
import Harness

@main struct Bench {
  static let help = """
    usage: SidetoneBench micro [--smoke] [NAME]
             --smoke          each once with a small input: do they still run?
             NAME             only those whose name contains it
           SidetoneBench compare [--two-way | --raw] [--tls] [--calls N] [--seconds S]
                                 [--rounds R] [--only NAME,NAME] [--syscalls] [--capacity]
             --two-way        calls in which the upstream talks back; of two directions the worse
                              one is shown
             --raw            calls whose audio comes in binary messages, without JSON around it
             --tls            both legs speak TLS, those of the floor too
             --calls N        calls at the same time (200)
             --seconds S      measured seconds in each round (4)
             --rounds R       rounds; the best of each opponent counts (3)
             --only NAMES     of floor, node (plain Twilio calls only), relay
             --syscalls       also count system calls per frame, with strace
             --capacity       instead: how many calls one core carries with p99 under 5 ms and no loss
           SidetoneBench layout
             the fields of a call, a link and a socket: cache line, offset, bytes
           SidetoneBench gate [--prove]
             --prove          also build the relay with planted faults, and demand that they are caught

    Run it from the top of the repository, from a release build: the programs are taken from the folder
    in which this one lies. Exit status: 0 well, 1 a bound was missed, 2 it could not be measured.
    """

  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let command = arguments.isEmpty ? "--help" : arguments.removeFirst()
    do throws(BenchFailure) {
      switch command {
      case "micro": try Micro.run(arguments)
      case "compare": try Compare(arguments).run()
      case "layout": try Layout.run(arguments)
      case "gate": try Gate.run(arguments)
      default:
        print(help)
        exit(command == "--help" ? 0 : 2)
      }
    } catch {
      print(error.text)
      exit(error.status)
    }
  }
}

/// Why there is no good result: a bound was missed (1), or nothing could be measured (2).
struct BenchFailure: Error {
  var text: String
  var status: Int32

  static func missed(_ text: String) -> BenchFailure { BenchFailure(text: text, status: 1) }
  static func impossible(_ text: String) -> BenchFailure { BenchFailure(text: text, status: 2) }
}

/// The arguments behind the command: `--name value`, `--flag`, and what is left.
struct BenchArguments {
  private var rest: [String]

  init(_ arguments: [String]) { rest = arguments }

  mutating func flag(_ name: String) -> Bool {
    guard let index = rest.firstIndex(of: name) else { return false }
    rest.remove(at: index)
    return true
  }

  mutating func value(_ name: String) throws(BenchFailure) -> String? {
    guard let index = rest.firstIndex(of: name) else { return nil }
    guard index + 1 < rest.count else { throw .impossible("\(name) needs a value") }
    defer { rest.removeSubrange(index...index + 1) }
    return rest[index + 1]
  }

  mutating func number(_ name: String, default standard: Int) throws(BenchFailure) -> Int {
    guard let text = try value(name) else { return standard }
    guard let number = Int(text), number > 0 else {
      throw .impossible("\(name) wants a positive number")
    }
    return number
  }

  mutating func word() -> String? { rest.isEmpty ? nil : rest.removeFirst() }

  func finish() throws(BenchFailure) {
    if let first = rest.first { throw .impossible("not understood: \(first)\n\n\(Bench.help)") }
  }
}

extension Calls {
  static func of(_ kind: Kind, isTLS: Bool = false) throws(BenchFailure) -> Calls {
    do throws(HarnessError) {
      return try Calls(kind, isTLS: isTLS)
    } catch {
      throw .impossible(error.description)
    }
  }
}
