// What is taken at start, by holder.

/// One line of the memory plan.
package struct PlanLine: Sendable {
  package let holder: String
  package let bytes: Int
  package init(holder: String, bytes: Int) {
    self.holder = holder
    self.bytes = bytes
  }
}

extension Config {
  /// Calls with a voice model for which memory is taken: none without an upstream that talks and
  /// has what it needs.
  package var twoWayCalls: Int {
    let talks = upstreams.contains { $0.talks && !$0.isWithoutKey && !$0.isRetired }
    return talks ? min(limits.twoWayCallsMax, limits.callsMax) : 0
  }

  /// What the engine takes at start, one holder per line; `sidetone check` prints it.
  package var plan: [PlanLine] {
    let blocks = limits.blocks(twoWayCalls: twoWayCalls)
    let eventBlocks = min(blocks, limits.subscribersMax * limits.subscriberBlocks)
    let recordings = routes.flatMap(\.recordings).reduce(0) { $0 + ($1?.readyBytes ?? 0) }
    return [
      PlanLine(
        holder: "blocks: audio kept, answers waiting",
        bytes: (blocks - eventBlocks) * BlockPool.blockBytes),
      PlanLine(
        holder: "medium message buffers",
        bytes: limits.mediumBuffersMax * limits.carrierMessageBytesMax),
      PlanLine(
        holder: "large message buffers",
        bytes: limits.largeBuffersMax * limits.upstreamMessageBytesMax),
      PlanLine(holder: "calls", bytes: limits.callsMax * MemoryLayout<Call>.stride),
      PlanLine(holder: "links", bytes: limits.linksMax * MemoryLayout<Link>.stride),
      PlanLine(
        holder: "what is said in \(twoWayCalls) two-way calls",
        bytes: twoWayCalls * Limits.conversationBytes),
      PlanLine(
        holder: "resamplers of \(twoWayCalls) two-way calls",
        bytes: resamplersReady.reduce(0) { $0 + $1.count } * Limits.resamplerBytes),
      PlanLine(holder: "greetings, hold lines, goodbyes, phrases", bytes: recordings),
      PlanLine(
        holder: "read buffer, scratch, lines",
        bytes: Limits.readBytesMax + BlockPool.blockBytes + Limits.scratchBytes + Limits.linesBytes),
      PlanLine(
        holder: "signatures, tokens, rates of callers",
        bytes: SignatureKeys.bytes(self) + Limits.tokensMax * 96 + Limits.addressesMax * 24),
      PlanLine(
        holder: "events on their way to \(limits.subscribersMax) subscribers",
        bytes: eventBlocks * BlockPool.blockBytes
          + limits.subscribersMax * MemoryLayout<Subscriber>.stride
          + limits.recentEventsMax * MemoryLayout<RecentEvents.Row>.stride
          + limits.recentEventsBytes),
      PlanLine(
        holder: "what is asked of HTTP servers",
        bytes: needsFetches
          ? Limits.fetchRingBytes + Limits.fetchBytesMax
            + Limits.checkedKeysMax * Limits.checkedKeyBytes : 0),
      PlanLine(
        holder: "functions that voice models call",
        bytes: usesFunctions
          ? functionCallsMax * MemoryLayout<FunctionCalls.Memory>.stride
            + Limits.functionTextBytes : 0),
      PlanLine(
        holder: "models that listen, think and speak at three places",
        bytes: usesCascades
          ? cascadeCallsMax * MemoryLayout<Cascade.Memory>.stride + Limits.chatTextBytes : 0),
      PlanLine(holder: "who has proven nothing yet", bytes: Guests.bytes(limits)),
      PlanLine(
        holder: "what is written down of calls", bytes: records == nil ? 0 : limits.entriesBytes),
    ]
  }
}
