// A client of the twin of OpenAI Realtime, and how a twin of a voice model is told to behave.

@testable import LabKit

/// A client and the twin without a socket; time passes with the audio that is sent.
struct OpenAITalk {
  var twin: OpenAITwin
  var now = 0.0
  private(set) var messages: [JSON] = []
  private(set) var events: [VoiceEvent] = []
  private(set) var outputs: [VoiceOutput] = []

  init(_ manner: VoiceManner = VoiceManner(), settings: String? = OpenAITalk.mulaw) {
    twin = OpenAITwin(model: "m", number: 1, clock: 1000, manner: manner, at: 0)
    take(twin.opened(at: 0))
    if let settings { say(#"{"type":"session.update","session":\#(settings)}"#) }
  }

  static let mulaw = #"""
    {"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":
    {"model":"t"},"turn_detection":{"type":"server_vad","silence_duration_ms":300}},
    "output":{"format":{"type":"audio/pcmu"}}}}
    """#

  private mutating func take(_ outputs: [VoiceOutput]) {
    self.outputs += outputs
    for output in outputs {
      if case .message(let text) = output { messages.append(JSON(text.utf8) ?? .null) }
      if case .happened(let event) = output {
        if case .audio = event { continue }
        events.append(event)
      }
    }
  }

  /// Sends a message and forgets what came before.
  mutating func say(_ text: String) {
    messages = []
    events = []
    take(twin.text(Array(text.utf8), at: now))
  }

  /// Says a text in tones, in messages of 20 ms, and is then quiet.
  mutating func speak(_ text: String, format: WireFormat = .telephone, silence: Double = 0.5) {
    let tones = Tones.encode(text) + [Int16](repeating: 0, count: Int(silence * 8000))
    let samples = Resample.all(tones, from: 8000, to: format.rate)
    messages = []
    events = []
    for begin in stride(from: 0, to: samples.count, by: format.rate / 50) {
      let piece = Array(samples[begin..<min(begin + format.rate / 50, samples.count)])
      let audio = Base64Text.encode(format.write(piece))
      let text = #"{"type":"input_audio_buffer.append","audio":"\#(audio)"}"#
      take(twin.text(Array(text.utf8), at: now))
      now += 0.02
      take(twin.advance(to: now))
    }
  }

  mutating func wait(_ seconds: Double) {
    now += seconds
    take(twin.advance(to: now))
  }

  mutating func leave() { take(twin.disconnected(at: now)) }

  var types: [String] { messages.map { $0["type"]?.string ?? "" } }
  var code: String? { messages.last?["error"]?["code"]?.string }
  func all(_ type: String) -> [JSON] { messages.filter { $0["type"]?.string == type } }
  func first(_ type: String) -> JSON? { all(type).first }
  var heardAudio: [UInt8] {
    all("response.output_audio.delta")
      .flatMap { Base64Text.decode($0["delta"]?.string ?? "") ?? [] }
  }

  /// The words in the sound of the answer, as a listener reads them.
  func heard(_ format: WireFormat) -> String {
    let samples = Resample.all(format.read(heardAudio), from: format.rate, to: Tones.sampleRate)
    var ear = ToneDecoder()
    return (ear.hear(samples) + ear.finish()).map(\.text).joined(separator: " ")
  }
}

func manner(pace: Double? = nil, answer: String? = nil, _ order: String = "")
  throws -> VoiceManner
{
  var manner = VoiceManner()
  manner.pace = pace
  manner.answer = answer
  manner.misbehaviour = try VoiceMisbehaviour(order)
  return manner
}
