// What is known of one call with an agent that acts, as its relay could know it at each moment, and
// what must be true of it:
//
// - Nothing said twice: a session hears every sample once, from where the one before ended on, or
//   from the beginning of what nobody has answered; that is not told as well.
// - Nothing owed forgotten: every call of a function has one answer while a session stands, and a
//   model that has to be asked to go on is, once.
// - One cause, which something was the cause of.

import Sidetone
import TestSupport

final class AgentBook {
  unowned let caller: AgentCaller
  var world: World { caller.world }
  var number: Int { caller.number }

  /// Sessions that were described as this call's.
  private(set) var sessions: [AgentSession] = []
  var functions: [AgentFunction] = []
  var items: [AgentItem] = []
  /// Utterances of which the relay has read the words, and those of which it has read an answer.
  var written: Set<Int> = []
  private(set) var answered: Set<Int> = []
  /// Items of which the relay has read the words.
  var wordsRead: Set<Int> = []
  /// An answer was to come, or had begun, of which nothing was heard.
  var owesAnswer = false
  /// Functions have answered, and the model was not asked to go on.
  var owesGoingOn = false
  /// When no session has stood since, and nothing was heard.
  private var aloneSince = Instant.never
  private var wasServed = false

  // The caller's audio: how far sessions have it, and what nobody has answered of it.
  private var uplink = 0
  private var unanswered: (begin: Int, first: Instant, last: Instant)?
  /// Where the latest session began: nothing before that is kept.
  private var keptFrom = 0
  /// Who is sent it.
  private var listener: AgentSession?
  private var wasGivenUp = false

  /// What more is known where it talks with a cascade.
  var thought: AgentThought?

  // How it ended.
  private(set) var cause: String?
  var wasCarrierAsked = false
  var hasLostSession = false

  init(_ caller: AgentCaller) { self.caller = caller }

  func fail(_ what: String) { world.fail("call \(number): \(what)") }

  func add(_ session: AgentSession) { sessions.append(session) }

  /// A line of the log about this call.
  func read(_ line: String) {
    if line.contains(" unanswered: ") {
      unanswered = nil
      if let thought { thought.wasGivenUp() } else { wasGivenUp = true }
    }
    thought?.read(line)
    if line.contains("untold") { fail("the model was not told: \(line)") }
    let words = line.split(separator: " ")
    if let at = words.firstIndex(of: "call_ended:"), at + 1 < words.count {
      if cause != nil { fail("it ended twice") }
      cause = String(words[at + 1].prefix { $0 != ":" && $0 != "," })
      checkCause()
    }
  }

  private func checkCause() {
    let isTrue =
      switch cause ?? "" {
      case "stopped", "closed", "left", "silent": caller.hasLeft
      case "hung_up": functions.contains { $0.kind == .hangUp && $0.answers == 0 }
      case "transferred": wasCarrierAsked
      case "upstream_lost", "upstream_refused", "upstream_busy", "upstream_key": hasLostSession
      default: false
      }
    if !isTrue { fail("it ended for a cause that there was not: \(cause ?? "")") }
    world.marks.insert("ended \(cause ?? "")")
  }

  // MARK: What was said before

  /// What has been said, answered and heard, and written down: what the next session must know.
  struct Known {
    var utterances: Set<Int> = []
    var items: Set<Int> = []
  }

  var known: Known {
    Known(
      utterances: written.intersection(answered),
      items: wordsRead.filter { items[$0].mustBeTold })
  }

  /// A session begins to hear: it was told of these utterances and items.
  func check(
    _ known: Known, _ utterances: [Int], items told: [Int], isResumed: Bool, saysAgain: Bool
  ) {
    if isResumed {
      if !utterances.isEmpty || !told.isEmpty { fail("a session that knows is told again") }
      return
    }
    for (name, list) in [("utterances", utterances), ("items", told)]
    where zip(list, list.dropFirst()).contains(where: { $0 >= $1 }) {
      fail("\(name) \(list) are told out of order, or twice")
    }
    let again = saysAgain ? begin.lowerBound + 10 * caller.frameBytes : .max
    if let twice = utterances.first(where: { caller.utterances[$0].lowerBound >= again }) {
      fail("utterance \(twice) is told, and said again")
    }
    let missing = known.utterances.subtracting(utterances)
    if !missing.isEmpty { fail("utterances \(missing.sorted()) are forgotten") }
    let unsaid = known.items.subtracting(told)
    if !unsaid.isEmpty, !saysAgain { fail("items \(unsaid.sorted()) are forgotten") }
  }

