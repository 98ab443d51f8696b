// Lines about what wires have that is not documented, and about audio that is not what it was said
// to be.

extension Turn {
  mutating func note(_ event: Event.OfOddity, _ call: Name?) {
    write(event.level, event.name, call) { $0.write(event) }
  }

  mutating func write(_ name: Bytes, unknown type: Bytes, _ call: Name?) {
    write(.info, "upstream_message_unknown", call) {
      $0.write(name)
      $0.write(": ")
      $0.write(type.isEmpty ? ("a message without a type" as StaticString).bytes : type)
      $0.write("; others that are not known are counted only")
    }
  }

  mutating func write(_ name: Bytes, bad text: Bytes, _ call: Name?) {
    write(.warning, "upstream_message_bad", call) {
      $0.write(name)
      $0.write(" sent what is no JSON object: ")
      // It may hold a caller's words, or sound.
      $0.write(excerptOf: text)
    }
  }

  mutating func write(unreadable name: Bytes, _ call: Name?) {
    write(.warning, "upstream_audio_bad", call) {
      $0.write(name)
      $0.write(" sent audio that is no base64: it is not played, and others like it are counted")
    }
  }

  /// A message of an upstream's is larger than it may be.
  mutating func write(tooLarge bytesMax: Int, _ call: Name?) {
    counters.messagesTooLarge &+= 1
    write(.warning, "upstream_message_too_large", call) {
      $0.write("closed with 1009: a message is larger than limits.upstream_message_bytes_max, ")
      $0.write(decimal: bytesMax)
      $0.write(" bytes")
    }
  }

  /// Something that an upstream had to be told was not.
  mutating func writeUntold(_ call: Name?) {
    counters.commandsLost &+= 1
    write(.warning, "command_lost", call) {
      $0.write("no memory is left for what the upstream has to be told or asked")
    }
  }

  /// An upstream's audio; nil: of no format that is known here.
  mutating func write(
    _ name: Bytes, _ format: Event.Audio?, _ isHeeded: Bool, _ call: Name?
  ) {
    write(.warning, "upstream_audio_format", call) { $0.write(name, states: format, isHeeded) }
  }
}

extension Event.OfOddity {
  fileprivate var level: Config.LogLevel {
    switch self {
    case .ignored: .info
    // Each channel is heard, and billed, for itself: somebody may not have meant that.
    case .format(let format, let isHeeded): isHeeded && format.channels == 1 ? .info : .warning
    case .otherTrack(_, let isHeard): isHeard ? .info : .warning
    case .broke, .tooLarge, .unrecognised, .early, .idCut, .parametersLeftOut, .isSecond, .isFile,
      .tooFast, .transferUnended:
      .warning
    }
  }

  fileprivate var name: StaticString {
    switch self {
    case .broke, .tooLarge: "protocol_broken"
    case .unrecognised: "unrecognised"
    case .ignored: "message_ignored"
    case .early: "early_audio"
    case .idCut: "id_cut"
    case .parametersLeftOut: "parameters_left_out"
    case .isSecond: "second_socket"
    case .format: "audio_format"
    case .isFile: "audio_is_file"
    case .otherTrack: "other_track"
    case .tooFast: "audio_too_fast"
    case .transferUnended: "transfer_unended"
    }
  }
}

extension Writer {
  fileprivate mutating func write(_ event: Event.OfOddity) {
    switch event {
    case .broke(let rule): write(rule)
    case .tooLarge(let bytes, let most):
      write("the message is too large: ")
      write(decimal: bytes)
      write(" bytes, but limits.carrier_message_bytes_max is ")
      write(decimal: most)
    case .unrecognised(let text): write(text)
    case .ignored(let text):
      write(text)
      write("; others like it are counted only")
    case .early: write("audio before the start waits for it")
    case .idCut(let bytes):
      write("the id is too long: of ")
      write(decimal: bytes)
      write(" bytes the first 96 are kept")
    case .parametersLeftOut(let count, let most):
      write("of the call's parameters ")
      write(decimal: count)
      write(" are not kept: all together may have ")
      write(decimal: most)
      write(" bytes, and must be a JSON object")
    case .isSecond: write("a running call has the same id: both are heard, and both are billed")
    case .format(let format, let isHeeded): write(format, isHeeded)
    case .isFile(let name):
      write("the audio begins as a file does (")
      write(name)
      write("), but only raw samples of linear16, mulaw or alaw can be taken")
    case .otherTrack(let track, let isHeard):
      write(track)
      write(" audio comes as well: ")
      write(
        isHeard
          ? "the two tracks are two channels from now on"
          : "it is left out; ask the carrier for one track, or for G.711 at 8000 Hz")
    case .tooFast(let percent, let format): write(tooFast: percent, format)
    case .transferUnended(let seconds):
      write("the carrier took a transfer, and has not ended its stream for ")
      write(decimal: seconds)
      write(" s (limits.transfer_seconds): it is closed")
    }
  }

  fileprivate mutating func write(tooFast percent: Int, _ format: Event.Audio) {
    write("audio comes at ")
    write(decimal: percent)
    write(" % of the speed of ")
    write(format)
    write("; if it is live, its rate or channels are others than was said")
  }

  fileprivate mutating func write(_ format: Event.Audio, _ isHeeded: Bool) {
    write(format)
    write(isHeeded ? ", as the audio says itself" : " is said too late: audio came before")
    if isHeeded, format.channels > 1 { write("; the upstream may bill each channel") }
  }

  fileprivate mutating func write(_ name: Bytes, states format: Event.Audio?, _ isHeeded: Bool) {
    write(name)
    write(" states ")
    if let format { write(format) } else { write("a format that is not known here") }
    write(
      isHeeded
        ? " for its audio, which was not asked for; its rate is heeded"
        : " for its audio, which cannot be converted: it is not played")
  }

  /// `linear16 at 16000 Hz, 1 channel`.
  fileprivate mutating func write(_ format: Event.Audio) {
    write(format.codec)
    write(" at ")
    write(decimal: format.rate)
    write(" Hz, ")
    write(decimal: format.channels)
    write(format.channels == 1 ? " channel" : " channels")
  }
}
