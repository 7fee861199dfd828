// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// A field of one of the ABI's structs.
enum Field {
  case u8(UInt8)
  case u16(UInt16)
  case u32(UInt32)
  case u64(UInt64)

  private var parts: (value: UInt64, width: Int) {
    switch self {
    case .u8(let value): (UInt64(value), 1)
    case .u16(let value): (UInt64(value), 2)
    case .u32(let value): (UInt64(value), 4)
    case .u64(let value): (value, 8)
    }
  }

  /// The fields one behind the other, little endian, as a struct without gaps has them.
  static func bytes(_ fields: [Field]) -> [UInt8] {
    fields.flatMap { field in
      let (value, width) = field.parts
      return (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
  }

  /// An argument: the fields behind the size that each begins with.
  static func argument(_ fields: [Field]) -> [UInt8] {
    let rest = bytes(fields)
    return bytes([.u32(UInt32(rest.count + 4))]) + rest
  }

  /// An argument of a size with nothing in it.
  static func empty(size: Int) -> [UInt8] {
    Array((bytes([.u32(UInt32(size))]) + Array(repeating: 0, count: size)).prefix(size))
  }
}

/// What a pointer in an argument points to.
struct Memory {
  /// Where tests have what they hand over; they hand over one thing at a time.
  static let address: UInt64 = 0x1_0000

  var address = Memory.address
  var bytes: [UInt8]
}

/// What a system call has left behind.
struct IoctlReply {
  let errno: String?
  /// The argument as it was written back; empty where it was not.
  let argument: [UInt8]
  let memory: [UInt8]
  /// The path of the object that was made.
  let created: String?

  init(_ reply: Reply) {
    errno = reply.errno
    argument = reply["argument"]?.string.flatMap(HexBytes.parse) ?? []
    memory = reply["memory"]?.elements.first?["bytes"]?.string.flatMap(HexBytes.parse) ?? []
    created = reply["created"]?["self"]?.string.map { path in
      path.split(separator: "/").suffix(2).joined(separator: "/")
    }
  }

  func u32(_ offset: Int) -> UInt32? { number(offset, 4).map { UInt32($0) } }
  func u64(_ offset: Int) -> UInt64? { number(offset, 8) }

  private func number(_ offset: Int, _ width: Int) -> UInt64? {
    guard offset + width <= argument.count else { return nil }
    return argument[offset..<offset + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension Kernel {
  /// Makes a system call with an argument of the bytes given, or with none at all.
  @discardableResult
  func ioctl(
    number: UInt32, _ argument: [UInt8]?, _ memory: Memory? = nil, name: String? = nil
  ) throws -> IoctlReply {
    var members = "\"number\":\(number)"
    if let argument { members += ",\"argument\":\"\(HexBytes.text(of: argument))\"" }
    if let memory {
      members += ",\"memory\":[{\"address\":\(memory.address),"
      members += "\"bytes\":\"\(HexBytes.text(of: memory.bytes))\"}]"
    }
    if let name { members += ",\"id\":\"\(name)\"" }
    return IoctlReply(try post("contexts/default/ioctl", members))
  }

  /// Makes a system call with an argument of the fields given.
  @discardableResult
  func ioctl(
    _ command: Command, _ fields: [Field], _ memory: Memory? = nil, name: String? = nil
  ) throws -> IoctlReply {
    try ioctl(number: command.number, Field.argument(fields), memory, name: name)
  }
}
