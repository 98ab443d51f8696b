// One deadline for each slot, in a binary heap of fixed size. Nothing here is touched for a frame:
// what happens often only updates a field in its slot, and the slot works out its next deadline
// when the one before is due.

@safe package struct Timers: @unchecked Sendable {
  private let deadlines: UnsafeMutablePointer<Instant>  // by key
  private let places: UnsafeMutablePointer<Int32>  // by key: where in the heap, or -1
  private let heap: UnsafeMutablePointer<Int32>  // keys, earliest deadline first
  private var count = 0
  package let capacity: Int

  package init(capacity: Int) {
    self.capacity = capacity
    unsafe deadlines = .allocate(capacity: capacity)
    unsafe deadlines.initialize(repeating: .never, count: capacity)
    unsafe places = .allocate(capacity: capacity)
    unsafe places.initialize(repeating: -1, count: capacity)
    unsafe heap = .allocate(capacity: capacity)
  }

  package func deallocate() {
    unsafe deadlines.deallocate()
    unsafe places.deallocate()
    unsafe heap.deallocate()
  }

  package var earliest: Instant {
    count > 0 ? unsafe deadlines[Int(heap[0])] : .never
  }

  package func deadline(of key: Int) -> Instant {
    precondition(key >= 0 && key < capacity)
    return unsafe places[key] < 0 ? .never : deadlines[key]
  }

  /// Sets the one deadline of `key`; `.never` takes it out.
  package mutating func set(_ key: Int, _ deadline: Instant) {
    precondition(key >= 0 && key < capacity)
    var place = unsafe Int(places[key])
    if deadline == .never {
      if place >= 0 { remove(at: place) }
      return
    }
    if place < 0 {
      place = count
      unsafe heap[place] = Int32(key)
      count &+= 1
    }
    unsafe deadlines[key] = deadline
    place = up(place)
    down(place)
  }

  /// Takes out a key whose deadline has come, or nil.
  package mutating func due(at now: Instant) -> Int? {
    guard count > 0, earliest <= now else { return nil }
    let key = unsafe Int(heap[0])
    remove(at: 0)
    return key
  }

  private mutating func remove(at place: Int) {
    unsafe places[Int(heap[place])] = -1
    count &-= 1
    if place < count {
      unsafe heap[place] = heap[count]
      down(up(place))
    }
  }

  private func time(_ place: Int) -> Instant { unsafe deadlines[Int(heap[place])] }

  /// Moves the key at `place` towards the root; says where it came to rest.
  private func up(_ start: Int) -> Int {
    var place = start
    let key = unsafe heap[place]
    let deadline = unsafe deadlines[Int(key)]
    while place > 0, deadline < time((place &- 1) / 2) {
      let parent = (place &- 1) / 2
      unsafe heap[place] = heap[parent]
      unsafe places[Int(heap[place])] = Int32(place)
      place = parent
    }
    unsafe heap[place] = key
    unsafe places[Int(key)] = Int32(place)
    return place
  }

  private func down(_ start: Int) {
    var place = start
    let key = unsafe heap[place]
    let deadline = unsafe deadlines[Int(key)]
    while true {
      var child = 2 &* place &+ 1
      guard child < count else { break }
      if child &+ 1 < count, time(child &+ 1) < time(child) { child &+= 1 }
      guard time(child) < deadline else { break }
      unsafe heap[place] = heap[child]
      unsafe places[Int(heap[place])] = Int32(place)
      place = child
    }
    unsafe heap[place] = key
    unsafe places[Int(key)] = Int32(place)
  }
}
