// A fixed first-in, first-out ring of small values. Asked first, never grown.

@safe package struct Ring<Element: BitwiseCopyable>: @unchecked Sendable {
  private let slots: UnsafeMutablePointer<Element>
  private var head = 0
  package private(set) var count = 0
  package let capacity: Int

  package init(capacity: Int, repeating blank: Element) {
    self.capacity = capacity
    unsafe slots = .allocate(capacity: capacity)
    unsafe slots.initialize(repeating: blank, count: capacity)
  }

  package func deallocate() { unsafe slots.deallocate() }

  package var isEmpty: Bool { count == 0 }
  package var isFull: Bool { count == capacity }
  package var first: Element? { isEmpty ? nil : unsafe slots[head] }

  package mutating func append(_ element: Element) {
    precondition(!isFull, "asked before")
    var place = head &+ count
    if place >= capacity { place &-= capacity }
    unsafe slots[place] = element
    count &+= 1
  }

  package mutating func removeFirst() -> Element {
    precondition(!isEmpty)
    let element = unsafe slots[head]
    head = head &+ 1 == capacity ? 0 : head &+ 1
    count &-= 1
    return element
  }
}
