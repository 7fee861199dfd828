// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// Operations on the hardware: memory, registers, a guest's commands, a device's accesses.
extension HostState {
  func performOnHardware(_ operation: Operation) throws(Refusal) -> Outcome {
    switch operation {
    case .writeMemory(let ioas, let iova, let bytes):
      return try writeMemory(ioas, iova, bytes)
    case .writeRegister(let name, let offset, let value, let width):
      return try writeRegister(name, offset, value, width: width)
    case .writeWindow(let name, let offset, let value, let width):
      return try writeWindow(name, offset, value, width: width)
    case .submit(let name, let commands, let described):
      let queue: HWQueue = try core.find(.hwQueue, name)
      let submission = try queue.viommu.ops.submit(
        commands, to: queue, in: core.transaction)
      return .submitted(submission, described: described)
    case .invalidate(let viommu, let commands):
      return try invalidate(viommu, commands)
    case .dma(let name, let request):
      let port = try port(of: name)
      let outcome = DMAOutcome()
      core.transaction.onCommit { outcome.result = port.perform(request) }
      return .accessed(outcome)
    case .startTraffic(let name, let settings):
      let port = try port(of: name)
      try traffic.start(name, settings, port, in: core.transaction)
      return .trafficStarted(name)
    case .stopTraffic(let name):
      let _: Device = try core.find(.device, name)
      traffic.stop(name, in: core.transaction)
      return .deleted([])
    default:
      preconditionFailure("not about the hardware")
    }
  }

  private func port(of name: String) throws(Refusal) -> any DevicePort {
    let device: Device = try core.find(.device, name)
    guard let port = device.smmu.driver.ops.port(of: device) else {
      throw Refusal(
        .EOPNOTSUPP, "\(device.smmu.name) does not emulate what its devices send to memory")
    }
    return port
  }

  // MARK: Registers

  private func writeRegister(
    _ name: String, _ offset: UInt64, _ value: UInt64, width: Int
  ) throws(Refusal) -> Outcome {
    let smmu: SMMU = try core.find(.smmu, name)
    do throws(Refusal) {
      try smmu.driver.requireRegisters().writeRegister(
        offset, value, width: width, in: core.transaction)
    } catch {
      throw HostState.placed(register: error)
    }
    return .done
  }

  private func writeWindow(
    _ name: String, _ offset: UInt64, _ value: UInt64, width: Int
  ) throws(Refusal) -> Outcome {
    let viommu: VIOMMU = try core.find(.viommu, name)
    do throws(Refusal) {
      try viommu.ops.writeWindow(
        of: viommu, at: offset, value, width: width, in: core.transaction)
    } catch {
      throw HostState.placed(register: error)
    }
    return .done
  }

  /// The offset of a register is in the path, its width in the query.
  static func placed(register refusal: Refusal) -> Refusal {
    refusal.moved("offset", to: "{offset}").moved("width", to: "?width")
  }

  // MARK: Memory

  private func writeMemory(
    _ name: String, _ iova: UInt64, _ bytes: [UInt8]
  ) throws(Refusal) -> Outcome {
    let ioas: IOAS = try core.find(.ioas, name)
    let pieces: [Piece]
    do throws(Refusal) { pieces = try self.pieces(of: ioas, iova, bytes.count) } catch {
      // The length is that of the body, so it is the address that was too high.
      throw error.moved("length", to: "?iova")
    }
    let memory = machine.physicalMemory
    for piece in pieces {
      do throws(ExternalAbort) {
        // What is not there yet must be found now: at commit nothing can fail.
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
  func readMemory(_ ioas: IOAS, _ iova: UInt64, _ length: Int) throws(Refusal) -> [UInt8] {
    var bytes = Array(repeating: UInt8(0), count: length)
    for piece in try pieces(of: ioas, iova, length) {
      try? machine.physicalMemory.read(piece.physical, into: &bytes, piece.range)
    }
    return bytes
  }

  private struct Piece {
    let physical: UInt64
    /// The bytes of the request that are there.
    let range: Range<Int>
  }

  private func pieces(
    of ioas: IOAS, _ iova: UInt64, _ length: Int
  ) throws(Refusal) -> [Piece] {
    let existing = machine.physicalMemory.range
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

  // MARK: Guests

  /// The type of an SMMUv3's commands and of the mock's entries
  /// (`enum iommu_hwpt_invalidate_data_type`).
  private static let commandTypes: [VIOMMUType: UInt32] = [
    .armSMMUv3: 1, .tegra241CMDQV: 1, .selftest: 0xdead_beef,
  ]

  private func invalidate(
    _ name: String, _ commands: [[UInt64]]
  ) throws(Refusal) -> Outcome {
    let viommu: VIOMMU = try core.find(.viommu, name)
    let outcome = try core.domains.invalidate(
      viommu,
      InvalidationArray(
        type: HostState.commandTypes[viommu.type] ?? 0, entryLength: 16, count: commands.count,
        bytes: commands.flatMap { $0.flatMap(LittleEndian.bytes) }))
    guard let refusal = outcome.refusal else { return .invalidated(outcome.handled) }
    return .stopped(refusal.moved("entries", to: "commands"), .invalidated(outcome.handled))
  }
}
