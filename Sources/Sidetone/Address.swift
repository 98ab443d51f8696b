// Where peers are: IP addresses and the networks that they form.

/// An IPv4 or IPv6 network such as 10.0.0.0/8. IPv4 is kept in its IPv6-mapped form.
package struct AddressRange: Sendable, Equatable {
  package var network: Address
  /// 0 to 128, counted in the IPv6-mapped form.
  package var prefixBits: Int
  package init(network: Address, prefixBits: Int) {
    self.network = network
    self.prefixBits = prefixBits
  }

  package func contains(_ address: Address) -> Bool {
    func same(_ a: UInt64, _ b: UInt64, _ bits: Int) -> Bool {
      bits <= 0 || (a ^ b) >> UInt64(64 - min(bits, 64)) == 0
    }
    return same(network.high, address.high, prefixBits)
      && same(network.low, address.low, prefixBits - 64)
  }
}

/// A peer's address: IPv6, or IPv4 in its mapped form (::ffff:a.b.c.d).
package struct Address: BitwiseCopyable, Sendable, Equatable {
  package var high: UInt64
  package var low: UInt64
  package var port: UInt16

  package init(high: UInt64, low: UInt64, port: UInt16) {
    self.high = high
    self.low = low
    self.port = port
  }
  package init(ipv4: UInt32, port: UInt16) {
    self.init(high: 0, low: 0xffff_0000_0000 | UInt64(ipv4), port: port)
  }

  package static let none = Address(high: 0, low: 0, port: 0)
  package var ipv4: UInt32? {
    high == 0 && low >> 32 == 0xffff ? UInt32(truncatingIfNeeded: low) : nil
  }
  /// What it is counted as, without its port: of IPv6 the /64, since one customer has all the
  /// addresses in it.
  package var counted: Address {
    @_noAllocation get {
      Address(high: high, low: ipv4 == nil && !isLoopback ? 0 : low, port: 0)
    }
  }

  /// `seed` keeps peers from choosing addresses that meet in one place.
  @_noAllocation package func hash(seed: UInt64) -> UInt64 {
    var value = seed ^ high
    value = (value ^ value >> 32) &* 0x9e37_79b9_7f4a_7c15 ^ low
    value = (value ^ value >> 29) &* 0xbf58_476d_1ce4_e5b9
    return value ^ value >> 32
  }

  package var isLoopback: Bool {
    if let ipv4 { return ipv4 >> 24 == 127 }
    return high == 0 && low == 1
  }
}
