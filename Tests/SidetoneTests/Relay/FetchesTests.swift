// Requests as the fetcher is asked for them, and pieces of answers: whose they are, and that they
// end nothing.

import Testing

@testable import Sidetone

final class FetchesTests {
  private var fetches = Fetches(isOn: true)
  private let owner = Fetches.Owner.function(call: SlotID(index: 3, generation: 1), place: 0)

  init() { fetches.serve() }

  private func begin(_ request: FetchRequest, body: String = "") throws -> Fetches.ID {
    try fetches.begin(owner, request, body: kept(body), at: .zero)
  }
  private func finish(_ id: Fetches.ID) -> Fetches.Owner? { fetches.finish(id) }
  private func message() -> String? {
    let place = kept(count: Fetches.messageBytesMax)
    return fetches.take(into: place).map { place.prefix($0).string }
  }

  @Test func `an answer is asked for as a stream where it is wanted so`() throws {
    var request = FetchRequest(.post, kept("https://llm.test/v1/chat/completions"), milliseconds: 9)
    request.credentials = .bearer(kept("sk-1"))
    request.isStream = true
    let id = try begin(request, body: "{}")
    #expect(
      message() == "fetch 1 9 POST https://llm.test/v1/chat/completions\nbearer sk-1\nstream\n\n{}")
    // Pieces are the owner's for as long as it is not over, and change nothing.
    #expect(fetches.owner(of: id) == owner && fetches.owner(of: id) == owner)
    #expect(fetches.count == 1)
    #expect(finish(id) == owner)
    #expect(fetches.owner(of: id) == nil && finish(id) == nil && fetches.count == 0)
  }

  @Test func `pieces of what is cancelled, late or lost are nobody's`() throws {
    let request = FetchRequest(.post, kept("https://llm.test/"), milliseconds: 100)
    let cancelled = try begin(request)
    fetches.cancel(cancelled)
    #expect(fetches.owner(of: cancelled) == nil)
    let late = try begin(request)
    let expired = fetches.expire(at: .zero + .seconds(1))
    #expect(expired == owner && fetches.owner(of: late) == nil)
    let lost = try begin(request)
    fetches.forsake()
    let told = [fetches.lose(), fetches.lose()]
    #expect(told == [owner, nil] && fetches.owner(of: lost) == nil)
  }
}
