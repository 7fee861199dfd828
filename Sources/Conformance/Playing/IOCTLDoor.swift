// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The answer to an ioctl that was sent over the API.
struct IOCTLAnswer {
  /// Success, or the refusal.
  let outcome: Outcome
  /// The argument as the call wrote it back; nil if it did not.
  let argument: [UInt8]?
  /// The memory that the pointers in the argument lead to, as the call left it, by address.
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

  /// A 32-bit member of the argument, as the call wrote it back.
  func u32(at offset: Int) throws(PlayFailure) -> UInt32 {
    guard let value = argument.flatMap({ StructBytes.u32($0, at: offset) }) else {
      throw .unexpected("the answer has no `argument` with \(offset + 4) bytes")
    }
    return value
  }

  /// A 64-bit member of the argument, as the call wrote it back.
  func u64(at offset: Int) throws(PlayFailure) -> UInt64 {
    guard let value = argument.flatMap({ StructBytes.u64($0, at: offset) }) else {
      throw .unexpected("the answer has no `argument` with \(offset + 8) bytes")
    }
    return value
  }

  /// The memory at `IOCTLMemory.address`, as the call left it.
  func data() throws(PlayFailure) -> [UInt8] {
    guard let bytes = memory[IOCTLMemory.address] else {
      throw .unexpected("the answer has no `memory` at \(HexText.of(IOCTLMemory.address))")
    }
    return bytes
  }
}

/// The memory that the pointer in an argument leads to.
struct IOCTLMemory {
  /// The address that the argument has as its pointer. Its value means nothing, as long as the
  /// memory that is sent has the same.
  static let address: UInt64 = 0x10000

  let bytes: [UInt8]
}

extension HostClient {
  /// Sends an ioctl with the bytes of its argument.
  ///
  /// - Parameter id: the ID that the API is to give the object which the call makes.
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
