// A carrier's audio messages, made from samples: every 20 ms one, in each carrier's own words.

import Sidetone
import TestSupport

struct CarrierWire: CustomStringConvertible, Sendable {
  let carrier: String
  /// As the carrier writes it: how its format is chosen, and what it is.
  let encoding: String
  let format: Format

  static let all = [
    CarrierWire(carrier: "twilio", encoding: "", format: .mulaw8k),
    CarrierWire(carrier: "telnyx", encoding: "PCMU", format: .mulaw8k),
    CarrierWire(carrier: "telnyx", encoding: "PCMA", format: Format(codec: .alaw, rate: 8000)),
    CarrierWire(carrier: "telnyx", encoding: "L16", format: Format(codec: .linear16, rate: 16_000)),
    CarrierWire(carrier: "ucid", encoding: "", format: Format(codec: .linear16, rate: 8000)),
    CarrierWire(carrier: "raw", encoding: "mulaw", format: .mulaw8k),
    CarrierWire(
      carrier: "raw", encoding: "linear16", format: Format(codec: .linear16, rate: 24_000)),
  ]
  /// Those whose callers can be talked to.
  static let talking = all.filter { $0.carrier != "raw" }

  var description: String { "\(carrier) \(encoding)" }

  /// The route on which such a caller is listened to, with the query of its handshake.
  var path: String {
    carrier == "raw"
      ? "/ws/transcribe?call_id=c-1&encoding=\(encoding)&sample_rate=\(format.rate)" : "/media"
  }

  var start: String? {
    carrier == "telnyx" ? Talk.telnyxStart(encoding, format.rate) : Talk.starts[carrier]
  }

  /// One message, the so-manieth, at this moment of the carrier's clock.
  func message(_ samples: [Int16], _ number: Int, track: String = "inbound") -> [UInt8] {
    var wide = samples.flatMap {
      [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
    }
    var audio = [UInt8](repeating: 0, count: samples.count * format.bytesPerSample)
    wide.withMutableBytes { wide in
      audio.withMutableBytes { _ = Samples.encode(wide, as: format, into: $0) }
    }
    if carrier == "raw" { return Frames.frame(.binary, audio, isMasked: true) }
    let payload = Talk.base64(audio)
    let time = "\"timestamp\":\"\(20 * number)\""
    let text =
      switch carrier {
      case "twilio":
        """
        {"event":"media","sequenceNumber":"\(number + 2)","streamSid":"MZ1","media":\
        {"track":"\(track)","chunk":"\(number + 1)",\(time),"payload":"\(payload)"}}
        """
      case "telnyx":
        """
        {"event":"media","sequence_number":"\(number + 2)","stream_id":"S1","media":\
        {"track":"\(track)","chunk":"\(number + 1)",\(time),"payload":"\(payload)"}}
        """
      default:
        """
        {"event":"media","type":"media","ucid":"123","data":{"samples":\(samples),\
        "bitsPerSample":16,"sampleRate":8000,"channelCount":1,\
        "numberOfFrames":\(samples.count),"type":"data"}}
        """
      }
    return Frames.frame(.text, Array(text.replacing(", ", with: ",").utf8), isMasked: true)
  }
}
