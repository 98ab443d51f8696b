// Whatever a peer sends as HTTP: a head is whole at one length only, its parts lie inside it, what
// was bad stays bad with more bytes behind it, and every request ends in an admission or in a
// refusal that fits. Bodies, queries and addresses, which come in heads, keep the same rules.

import Sidetone

func fuzzHTTP(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(start, count)
  let kind = input.byte() % 5
  let cut = input.byte()
  let memory = ExactMemory(input.rest)
  let bytes = memory.bytes
  let prefix = bytes.prefix(min(bytes.count, cut * bytes.count / 255))
  withExtendedLifetime(memory) {
    switch kind {
    case 0: fuzzRequest(bytes, prefix)
    case 1: fuzzResponse(bytes, prefix)
    case 2: fuzzChunks(bytes, prefix)
    case 3: fuzzQuery(bytes)
    default: fuzzAddress(bytes)
    }
  }
  return 0
}

private let limit = 2048
nonisolated(unsafe) private let admission = Admission(config(), Prepared(config()), seed: 1)

private func config() -> Config {
  var config = Config()
  config.publicURL = "https://relay.example.com"
  config[carrier: "twilio"].secrets = [Array("token".utf8)]
  var echo = Config.Upstream()
  echo.name = "echo"
  echo.kind = "echo"
  config.upstreams = [echo]
  config.keyDigests = [[UInt8](repeating: 7, count: 32)]
  var call = Config.Route()
  call.path = "/media"
  call.upstream = "echo"
  var secret = call
  secret.secret = "s3cr3t"
  var voice = Config.Route()
  voice.path = "/voice"
  voice.kind = .voice
  config.routes = [secret, call, voice]
  return config
}

private func fuzzRequest(_ bytes: Bytes, _ prefix: Bytes) {
  let early = HTTP.parseRequest(prefix, limit: limit)
  switch HTTP.parseRequest(bytes, limit: limit) {
  case .complete(let head):
    check(head.fields, in: bytes, head.length)
    for place in [head.target, head.path, head.query, head.host] {
      precondition(place.start <= place.end && place.end <= head.length, "a part lies inside")
    }
    if case .complete(let again) = early { precondition(again.length == head.length) }
    if case .bad = early { preconditionFailure("what was bad stays bad") }
    if case .needMore = early { precondition(prefix.count < head.length) }
    request(head, bytes)
  case .needMore:
    precondition(bytes.count < limit)
    guard case .needMore = early else { preconditionFailure("less cannot say more") }
  case .bad:
    if case .complete = early { preconditionFailure("a whole head stays whole") }
  }
}

private func request(_ head: HTTP.RequestHead, _ bytes: Bytes) {
  var request = Request(
    head: head, bytes: bytes, listener: 0, peer: Address(ipv4: 0x7f00_0001, port: 1), now: .zero,
    wall: WallTime(nanoseconds: 0))
  let rest = bytes.dropping(head.length)
  if case .complete(let count, _) = HTTP.body(head.framing, in: rest, limit: limit) {
    request.body = rest.prefix(count)
  }
  do throws(Refusal) {
    _ = try admission.admit(request, to: try admission.destination(of: request))
  } catch {
    let memory = ExactMemory(count: 2048)
    var out = Writer(memory.bytes)
    admission.write(error, isHead: head.method == .head, into: &out)
    precondition(!out.overflowed, "a refusal fits")
    guard case .complete(let answer) = HTTP.parseResponse(out.written, limit: limit) else {
      preconditionFailure("a refusal is HTTP")
    }
    precondition(answer.status == Int(error.status.rawValue))
    withExtendedLifetime(memory) {}
  }
}

private func fuzzResponse(_ bytes: Bytes, _ prefix: Bytes) {
  let early = HTTP.parseResponse(prefix, limit: limit)
  switch HTTP.parseResponse(bytes, limit: limit) {
  case .complete(let head):
    check(head.fields, in: bytes, head.length)
    precondition((100...999).contains(head.status))
    _ = Upgrade.check(head, in: bytes, nonce: Upgrade.Nonce(low: 1, high: 2))
    _ = Upgrade.retryAfterSeconds(head, in: bytes)
    if case .bad = early { preconditionFailure("what was bad stays bad") }
  case .needMore:
    guard case .needMore = early else { preconditionFailure("less cannot say more") }
  case .bad:
    if case .complete = early { preconditionFailure("a whole head stays whole") }
  }
}

private func check(_ fields: HTTP.Fields, in bytes: Bytes, _ length: Int) {
  precondition(length <= min(bytes.count, limit))
  var at = 0
  var count = 0
  while let field = fields.next(&at, in: bytes) {
    count += 1
    precondition(!field.name.isEmpty && field.value.end <= length)
    for byte in field.value.bytes(in: bytes).array {
      precondition(byte >= 0x20 && byte != 0x7f || byte == 9, "a value is text")
    }
  }
  precondition(count <= HTTP.fieldsMax)
}

private func fuzzChunks(_ bytes: Bytes, _ prefix: Bytes) {
  let early = HTTP.body(.chunked, in: ExactMemory.copied(prefix), limit: limit)
  switch HTTP.body(.chunked, in: bytes, limit: limit) {
  case .complete(let count, let consumed):
    precondition(count < consumed && consumed <= min(bytes.count, limit))
    if case .bad = early { preconditionFailure("what was bad stays bad") }
  case .needMore: precondition(early == .needMore, "less cannot say more")
  case .bad:
    if case .complete = early { preconditionFailure("a whole body stays whole") }
  }
}

private func fuzzQuery(_ bytes: Bytes) {
  var parts = Query(bytes)
  while let pair = parts.next() {
    let plain = Query.decodeInPlace(pair.value)
    precondition(plain.count <= pair.value.count)
    let memory = ExactMemory(count: 3 * plain.count)
    var out = Writer(memory.bytes)
    Query.encode(plain, into: &out)
    precondition(!out.overflowed)
    precondition(Query.decodeInPlace(out.written).equals(plain), "encoding is undone by decoding")
    withExtendedLifetime(memory) {}
  }
}

private func fuzzAddress(_ bytes: Bytes) {
  guard let address = Address(bytes) else { return }
  let memory = ExactMemory(count: 40)
  var out = Writer(memory.bytes)
  out.write(address)
  precondition(!out.overflowed && Address(out.written) == address, "an address reads back")
  withExtendedLifetime(memory) {}
}

extension ExactMemory {
  /// A copy that is never given back would hide nothing, but fill the memory; this one is reused.
  fileprivate static func copied(_ bytes: Bytes) -> Bytes {
    let place = shared.bytes.prefix(bytes.count)
    place.copy(bytes)
    return place
  }
  nonisolated(unsafe) private static let shared = ExactMemory(count: 8192)
}
