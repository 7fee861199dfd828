// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

extension ObjectReader {
  /// A type of the kernel's ABI, by its name.
  ///
  /// - Parameter isOpen: whether a decimal number is taken too, for a type that no driver here
  ///   knows.
  func type<Wanted: ABIType>(
    _ name: String, of type: Wanted.Type, isOpen: Bool = false
  ) -> Wanted? {
    guard let text = text(name, required: true, as: .choice) else { return nil }
    if let found = isOpen ? Wanted(nameOrNumber: text) : Wanted(name: text) { return found }
    fault(.invalidField, name, Wanted.rule(isOpen: isOpen))
    return nil
  }

  /// The objects in an array, each as `read` reads it; that is given the object's JSON Pointer too.
  /// Objects for which `read` returns nil are left out. Where there is no array, the result is nil.
  func objects<Value>(
    _ name: String, required: Bool = false, count: ClosedRange<Int>,
    _ read: (ObjectReader, _ pointer: String) -> Value?
  ) -> [Value]? {
    array(name, required: required, count: count)?.enumerated().compactMap { position, element in
      let pointer = pointer(name, position)
      let inner = ObjectReader(element, at: pointer)
      defer { adopt(inner) }
      return read(inner, pointer)
    }
  }

  /// Whether exactly one of two fields is there. Having none or both is reported as a fault.
  ///
  /// - Parameters:
  ///   - first: the field that is said to be missing when there is none, and whether it was read.
  ///   - second: the field that is said to be too much when there are both.
  ///   - detail: what is wrong with having both.
  func hasOne(
    of first: (name: String, isRead: Bool), _ second: (name: String, isRead: Bool),
    notBoth detail: String
  ) -> Bool {
    if first.isRead, second.isRead {
      fault(.invalidField, second.name, detail)
    } else if !first.isRead, !second.isRead, lacks(first.name), lacks(second.name) {
      // A field that is there but could not be read is a fault already.
      fault(.invalidField, first.name, "required field is missing")
    }
    return first.isRead != second.isRead
  }
}

extension ABIType {
  /// What a text must be to name a type.
  static func rule(isOpen: Bool) -> String {
    let all = named.map(\.name).joined(separator: ", ")
    return "must be one of \(all)" + (isOpen ? ", or a type's number" : "")
  }
}