  // MARK: The caller's audio

  /// Audio leaves for a session.
  func hear(_ audio: [UInt8], _ session: AgentSession) -> Range<Int>? {
    guard var ear = session.ear else { return nil }
    let isFirst = !ear.hasBegun
    if isFirst { session.begins(saysAgain: unanswered != nil) }
    let begin = begin
    guard let place = ear.hear(audio, beginsIn: begin) else {
      let found = ear.found(audio).map(String.init) ?? "nowhere"
      let expected = isFirst ? "\(begin)" : "\(ear.end)"
      if session.isJudged { fail("audio of \(found) to a session, not of \(expected)") }
      session.isJudged = false
      session.ear = ear
      return nil
    }
    session.ear = ear
    if isFirst { noteBegin(place.lowerBound) }
    if isFirst { listener = session }
    if listener !== session { fail("a session that was left is sent audio") }
    uplink = place.upperBound
    noteVoice(place)
    return place
  }

  /// Where a session that begins now has to begin.
  private var begin: ClosedRange<Int> {
    let frame = caller.frameBytes
    var first = uplink
    var last = uplink
    if let unanswered {
      first = min(uplink, max(0, unanswered.begin - frame))
      last = min(uplink, unanswered.begin + frame)
    }
    // What a dead socket has taken, or was to take next, is nobody's.
    if listener?.isSilent == true { last += 26 * frame }
    // Ten seconds are kept.
    let oldest = caller.said.count - 480 * frame
    if last < oldest { last = min(caller.said.count, oldest + 25 * frame) }
    return first...max(first, last)
  }

  private func noteBegin(_ place: Int) {
    keptFrom = place
    if place < uplink { world.marks.insert("said again") }
    if place == uplink, uplink > 0 { world.marks.insert("gone on") }
    if place > uplink { world.marks.insert("uplink cut") }
  }

  private func noteVoice(_ place: Range<Int>) {
    let isVoice = Array(caller.said[place]).withBytes { Loudness.isVoice($0, caller.format) }
    guard isVoice else { return }
    let lead = 15 * caller.frameBytes
    let begin = max(keptFrom, place.lowerBound - lead)
    unanswered = (
      min(unanswered?.begin ?? .max, begin), unanswered?.first ?? world.now, world.now
    )
  }

  /// The relay reads that an agent begins to speak, or to act.
  func agentBegan() {
    guard let open = unanswered else { return }
    let isSaid = open.last + .milliseconds(150) <= world.now
    guard isSaid || open.first + .seconds(8) <= world.now else { return }
    // Whatever of it was still open: it may have begun before this session did.
    for index in caller.utterances.indices
    where caller.utterances[index].upperBound > open.begin
      && caller.utterances[index].lowerBound < uplink
    {
      answered.insert(index)
    }
    unanswered = nil
  }

  /// The relay reads so many samples of an item.
  func handed(_ samples: Int, of item: Int) {
    if items[item].handed == 0 {
      agentBegan()
      items[item].isTold = unanswered == nil
    }
    items[item].handed += samples
    owesAnswer = false
  }

  /// The relay reads that the caller interrupts: of what was said nothing more need be heard.
  func interrupted() {
    for index in items.indices where items[index].mayBeCut(at: world.now) {
      items[index].isVoid = true
    }
    for function in functions where function.isOpen { function.wasSpokenOver = true }
  }

  // MARK: What is heard

