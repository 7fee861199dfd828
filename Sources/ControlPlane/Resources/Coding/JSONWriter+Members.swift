// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

extension JSONWriter {
  /// Writes a member that is a number in hexadecimal, or null.
  mutating func field(_ name: String, hex value: UInt64?) {
    key(name)
    if let value { hex(value) } else { null() }
  }

  /// Writes a member that is an object, whose members `members` writes, or null without a value.
  mutating func field<Value>(
    _ name: String, object value: Value?, _ members: (inout JSONWriter, Value) -> Void
  ) {
    key(name)
    guard let value else { return null() }
    object { members(&$0, value) }
  }

  /// Writes the two members by which an object is named wherever another one speaks of it.
  mutating func reference(to key: ObjectKey) {
    field("kind", text: key.kind.rawValue)
    field("id", text: key.id)
  }
}
