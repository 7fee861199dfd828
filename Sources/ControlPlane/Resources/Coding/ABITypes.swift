// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

extension ObjectReader {
  /// A type by its name.
  ///
  /// - Parameter isOpen: whether a number in decimal will do, for a type that no driver here knows.
  func type<Wanted: ABIType>(
    _ name: String, of type: Wanted.Type, isOpen: Bool = false
  ) -> Wanted? {
    guard let text = text(name, required: true, as: .choice) else { return nil }
    if let found = isOpen ? Wanted(nameOrNumber: text) : Wanted(name: text) { return found }
    fault(.invalidField, name, Wanted.rule(isOpen: isOpen))
    return nil
  }
}

extension ABIType {
  /// What a text must be to name a type.
  static func rule(isOpen: Bool) -> String {
    let all = named.map(\.name).joined(separator: ", ")
    return "must be one of \(all)" + (isOpen ? ", or a type's number" : "")
  }
}
