// What settings must know about the vendors, and the readers of names that belong to them.

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
  let digest = Arena(count: Digest.sha256Bytes)
  Array(key.utf8).withBytes { Digest.sha256($0, into: digest.bytes) }
  return digest.bytes.array
}
