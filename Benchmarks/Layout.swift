// `SidetoneBench layout`: where the fields of what lies in slots are, and on which cache lines.
// Read from the types themselves, so that no list of fields is kept here.

import Sidetone
import SidetoneLinux
@_spi(Reflection) import Swift

enum Layout {
  static let lineBytes = 64

  /// By their mangled names, since one of them is its module's own.
  private static let slots = [
    ("Call", "8Sidetone4CallV"), ("Link", "8Sidetone4LinkV"),
    ("Socket", "13SidetoneLinux6SocketV"),
  ]

  static func run(_ arguments: [String]) throws(BenchFailure) {
    try BenchArguments(arguments).finish()
    for (name, mangled) in slots {
      guard let type = _typeByName(mangled) else { throw .impossible("there is no type \(name)") }
      let stride = size(of: type).stride
      print("\(name): \(stride) bytes, \((stride + lineBytes - 1) / lineBytes) lines")
      _ = _forEachField(of: type) { field, offset, type, _ in
        let size = size(of: type).size
        let lines = offset / lineBytes...max(offset, offset + size - 1) / lineBytes
        let place =
          lines.count == 1 ? "\(lines.lowerBound)" : "\(lines.lowerBound)-\(lines.upperBound)"
        print(
          "  line " + Columns.right(place, 5), Columns.right("\(offset)", 6),
          Columns.right("\(size)", 5), " " + String(cString: field))
        return true
      }
    }
  }

  private static func size(of type: Any.Type) -> (size: Int, stride: Int) {
    func measure<T>(_ type: T.Type) -> (size: Int, stride: Int) {
      (MemoryLayout<T>.size, MemoryLayout<T>.stride)
    }
    return measure(type)
  }
}
