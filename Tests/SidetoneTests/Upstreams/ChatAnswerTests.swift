// An answer on its way to a voice: the same words and the same pieces wherever its body was cut,
// and all of what was written is spoken, once.

import Testing

@testable import Sidetone

final class ChatAnswerTests {
  private let pool = BlockPool(blocks: 64)
  private let scratch = kept(count: ChatAnswer.scratchBytes)

  deinit { pool.deallocate() }

  private struct Heard: Equatable {
    var words = ""
    var said: [String] = []
    var complaints: [String] = []
    var lost = 0
    var calls = ""
    var ending = ""
  }

  private func answer(_ parts: [[UInt8]]) -> Heard {
    var (answer, heard) = (ChatAnswer(), Heard())
    /// False: it wants more.
    func take(_ step: ChatAnswer.Step) -> Bool {
      switch step {
      case .words(let text):
        let string = JSON.Value(.string, 0..<text.count, hasEscapes: true)
        heard.words += JSON.string(string, in: text)
      case .say(let text, let isFirst):
        #expect(isFirst == heard.said.isEmpty)
        heard.said.append(text.string)
      case .complaint(let complaint, let event):
        heard.complaints.append(event[complaint.message].string)
      case .lost: heard.lost += 1
      case .progress, .over: break
      case .needMore: return false
      }
      return true
    }
    for part in parts {
      var piece = kept(part)
      while take(answer.next(in: &piece, scratch: scratch, from: pool)) {}
    }
    while take(answer.last(scratch: scratch, from: pool)) {}
    if !answer.calls.isEmpty {
      heard.calls = written { answer.calls.write(into: &$0, scratch: scratch, in: pool) }.string
    }
    heard.ending = "\(answer.ending.how)"
    answer.clear(in: pool)
    #expect(pool.free == pool.capacity)
    return heard
  }
  private func answer(_ body: String) -> Heard { answer([Array(body.utf8)]) }

