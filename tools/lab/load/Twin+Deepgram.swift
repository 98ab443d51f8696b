// What Deepgram does in a load: knows each frame again in the audio, sends a result for each second
// of it, and the last words when told to finish. It understands only what a relay sends to
// Deepgram, and takes a message cut anywhere.

import CLinux
import Glibc

extension LoadTwin {
  // MARK: Results

  /// Deepgram's order: the last result, one Metadata, Close 1000.
  func finish(_ index: Int) {
    guard connections[index].state == .open else { return }
    connections[index].state = .finishing
    tally.finished += 1
    let seconds = Double(connections[index].frames) / 50
    let start = self.seconds(connections[index].results / 3 * 3)
    result(index, start: start, duration: max(0, seconds - start), isFinal: true)
    send(
      text: """
        {"type":"Metadata","transaction_key":"deprecated","request_id":\
        "5f1b7c1e-0000-4000-8000-000000000001","sha256":\
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","created":\
        "2026-01-01T00:00:00.000Z","duration":\(seconds),"channels":1}
        """, index)
    send([0x88, 2, 0x03, 0xe8], index)
  }

  /// How long the audio of so many results is.
  private func seconds(_ results: Int) -> Double { Double(results * options.resultFrames) / 50 }

  private func result(_ index: Int, start: Double, duration: Double, isFinal: Bool) {
    tally.results += 1
    send(
      text: """
        {"type":"Results","channel_index":[0,1],"duration":\(duration),"start":\(start),\
        "is_final":\(isFinal),"speech_final":\(isFinal),"from_finalize":false,"channel":\
        {"alternatives":[{"transcript":"hello how are you","confidence":0.98,"words":[\
        {"word":"hello","start":0.32,"end":0.64,"confidence":0.99,"punctuated_word":"Hello"},\
        {"word":"how","start":0.7,"end":0.8,"confidence":0.99,"punctuated_word":"how"},\
        {"word":"are","start":0.8,"end":0.9,"confidence":0.99,"punctuated_word":"are"},\
        {"word":"you","start":0.9,"end":1.0,"confidence":0.99,"punctuated_word":"you"}]}]},\
        "metadata":{"request_id":"5f1b7c1e-0000-4000-8000-000000000001","model_uuid":\
        "00000000-0000-4000-8000-0000000000aa","model_info":{"name":"2-general-nova",\
        "version":"2024-01-09.29447","arch":"nova-2"}}}
        """, index)
  }

  // MARK: Audio

  /// The audio of a connection is one stream of frames, however the relay cut it into messages.
  func audio(_ bytes: UnsafeMutableRawBufferPointer, _ index: Int) {
    var place = UnsafeRawPointer(bytes.baseAddress!)
    var left = bytes.count
    while connections[index].partialCount > 0 && left > 0 {
      let partial = connections[index].partial
      let have = connections[index].partialCount
      let taken = min(LoadAudio.size &- have, left)
      UnsafeMutableRawPointer(partial + have).copyMemory(from: place, byteCount: taken)
      place += taken
      left &-= taken
      guard have &+ taken == LoadAudio.size else {
        connections[index].partialCount = have &+ taken
        return
      }
      if take(UnsafeRawPointer(partial), index) {
        connections[index].partialCount = 0
      } else {
        // Not ours at this place: look one byte further.
        tally.up.strayBytes &+= 1
        memmove(partial, partial + 1, LoadAudio.size &- 1)
        connections[index].partialCount = LoadAudio.size &- 1
      }
    }
    while left >= LoadAudio.size {
      let step = take(place, index) ? LoadAudio.size : 1
      if step == 1 { tally.up.strayBytes &+= 1 }
      place += step
      left &-= step
    }
    if left > 0 {
      UnsafeMutableRawPointer(connections[index].partial).copyMemory(from: place, byteCount: left)
      connections[index].partialCount = left
    }
  }

  /// False: no frame begins here.
  private func take(_ place: UnsafeRawPointer, _ index: Int) -> Bool {
    guard let stamp = Stamp(at: place) else { return false }
    if memcmp(place + Stamp.size, tail, LoadAudio.size &- Stamp.size) != 0 {
      tally.up.damaged &+= 1
    }
    tally.up.noteArrived(stamp, at: reader.arrival)
    connections[index].frames &+= 1
    if connections[index].frames % options.resultFrames == 0 {
      connections[index].results += 1
      let number = connections[index].results
      let start = (number - 1) / 3 * 3
      result(
        index, start: seconds(start), duration: seconds(number - start), isFinal: number % 3 == 0)
    }
    return true
  }
}
