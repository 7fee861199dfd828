// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The answer to an ioctl.
struct IOCTLAnswer {
  /// The refusal; success if there was none.
  let outcome: Outcome
  /// The argument as it was written back; nil if it was not.
  let argument: [UInt8]?
  /// What the pointers in it point to, as written back, by address.
  let memory: [UInt64: [UInt8]]

  init(_ reply: Reply) {
    outcome = Outcome(reply)
    argument = reply.json?.member("argument")?.string.flatMap(StructBytes.bytes(hex:))
    var memory: [UInt64: [UInt8]] = [:]
    for piece in reply.json?.member("memory")?.elements ?? [] {
      guard let address = piece.member("address")?.quantity,
        let bytes = piece.member("bytes")?.string.flatMap(StructBytes.bytes(hex:))
      else { continue }
      memory[address] = bytes
    }
    self.memory = memory
  }

  /// A member of the argument as written back.
  func u32(at offset: Int) throws(PlayFailure) -> UInt32 {
    guard let value = argument.flatMap({ StructBytes.u32($0, at: offset) }) else {
      throw .unexpected("the answer has no `argument` with \(offset + 4) bytes")
    }
    return value
  }

  func u64(at offset: Int) throws(PlayFailure) -> UInt64 {
    guard let value = argument.flatMap({ StructBytes.u64($0, at: offset) }) else {
      throw .unexpected("the answer has no `argument` with \(offset + 8) bytes")
    }
    return value
  }

  /// What the pointer to the driver's data points to, as written back.
  func data() throws(PlayFailure) -> [UInt8] {
    guard let bytes = memory[IOCTLMemory.address] else {
      throw .unexpected("the answer has no `memory` at \(HexText.of(IOCTLMemory.address))")
    }
    return bytes
  }
}

/// What the pointer in an argument points to.
struct IOCTLMemory {
  /// Where it is; any address will do.
  static let address: UInt64 = 0x10000

  let bytes: [UInt8]
}

extension HostClient {
  /// Sends an ioctl as the bytes of its argument.
  ///
  /// - Parameter id: the API's ID for the object that it makes.
  func ioctl(
    _ number: UInt32, _ argument: [UInt8], memory: IOCTLMemory? = nil, id: String? = nil,
    context: String
  ) throws(PlayFailure) -> IOCTLAnswer {
    let reply = try post("/contexts/\(context)/ioctl") { writer in
      writer.field("number", hex: UInt64(number))
      writer.field("argument", text: StructBytes.hex(argument))
      if let memory {
        writer.key("memory")
        writer.array(of: [memory]) { writer, memory in
          writer.object { writer in
            writer.field("address", hex: IOCTLMemory.address)
            writer.field("bytes", text: StructBytes.hex(memory.bytes))
          }
        }
      }
      if let id { writer.field("id", text: id) }
    }
    return IOCTLAnswer(reply)
  }
}
