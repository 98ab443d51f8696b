// All targets in one program, which is compiled and linked once: the name by which it is started
// says which of them it is.

import Sidetone

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt { target(start, count) }

private typealias Target = @Sendable (UnsafePointer<UInt8>, Int) -> CInt

private let target: Target = {
  let name = CommandLine.arguments[0].split(separator: "/").last.map(String.init) ?? ""
  switch name {
  case "Base64Fuzz": return fuzzBase64
  case "HTTPFuzz": return fuzzHTTP
  case "IntegersFuzz": return fuzzIntegers
  case "JSONFuzz": return fuzzJSON
  case "MediaFuzz": return fuzzMedia
  case "RelayFuzz": return fuzzRelay
  case "SpeechFuzz": return fuzzSpeech
  case "WebSocketFuzz": return fuzzWebSocket
  default: fatalError("no target of the name \(name): see tools/fuzz/FuzzTargets.swift")
  }
}()
