// What the kernel tells about a process: processor time, memory, descriptors. Read a few times in a
// run, never per frame.

import Glibc

struct ProcessReading {
  /// Time on a processor, all threads, in nanoseconds.
  var processor: Int64 = 0
  /// The same in user mode only, as sampled by the kernel's tick: coarse.
  var user: Int64 = 0
  /// Resident memory in KiB.
  var resident = 0
  var descriptors = 0

  /// Nil where there is no such process or it may not be looked at.
  init?(of process: Int32) {
    let root = "/proc/\(process)"
    guard let stat = Self.text(of: root + "/stat"), let close = stat.lastIndex(of: ")") else {
      return nil
    }
    // Fields are counted behind the name, which may hold anything; see proc(5).
    let fields = stat[stat.index(after: close)...].split(separator: " ")
    guard fields.count > 12, let user = Int64(fields[11]), let system = Int64(fields[12]) else {
      return nil
    }
    let tick = 1_000_000_000 / Int64(sysconf(Int32(_SC_CLK_TCK)))
    self.user = user * tick
    var exact: Int64 = 0
    for thread in Self.entries(of: root + "/task") {
      let schedule = Self.text(of: root + "/task/\(thread)/schedstat") ?? ""
      exact += schedule.split(separator: " ").first.flatMap { Int64($0) } ?? 0
    }
    processor = exact > 0 ? exact : (user + system) * tick
    let pages = Self.text(of: root + "/statm")?.split(separator: " ").dropFirst().first
    resident = (pages.flatMap { Int($0) } ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) / 1_024
    descriptors = Self.entries(of: root + "/fd").count
  }

  private static func text(of path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = read(file, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[0..<count], as: UTF8.self) : nil
  }

  private static func entries(of path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }
}

enum LoadClock {
  /// The wall clock in nanoseconds, because the kernel stamps arriving bytes with it. A run in
  /// which somebody sets the clock is void, and looks so.
  static func now() -> Int64 { read(CLOCK_REALTIME) }

  /// This process's own time on a processor.
  static func processor() -> Int64 { read(CLOCK_PROCESS_CPUTIME_ID) }

  /// For deadlines: cannot be set.
  static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

  private static func read(_ clock: Int32) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
