// What the machine and whoever runs us there allow: descriptors and memory. Read once, before
// anything is taken, from files of the kernel under a root that tests replace.

import CLinux
import Glibc
import Sidetone

package struct SystemLimits: Sendable {
  /// The most that a process may take, and who says so.
  package struct MemoryBound: Equatable, Sendable {
    package var bytes: Int
    package var name: String
    package init(bytes: Int, name: String) {
      self.bytes = bytes
      self.name = name
    }
  }

  /// Descriptors that this process may have, and those that it has already.
  package var descriptorsMax = Int.max
  package var descriptorsOpen = 0
  package var memory: [MemoryBound] = []

  package init() {}

  /// This machine, with the limit of descriptors raised to `descriptors` more than are open, as far
  /// as that is allowed.
  package static func found(wanting descriptors: Int) -> SystemLimits {
    var limits = SystemLimits(root: "/")
    let wanted = Int64(descriptors + limits.descriptorsOpen)
    limits.descriptorsMax = Int(max(0, cl_raise_descriptor_limit(wanted)))
    let addresses = cl_address_space_limit()
    if addresses > 0 {
      limits.memory.append(
        MemoryBound(bytes: Int(addresses), name: "the address space it may have (ulimit -v)"))
    }
    return limits
  }

  /// What stands in the kernel's files. `root` ends with a slash.
  package init(root: String) {
    descriptorsOpen = Self.entries(of: root + "proc/self/fd") ?? 3
    let meminfo = Self.text(root + "proc/meminfo")
    for (field, name) in [
      ("MemTotal:", "the memory of this machine (MemTotal)"),
      ("MemAvailable:", "what is free of this machine's memory now (MemAvailable)"),
    ] {
      for line in meminfo.split(separator: "\n") where line.hasPrefix(field) {
        let words = line.split(separator: " ")
        guard words.count > 1, let kibibytes = Int(words[1]) else { continue }
        memory.append(MemoryBound(bytes: kibibytes << 10, name: name))
      }
    }
    for line in Self.text(root + "proc/self/cgroup").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      if parts[0] == "0" {
        addBounds(root + "sys/fs/cgroup", String(parts[2]), "memory.max")
      } else if parts[1].split(separator: ",").contains("memory") {
        addBounds(root + "sys/fs/cgroup/memory", String(parts[2]), "memory.limit_in_bytes")
      }
    }
  }

  /// The bounds of a control group and of all that it lies in. Inside a container the path may be
  /// one of the outside: then only the root is seen here, and that is the container's own.
  private mutating func addBounds(_ root: String, _ path: String, _ file: String) {
    var names = path.split(separator: "/")
    while true {
      let group = ([root] + names.map(String.init)).joined(separator: "/")
      let text = Self.text("\(group)/\(file)").split(separator: "\n").first ?? ""
      // Both versions write "no bound" as something else than a number of this size.
      if let bytes = Int(text), bytes < 1 << 60 {
        memory.append(MemoryBound(bytes: bytes, name: "\(file) of its control group"))
      }
      if names.popLast() == nil { return }
    }
  }

  /// The beginning of a file; nothing where there is none.
  static func text(_ path: String, bytesMax: Int = 1 << 14) -> String {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while bytes.count < bytesMax {
      let count = unsafe read(file, &piece, piece.count)
      if count <= 0 { break }
      bytes += piece.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// How many entries a directory has, but for the one that this question opens.
  private static func entries(of path: String) -> Int? {
    guard let directory = unsafe opendir(path) else { return nil }
    defer { unsafe closedir(directory) }
    var count = 0
    while let entry = unsafe readdir(directory) {
      // Not "." and "..".
      if unsafe entry.pointee.d_name.0 != 0x2e { count += 1 }
    }
    return max(0, count - 1)
  }
}
