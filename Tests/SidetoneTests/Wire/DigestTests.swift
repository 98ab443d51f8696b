// Digests against the vectors of FIPS 180-4 and RFC 2202.
import Testing

@testable import Sidetone

struct DigestTests {
  private func hex(_ count: Int, _ body: (Bytes) -> Void) -> String {
    let digest = kept(count: count)
    body(digest)
    return written { $0.write(hex: digest) }.string
  }

  @Test func `the known answers of SHA-1 and SHA-256 hold`() {
    let abc = kept("abc")
    #expect(
      hex(20) { Digest.sha1(abc, into: $0) } == "a9993e364706816aba3e25717850c26c9cd0d89d")
    #expect(
      hex(20) { Digest.sha1(.empty, into: $0) } == "da39a3ee5e6b4b0d3255bfef95601890afd80709")
    #expect(
      hex(32) { Digest.sha256(abc, into: $0) }
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func `the known answers of HMAC-SHA1 hold`() {
    let jefe = hex(20) {
      Digest.hmacSHA1(
        key: kept("Jefe"), kept("what do ya want for nothing?"), into: $0)
    }
    #expect(jefe == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    let long = hex(20) {
      Digest.hmacSHA1(
        key: kept([UInt8](repeating: 0xaa, count: 80)),
        kept("Test Using Larger Than Block-Size Key - Hash Key First"), into: $0)
    }
    #expect(long == "aa4ae5e15272d00e95705637ce8a3b55ed402112")
  }

  @Test func `equality looks at every byte and at the length`() {
    let secret = kept("0123456789")
    #expect(Digest.areEqual(secret, kept("0123456789")))
    #expect(!Digest.areEqual(secret, kept("0123456788")))
    #expect(!Digest.areEqual(secret, kept("x123456789")))
    #expect(!Digest.areEqual(secret, kept("012345678")))
    #expect(Digest.areEqual(.empty, .empty))
  }
}
