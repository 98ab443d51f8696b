// The word between the relay and the courier it has started: one text message each over a
// socketpair (SOCK_SEQPACKET). The courier says what is filed, what the log should hold and how it
// goes; the relay says `drain`, and its end is the end of the file. A courier that somebody else
// has started writes its log to standard error.

import CLinux
import Glibc
import Sidetone

package enum LogLevel: String, Sendable { case info, warning, error }

package final class RelayWord {
  static let bytesMax = 4096
  /// Messages that wait for the relay to read; of more than that, those of the log are dropped.
  private static let waitingMax = 4096

  enum Received: Equatable {
    case drain
    /// The relay is gone.
    case end
  }

  /// Nil where nobody is at the other end, or not any more.
  private(set) var descriptor: Int32?
  /// The relay's end was seen while something was sent, and has yet to be told.
  private(set) var owesEnd = false
  private var waiting: [[UInt8]] = []
  private(set) var droppedCount = 0
  /// Where lines go without a relay; tests take them.
  package var elsewhere: (LogLevel, String, String) -> Void = RelayWord.complain

  package init(_ descriptor: Int32?) { self.descriptor = descriptor }

  // MARK: To the relay

  func filed(_ call: String, _ name: String) {
    send("filed \(call) \(singleLine(name))", isNeeded: true)
  }

  func unfiled(_ call: String, _ sentence: String) {
    send("unfiled \(call) \(singleLine(sentence))", isNeeded: true)
  }

  /// `event` is one word, as the log's events are.
  package func log(_ level: LogLevel, _ event: String, _ text: String) {
    let text = singleLine(text)
    if descriptor == nil { return elsewhere(level, event, text) }
    send("log \(level.rawValue) \(event) \(text)", isNeeded: false)
  }

  func status(_ figures: [(String, Int64)]) {
    let text = figures.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
    send("status \(text)", isNeeded: false)
  }

  var hasWaiting: Bool { !waiting.isEmpty }

  private func send(_ message: String, isNeeded: Bool) {
    guard descriptor != nil else { return }
    guard isNeeded || waiting.count < Self.waitingMax else {
      droppedCount += 1
      return
    }
    waiting.append(cut(message))
    flush()
  }

  /// At most `bytesMax` bytes, and no half character at the end.
  private func cut(_ message: String) -> [UInt8] {
    var bytes = Array(message.utf8.prefix(Self.bytesMax))
    if bytes.count < message.utf8.count {
      while let last = bytes.last, last & 0xc0 == 0x80 { bytes.removeLast() }
      if bytes.last.map({ $0 >= 0xc0 }) ?? false { bytes.removeLast() }
    }
    return bytes
  }

  /// Sends what the relay takes now.
  func flush() {
    while let message = waiting.first, let descriptor {
      let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      let result = message.withBytes { bytes in
        unsafe Glibc.send(descriptor, bytes.base, bytes.count, flags)
      }
      if result < 0 {
        if errno == EINTR { continue }
        if errno == EAGAIN || errno == ENOBUFS { return }
        owesEnd = true
        return close()
      }
      waiting.removeFirst()
    }
  }

  // MARK: From the relay

  /// What has come since the last time; its end once.
  func receive() -> [Received] {
    var received: [Received] = []
    var space = [UInt8](repeating: 0, count: Self.bytesMax)
    while let descriptor {
      let count = space.withMutableBytes { bytes in
        unsafe recv(descriptor, bytes.base, bytes.count, Int32(MSG_DONTWAIT))
      }
      if count > 0 {
        let text = String(decoding: space[..<count], as: UTF8.self)
        // Words of later relays are none that must be obeyed.
        if text == "drain" { received.append(.drain) }
        continue
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { break }
      close()
      owesEnd = true
    }
    if owesEnd { received.append(.end) }
    owesEnd = false
    return received
  }

  private func close() {
    if let descriptor { _ = cl_close(descriptor) }
    descriptor = nil
    waiting = []
  }

  private static func complain(_ level: LogLevel, _ event: String, _ text: String) {
    let line = Array("sidetone courier: \(level.rawValue): \(text)\n".utf8)
    _ = line.withBytes { unsafe cl_write(2, $0.base, $0.count) }
  }
}

/// Without what would end a line or speak to a terminal (`Mark`).
func singleLine(_ text: String) -> String {
  text.unicodeScalars.reduce(into: "") { $0 += $1.markEscapes ?? String($1) }
}
