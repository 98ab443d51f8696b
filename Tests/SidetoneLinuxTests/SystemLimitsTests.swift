// What this machine allows, read from made-up files of the kernel, and the plans that fit it.

import Foundation
import Testing

@testable import Sidetone
@testable import SidetoneLinux

struct SystemLimitsTests {
  /// A host whose kernel's files are these.
  private func host(_ files: [String: String]) throws -> SystemLimits {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: root) }
    for (path, text) in files {
      let file = root.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return SystemLimits(root: root.path + "/")
  }

  // MARK: What there is

  @Test func `the machine's memory is a bound, and so is what is free of it`() throws {
    let host = try host([
      "proc/meminfo": "MemTotal:       8000 kB\nMemFree: 1 kB\nMemAvailable:   5000 kB\n"
    ])
    #expect(host.memory.map(\.bytes) == [8000 << 10, 5000 << 10])
  }

  @Test func `every control group around the process bounds its memory`() throws {
    let host = try host([
      "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
      "sys/fs/cgroup/a/memory.max": "1048576\n", "sys/fs/cgroup/memory.max": "2097152\n",
    ])
    #expect(host.memory.map(\.bytes) == [1 << 20, 2 << 20])
    #expect(host.memory[0].name.contains("memory.max"))
  }

  @Test func `control groups of the first version are read where they are`() throws {
    let host = try host([
      "proc/self/cgroup": "7:cpu,memory:/docker/x\n1:name=systemd:/y\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "3145728\n",
      "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "9223372036854771712\n",
    ])
    #expect(host.memory.map(\.bytes) == [3 << 20])
  }

  @Test func `a container that is shown the path of the outside finds its own bound`() throws {
    let host = try host([
      "proc/self/cgroup": "0::/system.slice/outside\n", "sys/fs/cgroup/memory.max": "4194304\n",
    ])
    #expect(host.memory.map(\.bytes) == [4 << 20])
  }

  @Test func `where the kernel shows nothing there is no bound`() throws {
    #expect(try host([:]).memory.isEmpty)
    #expect(try host(["proc/meminfo": "MemTotal:\nnonsense"]).memory.isEmpty)
  }

  @Test func `this process has descriptors and memory`() {
    let host = SystemLimits.found(wanting: 1)
    #expect(host.descriptorsOpen >= 3 && host.descriptorsMax > host.descriptorsOpen)
    #expect(host.memory.allSatisfy { $0.bytes > 1 << 20 } && !host.memory.isEmpty)
  }

  // MARK: Descriptors

  private func host(descriptors: Int) -> SystemLimits {
    var host = SystemLimits()
    host.descriptorsOpen = 3
    host.descriptorsMax = descriptors
    return host
  }

  @Test func `a plan that fits is left alone`() throws {
    let config = Config()
    let needed = Machine.descriptors(for: config) + 3
    let fitted = try Machine.fitted(config, to: host(descriptors: needed))
    #expect(fitted.limits.callsMax == 1000 && fitted.warnings.isEmpty)
  }

  @Test(arguments: [48, 64, 100, 256, 1024, 4096])
  func `fewer descriptors lower the calls, and leave some to those who ask how it goes`(
    allowed: Int
  ) throws {
    var config = Config()
    config.limits.callsMax = 5000
    let fitted = try Machine.fitted(config, to: host(descriptors: allowed))
    #expect(Machine.descriptors(for: fitted) + 3 <= allowed)
    #expect(fitted.limits.callsMax >= (allowed - 24) / 4, "\(fitted.limits.callsMax)")
    #expect(fitted.limits.otherLinksMax >= 4)
    let warning = try #require(fitted.warnings.first)
    #expect(fitted.warnings.count == 1 && warning.contains("only \(allowed) descriptors"))
    #expect(warning.contains("\(fitted.limits.callsMax) calls at once"))
  }

  @Test(arguments: [0, 8, 20, 40])
  func `where hardly a call has room the start is refused`(allowed: Int) throws {
    do throws(StartError) {
      _ = try Machine.fitted(Config(), to: host(descriptors: allowed))
      Issue.record("it fits into \(allowed)")
    } catch {
      #expect(error.exitStatus == 2)
      #expect(error.description.contains("only \(allowed) descriptors are allowed"))
      #expect(!error.description.contains("\n"))
    }
  }

  // MARK: Memory

  @Test func `a plan above a bound is refused with both figures and what would fit`() throws {
    var config = Config()
    config.limits.callsMax = 100_000
    var host = SystemLimits()
    host.memory = [
      SystemLimits.MemoryBound(bytes: 8 << 30, name: "the memory"),
      SystemLimits.MemoryBound(bytes: 512 << 20, name: "the group"),
    ]
    do throws(StartError) {
      _ = try Machine.fitted(config, to: host)
      Issue.record("it fits")
    } catch {
      let text = error.description
      #expect(error.exitStatus == 2 && text.contains("and the group is 512.0 MiB"))
      #expect(text.contains("limits.calls_max (SIDETONE_LIMITS_CALLS_MAX), which is 100000"))
      let match = try #require(text.firstMatch(of: #/(\d+) would fit/#))
      config.limits.callsMax = try #require(Int(match.1))
      #expect(config.limits.callsMax > 100)
      _ = try Machine.fitted(config, to: host)
      config.limits.callsMax += 1
      #expect(throws: StartError.self) { try Machine.fitted(config, to: host) }
    }
  }

  @Test func `the setting that takes most is the one to lower`() throws {
    var config = Config()
    config.limits.largeBuffersMax = 1024
    config.limits.upstreamMessageBytesMax = 16 << 20
    var host = SystemLimits()
    host.memory = [SystemLimits.MemoryBound(bytes: 1 << 30, name: "it")]
    do throws(StartError) {
      _ = try Machine.fitted(config, to: host)
      Issue.record("it fits")
    } catch {
      #expect(error.description.contains("lower limits.large_buffers_max"))
    }
  }

  @Test func `memory that the system does not promise is refused, not stumbled over`() throws {
    var config = Config()
    config.limits.callsMax = 100_000
    config.limits.largeBuffersMax = 1024
    config.limits.upstreamMessageBytesMax = 1 << 46
    var host = SystemLimits()
    host.memory = [SystemLimits.MemoryBound(bytes: .max, name: "it")]
    do throws(StartError) {
      _ = try Machine.fitted(config, to: host)
      Issue.record("it fits")
    } catch {
      #expect(error.description.contains("the system does not give"))
    }
  }
}
