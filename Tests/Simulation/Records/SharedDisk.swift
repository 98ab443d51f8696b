// The disk of the simulation of records: it fails, is slow and forgets as its weather has it, and
// its files lie in a real directory too, where the courier finds them.

import CLinux
import RecordsSupport
import Sidetone
import SidetoneRecords

/// What a disk is like, and from when to when (nanoseconds of the run).
struct Weather {
  enum Kind: CaseIterable {
    /// Calls take up to five seconds.
    case slow
    /// Nothing more fits.
    case full
    /// Calls fail, writes after a part of their bytes.
    case failing
    /// Writes take some of their bytes only.
    case short
  }

  var spells: [(kind: Kind, range: Range<Int64>)] = []

  func isNow(_ kind: Kind, at now: Int64) -> Bool {
    spells.contains { $0.kind == kind && $0.range.contains(now) }
  }

  /// Fair in a third of all runs.
  static func drawn(_ dice: inout Dice, until end: Int64) -> Weather {
    var weather = Weather()
    for _ in 0..<dice.below(4) {
      let kind = Kind.allCases[dice.below(Kind.allCases.count)]
      let from = Int64(dice.below(Int(end / 1_000_000))) * 1_000_000
      let span = Int64(dice.range(50...15_000)) * 1_000_000
      weather.spells.append((kind, from..<from + span))
    }
    return weather
  }
}

final class SharedDisk: Disk, @unchecked Sendable {
  private static let ioError: Int32 = 5
  private static let noSpace: Int32 = 28
  /// Descriptors of locks are the kernel's, counted from here.
  private static let locksFrom: Int32 = 1 << 24

  let memory: FakeDisk
  var weather: Weather
  var now: Int64 = 0
  private var dice: Dice
  private var paths: [Int32: String] = [:]
  private(set) var marks: Set<String> = []

  init(seed: UInt64, weather: Weather) {
    self.weather = weather
    dice = Dice(seed: seed &* 7 &+ 1)
    memory = FakeDisk(seed: UInt8(truncatingIfNeeded: seed))
    // The memory outlives it: readers hold that, and close their files last of all.
    memory.fault = { [weak self] _, call in self?.fault(call) }
  }

  /// How long a call takes.
  func span(of call: DiskError.Call) -> Int64 {
    if weather.isNow(.slow, at: now), dice.percent(call == .sync ? 70 : 10) {
      marks.insert("slow \(call.rawValue)")
      return Int64(dice.range(100...5000)) * 1_000_000
    }
    return call == .sync ? Int64(dice.range(200...8000)) * 1000 : 0
  }

  private func fault(_ call: DiskError.Call) -> FakeDisk.Fault? {
    let isFull = weather.isNow(.full, at: now)
    memory.capacity = isFull ? min(memory.capacity, memory.used + 300) : .max
    if isFull, call == .create || call == .write, memory.used >= memory.capacity {
      marks.insert("disk full")
      return .error(Self.noSpace)
    }
    if weather.isNow(.failing, at: now), dice.percent(50) {
      marks.insert("failed \(call.rawValue)")
      let isTorn = call == .write && dice.percent(60)
      return isTorn ? .landed(Self.ioError, dice.below(9)) : .error(Self.ioError)
    }
    if call == .write, weather.isNow(.short, at: now), dice.percent(60) {
      marks.insert("short write")
      return .short
    }
    return nil
  }

  // MARK: The directory

  /// The power is gone, and with it what was not synced.
  func losePower() {
    let before = memory.paths
    memory.losePower()
    for path in before { lay(path) }
    paths = [:]
  }

  /// What the courier has taken away is gone.
  func forgetDeleted() {
    for path in memory.paths where unsafe cl_path_size(path) < 0 { memory.remove(path) }
  }

  /// The file in the directory becomes what it is in memory.
  private func lay(_ path: String) {
    guard let content = memory.content(of: path) else {
      _ = unsafe cl_unlink(path)
      return
    }
    let file = unsafe cl_open(path, CL_READ_WRITE)
    precondition(file >= 0, "\(path) cannot be opened: \(file)")
    defer { _ = cl_close(file) }
    _ = cl_truncate(file, 0)
    put(content[...], at: 0, in: file)
  }

  private func put(_ bytes: ArraySlice<UInt8>, at place: Int, in file: Int32) {
    guard !bytes.isEmpty else { return }
    let count = Array(bytes).withBytes { unsafe cl_pwrite(file, $0.base, $0.count, Int64(place)) }
    precondition(count == bytes.count, "the test's own disk is full")
  }

  /// What was written there, or may have been.
  private func follow(_ file: Int32, _ range: Range<Int>) {
    guard let path = paths[file], let content = memory.content(of: path) else { return }
    // The courier may have taken it away, though the writer still has it open.
    guard unsafe cl_path_size(path) >= 0 else { return }
    let real = unsafe cl_open(path, CL_READ_WRITE)
    precondition(real >= 0, "\(path) cannot be opened: \(real)")
    defer { _ = cl_close(real) }
    let end = min(range.upperBound, content.count)
    if range.lowerBound < end {
      put(content[range.lowerBound..<end], at: range.lowerBound, in: real)
    }
    if cl_file_size(real) > content.count { _ = cl_truncate(real, Int64(content.count)) }
  }

  // MARK: Calls

  func create(_ path: String) throws(DiskError) -> Int32 {
    let file = try memory.create(path)
    paths[file] = path
    lay(path)
    return file
  }

  func write(_ file: Int32, _ bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    defer { follow(file, offset..<offset + bytes.count) }
    return try memory.write(file, bytes, at: offset)
  }

  func cut(_ file: Int32, to size: Int) throws(DiskError) {
    defer { follow(file, size..<size) }
    try memory.cut(file, to: size)
  }

  func close(_ file: Int32) throws(DiskError) {
    if file >= Self.locksFrom { return try LinuxDisk().close(file - Self.locksFrom) }
    paths[file] = nil
    try memory.close(file)
  }

  func open(_ path: String) throws(DiskError) -> Int32 { try memory.open(path) }
  func sync(_ file: Int32) throws(DiskError) { try memory.sync(file) }
  func syncDirectory(_ path: String) throws(DiskError) { try memory.syncDirectory(path) }
  func size(of file: Int32) throws(DiskError) -> Int { try memory.size(of: file) }
  func names(in path: String) throws(DiskError) -> [String] { try memory.names(in: path) }
  func bytes(in path: String) throws(DiskError) -> Int { try memory.bytes(in: path) }
  func read(_ file: Int32, into bytes: Bytes, at offset: Int) throws(DiskError) -> Int {
    try memory.read(file, into: bytes, at: offset)
  }

  // Directories and locks are the real directory's.
  func makeDirectory(_ path: String) throws(DiskError) { try LinuxDisk().makeDirectory(path) }
  func publish(_ path: String, as other: String) throws(DiskError) {
    try LinuxDisk().publish(path, as: other)
  }
  func lock(_ path: String) throws(DiskError) -> Int32? {
    try LinuxDisk().lock(path).map { $0 + Self.locksFrom }
  }
  func isLocked(_ path: String) throws(DiskError) -> Bool { try LinuxDisk().isLocked(path) }
}
