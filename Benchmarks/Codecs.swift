// Micro-benchmarks of the codecs that every frame passes, on the frame that every call sends: 20 ms
// of µ-law, which is 160 bytes, 216 characters of base64, a text message of some 370 bytes.

import Sidetone

enum Base64Benchmarks {
  static var all: [MicroBenchmark] { [decode(), encode()] }

  private static func decode() -> MicroBenchmark {
    let text = Text(Sample.base64)
    let place = Buffer(count: 256)
    return MicroBenchmark(name: "base64 decode", bytes: text.bytes.count) { times in
      var hash = ResultHash()
      for _ in 0..<times {
        hash.add(Base64.decode(text.bytes, into: place.bytes) ?? -1)
        hash.add(UInt64(place.bytes[159]))
      }
      return hash.value
    }
  }

  private static func encode() -> MicroBenchmark {
    let audio = Text(Sample.audio)
    let place = Buffer(count: 256)
    return MicroBenchmark(name: "base64 encode", bytes: audio.bytes.count) { times in
      var hash = ResultHash()
      for _ in 0..<times {
        hash.add(Base64.encode(audio.bytes, into: place.bytes))
        hash.add(UInt64(place.bytes[213]))
      }
      return hash.value
    }
  }
}

enum WebSocketBenchmarks {
  static var all: [MicroBenchmark] { [open(), seal()] }

  /// Reading takes the mask off in place, so each round begins with a copy of the masked frame.
  private static func open() -> MicroBenchmark {
    let message = Text(Sample.message)
    let frame = Buffer(count: 1_024)
    var writer = Writer(frame.bytes)
    WebSocket.encode(.text, message.bytes, key: 0x1234_5678, into: &writer)
    let length = writer.count
    let place = Buffer(count: 1_024)
    return MicroBenchmark(name: "websocket open", bytes: length) { times in
      var hash = ResultHash()
      for _ in 0..<times {
        place.bytes.copy(frame.bytes.prefix(length))
        var socket = WebSocket(role: .server, messageBytesMax: 65_536)
        if case .text(let range) = socket.nextEvent(in: place.bytes.prefix(length)) {
          hash.add(range.count)
          hash.add(UInt64(place.bytes[range.upperBound - 1]))
        }
      }
      return hash.value
    }
  }

  private static func seal() -> MicroBenchmark {
    let audio = Text(Sample.audio)
    let place = Buffer(count: 1_024)
    return MicroBenchmark(name: "websocket seal", bytes: audio.bytes.count) { times in
      var hash = ResultHash()
      for turn in 0..<times {
        var writer = Writer(place.bytes)
        WebSocket.encode(.binary, audio.bytes, key: UInt32(turn) | 1, into: &writer)
        hash.add(writer.count)
        hash.add(UInt64(place.bytes[100]))
      }
      return hash.value
    }
  }
}

/// Calls whose two sides speak differently: the codec alone, and with a resampler.
enum ConversionBenchmarks {
  private static let pool = ResamplerPool(profile: .balanced, streamsMax: 1)
  private static let formats = [8_000, 16_000, 24_000].map { Format(codec: .linear16, rate: $0) }

  static var all: [MicroBenchmark] {
    let linear = formats[0]
    var all = [
      convert(.mulaw8k, linear, "mulaw decode"), convert(linear, .mulaw8k, "mulaw encode"),
    ]
    for from in formats {
      for to in formats where from != to {
        all.append(convert(from, to, "resample \(from.rate / 1000) to \(to.rate / 1000) kHz"))
      }
    }
    return all
  }

  /// 20 ms from one format to the other. Each round begins with a settled stream.
  private static func convert(_ from: Format, _ to: Format, _ name: String) -> MicroBenchmark {
    guard let conversion = Conversion(from: from, to: to, in: pool) else {
      preconditionFailure("a stream of each pair")
    }
    let count = from.bytes(forMilliseconds: 20)
    let audio = Text((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 73) })
    let place = Buffer(count: conversion.outputBytes(for: count))
    return MicroBenchmark(name: name, bytes: count, smoke: 10, full: 2_000) { times in
      var hash = ResultHash()
      conversion.settle(in: pool)
      for _ in 0..<times {
        conversion.convert(audio.bytes, into: place.bytes, in: pool)
        hash.add(UInt64(place.bytes[place.bytes.count / 2]))
      }
      return hash.value
    }
  }
}

/// Finding the audio in a carrier's message.
enum MediaBenchmarks {
  static var all: [MicroBenchmark] { [locate(), locateAgain(), transcript()] }

  /// One message behind another of its shape.
  private static func locateAgain() -> MicroBenchmark {
    let message = Text(Sample.message)
    let media = Carrier.twilio.media
    return MicroBenchmark(name: "media locate again", bytes: message.bytes.count) { times in
      var hash = ResultHash()
      var learned = LearnedMessage()
      for _ in 0..<times {
        if case .audio(let piece) = learned.locate(message.bytes, by: media) {
          hash.add(piece.payload.lowerBound)
          hash.add(piece.timestamp)
        }
      }
      return hash.value
    }
  }

  private static func transcript() -> MicroBenchmark {
    let message = Text(Sample.transcript)
    return MicroBenchmark(name: "deepgram read", bytes: message.bytes.count) { times in
      var hash = ResultHash()
      for _ in 0..<times {
        guard let heard = Upstream.deepgram.read(message.bytes).heard else { continue }
        hash.add(heard.text.lowerBound)
        hash.add(heard.endMicroseconds)
      }
      return hash.value
    }
  }

  private static func locate() -> MicroBenchmark {
    let message = Text(Sample.message)
    let media = Carrier.twilio.media
    return MicroBenchmark(name: "media locate", bytes: message.bytes.count) { times in
      var hash = ResultHash()
      for _ in 0..<times {
        if case .audio(let piece) = media.locate(message.bytes) {
          hash.add(piece.payload.lowerBound)
          hash.add(piece.timestamp)
        }
      }
      return hash.value
    }
  }
}

/// One frame, as it is on its way.
enum Sample {
  static let audio: [UInt8] = (0..<160).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }

  static let base64: [UInt8] = audio.withBytes { audio in
    let place = Buffer(count: 256)
    return place.bytes.prefix(Base64.encode(audio, into: place.bytes)).array
  }

  static let transcript =
    """
    {"type":"Results","channel_index":[0,1],"duration":1.98,"start":12.3,"is_final":true,\
    "speech_final":true,"from_finalize":false,"channel":{"alternatives":[{"transcript":\
    "hello how are you","confidence":0.98,"words":[\
    {"word":"hello","start":0.32,"end":0.64,"confidence":0.99,"punctuated_word":"Hello"},\
    {"word":"how","start":0.7,"end":0.8,"confidence":0.99,"punctuated_word":"how"},\
    {"word":"are","start":0.8,"end":0.9,"confidence":0.99,"punctuated_word":"are"},\
    {"word":"you","start":0.9,"end":1.0,"confidence":0.99,"punctuated_word":"you"}]}]},\
    "metadata":{"request_id":"5f1b7c1e-0000-4000-8000-000000000001"}}
    """

  static let message =
    """
    {"event":"media","sequenceNumber":"4711","streamSid":"MZ00000000000000000000000000000001",\
    "media":{"track":"inbound","chunk":"4709","timestamp":"94180","payload":"\
    \(String(decoding: base64, as: UTF8.self))"}}
    """
}
