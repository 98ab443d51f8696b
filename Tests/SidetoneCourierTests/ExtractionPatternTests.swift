// Patterns: what matches, what is refused, and that no text makes one slow.

import Testing

@testable import SidetoneCourier

struct ExtractionPatternTests {
  private func matches(_ pattern: String, _ text: String) throws -> Bool {
    try ExtractionPattern(pattern).matches(text)
  }

  @Test(arguments: [
    ("", ["", "a"], []), ("a", ["a", "xax"], ["", "b"]), ("^a$", ["a"], ["aa", "ba", ""]),
    ("^(ab|c)+$", ["ab", "c", "abcab"], ["", "a", "abx"]),
    ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
    ("^a{2}$", ["aa"], ["a", "aaa"]), ("^a{2,}$", ["aa", "aaaaaa"], ["a"]),
    ("^[a-c\\d_-]*$", ["", "ab-c9_"], ["d", "a b"]), ("^[^x]$", ["a", "€"], ["x", "aa"]),
    ("^\\+?\\d{3}[ -]?\\w+\\.$", ["+123 ab.", "123-x."], ["12 a.", "123 a"]),
    ("^.$", ["a", "😀"], ["", "\n", "ab"]), ("colou?r", ["color", "the colour"], ["colur"]),
    ("^(?:a|b(c|d)?)*$", ["", "abcbd"], ["c"]), ("^\\u0041\\x42\\t$", ["AB\t"], ["ab\t"]),
    ("^a*?b+?$", ["b", "aabb"], ["a"]), ("^(a|)$", ["", "a"], ["b"]), ("^[]]*$", [], []),
    ("^(a?){3}a{3}$", ["aaa", "aaaaaa"], ["aa", "aaaaaaa"]),
    ("a|^b$|c", ["xa", "b", "cc"], ["xb"]),
    ("^[\\]\\\\]$", ["]", "\\"], ["a"]), ("^\\D\\W\\S$", ["a b"], ["1 b"]),
  ])
  func `a pattern finds what it says`(pattern: String, yes: [String], no: [String]) throws {
    for text in yes { #expect(try matches(pattern, text), "\(pattern) \(text)") }
    for text in no { #expect(try !matches(pattern, text), "\(pattern) \(text)") }
  }

  @Test func `what is malformed and what is not supported are told apart`() {
    for pattern in [
      "(", ")", "a)", "[", "[a", "*", "+a", "a{", "a{x}", "a{2", "a{3,2}", "\\", "[b-a]",
    ] {
      #expect(throws: ExtractionPattern.Mistake.self, "\(pattern)") {
        do throws(ExtractionPattern.Mistake) {
          _ = try ExtractionPattern(pattern)
        } catch {
          if case .unsupported = error { return }
          throw error
        }
      }
    }
    for pattern in [
      "(?=a)", "(?<n>a)", "(?!a)", "(a)\\1", "\\bword", "\\p{L}", "a{5000}", "(a{100}){100}",
      "[\\D]", String(repeating: "(", count: 100) + String(repeating: ")", count: 100),
    ] {
      do throws(ExtractionPattern.Mistake) {
        _ = try ExtractionPattern(pattern)
        Issue.record("taken: \(pattern)")
      } catch {
        guard case .unsupported = error else {
          Issue.record("\(pattern): \(error)")
          continue
        }
      }
    }
  }

  @Test func `no text makes a pattern slow`() throws {
    let hostile = String(repeating: "a", count: 4000) + "b"
    #expect(try !matches("^(a+)+$", hostile))
    #expect(try !matches("^(a|a)*$", hostile))
    #expect(try matches("(.*.*.*)b$", hostile))
  }
}
