extension Writer {
  package mutating func write(timestamp: WallTime) { write("T") }
}
