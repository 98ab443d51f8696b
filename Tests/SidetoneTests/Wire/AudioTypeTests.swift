// Media types of audio, in the spellings that are seen.
import Testing

@testable import Sidetone

struct AudioTypeTests {
  @Test(arguments: [
    ("audio/l16;rate=16000", AudioType.Codec.linear, 16_000, 0),
    ("audio/L16; rate=24000; channels=2", .linear, 24_000, 2),
    ("AUDIO/PCM", .linear, 0, 0), ("audio\\/pcm;rate=8000", .linear, 8000, 0),
    ("audio/x-mulaw;rate=8000", .mulaw, 8000, 0), ("audio/pcma", .alaw, 0, 0),
    ("pcm16", .linear, 0, 0), ("g711_ulaw", .mulaw, 0, 0), ("PCMU", .mulaw, 0, 0),
    (" audio/l16 ;rate=\"16000\"", .linear, 16_000, 0), ("audio/pcm;x;rate=", .linear, 0, 0),
  ])
  func `a type says codec, rate and channels`(
    text: String, codec: AudioType.Codec, rate: Int, channels: Int
  ) {
    let type = AudioType(kept(text))
    #expect(type.codec == codec && type.rate == rate && type.channels == channels)
  }

  @Test(arguments: ["", "audio/opus", "image/pcm", "video/L16", "audio/", ";rate=8000", "pcm32"])
  func `what is none of ours has no codec`(text: String) {
    #expect(AudioType(kept(text)).codec == nil)
  }

  @Test func `a format that cannot be is none`() {
    let usual = Format(codec: .linear16, rate: 8000)
    #expect(AudioType(kept("audio/l16")).format(orAs: usual) == usual)
    for text in ["audio/l16;rate=11025", "audio/pcmu;rate=16000", "audio/l16;channels=3", "opus"] {
      #expect(AudioType(kept(text)).format(orAs: usual) == nil)
    }
  }
}
