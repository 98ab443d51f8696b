// Hashes and signatures, by libcrypto's one-shot calls: for handshakes and keys, never for a frame.
// The library allocates inside these calls and frees again before they return.

import CDigest

package enum Digest {
  package static let sha1Bytes = 20
  package static let sha256Bytes = 32
  package static let ed25519KeyBytes = 32
  package static let ed25519Bytes = 64

  /// SHA-1 of `input` into the first 20 bytes of `output`. Only where a protocol asks for it.
  package static func sha1(_ input: Bytes, into output: Bytes) {
    precondition(output.count >= sha1Bytes)
    let done = unsafe SHA1(input.octets, input.count, output.octets)
    unsafe precondition(done != nil, "libcrypto knows SHA-1")
  }

  /// SHA-256 of `input` into the first 32 bytes of `output`.
  package static func sha256(_ input: Bytes, into output: Bytes) {
    precondition(output.count >= sha256Bytes)
    let done = unsafe SHA256(input.octets, input.count, output.octets)
    unsafe precondition(done != nil, "libcrypto knows SHA-256")
  }

  /// HMAC-SHA1 (RFC 2104) of `input` under `key` into the first 20 bytes of `output`.
  package static func hmacSHA1(key: Bytes, _ input: Bytes, into output: Bytes) {
    precondition(output.count >= sha1Bytes)
    let done = unsafe HMAC(
      EVP_sha1(), key.base, Int32(key.count), input.octets, input.count, output.octets, nil)
    unsafe precondition(done != nil, "libcrypto knows HMAC-SHA1")
  }

  /// HMAC-SHA256 (RFC 2104) of `input` under `key` into the first 32 bytes of `output`.
  package static func hmacSHA256(key: Bytes, _ input: Bytes, into output: Bytes) {
    precondition(output.count >= sha256Bytes)
    let done = unsafe HMAC(
      EVP_sha256(), key.base, Int32(key.count), input.octets, input.count, output.octets, nil)
    unsafe precondition(done != nil, "libcrypto knows HMAC-SHA256")
  }

  /// Whether `signature` is the one that the holder of the public `key` gives `message` by ed25519
  /// (RFC 8032).
  package static func isSigned(_ message: Bytes, by key: Bytes, _ signature: Bytes) -> Bool {
    guard signature.count == ed25519Bytes, key.count == ed25519KeyBytes,
      let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, key.octets, key.count)
    else { return false }
    defer { unsafe EVP_PKEY_free(key) }
    guard let context = unsafe EVP_MD_CTX_new() else { return false }
    defer { unsafe EVP_MD_CTX_free(context) }
    return unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
      && EVP_DigestVerify(
        context, signature.octets, signature.count, message.octets, message.count) == 1
  }

  /// Equality in a time that tells nothing of the content; the lengths are no secret.
  package static func areEqual(_ a: Bytes, _ b: Bytes) -> Bool {
    unsafe a.count == b.count && CRYPTO_memcmp(a.base, b.base, a.count) == 0
  }
}

extension Bytes {
  fileprivate var octets: UnsafeMutablePointer<UInt8> {
    unsafe base.assumingMemoryBound(to: UInt8.self)
  }
}
