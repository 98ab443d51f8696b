// What is spoken of what a model writes: its words without the marks that are for the eye, and all
// of what only looks like one.

import Testing

@testable import Sidetone

struct SpokenTextTests {
  private func spoken(_ pieces: [String]) -> String {
    var text = SpokenText()
    return pieces.map { piece in
      let bytes = kept(piece)
      let left = text.take(bytes)
      #expect(left.count <= bytes.count)
      return left.string
    }.joined()
  }

  @Test(arguments: [
    ("**bold** and *soft* and ***both***.", "bold and soft and both."),
    ("__bold__ and _soft_, ~~gone~~.", "bold and soft, gone."),
    ("Take **two**, **three**!", "Take two, three!"),
    ("重要な**注意**です", "重要な注意です"),
    ("un**believ**able", "unbelievable"),
    ("# Prices\nLow.", "Prices\nLow."), ("## Two\n###### Six\n", "Two\nSix\n"),
    ("- one\n- two\n", "one\ntwo\n"), ("* one\n  * two", "one\n  two"),
    ("+ one\n\t- **two**", "one\n\ttwo"), ("> said\n> - he", "said\nhe"),
    ("- [ ] open\n- [x] done", "  open\nx done"),
    ("1. **Apples**: red\n2. Pears", "1. Apples: red\n2. Pears"),
    ("***\n---\n___\nEnd", "\n\n\nEnd"),
    ("Use `call_me()` or ```x```.", "Use call_me() or x."),
    ("See [our page](https://a.b/c_(d)?e=*f*) now.", "See our page now."),
    ("[A](u) [B](v \"title\")", "A B"), ("![A cat](c.png)!", "A cat!"),
    ("A [note] (not a link).", "A note (not a link)."),
    ("[broken](https://a.b\nNext.", "broken\nNext."),
  ])
  func `marks are not spoken`(written: String, expected: String) {
    #expect(spoken([written]) == expected)
  }

  @Test(arguments: [
    "3 * 4 is 12", "3*4 is 12", "snake_case_name", "We are #1.", "A # B", "It is -5 degrees.",
    "5 - 3", "a + b", "1 > 0", "~5 minutes", "Wait!", "(really)", "f(x)", "https://a.b/c_d?e=f#g",
    "mail a_b@c.de", "well-known", "", " ", "\n", "é 語 😀", "a _ b", "-", "#", "#hash",
  ])
  func `what is none is left`(text: String) { #expect(spoken([text]) == text) }

  @Test func `a mark may be cut off from what it belongs to`() {
    #expect(spoken(["**Hello. ", "You.**", "\n", "- one"]) == "Hello. You.\none")
    #expect(spoken(["See [our. ", "page](https://a", ".b/c) now"]) == "See our. page now")
    #expect(spoken(["See [our page]", "(https://a.b) now"]) == "See our page now")
    #expect(spoken(["Line\n", "# Head\n", "text - more"]) == "Line\nHead\ntext - more")
    #expect(spoken(["It is **so", "** long"]) == "It is so long")
  }

  @Test func `anything is taken, and no letter is lost or added`() {
    var random = SeededRandom(seed: 13)
    let units = [
      "*", "**", "_", "`", "#", "- ", "+", ">", "[", "]", "(", ")", "](", "!", "~~", " ", "\n", "a",
      "7", "é", ".",
    ]
    for _ in 0..<3000 {
      let pieces = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        (0..<Int.random(in: 0...12, using: &random)).map { _ in
          units.randomElement(using: &random)!
        }.joined()
      }
      let text = spoken(pieces)
      func words(_ text: String) -> String { text.filter { $0.isLetter || $0.isNumber } }
      let written = pieces.joined()
      // Only an address is left out.
      if !written.contains("](") {
        #expect(words(text) == words(written), "\(pieces)")
      }
      var rest = written.utf8[...]
      for byte in text.utf8 {
        guard let place = rest.firstIndex(of: byte) else {
          Issue.record("\(pieces) has become \(text)")
          break
        }
        rest = rest[rest.index(after: place)...]
      }
    }
  }
}
