// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The memory that a driver takes for an SMMU: its stream table, its queues, and the queues of its
/// CMDQV if it has one.
struct DriverMemory {
  let table: StreamTableMemory
  let queues: QueueMemory
  /// The driver's end of the SMMU's own command queue.
  let main: CommandQueue
  /// The extension for guest-owned queues; nil without it.
  let cmdqv: CMDQVDriver?

  /// Takes all of the memory, or none of it.
  ///
  /// - Throws: `ENOMEM` when there is not enough memory.
  init(_ hardware: Hardware, isTraced: Bool) throws(Refusal) {
    let features = hardware.smmu.features
    let table = try StreamTableMemory(hardware, streamIDBits: features.sidSize)
    let queues: QueueMemory
    do throws(Refusal) {
      queues = try QueueMemory(hardware, features)
    } catch {
      table.free()
      throw error
    }
    let main = CommandQueue(hardware, at: queues.commands, .smmu, isTraced: isTraced)
    do throws(Refusal) {
      cmdqv = try hardware.cmdqv.map { engine throws(Refusal) in
        try CMDQVDriver(engine, hardware, main, isTraced: isTraced)
      }
    } catch {
      table.free()
      queues.free()
      throw error
    }
    self.table = table
    self.queues = queues
    self.main = main
  }
}
