// What settings must know about the vendors, and the readers of names that belong to them.

import CDigest
import Sidetone

let carrierNames = ["twilio", "raw"]
let upstreamKinds = ["deepgram", "echo"]
/// Where kinds of upstreams are found when no url says otherwise; others dial nobody.
let vendorEndpoints = ["deepgram": deepgramEndpoint]

func readCarrier(_ name: String) throws(Refusal) -> String {
  guard carrierNames.contains(name) else {
    throw Refusal(unknown("names", name, among: carrierNames))
  }
  return name
}

func readKind(_ name: String) throws(Refusal) -> String {
  guard upstreamKinds.contains(name) else {
    throw Refusal(unknown("names", name, among: upstreamKinds))
  }
  return name
}

/// SHA-256 of a key's bytes.
func sha256(_ key: String) -> [UInt8] {
  let bytes = Array(key.utf8)
  return [UInt8](unsafeUninitializedCapacity: 32) { digest, count in
    SHA256(bytes, bytes.count, digest.baseAddress)
    count = 32
  }
}
