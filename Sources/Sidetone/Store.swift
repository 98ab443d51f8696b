// Every frame.
//
// The memory of a relay, taken once. A part of a call is lent it for the length of one input; it
// keeps nothing of it but names: links, blocks, buffers, streams. What is taken here is never taken
// again, and no state of any call is here; only the settings may be followed by others.

package struct Store: BitwiseCopyable, Sendable {
  let memory: Fixed<Memory>

  /// What it holds. The arenas are named by their windows, and stay for as long as this does.
  struct Memory: Sendable {
    let links: Slab<Link>
    let pool: BlockPool
    let medium: BufferPool
    let large: BufferPool
    let conversations: BufferPool
    let resamplers: ResamplerPool
    let readBuffer: Bytes
    let scratch: Bytes
    let source: Bytes
    let gathered: Bytes
    let converted: Bytes
    let functionCalls: BufferPool
    let functionText: Bytes
    let cascades: BufferPool
    let chatText: Bytes
    var limits: Limits
    var prepared: Prepared
    let arenas: [Buffer]
  }

  init(_ config: Config, _ prepared: Prepared) {
    let limits = config.limits
    let read = Buffer(count: BlockPool.blockBytes + Limits.readBytesMax)
    let scratch = Buffer(count: Limits.scratchBytes)
    let source = Buffer(count: Limits.sourceBytes)
    let frames = Buffer(count: 2 * Limits.frameBytesMax)
    let texts = Buffer(count: config.usesFunctions ? Limits.functionTextBytes : 1)
    let chat = Buffer(count: config.usesCascades ? Limits.chatTextBytes : 1)
    memory = Fixed(
      Memory(
        links: Slab(capacity: limits.linksMax, repeating: .blank),
        // One key may serve those who listen and those who talk: only talking takes the rest.
        pool: BlockPool(
          blocks: limits.blocks(twoWayCalls: config.twoWayCalls),
          ready: limits.blocks(twoWayCalls: 0)),
        medium: BufferPool(
          buffers: limits.mediumBuffersMax,
          bytes: limits.carrierMessageBytesMax + Limits.bufferSlack),
        large: BufferPool(
          buffers: limits.largeBuffersMax,
          bytes: limits.upstreamMessageBytesMax + Limits.bufferSlack),
        conversations: BufferPool(buffers: config.twoWayCalls, bytes: Limits.conversationBytes),
        resamplers: ResamplerPool(
          profile: config.profile, ready: config.resamplersReady,
          streamsMax: config.resamplersMax),
        readBuffer: read.bytes, scratch: scratch.bytes, source: source.bytes,
        gathered: frames.bytes.prefix(Limits.frameBytesMax),
        converted: frames.bytes.dropping(Limits.frameBytesMax),
        functionCalls: BufferPool(
          buffers: config.functionCallsMax, bytes: MemoryLayout<FunctionCalls.Memory>.stride),
        functionText: texts.bytes,
        cascades: BufferPool(
          buffers: config.cascadeCallsMax, bytes: MemoryLayout<Cascade.Memory>.stride),
        chatText: chat.bytes,
        limits: limits, prepared: prepared, arenas: [read, scratch, source, frames, texts, chat]))
  }

  func deallocate() {
    links.deallocate()
    pool.deallocate()
    medium.deallocate()
    large.deallocate()
    conversations.deallocate()
    functionCalls.deallocate()
    cascades.deallocate()
    resamplers.deallocate()
    memory.deallocate()
  }
}

extension Store {
  var links: Slab<Link> { @inline(__always) get { memory.value.links } }
  /// Blocks: audio that is kept, answers that wait.
  var pool: BlockPool { @inline(__always) get { memory.value.pool } }
  /// Whether a caller who can be held back has to wait for blocks.
  @inline(__always) var isPoolShort: Bool {
    pool.free < limits.heldBackBytesMin / BlockPool.blockBytes
  }
  /// Buffers for messages that do not fit in a block.
  var medium: BufferPool { @inline(__always) get { memory.value.medium } }
  var large: BufferPool { @inline(__always) get { memory.value.large } }
  /// What is said in each call that talks (Conversation).
  var conversations: BufferPool { @inline(__always) get { memory.value.conversations } }
  /// What was called by each model that may call functions (FunctionCalls).
  var functionCalls: BufferPool { @inline(__always) get { memory.value.functionCalls } }
  /// What those are at whose model listens, thinks and speaks at three places (Cascade).
  var cascades: BufferPool { @inline(__always) get { memory.value.cascades } }
  var resamplers: ResamplerPool { @inline(__always) get { memory.value.resamplers } }
  var limits: Limits { @inline(__always) get { memory.value.limits } }
  /// The settings, ready for use. Rare: it is counted.
  var prepared: Prepared { @inline(__always) get { memory.value.prepared } }

  // Windows that everybody may write, and nobody may rely on beyond the call that wrote them. Their
  // owners at any moment:

  /// The one buffer into which all links are read: the link whose input this is. Room in front for
  /// what its last read left over.
  var readBuffer: Bytes { @inline(__always) get { memory.value.readBuffer } }
  /// Texts on their way into an outbox: whoever writes one. A line of the log that is JSON takes
  /// the second half.
  var scratch: Bytes { @inline(__always) get { memory.value.scratch } }
  /// What such a text is made from, where it must lie in one piece: choices, words, names.
  var source: Bytes { @inline(__always) get { memory.value.source } }
  /// What functions are asked and have answered, and a session's description that names them.
  var functionText: Bytes { @inline(__always) get { memory.value.functionText } }
  /// What a chat endpoint is asked, and what it says, while it is read.
  var chatText: Bytes { @inline(__always) get { memory.value.chatText } }
  /// One frame: gathered out of several blocks, and as it comes out of its conversion.
  var gathered: Bytes { @inline(__always) get { memory.value.gathered } }
  var converted: Bytes { @inline(__always) get { memory.value.converted } }
}

// MARK: What comes free

extension Store {
  /// A link's slot, with everything that it holds.
  @_noAllocation func free(_ link: SlotID, _ turn: inout Turn) {
    links[link.index].release(self, &turn)
    links.release(link)
  }

  /// Buffers have come free: those who wait for one are read again, in their order.
  @_noAllocation func giveBuffers(_ turn: inout Turn) {
    for _ in 0..<turn.buffersWanted.count {
      guard let link = turn.buffersWanted.pop() else { return }
      guard links.isInUse(link), links[link].inbox.wanted > 0 else { continue }
      if links[link].wouldFindBuffer(self) {
        links[link].hold = .none
        links[link].ask(.resume, &turn)
      } else {
        turn.buffersWanted.push(link)
      }
    }
  }
}