  private static func event(_ delta: String, finish: String = "null") -> String {
    #"data: {"choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(finish)}]}"# + "\r\n\r\n"
  }
  private static func words(_ texts: [String]) -> String {
    texts.map { text in
      event(
        written {
          $0.write(#"{"content":""#)
          $0.write(json: kept(text))
          $0.write(#""}"#)
        }
        .string)
    }.joined()
  }
  private static let end = event("{}", finish: "\"stop\"") + "data: [DONE]\n\n"

  @Test func `sentences are spoken as they are written`() {
    let heard = answer(
      ": hello\n\n"
        + Self.words(["Your", " order", " is", " on", " its", " way.", " It", " comes"])
        + Self.words([" today.", "\n", "Anything", " else?"]) + Self.end)
    #expect(heard.words == "Your order is on its way. It comes today.\nAnything else?")
    #expect(heard.said == ["Your order is on its way. ", "It comes today.", "\nAnything else?"])
    #expect(heard.ending == "whole" && heard.lost == 0)
  }

  @Test func `a first piece is there before the answer is`() {
    var (answer, said) = (ChatAnswer(), [String]())
    var piece = kept(Self.words(["Hello", ".", " How", " are"]))
    reading: while true {
      switch answer.next(in: &piece, scratch: scratch, from: pool) {
      case .say(let text, _): said.append(text.string)
      case .needMore: break reading
      default: break
      }
    }
    #expect(said == ["Hello. "])
    answer.clear(in: pool)
  }

  @Test func `how it ends`() {
    let text = Self.words(["Well"])
    #expect(answer(text + Self.event("{}", finish: "\"length\"")).ending == "cut")
    #expect(answer(text + Self.event("{}", finish: "\"content_filter\"")).ending == "failed")
    #expect(answer(text).ending == "cut" && answer(text).said == ["Well"])
    #expect(answer("").ending == "cut" && answer("").said == [])
    let broken = answer(text + #"data: {"choices":[{"del"#)
    #expect(broken.said == ["Well"] && broken.lost == 1 && broken.ending == "cut")
    let error = answer(text + "data: {\"error\":{\"message\":\"overloaded\"}}\n\n")
    #expect(error.complaints == ["overloaded"] && error.said == ["Well"])
    // No letter is no speech.
    #expect(answer(Self.words(["...", " ", "\n"]) + Self.end).said == [])
  }

  @Test func `a refusal is said to the caller, whatever pieces it comes in`() {
    let pieces = ["I", "'m", " sorry", ", I", " cannot", " help", ".", " Anything", " else?"]
    let refusal = answer(
      Self.event(#"{"role":"assistant","content":"","refusal":null}"#)
        + pieces.map { Self.event(#"{"refusal":"\#($0)"}"#) }.joined() + Self.end)
    #expect(refusal.words == pieces.joined() && refusal.complaints == [])
    #expect(refusal.said == ["I'm sorry, I cannot help. ", "Anything else?"])
    #expect(refusal.ending == "whole")
    // An answer that is no stream.
    let whole = answer(
      #"{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#)
    #expect(whole.words == "No." && whole.said == ["No."])
  }

  @Test func `what it thinks is not said`() {
    for name in ["reasoning_content", "reasoning"] {
      let thoughts = ["The", " user", " wants.", " Well"].map {
        Self.event(#"{"content":"","\#(name)":"\#($0)"}"#)
      }.joined()
      let silent = answer(thoughts + Self.end)
      #expect(silent.words == "" && silent.said == [] && silent.lost == 0)
      #expect(silent.complaints == [] && silent.ending == "whole")
      #expect(answer(thoughts + Self.words(["Hello."]) + Self.end).said == ["Hello."])
    }
  }

  @Test(arguments: [
    ["<think>\nThe user", " wants <b>.\n", "</think>", "\n\nHello", "."],
    [" ", "<think>", "a</thi", "</think", "> ", " ", "Hello."], ["<think></think>Hello", "."],
    ["<think>a</think>\n\nHello."],
  ])
  func `nor is what it thinks in front of its answer`(_ pieces: [String]) {
    let heard = answer(Self.words(pieces) + Self.end)
    #expect(heard.words.drop { $0 == " " } == "Hello." && heard.said == ["Hello."])
    #expect(heard.lost == 0 && heard.ending == "whole")
    // As servers write it whose JSON is safe in a page.
    let safe = Self.words(pieces).replacing("<", with: "\\u003c").replacing(">", with: "\\u003e")
    #expect(answer(safe + Self.end).said == ["Hello."])
    let bytes = Array((Self.words(pieces) + Self.end).utf8)
    for cut in 0..<bytes.count {
      #expect(answer([Array(bytes[..<cut]), Array(bytes[cut...])]).said == ["Hello."])
    }
  }

  @Test(arguments: [
    ["<thin", "g> is", " a word."], ["A <think> tag."], ["<", "3 you."], ["Well </think> so."],
  ])
  func `what only looks like thoughts is said`(_ pieces: [String]) {
    let heard = answer(Self.words(pieces) + Self.end)
    #expect(heard.words == pieces.joined() && heard.said.joined() == pieces.joined())
  }

  @Test func `thoughts without an end are no answer`() {
    let heard = answer(Self.words(["<think>", "On and on"]) + Self.end)
    #expect(heard.words == "" && heard.said == [] && heard.ending == "whole")
  }

  @Test func `what it calls counts, whatever reason it gives for its end`() {
    let call = #"{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}"#
    for reason in ["stop", "tool_calls", "eos"] {
      let calling = Self.event(#"{"tool_calls":[\#(call)]}"#, finish: "\"\(reason)\"")
      #expect(answer(calling).ending == "calls", "\(reason)")
    }
    // Cut off, they are not whole.
    let cut = Self.event(#"{"tool_calls":[\#(call)]}"#, finish: "\"length\"")
    #expect(answer(cut).ending == "cut")
  }

  @Test func `with a dry pool words are lost whole`() {
    var (held, answer) = (Chain(), ChatAnswer())
    while pool.free > 1 { _ = held.append(kept(count: BlockPool.blockBytes), from: pool) }
    var piece = kept(Self.words([String(repeating: "x", count: BlockPool.blockBytes + 1)]))
    guard case .lost = answer.next(in: &piece, scratch: scratch, from: pool) else {
      Issue.record("it is not lost")
      return
    }
    guard case .needMore = answer.last(scratch: scratch, from: pool) else {
      Issue.record("a part of it is said")
      return
    }
    answer.clear(in: pool)
    held.clear(in: pool)
    #expect(pool.free == pool.capacity)
  }

  @Test func `what it writes for the eye is in its words and not in its speech`() {
    let heard = answer(
      Self.words(["**No", "te.**", " See", " [our", " page](https://a.b/c", "). It", " is `x`."])
        + Self.words(["\n\n", "- one", "\n- ", "two", "\n", "***", "\n"]) + Self.end)
    #expect(
      heard.words == "**Note.** See [our page](https://a.b/c). It is `x`.\n\n- one\n- two\n***\n")
    #expect(heard.said.joined() == "Note. See our page. It is x.\n\none\ntwo\n")
  }

  @Test func `what it says before it calls is spoken, and its calls are whole`() {
    let call = #"{"index":0,"id":"c","function":{"name":"f","arguments":"{\"n\""}}"#
    let heard = answer(
      Self.words(["One moment."]) + Self.event(#"{"tool_calls":[\#(call)]}"#)
        + Self.event(#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#)
        + Self.event("{}", finish: "\"tool_calls\"") + "data: [DONE]\n\n")
    #expect(heard.said == ["One moment."] && heard.ending == "calls")
    #expect(heard.calls.contains(#""arguments":"{\"n\":1}""#))
    // One that says so, and calls nothing.
    #expect(answer(Self.event("{}", finish: "\"tool_calls\"")).ending == "whole")
  }

  @Test func `the same wherever its body was cut`() {
    var random = SeededRandom(seed: 3)
    let pieces = [
      "Hello", " there", ".", " ", "Mr.", " 3.5", "é", "語。", "😀", "\n", ",", "!", "\"", "…", "No",
    ]
    for _ in 0..<500 {
      let texts = (0..<Int.random(in: 0...30, using: &random)).map { _ in
        pieces.randomElement(using: &random)!
      }
      let body = Array((Self.words(texts) + (Bool.random(using: &random) ? Self.end : "")).utf8)
      let whole = answer([body])
      // Space in front of all is nothing.
      #expect(whole.words == texts.joined().drop { $0 == " " || $0 == "\n" } && whole.lost == 0)
      var (parts, at): ([[UInt8]], Int) = ([], 0)
      while at < body.count {
        let count = min(Int.random(in: 1...90, using: &random), body.count - at)
        parts.append(Array(body[at..<at + count]))
        at += count
      }
      #expect(answer(parts) == whole, "\(texts)")
    }
  }

  @Test func `a long delta is spoken in pieces`() {
    let text = String(repeating: "This is a sentence of a long answer. ", count: 300)
    let heard = answer(Self.words([text]) + Self.end)
    #expect(heard.said.joined() == text && heard.said.count == 300)
  }
}
