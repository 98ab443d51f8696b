// What peers of a relay put on the wire: handshakes and WebSocket frames, made with the engine's
// own codec, whose truth is proven elsewhere.

import Sidetone

package enum Frames {
  /// A frame as a client sends it (masked) or as a server does.
  package static func frame(
    _ opcode: WebSocket.Opcode, _ payload: [UInt8], isMasked: Bool, isFinal: Bool = true
  ) -> [UInt8] {
    payload.withBytes { payload in
      written(payload.count + 14) {
        WebSocket.encode(
          opcode, payload, key: isMasked ? 0x1a2b_3c4d : nil, isFinal: isFinal, into: &$0)
      }
    }
  }

  /// The request that opens a socket.
  package static func handshake(_ target: String) -> [UInt8] {
    Array(
      """
      GET \(target) HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
      """.utf8)
  }

  /// The right answer to a request that opens a socket; nil: it is none.
  package static func answer(to request: [UInt8]) -> [UInt8]? {
    let name = "sec-websocket-key:"
    let line = String(decoding: request, as: UTF8.self).split(separator: "\r\n").first {
      $0.lowercased().hasPrefix(name)
    }
    guard let line else { return nil }
    let key = Array(line.dropFirst(name.count).drop { $0 == " " }.utf8)
    return key.withBytes { key in written(512) { Upgrade.writeAccept(key: key, into: &$0) } }
  }

  private static func written(_ most: Int, _ body: (inout Writer) -> Void) -> [UInt8] {
    var place = [UInt8](repeating: 0, count: most)
    let count = place.withMutableBytes { place in
      var out = Writer(place)
      body(&out)
      precondition(!out.overflowed, "it fits")
      return out.count
    }
    return Array(place.prefix(count))
  }
}
