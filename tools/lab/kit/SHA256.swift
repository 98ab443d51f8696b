// SHA-256 (FIPS 180-4) of a stream, so that a twin can say exactly which audio it received, and the
// HMAC (RFC 2104) over it, by which webhooks are signed.

import Glibc

struct SHA256 {
  private var state: [UInt32]
  private var pending: [UInt8] = []
  private var byteCount = 0

  /// The first 32 bits behind the point of the square and cube roots of the first primes (§4.2.2,
  /// §5.3.3).
  private static let primes = (2...311).filter { n in (2..<n).allSatisfy { n % $0 != 0 } }
  private static let constants = primes.map { fraction(cbrt(Double($0))) }

  private static func fraction(_ value: Double) -> UInt32 {
    UInt32((value - value.rounded(.down)) * 4_294_967_296)
  }

  init() { state = Self.primes.prefix(8).map { Self.fraction(Double($0).squareRoot()) } }

  mutating func append(_ bytes: [UInt8]) {
    byteCount += bytes.count
    pending += bytes
    var place = 0
    while pending.count - place >= 64 {
      mix(pending[place..<place + 64])
      place += 64
    }
    pending.removeFirst(place)
  }

  /// The digest of all bytes so far, 32 bytes.
  var digest: [UInt8] {
    var end = self
    let bits = UInt64(byteCount) * 8
    let padding = (119 - byteCount % 64) % 64
    end.append([0x80] + [UInt8](repeating: 0, count: padding))
    end.append((0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) })
    return end.state.flatMap { word in
      (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
    }
  }

  /// The digest of all bytes so far, 64 digits.
  var hexadecimal: String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  static func of(_ bytes: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    hash.append(bytes)
    return hash.digest
  }

  static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    let short = key.count > 64 ? of(key) : key
    let block = short + [UInt8](repeating: 0, count: 64 - short.count)
    return of(block.map { $0 ^ 0x5c } + of(block.map { $0 ^ 0x36 } + message))
  }

  private mutating func mix(_ block: ArraySlice<UInt8>) {
    func turned(_ word: UInt32, _ bits: UInt32) -> UInt32 { word >> bits | word << (32 - bits) }
    var schedule = (0..<16).map { index in
      (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(block[block.startIndex + index * 4 + $1]) }
    }
    for index in 16..<64 {
      let (a, b) = (schedule[index - 15], schedule[index - 2])
      let first = turned(a, 7) ^ turned(a, 18) ^ a >> 3
      let second = turned(b, 17) ^ turned(b, 19) ^ b >> 10
      schedule.append(schedule[index - 16] &+ first &+ schedule[index - 7] &+ second)
    }
    var work = state
    for index in 0..<64 {
      let (a, e) = (work[0], work[4])
      let choice = e & work[5] ^ ~e & work[6]
      let majority = a & work[1] ^ a & work[2] ^ work[1] & work[2]
      let turnedE = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
      let turnedA = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)
      let first = work[7] &+ turnedE &+ choice &+ Self.constants[index] &+ schedule[index]
      work = [
        first &+ turnedA &+ majority, a, work[1], work[2], work[3] &+ first, e, work[5], work[6],
      ]
    }
    for index in 0..<8 { state[index] &+= work[index] }
  }
}
