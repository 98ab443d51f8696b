// What a webhook answers, read by an XML parser.
import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Writes each element as its path and attributes, in order.
final class Outline: NSObject, XMLParserDelegate {
  var lines: [String] = []
  private var path: [String] = []

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    path.append(name)
    let pairs = attributes.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
    lines.append(path.joined(separator: "/") + pairs.joined())
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    path.removeLast()
  }

  static func of(_ text: String) throws -> [String] {
    let outline = Outline()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = outline
    try #require(parser.parse(), "\(text)")
    return outline.lines
  }
}