  /// Samples of the agent leave for the caller.
  func agentSounds(_ samples: [Int16]) {
    for sample in samples where abs(Int(sample)) > 2000 {
      let index = items.indices.suffix(6).last {
        items[$0].handed > 0 && items[$0].isLevel(sample)
      }
      if let index {
        if items[index].isVoid, thought?.texts[index] != nil {
          fail("item \(index) is heard behind the caller's first words")
        }
        items[index].departed += 1
        items[index].departedAt = world.now
      }
    }
  }

  /// What was not cut off was heard whole, none of it twice.
  private func checkItems() {
    for (index, item) in items.enumerated() where item.handed > 0 {
      if item.departed > item.handed + 80 { fail("item \(index) is heard twice") }
      let wasHeard = item.isVoid || item.lastAt + .seconds(15) > caller.leftAt
      let isLast = cause == "hung_up" && !caller.hasLeft && !item.isVoid
      if !wasHeard || isLast, item.departed < item.handed - 80 {
        fail("\(item.handed - item.departed) of \(item.handed) samples of item \(index)")
      }
    }
  }

  /// When what nobody has answered began to be heard.
  var unansweredSince: Instant { unanswered?.first ?? world.now }

  /// Lets go of whoever holds it.
  func forget() {
    sessions = []
    functions = []
    listener = nil
  }

  // MARK: At each step

  /// Nobody is left in silence for long without a session.
  func checkSilence() {
    guard caller.isTalking else { return }
    let isServed = sessions.contains { $0.stands } || caller.isHearing
    // Until this step, between which and the last nothing happened, it was as it was then.
    if isServed || wasServed || aloneSince == .never { aloneSince = world.now }
    wasServed = isServed
    if world.now > max(aloneSince, caller.startedAt) + .seconds(11) {
      fail("11 s without a session")
      aloneSince = world.now
    }
  }

  /// What the caller has said is answered where somebody could hear it for long enough, or a line
  /// says that it is not.
  private func checkQuestions() {
    let hasHungUp = ["stopped", "closed", "left"].contains(cause)
    guard !wasGivenUp, hasHungUp else { return }
    for (index, end) in caller.utteranceEnds.enumerated() {
      guard !answered.contains(where: { $0 >= index }) else { continue }
      let wasHeard = sessions.contains {
        $0.heard(from: end, for: .seconds(8), until: caller.leftAt)
      }
      if thought?.excuses(index, since: end) == true { continue }
      if wasHeard { fail("utterance \(index) has no answer") }
    }
  }

  // MARK: At the end

  func check() {
    if caller.isOpen, cause == nil { fail("it never ended") }
    if !caller.isDone { fail("nobody closed it") }
    checkItems()
    thought?.check()
    checkFunctions()
    checkQuestions()
    // What the caller has said to its end reached whoever stood then.
    guard let last = sessions.last, last.stoodAtLeaving, last.isJudged, last.ear != nil else {
      return
    }
    if caller.plan.leaving == .stop, caller.said.count - uplink > caller.frameBytes {
      fail("\(caller.said.count - uplink) bytes of the last words never reached a model")
    }
  }
}

/// Something that an agent says: one level, by which it is known.
struct AgentItem {
  let level: Int16
  let at: Instant
  /// When the last of it came.
  var lastAt: Instant
  /// In samples at 8 kHz: what the relay has read, and what has left for the caller.
  var handed = 0
  var departed = 0
  var departedAt = Instant.zero
  var isVoid = false
  /// It answers what had been said: what begins while the caller speaks goes when that is said
  /// again.
  var isTold = true

  /// It was heard to its end, and is part of what was said.
  var mustBeTold: Bool { handed > 0 && !isVoid && isTold }

  /// Not all of it has been heard for sure: some has not left, or only just.
  func mayBeCut(at now: Instant) -> Bool {
    departed < handed - 80 || now < departedAt + .milliseconds(600)
  }

  init(number: Int, at now: Instant) {
    level = Self.levels[number % Self.levels.count]
    at = now
    lastAt = now
  }

  private static let levels: [Int16] = [4000, -4000, 8000, -8000, 12_000, -12_000, 16_000, -16_000]

  func isLevel(_ sample: Int16) -> Bool { abs(Int(sample) - Int(level)) < 1100 }
}
