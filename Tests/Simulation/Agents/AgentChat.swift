// The chat endpoint of a cascade of the simulation: it answers in `chat.completion.chunk`s that
// come in pieces of any size, soon or slowly, calls functions, and does all that such endpoints do
// instead: refuses, reports an error in mid-stream, breaks off, hangs, answers in one piece.

import Sidetone
import TestSupport

final class AgentChat {
  private unowned let fetcher: Fetcher
  private let world: World
  private let callers: () -> [AgentCaller]
  /// All it does well, so that answers can be asked for.
  private let isGood: Bool
  private var callCount = 0

  init(_ fetcher: Fetcher, _ world: World, isGood: Bool, callers: @escaping () -> [AgentCaller]) {
    self.fetcher = fetcher
    self.world = world
    self.isGood = isGood
    self.callers = callers
  }

  /// A piece of an answer, and what the relay learns from it.
  private struct Event {
    let text: String
    let whenRead: () -> Void
  }

  func asked(_ id: Int, _ url: String, _ message: [UInt8]) {
    guard let start = place(behind: "think.test/", in: message), start < message.count,
      let caller = callers().first(where: { $0.number == Int(message[start] &- 0x30) }),
      let thought = caller.book.thought, let body = place(behind: "\n\n", in: message),
      let messages = ChatMessage.all(in: Array(message[body...]))
    else { return world.fail("a request to \(url) that is nobody's") }
    thought.asked(messages)
    world.marks.insert("asked")
    answer(id, thought)
  }

  private func answer(_ id: Int, _ thought: AgentThought) {
    let delay = Instant.Span.milliseconds(
      world.dice.percent(85) ? world.dice.range(50...900) : world.dice.range(900...4000))
    if delay > .seconds(1) { thought.trouble(for: delay) }
    switch isGood ? 99 : world.dice.below(100) {
    case 0..<6:
      let status = [408, 429, 500, 503][world.dice.below(4)]
      refuse(id, status, thought, after: delay)
    case 6, 7: refuse(id, [400, 404, 422][world.dice.below(3)], thought, after: delay)
    case 8 where world.dice.percent(40): refuse(id, 401, thought, after: delay)
    case 8...10:
      thought.trouble(for: .seconds(20))
      world.marks.insert("chat hangs")
    case 11, 12:
      thought.trouble(for: .seconds(8))
      let word = ["full", "late", "no_name", "no_route", "broken"][world.dice.below(5)]
      fetcher.say("failed \(id) \(word)\n\n", after: delay) {}
      world.marks.insert("chat fails")
    default: stream(id, thought, after: delay)
    }
  }

  private func refuse(_ id: Int, _ status: Int, _ thought: AgentThought, after delay: Instant.Span)
  {
    thought.trouble(for: .seconds(8))
    world.marks.insert("chat says \(status)")
    let body = #"{"error":{"message":"no","type":"t","code":null}}"#
    fetcher.say("answer \(id) \(status) whole\n\n\(body)", after: delay) {}
  }

  // MARK: What it says

