// SPDX-License-Identifier: Apache-2.0

/// Writes the document as constants in a Swift file.
enum SwiftText {
  static func of(yaml: String, json: String) -> String {
    """
    // Made by openapi-bundle from the files in openapi/; see there.

    extension OpenAPIDocument {
      /// The document as YAML, in UTF-8.
      public static var yaml: String {
    \(literal(yaml))
      }

      /// The same document as JSON.
      public static var json: String {
    \(literal(json))
      }
    }

    """
  }

  /// A raw string literal. It has so many number signs that nothing in the text can end it or be an
  /// escape.
  private static func literal(_ text: String) -> String {
    var fence = "#"
    while text.contains("\"\"\"" + fence) || text.contains("\\" + fence) { fence += "#" }
    return "\(fence)\"\"\"\n\(text)\n\"\"\"\(fence)"
  }
}
