// The running daemon as seen from outside: what it says over HTTP, and what the kernel says about its
// process.

import Foundation

struct Relay {
  var process: Int32
  var port: UInt16

  /// Bytes of audio that went upstream so far, as `/stats` has them.
  func bytesRelayed() throws -> Int {
    let stats = try stats()
    return stats["total_bytes_processed"] as? Int ?? 0
  }

  func waitForConnections(_ count: Int) throws {
    let deadline = Date(timeIntervalSinceNow: 20)
    var last: Int?
    while Date() < deadline {
      last = try? stats()["active_connections"] as? Int
      if last == count { return }
      usleep(50_000)
    }
    throw Unmeasured("\(last.map(String.init) ?? "no") connections after 20 s, not \(count)")
  }

  private func stats() throws -> [String: Any] {
    let body = try get("/stats", port: port)
    guard let stats = try JSONSerialization.jsonObject(with: body) as? [String: Any] else {
      throw Unmeasured("/stats is no object")
    }
    return stats
  }

  func residentKiB() throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    guard let words = line?.split(separator: " "), words.count > 1, let size = Int(words[1]) else {
      throw Unmeasured("the kernel does not say how much memory is resident")
    }
    return size
  }

  func descriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
  }

  /// Every system call of every thread over some seconds, counted by `strace`.
  func systemCalls(seconds: Int) throws -> Int {
    let tracer = try Program(["/usr/bin/strace", "-c", "-f", "-p", "\(process)"])
    defer { tracer.end() }
    sleep(UInt32(seconds))
    kill(tracer.process.processIdentifier, SIGINT)
    tracer.process.waitUntilExit()
    let total = tracer.text.split(separator: "\n").last { $0.hasSuffix("total") }
    let words = total?.split(separator: " ") ?? []
    guard words.count >= 4, let calls = Int(words[3]) else {
      throw Unmeasured("strace says: \(tracer.text.suffix(300))")
    }
    return calls
  }
}

/// The count of allocations that a process writes while `libAllocationCounter` stands before libc.
final class Counter {
  let settings: [String: String]
  private let place: UnsafeMutablePointer<UInt64>
  private let path: String

  init(library: String) throws {
    path = NSTemporaryDirectory() + "sidetone-allocations-\(UUID().uuidString)"
    _ = FileManager.default.createFile(atPath: path, contents: Data(count: 4096))
    let file = open(path, O_RDWR)
    let map = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
    close(file)
    guard let map, map != MAP_FAILED, FileManager.default.fileExists(atPath: library) else {
      throw Unmeasured("\(library) cannot be used")
    }
    place = map.assumingMemoryBound(to: UInt64.self)
    settings = ["LD_PRELOAD": library, "ALLOCATION_COUNTER": path]
  }

  deinit {
    munmap(place, 4096)
    unlink(path)
  }

  /// The first number of the file: allocations so far.
  var allocations: UInt64 { place.pointee }
}

// MARK: - Loopback

func freePort() -> UInt16 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = loopback(0)
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      _ = bind(descriptor, $0, size)
      _ = getsockname(descriptor, $0, &size)
    }
  }
  return UInt16(bigEndian: address.sin_port)
}

private func loopback(_ port: UInt16) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}

/// The body of the answer to one GET; throws unless it is a 200.
private func get(_ path: String, port: UInt16) throws -> Data {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = loopback(port)
  let connected = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
    }
  }
  guard connected == 0 else { throw Unmeasured("nobody listens on \(port)") }
  let request = "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
  _ = request.withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
  var answer = Data()
  var piece = [UInt8](repeating: 0, count: 65_536)
  while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 {
    answer.append(contentsOf: piece[..<count])
  }
  let end = answer.range(of: Data("\r\n\r\n".utf8))
  guard answer.starts(with: Data("HTTP/1.1 200".utf8)), let end else {
    throw Unmeasured("\(path) answers \(String(decoding: answer.prefix(200), as: UTF8.self))")
  }
  return answer[end.upperBound...]
}
