// Network addresses as text: read from headers that proxies write, written for people.

extension Address {
  /// Dotted quad, or IPv6 (RFC 4291 §2.2) without brackets and zone; the port is 0. Nil for
  /// anything else.
  @_noAllocation package init?(_ text: Bytes) {
    if text.firstIndex(of: 0x3a) == nil {
      guard let ipv4 = Self.readIPv4(text) else { return nil }
      self.init(ipv4: ipv4, port: 0)
    } else {
      guard let address = Self.readIPv6(text) else { return nil }
      self = address
    }
  }

  @_noAllocation private static func readIPv4(_ text: Bytes) -> UInt32? {
    var value: UInt32 = 0
    var at = 0
    for part in 0..<4 {
      let end = part < 3 ? text.firstIndex(of: 0x2e, from: at) : text.count
      guard let end, end &- at <= 3, let number = text[at..<end].decimal, number <= 255,
        end &- at == 1 || text[at] != 0x30
      else { return nil }
      value = value << 8 | UInt32(number)
      at = min(end &+ 1, text.count)
    }
    return value
  }

  /// Groups before a `::` are shifted in from the left; the gap is opened when it is seen.
  @_noAllocation private static func readIPv6(_ text: Bytes) -> Address? {
    var groups = InlineArray<8, UInt16>(repeating: 0)
    var count = 0
    var gap = -1
    var at = 0
    if text.starts(with: "::") {
      gap = 0
      at = 2
    }
    while at < text.count {
      let colon = text.firstIndex(of: 0x3a, from: at)
      let group = text[at..<(colon ?? text.count)]
      if colon == nil, group.firstIndex(of: 0x2e) != nil {
        guard count <= 6, let ipv4 = readIPv4(group) else { return nil }
        groups[count] = UInt16(truncatingIfNeeded: ipv4 >> 16)
        groups[count &+ 1] = UInt16(truncatingIfNeeded: ipv4)
        count &+= 2
        break
      }
      guard count < 8, let value = readGroup(group) else { return nil }
      groups[count] = value
      count &+= 1
      guard let colon else { break }
      at = colon &+ 1
      if at < text.count, text[at] == 0x3a {
        guard gap < 0 else { return nil }
        gap = count
        at &+= 1
      } else if at == text.count {
        return nil
      }
    }
    guard gap < 0 ? count == 8 : count < 8 else { return nil }
    return join(groups, count, gap)
  }

  @_noAllocation private static func readGroup(_ text: Bytes) -> UInt16? {
    guard !text.isEmpty, text.count <= 4 else { return nil }
    var value: UInt16 = 0
    for index in 0..<text.count {
      guard let digit = Query.hexValue(text[index]) else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }

  @_noAllocation private static func join(
    _ groups: InlineArray<8, UInt16>, _ count: Int, _ gap: Int
  ) -> Address {
    var address = Address.none
    for place in 0..<8 {
      var group: UInt16 = 0
      if gap < 0 || place < gap {
        group = groups[place]
      } else if place >= gap &+ 8 &- count {
        group = groups[place &- 8 &+ count]
      }
      if place < 4 {
        address.high = address.high << 16 | UInt64(group)
      } else {
        address.low = address.low << 16 | UInt64(group)
      }
    }
    return address
  }
}

extension Writer {
  /// The address without its port: dotted quad, or IPv6 as RFC 5952 wants it.
  @_noAllocation package mutating func write(_ address: Address) {
    if let ipv4 = address.ipv4 {
      for part in 0..<4 {
        if part > 0 { write(".") }
        write(decimal: Int(ipv4 >> UInt32(24 &- part &* 8) & 255))
      }
      return
    }
    let gap = longestZeros(in: address)
    var place = 0
    while place < 8 {
      if place == gap.lowerBound, gap.count > 1 {
        write("::")
        place = gap.upperBound
        continue
      }
      if place > 0, place != gap.upperBound || gap.count < 2 { write(":") }
      write(group: group(place, of: address))
      place &+= 1
    }
  }

  private func group(_ place: Int, of address: Address) -> UInt16 {
    let half = place < 4 ? address.high : address.low
    return UInt16(truncatingIfNeeded: half >> UInt64(48 &- (place & 3) &* 16))
  }

  private func longestZeros(in address: Address) -> Range<Int> {
    var best = 0..<0
    var start = 0
    for place in 0..<8 {
      if group(place, of: address) != 0 {
        start = place &+ 1
      } else if place &+ 1 &- start > best.count {
        best = start..<place &+ 1
      }
    }
    return best
  }

  private mutating func write(group: UInt16) {
    var shift: UInt16 = 12
    while shift > 0, group >> shift == 0 { shift &-= 4 }
    while true {
      let nibble = UInt8(truncatingIfNeeded: group >> shift & 15)
      write(byte: nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble)
      if shift == 0 { return }
      shift &-= 4
    }
  }
}

extension Address {
  /// `localhost`, 127.0.0.0/8 or ::1, with or without a port.
  package static func isLoopbackHost(_ host: Bytes) -> Bool {
    guard !host.isEmpty else { return false }
    if host[0] == 0x5b {
      guard let end = host.firstIndex(of: 0x5d) else { return false }
      return Address(host[1..<end])?.isLoopback ?? false
    }
    let name = host.prefix(host.firstIndex(of: 0x3a) ?? host.count)
    return name.equalsIgnoringCase("localhost") || Address(name)?.isLoopback ?? false
  }
}
