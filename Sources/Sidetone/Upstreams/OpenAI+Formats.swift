// Which audio an OpenAI session says it takes and sends. Some servers speak an older shape, or take
// no wish at all and say so only here.

extension OpenAI {
  /// `session.audio.input.format` is an object, or, in the older shape, a word beside it.
  static func formatStated(
    _ way: StaticString, older: StaticString, in message: Bytes
  ) -> Upstream.StatedFormat {
    if let format = JSON.find("session", "audio", way, "format", in: message) {
      switch format.kind {
      case .null: return .unsaid
      case .object:
        let rate = JSON.find("rate", in: message, under: format)
        return stated(JSON.find("type", in: message, under: format), rate, in: message)
      default: return stated(format, nil, in: message)
      }
    }
    return stated(JSON.find("session", older, in: message), nil, in: message)
  }

  /// Linear samples are 24,000 a second where nothing else is said.
  private static func stated(
    _ type: JSON.Value?, _ rate: JSON.Value?, in message: Bytes
  ) -> Upstream.StatedFormat {
    guard let type, type.kind == .string else { return .unsaid }
    guard var said = AudioType(type, in: message) else { return .unknown }
    if let rate, let number = JSON.integer(rate, in: message), number > 0 { said.rate = number }
    guard let format = said.format(orAs: pcm), [8000, 16_000, 24_000].contains(format.rate) else {
      return .unknown
    }
    return .format(format)
  }
}
