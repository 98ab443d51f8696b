// A request in the moment in which it is judged: its head and body where they lie, who sent it, and
// when.

package struct Request {
  package var head: HTTP.RequestHead
  /// The bytes that `head` was parsed from.
  package var bytes: Bytes
  /// The decoded body; empty before it is read.
  package var body = Bytes.empty
  /// Index in `Config.listeners`.
  package var listener: Int
  package var peer: Address
  package var now: Instant
  /// The wall clock, against which signatures state their time.
  package var wall: WallTime

  package init(
    head: HTTP.RequestHead, bytes: Bytes, listener: Int, peer: Address, now: Instant,
    wall: WallTime
  ) {
    self.head = head
    self.bytes = bytes
    self.listener = listener
    self.peer = peer
    self.now = now
    self.wall = wall
  }

  /// Whether a socket is asked for; only GET opens one, whatever else stands in the head.
  var isForSocket: Bool {
    head.method == .get && head.fields.hasToken("websocket", in: "upgrade", of: bytes)
  }

  /// The body where it is a form, as webhooks post it; else nothing.
  var form: Bytes {
    let type = head.fields.value(of: "content-type", in: bytes)
    let end = type.firstIndex(of: 0x3b) ?? type.count
    let isForm = type.prefix(end).equalsIgnoringCase("application/x-www-form-urlencoded")
    return isForm && head.method == .post ? body : .empty
  }
}
