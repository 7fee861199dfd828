// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The names of response fields as C wants them, made once.
struct FieldNames {
  let connection = FieldNames.terminated("Connection")
  private let names: [Response.HeaderName: [CChar]]

  init() {
    names = Dictionary(
      uniqueKeysWithValues: Response.HeaderName.allCases.map {
        ($0, FieldNames.terminated($0.rawValue))
      })
  }

  subscript(name: Response.HeaderName) -> [CChar] {
    names[name] ?? FieldNames.terminated(name.rawValue)
  }

  private static func terminated(_ text: String) -> [CChar] {
    text.utf8.map { CChar(bitPattern: $0) } + [0]
  }
}
