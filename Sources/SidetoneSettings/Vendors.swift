// What settings must know about the vendors, and the readers of names that belong to them.

import Sidetone

let carrierNames = Carrier.all.map { $0.name.description }
let upstreamKinds = Upstream.all.map { $0.name.description }
/// Where kinds of upstreams are found when no url says otherwise.
let vendorEndpoints = [
  "deepgram": endpoint("api.deepgram.com", "/v1/listen"),
  "openai": endpoint("api.openai.com", "/v1/realtime"),
  "gemini": endpoint(
    "generativelanguage.googleapis.com",
    "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"),
]

private func endpoint(_ host: String, _ path: String) -> Config.Endpoint {
  var endpoint = Config.Endpoint()
  endpoint.host = host
  endpoint.path = path
  return endpoint
}

/// What an agent is asked before its caller has said anything.
private let greeting = "Greet the caller in one short sentence and ask how you can help."

/// What kinds of voice models are told, and what each stands at where nobody sets it; empty: it is
/// not said, and the vendor's own default holds. Vendors retire models: here they are changed.
let vendorOptions: [String: [(name: String, standard: String)]] = [
  "openai": [
    ("model", "gpt-realtime-2.1"), ("voice", "marin"), ("language", "en"), ("instructions", ""),
    ("greeting", greeting), ("transcription_model", "gpt-4o-mini-transcribe"),
    ("turn_detection", "server_vad"), ("silence_milliseconds", "500"), ("threshold", "0.5"),
    ("audio", "pcm"), ("speed", ""),
  ],
  "gemini": [
    ("model", "models/gemini-2.5-flash-native-audio-preview-09-2025"), ("voice", "Puck"),
    ("language", "en-US"), ("instructions", ""), ("greeting", greeting),
    ("silence_milliseconds", ""),
  ],
]

/// Where an option stands, for people: "marin (openai), Puck (gemini)"; where all kinds agree, the
/// value alone.
func standards(of option: String) -> String {
  let kinds = vendorOptions.keys.sorted().reversed()
  let rows = kinds.compactMap { kind in
    vendorOptions[kind]?.first { $0.name == option }.map { (kind: kind, value: $0.standard) }
  }
  if rows.count == vendorOptions.count, Set(rows.map(\.value)).count == 1 { return rows[0].value }
  let texts = rows.filter { !$0.value.isEmpty }.map { "\($0.value) (\($0.kind))" }
  return texts.joined(separator: ", ")
}

/// Names that vendors and users write, and the variable that each stands for. `DEEPGRAM_API_KEY`
/// serves every upstream of that kind which has no key of its own.
let vendorNames = allVendorNames.filter { row in
  // Of vendors that are built in: the others' names belong to other programs.
  !row.variable.hasPrefix("SIDETONE_UPSTREAMS_")
    || defaultUpstreams.contains {
      row.variable.hasPrefix("SIDETONE_UPSTREAMS_\($0.name.uppercased())_")
    }
}

private let allVendorNames = [
  (name: "DEEPGRAM_API_KEY", variable: "SIDETONE_UPSTREAMS_DEEPGRAM_KEY"),
  (name: "DEEPGRAM_URL", variable: "SIDETONE_UPSTREAMS_DEEPGRAM_URL"),
  (name: "OPENAI_API_KEY", variable: "SIDETONE_UPSTREAMS_OPENAI_KEY"),
  (name: "OPENAI_REALTIME_URL", variable: "SIDETONE_UPSTREAMS_OPENAI_URL"),
  (name: "GEMINI_API_KEY", variable: "SIDETONE_UPSTREAMS_GEMINI_KEY"),
  (name: "GEMINI_LIVE_URL", variable: "SIDETONE_UPSTREAMS_GEMINI_URL"),
  (name: "SYSTEM_PROMPT", variable: "SIDETONE_UPSTREAMS_OPENAI_INSTRUCTIONS"),
  (name: "SYSTEM_PROMPT", variable: "SIDETONE_UPSTREAMS_GEMINI_INSTRUCTIONS"),
  (name: "TWILIO_AUTH_TOKEN", variable: "SIDETONE_AUTH_TWILIO_AUTH_TOKEN"),
  (name: "TELNYX_PUBLIC_KEY", variable: "SIDETONE_AUTH_TELNYX_PUBLIC_KEY"),
  (name: "SIDETONE_API_KEYS", variable: "SIDETONE_AUTH_API_KEYS"),
]
let vendorKeyNames = [
  "deepgram": "DEEPGRAM_API_KEY", "openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY",
]

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
