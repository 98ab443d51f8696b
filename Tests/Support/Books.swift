// The books of a relay whose callers have all gone: everything that was taken has come home.

import Sidetone

extension Relay {
  /// What has not come home, in words; empty: everything has.
  package var missing: [String] {
    let books = [
      (callsInUse, "calls"), (linksInUse, "links"), (blocksMax - blocksFree, "blocks"),
      (buffersInUse, "buffers"), (resamplersInUse, "resamplers"), (tokensInUse, "tokens"),
      (conversationsInUse, "conversations"), (functionCallsInUse, "calls of functions"),
      (cascadesInUse, "cascades"), (subscribersInUse, "subscribers"), (fetchesInUse, "requests"),
    ]
    return books.filter { $0.0 != 0 }.map { "\($0.0) \($0.1) never came home" }
  }
}
