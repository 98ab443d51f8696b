// What the lab prints: every line leaves at once, so that a program which reads it through a pipe
// sees it when it happens.

import Glibc

enum Console {
  static func say(_ line: String) { put(line, on: STDOUT_FILENO) }
  static func complain(_ line: String) { put("sidetone-lab: " + line, on: STDERR_FILENO) }

  private static func put(_ line: String, on descriptor: Int32) {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }
}

/// What ends a verb of the lab, in a sentence for the person who called it.
struct Failure: Error {
  let text: String
  /// The exit code: 1, or 2 for a mistake on the command line.
  var code: Int32 = 1
  init(_ text: String) { self.text = text }

  static func misuse(_ text: String) -> Failure {
    var failure = Failure(text)
    failure.code = 2
    return failure
  }
}

enum File {
  static func read(_ path: String) throws(Failure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Glibc.read(descriptor, &piece, piece.count)
      guard count >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
      if count == 0 { return content }
      content += piece[..<count]
    }
  }

  static func write(_ content: [UInt8], to path: String) throws(Failure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var rest = content[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
      rest = rest.dropFirst(count)
    }
  }
}
