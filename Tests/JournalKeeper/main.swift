// A relay of which only the journal is left, to be killed in the middle of its work: puts numbered
// entries, and says after each sync how far it is known to have come.
//
//     JournalKeeper DIRECTORY INSTANCE
//
// Standard output: `put N` every 16 entries, `synced N`; each line is written at once.

import Glibc
import Sidetone
import SidetoneRecords

func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  if write(1, bytes, bytes.count) != bytes.count { exit(1) }
}

guard CommandLine.arguments.count == 3 else { exit(2) }
var limits = JournalLimits()
limits.segmentBytes = 1 << 16
let writer: JournalWriter
do {
  writer = try JournalWriter(
    directory: CommandLine.arguments[1], instance: CommandLine.arguments[2], limits: limits)
} catch {
  say("failed \(error)")
  exit(1)
}
var number = 0
var synced: UInt64 = 0
while true {
  for _ in 0..<16 {
    number += 1
    let filling = String(repeating: "x", count: number % 97)
    let entry = Array(
      "{\"kind\":\"final\",\"call\":\"00000000000000ab\",\"at\":\(number),\"text\":\"\(filling)\"}"
        .utf8)
    while !entry.withBytes({ writer.put($0) }) { exit(3) }
  }
  writer.wake()
  say("put \(number)")
  usleep(500)
  if writer.synced != synced {
    synced = writer.synced
    say("synced \(synced)")
  }
}
