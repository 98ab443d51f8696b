// What settings must know about the vendors, and the readers of names that belong to them.

import Sidetone

let carrierNames = Carrier.all.map { $0.name.description }
let upstreamKinds = Upstream.all.map { $0.name.description }
/// Where kinds of upstreams are found when no url says otherwise.
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

/// The length of a text in a query: letters, digits and `-._~` stand for themselves (RFC 3986
/// §2.3), every other byte takes three.
func encodedBytes(_ text: String) -> Int {
  text.utf8.reduce(0) { $0 + (isNameByte($1) || $1 == 0x2E || $1 == 0x7E ? 1 : 3) }
}

/// SHA-256 of a key's bytes.
package func sha256(_ key: String) -> [UInt8] {
  Bytes.withTemporary(Digest.sha256Bytes) { digest in
    Array(key.utf8).withBytes { Digest.sha256($0, into: digest) }
    return digest.array
  }
}
