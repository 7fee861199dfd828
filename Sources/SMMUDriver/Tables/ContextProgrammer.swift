// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Programs the context descriptors of stage 1 domains into the tables of the devices that are
/// attached to them. The hardware sees a change at the commit of the transaction.
struct ContextProgrammer {
  let hardware: Hardware
  let commands: Commands
  let entries: EntryMaker

  /// The device's table of context descriptors, which is made when it is needed for the first time.
  func table(of master: Master, in transaction: Transaction) throws(Refusal) -> ContextTable {
    if let contexts = master.contexts { return contexts }
    let contexts = try ContextTable(hardware, log2Count: master.cdMax)
    master.contexts = contexts
    transaction.onRollback {
      master.contexts = nil
      contexts.free()
    }
    return contexts
  }

  /// Has a domain translate a PASID from commit on (`arm_smmu_write_cd_entry`).
  func set(
    _ paging: PagingDomain, of device: Device, _ master: Master, at pasid: UInt32,
    in transaction: Transaction
  ) throws(Refusal) {
    guard let contexts = master.contexts else { return }
    let isNewLeaf = try contexts.prepare(pasid, in: transaction)
    let descriptor = entries.descriptor(of: paging, for: device)
    let ids = device.properties.streamIDs
    transaction.onCommit { [commands] in
      if isNewLeaf { commands.issue(ids.map { .cfgiCD($0, pasid, leaf: false) }) }
      contexts.write(descriptor, at: pasid) {
        commands.issue(ids.map { .cfgiCD($0, pasid) })
      }
    }
  }

  /// Clears the context descriptor of a PASID at commit, so that nothing translates the PASID any
  /// more (`arm_smmu_clear_cd`).
  func clear(
    of device: Device, _ master: Master, at pasid: UInt32, in transaction: Transaction
  ) {
    guard let contexts = master.contexts else { return }
    let ids = device.properties.streamIDs
    transaction.onCommit { [commands] in
      contexts.write(ContextDescriptor(), at: pasid) {
        commands.issue(ids.map { .cfgiCD($0, pasid) })
      }
    }
  }
}
