// The relations between bounds on which the code relies, each with its proof. They are asserted
// once, at start: a bound that is changed without its neighbours stops the relay before it serves
// anybody, instead of in a call.

extension Limits {
  func check() {
    let block = BlockPool.blockBytes
    Self.checkBlocks(block)
    Self.checkScratch(block)

    // The longest message of a peer is kept in one buffer, and a frame's header with it: buffers
    // are as long as the messages and the slack.
    precondition(Self.bufferSlack >= WebSocket.headerBytesMax)
    // A request that came in pieces is kept whole until its body is there; the largest buffers are
    // made for upstreams' messages.
    precondition(headBytesMax + bodyBytesMax <= upstreamMessageBytesMax)

    // A held-back caller waits while the pool has less than a message and a read: an empty pool has
    // more, or it would wait for ever. So has the call that begins.
    let blocks = blocks(twoWayCalls: 0)
    precondition(blocks > heldBackBytesMin / block && blocks > Self.callBlocksMin)

    // A subscriber is behind until half of its outbox is free: then there is room for what it is
    // told of that, and for an event, each with what stands around it.
    precondition(Self.eventBytesMax + 2 * Self.bufferSlack <= Self.subscriberOutboxBytesMax / 2)

    // Who is slow is told by what lies in front of a message. What the relay puts there by itself
    // is less: speech up to its bound and the message that crosses it, and pongs alike.
    precondition(Self.playoutOutboxBytesMax + block <= outboxBytesMax)
    precondition(Self.pongOutboxBytesMax <= outboxBytesMax)
  }

  /// What is kept in one block, because it is read in one piece.
  private static func checkBlocks(_ block: Int) {
    // A call's own query waits beside it, and so does what a webhook chose.
    precondition(queryBytesMax <= block && choiceBytesMax <= block)
    // Early pieces of a stream out of order lie side by side.
    precondition(Reorder.window * Reorder.pieceBytesMax <= block)
    // One piece of audio at a time is gathered from blocks, parsed from integers of two bytes, or
    // converted; a chunk for an upstream fits in a block on either side of its conversion.
    precondition(frameBytesMax >= block && frameBytesMax >= 2 * Integers.countMax)
  }

  /// What is written into the scratch, or gathered beside it.
  private static func checkScratch(_ block: Int) {
    // Half of it is the query of an upstream's handshake: what stands in its url, the route's
    // options, the caller's own query, and the few names and numbers of the row.
    precondition(urlBytesMax + optionBytesMax + queryBytesMax + block <= scratchBytes / 2)
    // The other half is the request: the url (host, path and query) once more with that query, the
    // key, and some header lines.
    let query = urlBytesMax + optionBytesMax + queryBytesMax + block
    precondition(urlBytesMax + query + secretBytesMax + block <= scratchBytes / 2)
    // A session is described by its instructions (JSON doubles quotation marks and line ends), by
    // what was chosen, by the handle that resumes it, and by short settings.
    let session = 2 * instructionBytesMax + 2 * choiceBytesMax + handleBytesMax + block
    precondition(session <= scratchBytes)
    // Without a handle, by what was said before it: a turn has some short words around it.
    let history = historyBytesMax + historyEntriesMax * 64
    precondition(session - handleBytesMax + history <= scratchBytes)
    precondition(historyBytesMax <= sourceBytes)
    // So is one whose model may call functions, with what it is told of them. What one has answered
    // lies in front of the words that say so; a request has to fit into one for the fetcher.
    precondition(session + history + functionsBytesMax <= functionTextBytes)
    precondition(functionDraftBytes + 2 * functionAnswerBytesMax + block <= functionTextBytes)
    precondition(functionArgumentsBytesMax + urlBytesMax + 3 * block <= fetchBytesMax)
    // The words of an item and a session's handle are gathered into one piece, and so are names.
    precondition(wordsBytesMax <= sourceBytes && Name.bytesMax <= sourceBytes)
  }
}
