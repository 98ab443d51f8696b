// Callers and upstreams of a driver's relay, as far as every test needs them: handshakes and whole
// messages.

import Sidetone

extension EngineDriver {
  /// A caller's connection whose handshake was answered with 101; nil: it was not.
  package func open(_ path: String) -> SlotID? {
    guard let link = accept() else { return nil }
    feed(Frames.handshake(path), on: link)
    let head = String(decoding: taken(from: link), as: UTF8.self)
    return head.hasPrefix("HTTP/1.1 101") ? link : nil
  }

  /// Takes the dialling that was asked for last, and answers its request with 101.
  package func answerDial() -> SlotID? {
    guard let link = dialled.last else { return nil }
    connected(link)
    guard let answer = Frames.answer(to: taken(from: link)) else { return nil }
    feed(answer, on: link)
    return link
  }

  /// A caller's text message.
  package func say(_ text: String, on link: SlotID) {
    feed(Frames.frame(.text, Array(text.utf8), isMasked: true), on: link)
  }

  /// An upstream's text message.
  package func answer(_ text: String, on link: SlotID) {
    feed(Frames.frame(.text, Array(text.utf8), isMasked: false), on: link)
  }

  /// The payloads of the messages written to a link since the last time, control frames left out.
  package func messages(from link: SlotID, isCaller: Bool) -> [String] {
    var decoder = WebSocket(role: isCaller ? .client : .server, messageBytesMax: 1 << 22)
    var bytes = taken(from: link)
    var texts: [String] = []
    bytes.withMutableBytes { buffer in
      while true {
        switch decoder.nextEvent(in: buffer) {
        case .needMore, .failed: return
        case .text(let range), .binary(let range): texts.append(buffer[range].string)
        case .ping, .pong, .close: break
        }
      }
    }
    return texts
  }
}
