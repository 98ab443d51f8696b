// swift-tools-version: 6.2
// The map of the house: one engine (Sidetone), one machine (SidetoneLinux), and the straight chain
// SidetoneMain -> SidetoneSettings, SidetoneLinux -> Sidetone. Nothing points backwards.
import PackageDescription

// One thread, and no closures on a frame's path: what exclusivity checks at run time would find
// cannot happen there, and debug builds still look.
let strict: [SwiftSetting] = [
  .strictMemorySafety(), .treatAllWarnings(as: .error),
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]
// The engine is compiled as one piece in debug too: the compiler's allocation check does not look
// into other files otherwise.
let engine: [SwiftSetting] =
  strict + [
    .unsafeFlags(["-whole-module-optimization", "-num-threads", "2"], .when(configuration: .debug))
  ]
let plain: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "sidetone",
  products: [
    .executable(name: "sidetone", targets: ["SidetoneMain"]),
    .executable(name: "sidetone-lab", targets: ["SidetoneLab"]),
    .library(name: "AllocationCounter", type: .dynamic, targets: ["CAllocationCounter"]),
  ],
  targets: [
    // C: vector kernels, resampling, and what Swift cannot import by itself.
    .target(
      name: "CKernels",
      cSettings: [
        .define("COUNT_COPIES", .when(configuration: .debug)),
        .unsafeFlags(["-O3", "-Wall", "-Werror"]),
      ]),
    .target(
      name: "CSoxr", cSettings: [.unsafeFlags(["-Wall", "-Werror"])],
      linkerSettings: [.linkedLibrary("soxr")]),
    .target(name: "CLinux", cSettings: [.unsafeFlags(["-Wall", "-Werror"])]),
    .target(name: "CToml", cxxSettings: [.unsafeFlags(["-std=c++17", "-O1"])]),
    // SQLite and libcurl, loaded by the courier when it starts: built with their headers alone.
    .target(name: "CCourier", cSettings: [.unsafeFlags(["-Wall", "-Werror"])]),
    .systemLibrary(name: "CDigest", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),

    // The engine: bytes and time in, outputs out. No system call.
    .target(
      name: "Sidetone", dependencies: ["CKernels", "CSoxr", "CDigest"], swiftSettings: engine),
    // What happened in calls, on the disk: the journal's writer and its readers.
    .target(
      name: "SidetoneRecords", dependencies: ["Sidetone", "CLinux", "CKernels"],
      swiftSettings: strict),
    // The machine: epoll, sockets, TLS, DNS, signals. Knows nothing about calls.
    .target(
      name: "SidetoneLinux",
      dependencies: ["Sidetone", "SidetoneRecords", "CLinux", "COpenSSL", "CAres"],
      swiftSettings: strict),
    // The courier: what became of a call's words. Journals in; files, hooks and extraction out.
    .target(
      name: "SidetoneCourier", dependencies: ["SidetoneRecords", "Sidetone", "CLinux", "CCourier"],
      swiftSettings: strict),
    // Flag, environment, .env and TOML file, read into the engine's plain Config.
    .target(name: "SidetoneSettings", dependencies: ["Sidetone", "CToml"], swiftSettings: plain),
    .executableTarget(
      name: "SidetoneMain",
      dependencies: [
        "Sidetone", "SidetoneRecords", "SidetoneCourier", "SidetoneLinux", "SidetoneSettings",
      ],
      swiftSettings: plain),

    // The lab: callers and twins of the upstreams on sockets, on the engine's own WebSocket.
    .executableTarget(
      name: "SidetoneLab", dependencies: ["LabKit", "LabLoad", "Sidetone", "CLinux", "COpenSSL"],
      path: "tools/lab", exclude: ["kit", "load", "TONES.md"], swiftSettings: plain),
    // What the lab decides: sound, carriers' wires, play-out buffers, twins of the upstreams. It
    // knows no socket and no clock, so that tests can import it; optimised in debug too, since it
    // is arithmetic on every sample.
    .target(
      name: "LabKit", path: "tools/lab/kit",
      swiftSettings: plain + [.unsafeFlags(["-O"], .when(configuration: .debug))]),

    // The load generator: optimised in debug too, or it would be slower than what it measures.
    .target(
      name: "LabLoad", dependencies: ["CLinux", "CDigest", "COpenSSL"], path: "tools/lab/load",
      swiftSettings: plain + [.unsafeFlags(["-O"], .when(configuration: .debug))]),

    // Starts and ends the daemon, the lab's load and others, for what measures from outside.
    .target(name: "Harness", path: "tools/harness", swiftSettings: plain),

    // Micro-benchmarks, and the relay against a floor in C.
    .executableTarget(
      name: "SidetoneBench", dependencies: ["Sidetone", "SidetoneLinux", "Harness"],
      path: "Benchmarks",
      exclude: ["floor", "peers"], swiftSettings: plain),

    // Keeps the house in order: style, layers, vendors, symbols.
    .executableTarget(name: "SidetoneTidy", path: "tools/tidy", swiftSettings: plain),
    // Exact bounds held against the real daemon: allocations, system calls, memory, descriptors,
    // instructions.
    .executableTarget(
      name: "SidetoneGates", dependencies: ["Harness"], path: "tools/gates", exclude: ["counter"],
      swiftSettings: plain),
    .target(name: "CAllocationCounter", path: "tools/gates/counter", publicHeadersPath: "include"),

    // What tests, simulation and fuzzing of the engine share: its driver, frames, small relays.
    .target(
      name: "TestSupport", dependencies: ["Sidetone"], path: "Tests/Support", swiftSettings: plain),
    // For tests that count their own memory.
    .systemLibrary(name: "CMalloc", path: "Tests/CMalloc"),
    .testTarget(
      name: "SidetoneTests", dependencies: ["Sidetone", "TestSupport", "CKernels", "CMalloc"],
      swiftSettings: plain),
    // A disk in memory that fails and forgets, for tests and simulation of what is written down.
    .target(
      name: "RecordsSupport", dependencies: ["Sidetone", "SidetoneRecords"],
      path: "Tests/RecordsSupport", swiftSettings: plain),
    // A writer of a journal, for the test that kills it.
    .executableTarget(
      name: "JournalKeeper", dependencies: ["Sidetone", "SidetoneRecords"],
      path: "Tests/JournalKeeper", swiftSettings: plain),
    .testTarget(
      name: "SidetoneRecordsTests",
      dependencies: [
        "Sidetone", "SidetoneRecords", "RecordsSupport", "JournalKeeper", "CLinux", "CKernels",
        "CMalloc",
      ],
      swiftSettings: plain),
    .testTarget(
      name: "SidetoneLinuxTests", dependencies: ["Sidetone", "SidetoneLinux", "SidetoneSettings"],
      swiftSettings: plain),
    .testTarget(
      name: "LabTests", dependencies: ["LabKit", "LabLoad"], swiftSettings: plain),
    .testTarget(
      name: "SidetoneMainTests",
      dependencies: ["SidetoneMain", "SidetoneSettings", "SidetoneLinux", "TestSupport"],
      swiftSettings: plain),
    .testTarget(
      name: "SidetoneSettingsTests", dependencies: ["Sidetone", "SidetoneSettings"],
      swiftSettings: plain),
    // A courier that tests can kill.
    .executableTarget(
      name: "CourierRunner", dependencies: ["SidetoneCourier"], path: "Tests/CourierRunner",
      swiftSettings: plain),
    .testTarget(
      name: "SidetoneCourierTests",
      dependencies: ["SidetoneCourier", "SidetoneRecords", "Sidetone", "CLinux", "CourierRunner"],
      swiftSettings: plain),
    .testTarget(
      name: "Simulation",
      dependencies: [
        "Sidetone", "SidetoneRecords", "SidetoneCourier", "TestSupport", "RecordsSupport", "CLinux",
      ],
      exclude: ["Goldens"],
      swiftSettings: plain),
  ],
  cxxLanguageStandard: .cxx17
)

// The simulation is the one test that runs optimised: tools/checks/simulation builds it, and what
// it stands on, in a folder of its own. All else beside it would take minutes, for nothing.
if Context.environment["SIDETONE_SIMULATION_ONLY"] != nil {
  let parts: Set = [
    "Sidetone", "SidetoneRecords", "SidetoneCourier", "CKernels", "CSoxr", "CLinux", "CCourier",
    "CDigest", "TestSupport", "RecordsSupport", "Simulation",
  ]
  package.products = []
  package.targets.removeAll { !parts.contains($0.name) }
}
