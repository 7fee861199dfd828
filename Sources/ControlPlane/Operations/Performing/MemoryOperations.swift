// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// The memory behind address spaces, as a client writes and reads it.
struct MemoryOperations {
  let core: ObjectCore
  let memory: PhysicalMemory
  let events: EventDrafts

  func write(_ name: String, _ iova: UInt64, _ bytes: [UInt8]) throws(Refusal) -> Outcome {
    let ioas: IOAS = try core.find(.ioas, name)
    let pieces: [Piece]
    do throws(Refusal) { pieces = try self.pieces(of: ioas, iova, bytes.count) } catch {
      // The client has named no length: it is that of the body. So the address was too high.
      throw error.moved("length", to: "?iova")
    }
    for piece in pieces {
      do throws(ExternalAbort) {
        // Memory that the host cannot have must be noticed now, because nothing can fail when the
        // transaction commits.
        try memory.makeResident(piece.physical, UInt64(piece.range.count))
      } catch {
        throw Refusal(.ENOMEM, "the host uses all the memory that it may, memory_bytes")
      }
    }
    core.transaction.onCommit {
      for piece in pieces { try? memory.write(bytes, piece.range, at: piece.physical) }
    }
    events.recordWrite(ioas, iova, bytes.count)
    return .memoryWritten(bytes.count)
  }

  /// The bytes behind a range of an address space.
  ///
  /// - Throws: `ENOENT` for a hole, with its address; `EFAULT` for memory that does not exist.
  func read(_ ioas: IOAS, _ iova: UInt64, _ length: Int) throws(Refusal) -> [UInt8] {
    var bytes = Array(repeating: UInt8(0), count: length)
    for piece in try pieces(of: ioas, iova, length) {
      try? memory.read(piece.physical, into: &bytes, piece.range)
    }
    return bytes
  }

  /// A run of bytes that are beside each other in physical memory.
  private struct Piece {
    let physical: UInt64
    /// Which bytes of the request they are.
    let range: Range<Int>
  }

  private func pieces(
    of ioas: IOAS, _ iova: UInt64, _ length: Int
  ) throws(Refusal) -> [Piece] {
    let existing = memory.range
    var result: [Piece] = []
    for area in try areas(of: ioas, iova, UInt64(length)) {
      let last = area.physical &+ (area.length - 1)
      guard existing.contains(area.physical), existing.contains(last) else {
        let address = HexText.of(area.physical)
        throw Refusal(.EFAULT, field: "?iova", "the machine has no memory at \(address)")
      }
      let start = Int(area.iova - iova)
      result.append(Piece(physical: area.physical, range: start..<start + Int(area.length)))
    }
    return result
  }

  private func areas(
    of ioas: IOAS, _ iova: UInt64, _ length: UInt64
  ) throws(Refusal) -> [Area] {
    do throws(Refusal) {
      return try core.addressSpaces.memory(of: ioas, from: iova, length)
    } catch {
      throw error.moved("iova", to: "?iova")
    }
  }
}
