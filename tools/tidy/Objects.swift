// What the built objects ask for. The engine's may ask only for the Swift runtime, our kernels, our
// shim over libsoxr, digests and plain memory functions: no symbol there reaches the kernel. The
// daemon may be linked to the libraries it names and no other, and carries no Foundation.

import Foundation

/// Findings over the objects of the engine and the daemon in a build directory of SwiftPM.
func objects(in directory: String) -> [Finding] {
  engineObjects(in: "\(directory)/Sidetone.build") + daemon(at: "\(directory)/sidetone")
}

/// Beginnings of the symbols that the engine's objects may leave undefined.
private let runtime = [
  "$s", "$ss", "swift_", "_swift", "__swift", "symbolic", "ck_", "csoxr_", "EVP_", "SHA1", "SHA256",
  "HMAC", "CRYPTO_memcmp", "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail",
]
/// Functions of libc that only touch memory.
private let memory: Set<Substring> = [
  "memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen", "malloc", "malloc_usable_size",
  "free", "posix_memalign",
]

private func engineObjects(in folder: String) -> [Finding] {
  let names = (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? [])
    .filter { $0.hasSuffix(".o") }
  if names.isEmpty { return [Finding(path: folder, number: 0, what: "there are no objects")] }
  return names.sorted().flatMap { name -> [Finding] in
    let path = "\(folder)/\(name)"
    let symbols = output(of: ["nm", "--undefined-only", "--format=just-symbols", path])
      .split(separator: "\n").map { $0.prefix { $0 != "@" } }
    return symbols.filter { symbol in
      !memory.contains(symbol) && !runtime.contains(where: symbol.hasPrefix)
    }.map { Finding(path: path, number: 0, what: "the engine asks for `\($0)`") }
  }
}

/// Libraries of the daemon, and what they bring (libgomp comes with libsoxr); the vDSO and the
/// loader are the kernel's and libc's own.
private let libraries = [
  "linux-vdso", "/lib64/ld-linux", "/lib/ld-linux", "libssl", "libcrypto", "libcares", "libsoxr",
  "libgomp", "libstdc++", "libgcc_s", "libc.", "libm.",
]

private func daemon(at path: String) -> [Finding] {
  func finding(_ what: String) -> Finding { Finding(path: path, number: 0, what: what) }
  guard FileManager.default.fileExists(atPath: path) else { return [finding("it is not there")] }
  var findings: [Finding] = []
  for line in output(of: ["ldd", path]).split(separator: "\n") {
    let name = line.drop { $0 == "\t" }.prefix { $0 != " " }
    if !libraries.contains(where: name.hasPrefix) { findings.append(finding("linked to \(name)")) }
  }
  let symbols = output(of: ["nm", "--defined-only", "--format=just-symbols", path])
  for (mark, part) in [("$s10Foundation", "Foundation"), ("_dispatch_worker", "libdispatch")] {
    if symbols.contains(mark) { findings.append(finding("carries \(part)")) }
  }
  return findings
}

/// What a command prints, or nothing where it cannot be run.
private func output(of command: [String]) -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = command
  let pipe = Pipe()
  process.standardOutput = pipe
  guard (try? process.run()) != nil else { return "" }
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return String(decoding: data, as: UTF8.self)
}
