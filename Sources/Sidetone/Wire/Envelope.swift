// Every frame.
//
// The constant text around audio that goes to a caller, rendered once when its call starts: prefix, base64,
// suffix is then a whole message, and no carrier's code runs for a frame.

package struct Envelope: BitwiseCopyable, Sendable {
  private static let prefixBytesMax = 192
  private static let suffixBytesMax = 16

  private var storage = InlineArray<208, UInt8>(repeating: 0)
  private var prefixBytes = 0
  private var suffixBytes = 0

  package init() {}

  /// Takes copies; nil where a part is too long.
  package init?(prefix: Bytes, suffix: Bytes) {
    guard prefix.count <= Self.prefixBytesMax, suffix.count <= Self.suffixBytesMax else {
      return nil
    }
    for index in 0..<prefix.count { storage[index] = prefix[index] }
    for index in 0..<suffix.count { storage[prefix.count &+ index] = suffix[index] }
    prefixBytes = prefix.count
    suffixBytes = suffix.count
  }

  /// Puts a payload that is base64 already into a text message of the server side; false and nothing done
  /// where it does not fit in a block, or the pool is dry.
  @_noAllocation package func seal(
    base64 payload: Bytes, into outbox: inout Chain, from pool: BlockPool
  ) -> Bool {
    let count = prefixBytes &+ payload.count &+ suffixBytes
    guard count &+ WebSocket.headerBytesMax <= BlockPool.blockBytes,
      let draft = WebSocket.draft(.text, payloadBytes: count, key: nil, into: &outbox, from: pool)
    else { return false }
    for index in 0..<prefixBytes { draft.payload[index] = storage[index] }
    draft.payload.copy(payload, at: prefixBytes)
    let end = prefixBytes &+ payload.count
    for index in 0..<suffixBytes { draft.payload[end &+ index] = storage[prefixBytes &+ index] }
    WebSocket.commit(draft, in: &outbox, of: pool)
    return true
  }
}
