// From what a carrier or an upstream says of audio to a format that can be relayed.

extension AudioType {
  /// Nil: a codec that is not known here.
  var formatCodec: Format.Codec? {
    switch codec {
    case .linear: .linear16
    case .mulaw: .mulaw
    case .alaw: .alaw
    case nil: nil
    }
  }

  /// The format that it names, where that can be one; what it leaves out is as in `usual`.
  func format(orAs usual: Format) -> Format? {
    guard let codec = formatCodec else { return nil }
    let isLinear = codec == .linear16
    let rate = self.rate > 0 ? self.rate : isLinear ? usual.rate : 8000
    let channels = self.channels > 0 ? self.channels : usual.channels
    guard channels <= 2, isLinear ? Format.rates.contains(rate) : rate == 8000 else { return nil }
    return Format(codec: codec, rate: rate, channels: channels)
  }
}
