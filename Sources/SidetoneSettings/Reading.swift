// Where settings are found on this machine: the process's environment, `.env` in the working
// directory, and the file that the operator names.

import Glibc
import Sidetone

/// Why a file cannot be read, in the system's words.
package struct FileFailure: Error {
  var number: Int32
  var reason: String { String(cString: strerror(number)) }
}

/// A whole file, up to a bound that no honest settings file reaches.
package func readFile(_ path: String, bytesMax: Int = 1 << 20) throws(FileFailure) -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw FileFailure(number: errno) }
  defer { close(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 64 * 1024)
  while true {
    let count = read(file, &piece, piece.count)
    if count < 0 {
      if errno == EINTR { continue }
      throw FileFailure(number: errno)
    }
    if count == 0 { return bytes }
    bytes += piece.prefix(count)
    if bytes.count > bytesMax { throw FileFailure(number: EFBIG) }
  }
}

extension Settings.Sources {
  /// What stands on this machine. A `.env` need not be there; a file that was asked for must.
  package static func found(
    file: String?, flags: [(name: String, value: String)]
  ) throws(Mistakes) -> Self {
    var sources = Self()
    sources.flags = flags
    sources.environment = processEnvironment()
    sources.today = WallTime(nanoseconds: Int64(time(nil)) * 1_000_000_000).day
    sources.outputIsTerminal = isatty(STDOUT_FILENO) == 1
    sources.logIsTerminal = isatty(STDERR_FILENO) == 1
    do throws(FileFailure) {
      sources.dotEnv = try text(of: ".env")
    } catch  where error.number == ENOENT {
    } catch {
      throw Mistakes([Mistake(.file(".env", line: 0), "cannot be read: \(error.reason)")])
    }
    guard let file else { return sources }
    do throws(FileFailure) {
      sources.file = (name: file, text: try text(of: file))
    } catch {
      throw Mistakes([Mistake(.file(file, line: 0), "cannot be read: \(error.reason)")])
    }
    return sources
  }

  /// Bytes that are no UTF-8 become U+FFFD here and are refused where a value holds them.
  private static func text(of path: String) throws(FileFailure) -> String {
    String(decoding: try readFile(path), as: UTF8.self)
  }

  private static func processEnvironment() -> [String: String] {
    var all: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "=") {
        all[String(text[..<equals])] = String(text[text.index(after: equals)...])
      }
      next += 1
    }
    return all
  }
}
