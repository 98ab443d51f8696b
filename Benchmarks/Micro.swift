// The harness of the micro-benchmarks. Each is a closure over a prepared input that does its work
// so many times and returns a hash of what came out, so that the compiler cannot leave the work
// away and a change of the result is seen. Time is the best of many rounds: noise only ever adds.

import Glibc

struct MicroBenchmark {
  var name: String
  /// Bytes of input that one operation touches.
  var bytes: Int
  /// How often the work is done: once to see that it runs, and to measure.
  var smoke = 100
  var full = 20_000
  /// Does the work so many times; returns a hash of the output.
  var body: (_ times: Int) -> UInt64
}

enum Micro {
  static var all: [MicroBenchmark] {
    Base64Benchmarks.all + ConversionBenchmarks.all + MediaBenchmarks.all
      + WebSocketBenchmarks.all
  }
  private static let rounds = 25

  static func run(_ arguments: [String]) throws(BenchFailure) {
    var arguments = BenchArguments(arguments)
    let isSmoke = arguments.flag("--smoke")
    let pattern = arguments.word()
    try arguments.finish()
    let chosen = all.filter { pattern.map($0.name.contains) ?? true }
    if chosen.isEmpty { throw .impossible("no benchmark is called \(pattern ?? "anything")") }
    for benchmark in chosen { try run(benchmark, isSmoke: isSmoke) }
    if isSmoke { print("\(chosen.count) micro-benchmarks run") }
  }

  private static func run(_ benchmark: MicroBenchmark, isSmoke: Bool) throws(BenchFailure) {
    let times = isSmoke ? benchmark.smoke : benchmark.full
    var best = Double.infinity
    var hashes: Set<UInt64> = []
    for _ in 0..<(isSmoke ? 2 : rounds) {
      let begin = nanoseconds()
      hashes.insert(benchmark.body(times))
      best = min(best, Double(nanoseconds() - begin) / Double(times))
    }
    guard hashes.count == 1, let hash = hashes.first else {
      throw .missed("\(benchmark.name): the same work had different results")
    }
    let columns = [
      Columns.left(benchmark.name, 28), Columns.right(isSmoke ? "-" : Columns.number(best), 9),
      "ns", Columns.right(String(benchmark.bytes), 6), "bytes",
      Columns.right(String(hash, radix: 16), 17),
    ]
    print(columns.joined(separator: " "))
  }

  private static func nanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

/// A small hash over results (FNV-1a on words).
struct ResultHash {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ word: UInt64) { value = (value ^ word) &* 0x100_0000_01b3 }
  mutating func add(_ count: Int) { add(UInt64(bitPattern: Int64(count))) }
}

/// Text in columns.
enum Columns {
  static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
  /// With two decimals below 10, one below 100, none above.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "-" }
    let scale: Double = value < 10 ? 100 : value < 100 ? 10 : 1
    let scaled = Int((value * scale).rounded())
    if scale == 1 { return String(scaled) }
    let digits = scale == 100 ? 2 : 1
    let fraction = String(scaled % Int(scale))
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return "\(scaled / Int(scale)).\(zeros)\(fraction)"
  }
}