  private func stream(_ id: Int, _ thought: AgentThought, after delay: Instant.Span) {
    let item = thought.book.items.count
    thought.book.items.append(AgentItem(number: item, at: world.now))
    thought.texts[item] = AgentThought.Text()
    let dice = world.dice.below(100)
    let isLate = world.now > thought.book.caller.startedAt + .seconds(15)
    var events = [Event(text: Self.chunk(#""role":"assistant","content":"""#)) {}]
    if dice < 65 || dice >= 85 { events += words(of: item, thought) }
    var calls: [() -> Void] = []
    if dice >= 65 {
      let name = dice < 93 || !isLate ? "status" : dice < 96 ? "bye" : "transfer"
      for place in 0..<(name == "status" ? world.dice.range(1...3) : 1) {
        events += call(name, place, thought, &calls)
      }
    }
    let reason = calls.isEmpty ? "stop" : "tool_calls"
    events.append(Event(text: Self.chunk("", finish: reason)) {})
    events.append(Event(text: "data: {\"choices\":[],\"usage\":{\"total_tokens\":9}}\n\n") {})
    events.append(Event(text: "data: [DONE]\n\n") {})
    let fault = isGood ? 99 : world.dice.below(100)
    if fault < 10, !events.isEmpty {
      world.marks.insert("chat breaks off")
      thought.trouble(for: .seconds(30))
      events.removeLast(world.dice.range(3...events.count))
    }
    send(events, id, after: delay) { [unowned self] in
      switch fault {
      case 0..<4: fetcher.say("failed \(id) broken\n\n", after: .zero) { thought.chatEnded(item) }
      case 4, 5: fetcher.say("answer \(id) 200 whole\n\n", after: .zero) { thought.chatEnded(item) }
      case 6, 7:
        let error = "data: {\"error\":{\"message\":\"overloaded\",\"code\":\"c\"}}\n\n"
        fetcher.say("piece \(id)\n\n\(error)", after: .zero) { thought.chatEnded(item) }
      case 8, 9: world.marks.insert("chat hangs in mid-answer")
      default:
        fetcher.say("answer \(id) 200 whole\n\n", after: .zero) { [unowned self] in
          if fetcher.isCancelled(id) { return }
          thought.chatEnded(item)
          for call in calls { call() }
        }
      }
    }
  }

  private static func chunk(_ delta: String, finish: String? = nil) -> String {
    let reason = finish.map { ",\"finish_reason\":\"\($0)\"" } ?? ",\"finish_reason\":null"
    return "data: {\"choices\":[{\"index\":0,\"delta\":{\(delta)}\(reason)}]}\n\n"
  }

  private func words(of item: Int, _ thought: AgentThought) -> [Event] {
    let sentences = [
      "answ\(item)x is what I have to say of it. ", "more\(item)x and **then** some, I said.\\n",
      "more\(item)x goes on for a while, which takes a breath, before it is over. ",
      "Well, more\(item)x is the end!",
    ]
    let text = sentences.prefix(world.dice.range(1...4)).joined()
    var tokens: [String] = []
    var rest = text[...]
    while !rest.isEmpty {
      var count = world.dice.range(1...24)
      // An escape is not cut.
      if rest.dropFirst(count - 1).first == "\\" { count += 1 }
      tokens.append(String(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return tokens.map { token in
      Event(text: Self.chunk("\"content\":\"\(token)\"")) { thought.read(token, of: item) }
    }
  }

  private func call(
    _ name: String, _ place: Int, _ thought: AgentThought, _ calls: inout [() -> Void]
  ) -> [Event] {
    callCount += 1
    let id = "f\(callCount)"
    var (name, kind) = (name, AgentFunction.Kind.post)
    var arguments = #"{\"id\":\"7\"}"#
    switch name {
    case "bye": (kind, arguments) = (.hangUp, "{}")
    case "transfer": (kind, arguments) = (.transfer, #"{\"to\":\"sales\"}"#)
    default:
      switch world.dice.below(10) {
      case 0: (name, kind) = ("nobody", .senseless)
      case 1: (arguments, kind) = ("{}", .senseless)
      case 2, 3: (name, arguments) = ("slow", "{}")
      default: break
      }
    }
    calls.append {
      let session = thought.book.sessions.last { $0.stands && $0 is AgentEars }
      if let session { thought.book.called(kind, id: id, name: name, by: session) }
    }
    let cut = arguments.dropFirst(world.dice.below(2))
    let head = arguments.dropLast(cut.count)
    return [
      """
      "tool_calls":[{"index":\(place),"id":"\(id)","type":"function","function":{"name":"\(name)",\
      "arguments":"\(head)"}}]
      """,
      #""tool_calls":[{"index":\#(place),"function":{"arguments":"\#(cut)"}}]"#,
    ].map { Event(text: Self.chunk($0)) {} }
  }

  // MARK: How it comes

  /// In pieces, each with a part of an event or several; behind the last one `end`.
  private func send(
    _ events: [Event], _ id: Int, after delay: Instant.Span, end: @escaping () -> Void
  ) {
    var (at, last) = (delay, delay)
    let step = [0, 5, 40, 300][world.dice.below(4)]
    let most = world.dice.percent(50) ? 60 : 2000
    var text = ""
    var effects: [() -> Void] = []
    func flush(_ said: String, _ effects: [() -> Void]) {
      fetcher.say("piece \(id)\n\n\(said)", after: at) { [unowned self] in
        if !fetcher.isCancelled(id) { for effect in effects { effect() } }
      }
      last = at
      at = at + .milliseconds(world.dice.below(2 * step + 1))
    }
    for event in events {
      text += event.text
      effects.append(event.whenRead)
      if text.utf8.count < most, world.dice.percent(60) { continue }
      // Some of the next line may come with it, or some of this one later.
      let kept = min(world.dice.below(3) * 7, text.utf8.count - 1)
      if kept < event.text.utf8.count, kept > 0 {
        let last = effects.removeLast()
        flush(String(text.dropLast(kept)), effects)
        (text, effects) = (String(text.suffix(kept)), [last])
      } else {
        flush(text, effects)
        (text, effects) = ("", [])
      }
    }
    if !text.isEmpty { flush(text, effects) }
    // One that has said that it is over is not waited for much longer.
    world.schedule(world.now + min(at, last + .milliseconds(400))) { end() }
  }
}
