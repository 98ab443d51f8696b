// What a webhook posts: the envelope of Standard Webhooks around what is told of a call.

import Sidetone

package enum WebhookBody {
  /// `{"type": "call.ended", "timestamp": RFC 3339, "data": {…}}`; the time is the event's.
  package static func bytes(of event: OutgoingEvent) -> [UInt8] {
    // No name of a kind and no time needs an escape.
    let head = #"{"type":"\#(event.kind.rawValue)","timestamp":"\#(timestamp(event.at))","data":"#
    return Array(head.utf8) + event.body + [UInt8(ascii: "}")]
  }
}
